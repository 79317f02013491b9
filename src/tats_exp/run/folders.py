"""The folder that a command line gets for its runs and their report: named by the user, or a new one with the time."""

import fcntl
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from omegaconf import DictConfig, OmegaConf

from tats_exp import UserError
from tats_exp.cli import path_of
from tats_exp.config.schema import Config
from tats_exp.progress import FILE as PROGRESS
from tats_exp.run.resume import through, unfinished
from tats_exp.run.sweep import Sweep
from tats_exp.run.sweep_record import SweepRecord
from tats_exp.run_folder import CONFIG, RESULTS, VIDEOS, WANDB_ID, Status

LEFT = (Status.FILE, "error.txt", CONFIG, *RESULTS)
"""Files of a run's folder that the report reads."""


@contextmanager
def own_folder(sweep: Sweep, configs: Sequence[Config] = ()) -> Iterator[Sweep]:
    """Make the folder of a sweep and hold it while the block runs.

    Args:
        sweep: as composed.
        configs: of its runs, with what the sweep settles filled in; runs that are finished as these would come out stay
            as they are. Without them all start again.

    Yields:
        The same with the folders that are used: where the name has the time in it, the one in which the same command
        did not come to its end, if there is one; else a new one, with a number where the name is taken.

    Raises:
        UserError: the folder cannot be made, holds other runs, or another command writes to it.
    """
    key = folder_key(sweep)
    with path_of(key, sweep.folder):
        if "${now:" in _as_written(sweep.hydra, key):
            there = unfinished(sweep, configs)
            sweep = _numbered(sweep) if there is None else _moved(sweep, there)
        else:
            writable(sweep.folder)
        held = os.open(sweep.folder, os.O_RDONLY)
    try:
        with path_of(key, sweep.folder):
            _lock(held, f"{key}={sweep.folder}")
            _forget(sweep, f"{key}={sweep.folder}", configs)
        yield sweep
    finally:
        os.close(held)


def folder_key(sweep: Sweep) -> str:
    """The key that names the folder of a sweep."""
    named = sweep.multirun or sweep.folder != sweep.run_folders[0]
    return "hydra.sweep.dir" if named else "hydra.run.dir"


def folders_kept(sweep: Sweep) -> dict[str, str]:
    """The folders, as the record of the sweep keeps them."""
    key, alone = folder_key(sweep), sweep.run_folders[0]
    inside = key == "hydra.sweep.dir" and not sweep.multirun
    return {"folder_key": key, "run_folder": str(alone.relative_to(sweep.folder)) if inside else ""}


def folders_told(sweep: Sweep) -> dict[str, Path]:
    """The folders, as Hydra is to be told them."""
    if sweep.multirun:
        return {"hydra.sweep.dir": sweep.folder}
    return {"hydra.run.dir": sweep.run_folders[0]}


def writable(folder: Path) -> None:
    """Make a folder where there is none, and see that it can be written to.

    Raises:
        OSError: it cannot.
    """
    folder.mkdir(parents=True, exist_ok=True)
    probe = folder / f".{os.getpid()}.tmp"
    probe.touch()
    probe.unlink()


def _as_written(hydra: DictConfig, key: str) -> str:
    """The value of a folder's key before what is in it was looked up."""
    section = hydra[key.split(".")[1]]
    return str(OmegaConf.to_container(section, resolve=False)["dir"])  # type: ignore[call-overload, index]


def _numbered(sweep: Sweep) -> Sweep:
    """The sweep in a folder that nobody has yet; two commands of one second get two."""
    for number in range(1, 1000):
        folder = sweep.folder if number == 1 else sweep.folder.with_name(f"{sweep.folder.name}_{number}")
        try:
            folder.mkdir(parents=True)
        except FileExistsError:
            if not folder.is_dir():
                raise
            continue
        return _moved(sweep, folder)
    raise FileExistsError(f"a thousand folders {sweep.folder} are there already")


def _moved(sweep: Sweep, folder: Path) -> Sweep:
    run_folders = [folder / path.relative_to(sweep.folder) for path in sweep.run_folders]
    return replace(sweep, folder=folder, run_folders=run_folders)


def _lock(held: int, folder: str) -> None:
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise UserError(f"{folder}: another command is writing to it; name another folder") from None
    except OSError:  # a network file system that knows no locks of folders
        return


def _forget(sweep: Sweep, folder: str, configs: Sequence[Config]) -> None:
    """Let go of what the same command left of runs that start again; the store keeps what they made.

    Raises:
        UserError: the folder holds runs of another command, which the report would mix with these.
    """
    there = {path.parent for path in sweep.folder.rglob(Status.FILE)}
    if others := sorted(there - set(sweep.run_folders)):
        raise UserError(
            f"{folder}: holds other runs already, {others[0].relative_to(sweep.folder)} among them; name another "
            "folder, or let its name end in ${now:%H-%M-%S}"
        )
    if there and SweepRecord.read(sweep.folder).asked != sweep.asked:
        raise UserError(f"{folder}: holds what another command made; name another folder")
    for joblib in sweep.folder.glob("joblib_memmapping_folder_*"):  # of a command that was killed
        shutil.rmtree(joblib, ignore_errors=True)
    for run_folder in there - through(sweep.run_folders, configs):
        if _state(run_folder) == "finished":  # what is made of it now is told apart from what was
            (run_folder / WANDB_ID).unlink(missing_ok=True)
        for temporary in run_folder.rglob(".*.tmp"):
            temporary.unlink(missing_ok=True)
        for name in (*LEFT, PROGRESS):
            (run_folder / name).unlink(missing_ok=True)
        shutil.rmtree(run_folder / VIDEOS, ignore_errors=True)


def _state(run_folder: Path) -> str:
    try:
        return Status.read(run_folder).state
    except UserError:
        return ""
