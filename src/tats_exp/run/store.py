"""Where stages keep what they made, found again by the hash of what went into it.

A stage works in `<root>/<stage>/<key>.partial`, which outlives a killed process so that training can go on from its
checkpoint, and is renamed to `<root>/<stage>/<key>` when it is whole: a finished folder is always a complete one. What
is found is held against the sums in its `stage.json`: a damaged folder is put aside as `<key>.damaged` and made again,
and what was made from it, too, if it comes out otherwise.
One process at a time holds the lock of a key; the others wait and then find the result. A store that cannot be written
can be read all the same.
"""

import hashlib
import json
import logging
import os
import platform
import shutil
import stat
import subprocess
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

from tats_exp import UserError
from tats_exp.cli import disk_is_full
from tats_exp.files import lock
from tats_exp.run.stage_record import StageRecord, damage, read_record, sums_of

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Made:
    """What a stage left: its folder, its key, whether it was there before, and the seconds spent on it now.

    `content` tells what lies in the folder from anything else that was ever made from the same inputs; None where an
    older version made it.
    """

    path: Path
    key: str
    reused: bool
    seconds: float
    content: str | None = None


@dataclass
class Store:
    """Folders of finished stages.

    Args:
        root: folder of the store; made when missing. Where its group may write to it, the group may write to all that
            is made in it, whatever the umask.
        redo: names of stages to make again although they are there.
        redo_before: only what was finished before this time (seconds since 1970) is made again, so that the runs of
            one sweep share what the first of them redid. None: everything that is there.
        used: what was found or made, by the names of the stages.
        note: told name and key of each stage before it is looked up.
    """

    root: Path
    redo: tuple[str, ...] = ()
    redo_before: float | None = None
    used: dict[str, Made] = field(default_factory=dict)
    note: Callable[[str, str], None] = lambda name, key: None

    def stage(
        self,
        name: str,
        stage_version: int,
        inputs: dict[str, Any],
        make: Callable[[Path], None],
        follows: Collection[str] = (),
    ) -> Made:
        """Find what a stage made from these inputs, or make it.

        Args:
            name: name of the stage.
            stage_version: raised by hand when the meaning of the stage changes.
            inputs: everything its result depends on, as JSON values; keys of earlier stages included.
            make: fills the folder it is given. The folder may hold what a killed attempt left.
            follows: keys of the earlier stages that it reads.

        Raises:
            UserError: it is not there, or damaged, and the store cannot be written.
            OSError: the disk is full; what was finished before stays.
        """
        recipe = json.loads(_recipe(name, stage_version, inputs))
        earlier = {made.key: made.content for made in self.used.values() if made.key in follows and made.content}
        key = stage_key(name, stage_version, inputs)
        folder = self.root / name / key
        started = time.time()
        self.note(name, key)
        with self._lock(folder):
            reused = self._is_there(name, folder, earlier)
            if not reused:
                self._make(name, folder, StageRecord(recipe=recipe, made_from=earlier), make)
            made = Made(folder, key, reused, time.time() - started, read_record(folder).content)
        self.used[name] = made
        return made

    @contextmanager
    def _lock(self, folder: Path) -> Iterator[None]:
        """Hold the lock of a key; what is there already is read without it where it cannot be had."""
        lock_file = lock_of(folder)
        with ExitStack() as held:
            try:
                folder.parent.mkdir(parents=True, exist_ok=True)
                self._share(folder.parent)
                held.enter_context(lock(lock_file))
                self._share(lock_file)
            except OSError as error:
                if not folder.is_dir():
                    raise self._unwritable(error, f"there is no {folder.parent.name}/{folder.name} in it") from error
            with suppress(OSError):
                os.utime(lock_file)  # the last use: nobody throws away what was found just now
            yield

    def _is_there(self, name: str, folder: Path, earlier: dict[str, str]) -> bool:
        """Whether a stage is finished, whole, and made from what the earlier stages hold now."""
        if not folder.is_dir() or self._is_stale(name, folder):
            return False
        if (line := damage(folder)) is not None:
            try:
                aside = put_aside(folder)
            except OSError as error:
                raise self._unwritable(error, line) from error
            logger.warning("%s; put aside as %s, the stage is made again", line, aside.name)
            return False
        return not _has_changed(folder, earlier)

    def _make(self, name: str, folder: Path, record: StageRecord, make: Callable[[Path], None]) -> None:
        partial = folder.with_name(f"{folder.name}.partial")
        if partial.is_dir() and (self._is_stale(name, partial) or _has_changed(partial, record.made_from)):
            shutil.rmtree(partial)
        try:
            partial.mkdir(exist_ok=True)
            (partial / ".probe.tmp").touch()
        except OSError as error:
            raise self._unwritable(error, f"{name}/{folder.name} is to be made") from error
        self._share(partial)
        _tidy(partial)
        record.write(partial)  # for who goes on with it
        begun = time.time()
        with self._open_to_group():
            make(partial)
        _tidy(partial)
        times = {"begun": begun, "finished": time.time(), **provenance()}
        record.model_copy(update={"files": sums_of(partial), **times}).write(partial)
        for path in partial.rglob("*"):
            self._share(path)
        if folder.is_dir():
            old = folder.with_name(f"{folder.name}.old")
            shutil.rmtree(old, ignore_errors=True)
            folder.rename(old)
            partial.rename(folder)
            shutil.rmtree(old)
        else:
            partial.rename(folder)

    def _is_stale(self, name: str, folder: Path) -> bool:
        if name not in self.redo:
            return False
        return self.redo_before is None or folder.stat().st_ctime < self.redo_before

    @contextmanager
    def _open_to_group(self) -> Iterator[None]:
        """A block in which what is written is open to a group that may write to the root: another may go on with it."""
        before = os.umask(0o077)
        os.umask(before & ~stat.S_IRWXG if self.root.stat().st_mode & stat.S_IWGRP else before)
        try:
            yield
        finally:
            os.umask(before)

    def _share(self, path: Path) -> None:
        """Let the group do with a path what it may do with the root: a umask of one user locks no other one out."""
        group = self.root.stat().st_mode & stat.S_IRWXG
        mode = stat.S_IMODE(path.stat().st_mode)
        shared = mode | (group if path.is_dir() else group & ~stat.S_IXGRP)
        if group & stat.S_IWGRP and shared != mode:
            with suppress(PermissionError):  # another user made it
                path.chmod(shared)

    def _unwritable(self, error: OSError, why: str) -> UserError:
        """What to raise where the store cannot be written although it has to be; a full disk stays what it is."""
        if disk_is_full(error):
            raise error
        return UserError(f"store.root={self.root}: cannot be written ({error.strerror}), and {why}")


def lock_of(folder: Path) -> Path:
    """The file that is locked by who makes or looks up a finished folder."""
    return folder.with_name(f"{folder.name}.lock")


def put_aside(folder: Path) -> Path:
    """Rename a damaged folder; returns its new place."""
    for number in range(1, 1000):
        aside = folder.with_name(f"{folder.name}.damaged" + (f".{number}" if number > 1 else ""))
        if not aside.exists():
            return folder.rename(aside)
    raise FileExistsError(f"a thousand damaged folders {folder} are there already")


def _has_changed(folder: Path, earlier: dict[str, str]) -> bool:
    """Whether a folder was made, or begun, from something else than the earlier stages hold now, by their keys."""
    try:
        noted = read_record(folder).made_from
    except UserError as error:  # of a folder that was begun, which nothing else vouches for
        logger.warning("%s: %s; it is made again", folder, error)
        return True
    others = [key for key, content in noted.items() if earlier.get(key, content) != content]
    if others:
        changed = ", ".join(others)
        logger.warning("%s was made from what has changed since (%s); it is made again", folder, changed)
    return bool(others)


def _tidy(partial: Path) -> None:
    """Remove the temporary files of writes that were killed."""
    for leftover in partial.rglob(".*.tmp"):
        leftover.unlink()


def stage_key(name: str, stage_version: int, inputs: dict[str, Any]) -> str:
    """What the store knows a stage by; arguments as for `Store.stage`."""
    return hashlib.sha256(_recipe(name, stage_version, inputs).encode()).hexdigest()[:20]


def _recipe(name: str, stage_version: int, inputs: dict[str, Any]) -> str:
    return json.dumps({"stage": name, "version": stage_version, "inputs": inputs}, sort_keys=True)


def redo_from(redo: Sequence[str], stages: Sequence[str]) -> tuple[str, ...]:
    """The stages to make again: those named, and all that follow the first of them."""
    return tuple(stages[min(stages.index(name) for name in redo) :]) if redo else ()


def provenance() -> dict[str, Any]:
    """Commit and package versions, recorded beside a result; they are no part of its key."""
    packages = ("tats-exp", "torch", "lightning", "hydra-core", "numpy", "av", "torchmetrics")
    found = {"python": platform.python_version()}
    for name in packages:
        try:
            found[name] = version(name)
        except ModuleNotFoundError:  # run from a checkout that is not installed
            found[name] = "not installed"
    return {"commit": _commit(), "versions": found}


def _commit() -> str | None:
    """Commit of the checkout this package runs from; None when it was installed from a wheel."""
    checkout = Path(__file__).resolve().parents[3]
    if not (checkout / ".git").exists():
        return None
    describe = ["git", "-C", str(checkout), "describe", "--always", "--dirty", "--abbrev=12"]
    try:
        return subprocess.run(describe, capture_output=True, text=True).stdout.strip() or None
    except OSError:  # there is no git
        return None
