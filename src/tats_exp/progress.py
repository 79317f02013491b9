"""Progress of jobs that run in other processes: each writes how far it is, one thread shows them all.

On a terminal a line for the sweep and a line for each run that is at work; elsewhere a line for each stage that begins.
"""

import json
import sys
import threading
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

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


class Progress:
    """Writes how far a run is to `folder/progress.json`, once a second at most."""

    def __init__(self, folder: Path, name: str) -> None:
        self.path, self.name, self.written = folder / FILE, name, 0.0
        self.shares: dict[str, int] = SHARES
        self.stage, self.begun, self.first = "", 0.0, 0
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
            self.stage, self.begun, self.first, self.loss = stage, now, done, None
        if now - self.written < 1 and done < total and not begins:
            return
        self.written = now
        before = sum(share for name, share in list(self.shares.items())[: list(self.shares).index(stage)])
        fraction = (before + self.shares[stage] * done / max(total, 1)) / sum(self.shares.values())
        rate = (done - self.first) / (now - self.begun) if now > self.begun else 0.0
        at = {"stage": stage, "done": done, "total": total, "rate": rate, "loss": self.loss}
        write_json(self.path, {"name": self.name, "fraction": fraction, **at})

    def end(self, fraction: float = 1.0) -> None:
        """Tell that the run is over."""
        write_json(self.path, {"name": self.name, "fraction": fraction, "stage": ""})


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
        self.sweep: Any = tqdm(
            total=100 * jobs,
            initial=round(100 * sum(state["fraction"] for state in self._states())),
            bar_format="{percentage:3.0f}%|{bar:24}| {elapsed}, {remaining} left{desc}",
            smoothing=0,
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
        for bar in (*self.runs, self.sweep):
            bar.close()

    def _states(self) -> list[dict[str, Any]]:
        return [state for state in map(_read, sorted(self.folder.rglob(FILE))) if state]

    def _watch(self) -> None:
        while not self.over.wait(1.0):
            states = self._states()
            working = [state for state in states if state["stage"]]
            if self.bars:
                self.sweep.n = round(100 * sum(state["fraction"] for state in states), 1)
                self.sweep.set_description_str(f", {len(states) - len(working)} of {self.jobs} runs through")
                for place, bar in enumerate(self.runs):
                    bar.set_description_str(told(working[place]) if place < len(working) else "")
            elif self.shown:
                for state in working:
                    if (at := (state["name"], state["stage"])) not in self.begun:
                        self.begun.add(at)
                        share = sum(each["fraction"] for each in states) / self.jobs
                        print(f"{100 * share:3.0f}%  {at[0]}: {at[1]}", file=sys.stderr, flush=True)


def told(state: Mapping[str, Any]) -> str:
    """A run in a line: stage, steps, rate, time left of the stage, loss; what is not known yet is left out.

    Args:
        state: what `Progress` wrote.
    """
    line = f"{state['name']}: {state['stage']} {state['done']:,}/{state['total']:,}"
    if rate := state["rate"]:
        line += f"  {rate:.3g}/s, {tqdm.format_interval((state['total'] - state['done']) / rate)} left"
    return line if state["loss"] is None else f"{line}  loss {state['loss']:.4g}"


def _read(path: Path) -> dict[str, Any]:
    try:
        return json.loads(path.read_text())
    except (OSError, ValueError):  # being replaced just now
        return {}
