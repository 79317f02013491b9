"""How long a unit of work takes, once warm; that of a stage by the stage itself, on a budget of a few steps."""

import shutil
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory, gettempdir
from typing import Any

import torch

from tats_exp.files import Stage, is_locked, lock
from tats_exp.stages.context import RunContext

LONGEST = 4.0
"""Seconds after which what is being timed is broken off."""
STEPS = 3
"""Training steps that are made, the first one to warm up."""
SCRATCH = "tats_exp_timing_"
"""Begin of the names of folders in which that happens."""
NEW = 1.0
"""Seconds in which a folder may be without its lock: it has just been made, or is being thrown away."""


class _EnoughError(Exception):
    """Breaks off a stage."""


class Clock:
    """Tells the seconds between moments, all work of the device done.

    Where models run on a CPU, time in which this process did not work is left out: other programs had its cores.
    """

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self.begun, self._worked = time.perf_counter(), time.process_time()
        self.last = self.begun

    def __call__(self) -> float:
        """Seconds since it was asked last."""
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
        now, worked = time.perf_counter(), time.process_time()
        passed, busy = now - self.last, worked - self._worked
        self.last, self._worked = now, worked
        return min(passed, busy) if self.device.type == "cpu" else passed

    @property
    def over(self) -> bool:
        """Whether it has taken long enough."""
        return self.last - self.begun > LONGEST

    def each(self, parts: Iterable[object]) -> list[float]:
        """Seconds of each part of a work that is done as it is asked for; broken off when it takes long."""
        seconds = []
        for _ in parts:
            seconds.append(self())
            if self.over:
                break
        return seconds


def warm(seconds: list[float]) -> float:
    """The least of all but the first, which set things up; the first where there is no other."""
    return min(seconds[1:] or seconds)


def seconds_of(work: Callable[[], object], device: torch.device) -> float:
    """Seconds of a work, once it is warm; those of the first time where that takes long."""
    return warm(Clock(device).each(work() for _ in range(2)))


def stage_seconds(stage: Stage[Any, Any], inputs: object, run: RunContext) -> float:
    """Have a stage do a little of its work in a folder that is thrown away.

    Args:
        stage: tells its progress.
        inputs: of it, which ask for a little.
        run: that it belongs to.

    Returns:
        Seconds of one of what it tells of, a training step say, once warm.
    """
    clock = Clock(run.device)
    told: list[tuple[int, float]] = []

    def advance(done: int, total: int) -> None:
        told.append((done, clock()))
        if clock.over:
            raise _EnoughError

    with scratch() as folder, suppress(_EnoughError):
        work = run.work(folder, advance, lambda step, values: None)
        stage.make(inputs, replace(work, workers=0, compile=False))
    counts = [0, *(done for done, _ in told)]
    return warm([seconds / (after - before) for before, (after, seconds) in zip(counts, told, strict=False)])


@contextmanager
def scratch() -> Iterator[Path]:
    """Give a folder that is thrown away; those of processes that were killed are thrown away with the next."""
    for left in Path(gettempdir()).glob(f"{SCRATCH}*"):
        with suppress(OSError):  # another user's
            locked = is_locked(left / "lock") if (left / "lock").is_file() else time.time() - left.stat().st_mtime < NEW
            if not locked:
                shutil.rmtree(left, ignore_errors=True)
    with TemporaryDirectory(prefix=SCRATCH) as made, lock(Path(made) / "lock"):
        folder = Path(made) / "work"
        folder.mkdir()
        yield folder
