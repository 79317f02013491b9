"""Write the VQGAN of a run, discriminators included, as a checkpoint of the official code.

python -m tats_exp.export run=runs/single_run/... out=vqgan.ckpt
"""

import json
import sys
from pathlib import Path

from omegaconf import DictConfig, OmegaConf

from tats_exp import UserError
from tats_exp.cli import path_of
from tats_exp.config.command import command, read_config
from tats_exp.config.sections import Section


class ExportConfig(Section):
    """See conf/export.yaml for what each key means."""

    run: str
    out: str


def export(overrides: list[str]) -> None:
    """Find the VQGAN of a run in its store, and write it.

    Raises:
        UserError: in one line: no such run, its VQGAN is gone, or the official code cannot build one like it.
        OSError: the disk is full.
    """
    asked = read_config("export", overrides, ExportConfig)
    from tats_exp.config.check import check  # torch comes with these
    from tats_exp.official import save_official_vqgan
    from tats_exp.stages.vqgan import read_vqgan

    folder = Path(asked.run)
    if not (folder / "config.yaml").is_file() or not (folder / "status.json").is_file():
        raise UserError(f"run={asked.run}: no run folder, there is no config.yaml with a status.json in it")
    cfg = OmegaConf.load(folder / "config.yaml")
    assert isinstance(cfg, DictConfig)
    config = check(cfg)
    key = json.loads((folder / "status.json").read_text()).get("stages", {}).get("vqgan")
    stage = Path(config.store.root) / "vqgan" / str(key)
    if not stage.is_dir():
        raise UserError(f"run={asked.run}: its VQGAN is not in {config.store.root}; start the command where it ran")
    vqgan = read_vqgan(config, stage)
    with path_of("out", asked.out):
        save_official_vqgan(vqgan, asked.out, config.frames, config.resolution)


def main(arguments: list[str] | None = None) -> int:
    """Run the command; 2 if the input is wrong."""
    return command("export", __doc__, export, arguments)


if __name__ == "__main__":
    sys.exit(main())
