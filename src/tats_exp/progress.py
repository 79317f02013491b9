"""Progress of jobs that run in other processes: each writes how far it is, one thread shows them all.

On a terminal a line for the sweep and a line for each run that is at work; elsewhere a line for each stage that begins.
"""

import os
import sys
import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

from pydantic import BaseModel, ConfigDict, Field
from tqdm import tqdm

from tats_exp.files import write_json

FILE = "progress.json"
# Rough shares of a run's time, measured at toy scale; they move the bar, nothing else.
SHARES = {
    "reference": 1,
    "vqgan": 53,
    "rebuilt": 2,
    "codes": 2,
    "long_codes": 4,
    "transformer": 26,
    "interpolation": 28,
    "samples": 5,
    "metrics": 13,
}
SHARE_OF_OTHERS = 5
LOSSES = ("total", "nll")
"""Ends of the keys of losses that are shown, the first that there is."""
BAR, BESIDE = 24, 56
"""Letters of the sweep's bar, and of what stands beside it."""
KNOWN = 0.01
"""Share of the work of a command that is done before its time left is told."""


class State(BaseModel):
    """How far a run is.

    Attributes:
        name: of the run.
        fraction: of it that is through, 0..1.
        worked: of it that this start has worked for: without what the store and checkpoints held.
        stage: at work, "" when the run is over.
        done: steps of the stage.
        total: all its steps.
        rate: steps a second, 0 where it is not known yet.
        loss: the last one, None where there is none.
    """

    model_config = ConfigDict(frozen=True)

    name: str
    fraction: float = Field(ge=0, le=1)
    worked: float = Field(default=0, ge=0, le=1)
    stage: str
    done: int = 0
    total: int = 0
    rate: float = Field(default=0, ge=0, allow_inf_nan=False)
    loss: float | None = None


class Progress:
    """Writes how far a run is to `folder/progress.json`, once a second at most."""

    def __init__(self, folder: Path, name: str) -> None:
        self.path, self.name, self.written = folder / FILE, name, 0.0
        self.shares: dict[str, int] = SHARES
        self.stage, self.begun, self.first, self.last = "", 0.0, 0, 0
        self.worked = 0.0
        self.loss: float | None = None

    def expect(self, stages: Iterable[str]) -> None:
        """Take the stages that are going to be walked, in their order."""
        self.shares = {stage: SHARES.get(stage, SHARE_OF_OTHERS) for stage in stages}

    def losses(self, values: Mapping[str, float]) -> None:
        """Take the losses of the stage at work."""
        ends = {key.rpartition("/")[2]: value for key, value in values.items()}
        self.loss = next((ends[end] for end in LOSSES if end in ends), None)

    def __call__(self, stage: str, done: int, total: int) -> None:
        """Tell that `done` of `total` steps of a stage are through."""
        now = time.monotonic()
        begins = stage != self.stage
        if begins:
            self.stage, self.begun, self.first, self.last, self.loss = stage, now, done, done, None
        share = self.shares[stage] / sum(self.shares.values()) / max(total, 1)
        self.worked, self.last = self.worked + share * max(done - self.last, 0), done
        if now - self.written < 1 and done < total and not begins:
            return
        self.written = now
        before = sum(share for name, share in list(self.shares.items())[: list(self.shares).index(stage)])
        fraction = before / sum(self.shares.values()) + share * done
        rate = max(done - self.first, 0) / (now - self.begun) if now > self.begun else 0.0
        self._write(min(fraction, 1.0), stage=stage, done=done, total=total, rate=rate, loss=self.loss)

    def end(self, fraction: float = 1.0) -> None:
        """Tell that the run is over."""
        self._write(fraction, stage="")

    def _write(self, fraction: float, **values: Any) -> None:
        write_json(self.path, {"name": self.name, "fraction": fraction, "worked": min(self.worked, 1.0), **values})


class ProgressBar:
    """Shows the progress of all jobs under a folder while the block runs."""

    def __init__(self, folder: Path, jobs: int, side_by_side: int = 1, shown: bool = True) -> None:
        """Choose what is shown.

        Args:
            folder: of the sweep.
            jobs: number of runs.
            side_by_side: runs at a time.
            shown: whether anything is.
        """
        self.folder, self.jobs, self.shown = folder, jobs, shown
        self.over, self.begun = threading.Event(), set[tuple[str, str]]()
        self.bars = shown and sys.stderr.isatty()
        self.before, self.first = sum(state.worked for state in self._states()), 0.0
        room = min(BAR, _width() - BESIDE)
        self.sweep: Any = tqdm(
            total=100 * jobs,
            bar_format="{percentage:3.0f}%" + (f"|{{bar:{room}}}|" if room > 0 else "") + " {elapsed}{desc}",
            disable=not self.bars,
        )
        lines = range(1, side_by_side + 1) if self.bars else range(0)
        self.runs: list[Any] = [tqdm(bar_format="{desc}", position=place, leave=False) for place in lines]
        self.thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> "ProgressBar":
        """Start to show."""
        self.thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Show the last state and stop."""
        self.over.set()
        self.thread.join()
        self.sweep.leave = kind is None  # otherwise what is said of it says how far it came
        if kind is None:
            self._show()
        for bar in (*self.runs, self.sweep):
            bar.close()

    def _states(self) -> list[State]:
        return [state for state in map(_read, sorted(self.folder.rglob(FILE))) if state is not None]

    def _watch(self) -> None:
        while not self.over.wait(1.0):
            self._show()

    def _show(self) -> None:
        states = self._states()
        working = [state for state in states if state.stage]
        if self.bars:
            through = f"{len(states) - len(working)} of {self.jobs} runs through"
            self.sweep.n = round(100 * sum(state.fraction for state in states), 1)
            self.sweep.set_description_str(f"{self._left(states)}, {through}")
            width = _width()
            for place, bar in enumerate(self.runs):
                bar.set_description_str(told(working[place], width) if place < len(working) else "")
        elif self.shown:
            for state in working:
                if (at := (state.name, state.stage)) not in self.begun:
                    self.begun.add(at)
                    share = sum(each.fraction for each in states) / self.jobs
                    print(f"{100 * share:3.0f}%  {at[0]}: {at[1]}", file=sys.stderr, flush=True)

    def _left(self, states: Sequence[State]) -> str:
        """Time left, at the rate since the first run was at work; nothing of it is known at first."""
        worked = sum(state.worked for state in states) - self.before
        if not self.first and any(state.stage for state in states):
            self.first = time.monotonic()
        if worked < KNOWN * self.jobs:
            return ""
        still = max(self.jobs - sum(state.fraction for state in states), 0)
        return f", {tqdm.format_interval(still * (time.monotonic() - self.first) / worked)} left"


def told(state: State, width: int) -> str:
    """A run in a line: stage, steps, rate, time left of the stage, loss; what is not known yet is left out.

    Args:
        state: of the run.
        width: letters of the line; it is the name that is cut.
    """
    line = f": {state.stage} {state.done:,}/{state.total:,}"
    if state.rate:
        line += f"  {state.rate:.3g}/s, {tqdm.format_interval((state.total - state.done) / state.rate)} left"
    if state.loss is not None:
        line += f"  loss {state.loss:.4g}"
    room = max(width - len(line), 1)
    name = state.name if len(state.name) <= room else f"{state.name[: room - 1]}…"
    return name + line


def _width() -> int:
    """Letters of a line of the terminal, less the last: there some begin a new one."""
    try:
        return os.get_terminal_size(sys.stderr.fileno()).columns - 1
    except (OSError, ValueError, AttributeError):  # no terminal, or none that says so
        return 79


def _read(path: Path) -> State | None:
    try:
        return State.model_validate_json(path.read_bytes())
    except (OSError, ValueError, RecursionError):  # being replaced just now, or not ours
        return None
