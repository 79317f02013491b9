"""`python -m tats_exp.data inspect data=... data.root=...`: what of a data set can be used, and what it looks like.

Prints, for each split and class, videos, frames and the clips that fit; which videos are left out or too short and why;
which the two splits share. Leaves a contact sheet.
"""

import sys
from pathlib import Path

from pydantic import Field
from tqdm import tqdm

from tats_exp import UserError
from tats_exp.cli import path_of
from tats_exp.config.build import blamed_on, build
from tats_exp.config.command import command, read_config
from tats_exp.config.sections import Node, Section
from tats_exp.config.targets import check_target
from tats_exp.data.contact_sheet import write_contact_sheet
from tats_exp.data.inspection import inspect, report
from tats_exp.data.videos import Split, Videos, VideoSource

SPLITS: tuple[Split, ...] = ("train", "test")


class InspectConfig(Section):
    """What was asked for, checked. See conf/inspect.yaml for what each key means."""

    data: Node
    frames: int = Field(ge=1)
    margin: int = Field(ge=0)
    resolution: int = Field(ge=1)
    shown: int = Field(ge=1)
    out: str = Field(min_length=1)


def run(overrides: list[str]) -> None:
    """Inspect the data set that the keys name.

    Raises:
        UserError: a key is wrong, or a split has no video; one line.
    """
    config = read_config("inspect", overrides, InspectConfig)
    check_target("data", config.data, VideoSource)
    source: VideoSource = build(config.data, "data")
    splits: dict[Split, Videos] = {}
    faults: list[str] = []
    for name in SPLITS:
        try:
            with blamed_on("data", kinds=OSError):
                splits[name] = source.split(name)
        except UserError as error:  # the other split is told of all the same
            faults.append(str(error))
    left_out = {name: source.left_out(name) for name in SPLITS}
    if splits:
        _tell(config, splits, left_out, {name: source.missing(name) for name in SPLITS})
    if faults:
        lines = [f"{name} left out: {line}" for name in SPLITS if name not in splits for line in left_out[name]]
        print("\n".join(lines))
        raise UserError("; ".join(faults))


def _tell(
    config: InspectConfig,
    splits: dict[Split, Videos],
    left_out: dict[Split, list[str]],
    missing: dict[Split, list[str]],
) -> None:
    """Print what is there, and leave the contact sheet."""
    with tqdm(desc="comparing the splits", unit="video", delay=2, disable=None) as bar:

        def progress(done: int, total: int) -> None:
            bar.total = total
            bar.update(done - bar.n)

        found = inspect(splits, left_out, config.frames, config.margin, progress, missing)
    print(report(found))
    sheet = Path(config.out)
    with path_of("out", sheet):
        write_contact_sheet(sheet, splits, config.shown)
    print(f"contact sheet: {sheet}")


def main(arguments: list[str] | None = None) -> int:
    """Do what the command line asks for; arguments and exit code as `command`."""
    given = sys.argv[1:] if arguments is None else arguments
    if given[:1] not in (["inspect"], ["-h"], ["--help"]):
        print("tats_exp.data: allowed: inspect KEY=VALUE ...", file=sys.stderr)
        return 2
    return command("data", __doc__, run, given[given[0] == "inspect" :], root="inspect")


if __name__ == "__main__":
    sys.exit(main())
