"""Going on with a sweep that did not come to its end: `resume=DIR`, or the same command, which finds its folder.

What is finished, and would come out of the same stages of the same config, stays as it is; the other runs start again
and find in the store what they had made. Torch is imported only where a finished run is looked at.
"""

import fcntl
import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from omegaconf import OmegaConf

from tats_exp import UserError
from tats_exp.config.overrides import assigned
from tats_exp.config.schema import Config
from tats_exp.run.sweep import Sweep
from tats_exp.run.sweep_record import SweepRecord
from tats_exp.run_folder import CONFIG, Status

RESUME = "resume="
OFFHAND = {"threads": None, "workers": 0, "progress": True}
"""Keys that leave nothing in a run's folder: a finished run with other values of them stays as it is."""
FOLDERS = ("hydra.sweep.dir=", "hydra.run.dir=")


def said_before(arguments: list[str]) -> list[str]:
    """The arguments of a command that says `resume=DIR`: those that the folder was made with, and its own behind them.

    Paths in them are taken from the folder that the first command was started in, which becomes the working directory.

    Args:
        arguments: as given to `python -m tats_exp`.

    Raises:
        UserError: nothing that can be gone on with lies there; one line.
    """
    named = [argument for argument in arguments if argument.startswith(RESUME)]
    if not named:
        return arguments
    given = Path(named[-1].removeprefix(RESUME)).expanduser().absolute()
    folder = next((place for place in (given, given.parent) if (place / SweepRecord.FILE).is_file()), None)
    if folder is None:
        raise UserError(f"{named[-1]}: no {SweepRecord.FILE} in it; allowed: the folder of a sweep or of a single run")
    record = SweepRecord.read(folder)
    if not record.command:
        raise UserError(f"{named[-1]}: an older version made it, which did not keep its command: start that again")
    try:
        os.chdir(record.started_in)
    except OSError as error:
        raise UserError(f"{named[-1]}: started in {record.started_in}: {error.strerror}") from error
    before = [argument for argument in record.command if not argument.startswith(FOLDERS)]
    own = [argument for argument in arguments if argument not in named]
    return [*before, assigned(record.folder_key, folder), *own]


def unfinished(sweep: Sweep) -> Path | None:
    """The folder in which the same command, when it was last started, did not come to its end.

    Args:
        sweep: as composed; its folder, which has a new name, lies beside those of its kind.

    Returns:
        None where there is none, or another command is at work in it.
    """
    names = {folder.relative_to(sweep.folder) for folder in sweep.run_folders}
    records = [path for path in sweep.folder.parent.glob(f"*/{SweepRecord.FILE}") if path.is_file()]
    for path in sorted(records, key=lambda path: path.stat().st_mtime, reverse=True):
        with suppress(UserError):
            if SweepRecord.read(path.parent).asked != sweep.asked:
                continue
            states = states_in(path.parent)
            if set(states) <= names:
                over = set(states) == names and set(states.values()) == {"finished"}
                return None if over or _in_use(path.parent) else path.parent
    return None


def going_on(folder: Path) -> str | None:
    """What is told of a folder in which a sweep goes on; None of one in which it begins.

    Args:
        folder: of the sweep, once what starts again was let go of.
    """
    if not (folder / SweepRecord.FILE).is_file():
        return None
    finished = sum(state == "finished" for state in states_in(folder).values())
    return f"going on where this command ended before, finished runs: {finished}; hydra.sweep.dir=DIR begins anew there"


def states_in(folder: Path) -> dict[Path, str]:
    """State of each run in the folder of a sweep, by the run's folder inside it."""
    return {path.parent.relative_to(folder): Status.read(path.parent).state for path in folder.rglob(Status.FILE)}


def through(folders: Sequence[Path], configs: Sequence[Config]) -> set[Path]:
    """Which runs need not be looked at again: finished, whole, of this config and of stages that are all there.

    Args:
        folders: of the runs.
        configs: of the same runs, with what the sweep settles filled in.
    """
    finished = [pair for pair in zip(folders, configs, strict=True) if _is_finished(*pair)]
    if not finished:
        return set()
    from tats_exp.run.planned import planned_stages

    planned = planned_stages([config for _, config in finished])
    return {
        folder
        for (folder, config), stages in zip(finished, planned, strict=True)
        if not config.store.redo
        and all(stage.held for stage in stages)
        and Status.read(folder).stages == {stage.name: stage.folder.name for stage in stages}
    }


def _is_finished(folder: Path, config: Config) -> bool:
    try:
        status = Status.read(folder)
        status.require_whole(folder)
        there = OmegaConf.load(folder / CONFIG)
    except (UserError, OSError):
        return False
    asked = OmegaConf.create(config.model_dump())
    same = OmegaConf.merge(there, OFFHAND) == OmegaConf.merge(asked, OFFHAND)
    return status.state == "finished" and same


def _in_use(folder: Path) -> bool:
    held = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:  # a network file system that knows no locks of folders
        return False
    finally:
        os.close(held)
    return False
