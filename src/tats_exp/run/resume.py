"""Going on with a sweep that did not come to its end: `resume=DIR`, or the same command, which finds its folder.

What is finished, and would come out of the same stages of the same config, stays as it is; the other runs start again
and find in the store what they had made. Torch is imported only where a finished run is looked at.
"""

import fcntl
import os
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path

from omegaconf import OmegaConf

from tats_exp import UserError
from tats_exp.cli import path_of
from tats_exp.config.overrides import assigned, at_home
from tats_exp.config.schema import Config
from tats_exp.run.sweep import HOUSEKEEPING, Sweep
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
    given = at_home(named[-1].removeprefix(RESUME))
    with path_of("resume", given):
        place = Path(given).absolute()
        folder = next((one for one in (place, place.parent) if (one / SweepRecord.FILE).is_file()), None)
    if folder is None:
        raise UserError(f"{named[-1]}: no {SweepRecord.FILE} in it; allowed: the folder of a sweep or of a single run")
    try:
        record = SweepRecord.read(folder)
    except UserError as error:
        raise UserError(f"{named[-1]}: {error}") from error
    if not record.command:
        raise UserError(f"{named[-1]}: an older version made it, which did not keep its command: start that again")
    try:
        os.chdir(record.started_in)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise UserError(f"{named[-1]}: started in {record.started_in!r}: {reason}") from error
    before = [argument for argument in record.command if not argument.lstrip("+~").startswith(FOLDERS)]
    folders = [assigned(record.folder_key, folder)]
    if record.run_folder:
        folders.append(assigned("hydra.run.dir", folder / record.run_folder))
    return [*before, *folders, *_beside(named[-1], arguments)]


def _beside(named: str, arguments: list[str]) -> list[str]:
    """What is said beside `resume=DIR`.

    Raises:
        UserError: it would make other runs of those that are there.
    """
    own = [argument for argument in arguments if not argument.startswith(RESUME)]
    keys = ", ".join(sorted(HOUSEKEEPING))
    for argument in own:
        key, sign, _ = argument.partition("=")
        if sign and not key.startswith("-") and key.lstrip("+~").split(".")[0] not in HOUSEKEEPING:
            raise UserError(f"{named}: goes on with what was asked for there, without {argument}; allowed: {keys}")
    return own


def unfinished(sweep: Sweep, configs: Sequence[Config]) -> Path | None:
    """The folder in which the same command, when it was last started, did not come to its end.

    Args:
        sweep: as composed; its folder, which has a new name, lies beside those of its kind.
        configs: of its runs, with what the sweep settles filled in.

    Returns:
        None where there is none, another command is at work in it, it cannot be written to, or something that is
        finished there would have to be made again.
    """
    places = [folder.relative_to(sweep.folder) for folder in sweep.run_folders]
    records = [path for path in sweep.folder.parent.glob(f"*/{SweepRecord.FILE}") if path.is_file()]
    for path in sorted(records, key=lambda path: path.stat().st_mtime, reverse=True):
        folder = path.parent
        with suppress(UserError, OSError):
            if SweepRecord.read(folder).asked != sweep.asked:
                continue
            states = states_in(folder)
            if set(states) <= set(places):
                finished = {folder / place for place, state in states.items() if state == "finished"}
                over = len(finished) == len(places)
                kept = over or finished <= through([folder / place for place in places], configs)
                return None if over or not kept or _in_use(folder) or not _is_ours(folder, states) else folder
    return None


def _is_ours(folder: Path, places: Iterable[Path]) -> bool:
    """Whether the folder of a sweep and those of its runs can be written to."""
    return all(os.access(place, os.W_OK | os.X_OK) for place in (folder, *(folder / place for place in places)))


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
    """Which runs need not be looked at again: finished, whole, of this config and of stages as the code makes them.

    What the store still holds of them does not matter: `store.redo=[STAGE]` has them made again.

    Args:
        folders: of the runs.
        configs: of the same runs, with what the sweep settles filled in; none: all are looked at again.
    """
    finished = [pair for pair in zip(folders, configs, strict=True) if _is_finished(*pair)] if configs else []
    if not finished:
        return set()
    from tats_exp.run.planned import planned_stages

    planned = planned_stages([config for _, config in finished])
    return {
        folder
        for (folder, config), stages in zip(finished, planned, strict=True)
        if not config.store.redo and Status.read(folder).stages == {stage.name: stage.folder.name for stage in stages}
    }


def _is_finished(folder: Path, config: Config) -> bool:
    try:
        status = Status.read(folder)
        status.require_whole(folder)
        there = OmegaConf.load(folder / CONFIG)
    except Exception:  # YAML raises much over what is none
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
