"""Write the VQGAN of a run, discriminators included, as a checkpoint of the official code.

python -m tats_exp.export run=runs/single_run/... out=vqgan.ckpt
"""

import sys

from tats_exp import UserError
from tats_exp.cli import path_of
from tats_exp.config.command import command, read_config
from tats_exp.config.sections import Section


class ExportConfig(Section):
    """See conf/export.yaml for what each key means."""

    run: str
    out: str


def export(overrides: list[str]) -> None:
    """Read the VQGAN of a run, and write it.

    Raises:
        UserError: in one line: no such run, its VQGAN is gone, or the official code cannot build one like it.
        OSError: the disk is full.
    """
    asked = read_config("export", overrides, ExportConfig)
    from tats_exp.official import save_official_vqgan  # torch comes with these
    from tats_exp.run.load_run import load_run

    try:
        run = load_run(asked.run)
        vqgan = run.vqgan()
    except UserError as error:
        raise UserError(f"run: {error}") from error
    with path_of("out", asked.out):
        save_official_vqgan(vqgan, asked.out, run.config.frames, run.config.resolution)


def main(arguments: list[str] | None = None) -> int:
    """Run the command; 2 if the input is wrong."""
    return command("export", __doc__, export, arguments)


if __name__ == "__main__":
    sys.exit(main())
