"""Where stages keep what they made, found again by the hash of what went into it.

A stage works in `<root>/<stage>/<key>.partial`, which outlives a killed process so that training can go on from its
checkpoint, and is renamed to `<root>/<stage>/<key>` when it is whole: a finished folder is always a complete one.
One process at a time holds the lock of a key; the others wait and then find the result.
"""

import hashlib
import json
import platform
import shutil
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

from tats_exp.files import lock, write_json


@dataclass(frozen=True)
class Made:
    """What a stage left: its folder, its key, whether it was there before, and the seconds spent on it now."""

    path: Path
    key: str
    reused: bool
    seconds: float


@dataclass
class Store:
    """Folders of finished stages.

    Args:
        root: folder of the store; made when missing.
        redo: names of stages to make again although they are there.
        redo_before: only what was finished before this time (seconds since 1970) is made again, so that the runs of
            one sweep share what the first of them redid. None: everything that is there.
    """

    root: Path
    redo: tuple[str, ...] = ()
    redo_before: float | None = None
    used: dict[str, Made] = field(default_factory=dict)

    def stage(self, name: str, stage_version: int, inputs: dict[str, Any], make: Callable[[Path], None]) -> Made:
        """Find what a stage made from these inputs, or make it.

        Args:
            name: name of the stage.
            stage_version: raised by hand when the meaning of the stage changes.
            inputs: everything its result depends on, as JSON values; keys of earlier stages included.
            make: fills the folder it is given. The folder may hold what a killed attempt left.

        Raises:
            OSError: the disk is full or not writable; what was finished before stays.
        """
        recipe = _recipe(name, stage_version, inputs)
        key = stage_key(name, stage_version, inputs)
        folder = self.root / name / key
        started = time.time()
        folder.parent.mkdir(parents=True, exist_ok=True)
        with lock(folder.with_name(f"{key}.lock")):
            reused = folder.is_dir() and not self._is_stale(name, folder)
            if not reused:
                self._make(name, folder, json.loads(recipe), make)
        made = Made(folder, key, reused, time.time() - started)
        self.used[name] = made
        return made

    def _make(self, name: str, folder: Path, recipe: dict[str, Any], make: Callable[[Path], None]) -> None:
        partial = folder.with_name(f"{folder.name}.partial")
        if partial.is_dir() and self._is_stale(name, partial):
            shutil.rmtree(partial)
        partial.mkdir(exist_ok=True)
        begun = time.time()
        make(partial)
        record = {"recipe": recipe, "begun": begun, "finished": time.time(), **provenance()}
        for leftover in partial.glob(".*.tmp"):  # of a write that was killed
            leftover.unlink()
        write_json(partial / "stage.json", record)
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
