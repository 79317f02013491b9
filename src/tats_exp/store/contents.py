"""The folders of a store: what each is, how large, which runs refer to it, and how it is thrown away."""

import os
import re
import shutil
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from tats_exp import UserError
from tats_exp.files import lock
from tats_exp.run.store import lock_of
from tats_exp.run_folder import Status

Kind = Literal["finished", "unfinished", "put aside"]
NAME = re.compile(r"(?P<key>[0-9a-f]{20})(?P<suffix>\.partial|\.old|\.damaged(\.\d+)?)?")
RECENT = 60.0
"""Seconds within which a stage was used just now: clocks of machines that share a store differ a little."""


@dataclass(frozen=True)
class Entry:
    """A folder of a store.

    Attributes:
        path: of the folder.
        key: of the stage.
        kind: `put aside` is what was damaged, or was to be replaced when a process was killed.
    """

    path: Path
    key: str
    kind: Kind

    @property
    def stage(self) -> str:
        """Name of the stage."""
        return self.path.parent.name

    @property
    def bytes(self) -> int:
        """Of all its files."""
        return sum(path.lstat().st_size for path in self.path.rglob("*") if path.is_file())


def entries(root: Path) -> list[Entry]:
    """The folders of a store, by stage and key; what has another name than a store gives is nobody's business.

    Raises:
        UserError: there is no such folder.
    """
    if not root.is_dir():
        raise UserError(f"{root}: no such folder")
    found = []
    for path in sorted(root.glob("*/*")):
        name = NAME.fullmatch(path.name)
        if name is not None and path.is_dir() and not path.is_symlink():
            kinds: dict[str | None, Kind] = {None: "finished", ".partial": "unfinished"}
            found.append(Entry(path, name["key"], kinds.get(name["suffix"], "put aside")))
    return found


def referred_to(folders: Iterable[Path]) -> set[str]:
    """Keys of the stages that the runs below some folders have come to, finished or not.

    Raises:
        UserError: there is no run, or one whose status cannot be read and which may refer to anything.
    """
    keys, runs = set[str](), 0
    for run in _runs_below(folders):
        try:
            keys |= set(Status.read(run).stages.values())
        except UserError as error:
            raise UserError(f"{run}: {error}; whatever it refers to would be thrown away") from None
        runs += 1
    if not runs:
        places = ", ".join(str(folder) for folder in folders)
        raise UserError(f"--runs {places}: no run lies there; name the folders of all runs that use the store")
    return keys


def _runs_below(folders: Iterable[Path]) -> Iterator[Path]:
    """Folders of runs, those behind links too, each once."""
    seen = set[Path]()
    for folder in folders:
        for place, inside, files in os.walk(folder, followlinks=True):
            if (real := Path(place).resolve()) in seen:
                inside.clear()
                continue
            seen.add(real)
            if Status.FILE in files:
                yield Path(place)


def unreferred(root: Path, keys: set[str]) -> list[Entry]:
    """What none of the runs with these stages would miss: what was put aside, and stages that are none of theirs."""
    return [entry for entry in entries(root) if entry.kind == "put aside" or entry.key not in keys]


def throw_away(entry: Entry, since: float) -> str | None:
    """Delete a folder of a store, unless somebody is at it.

    Args:
        entry: the folder.
        since: seconds since 1970 when the runs were asked what they refer to; who has looked for the stage after that
            may have found it.

    Returns:
        Why it stays; None where it is gone.
    """
    finished = entry.path.with_name(entry.key)
    lock_file = lock_of(finished)
    try:
        with lock(lock_file, wait=False):
            if entry.kind != "put aside" and lock_file.stat().st_mtime > since - RECENT:
                return "used a moment ago"
            shutil.rmtree(entry.path)
            if not any(path for path in finished.parent.glob(f"{entry.key}*") if path != lock_file):
                lock_file.unlink()
    except BlockingIOError:
        return "a run is at it"
    except OSError as error:
        return f"cannot be deleted ({error.strerror})"
    return None
