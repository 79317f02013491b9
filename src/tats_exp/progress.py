"""Progress of jobs that run in other processes: each writes how far it is, one thread shows them all in one bar."""

import json
import sys
import threading
import time
from collections.abc import Iterable
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


class Progress:
    """Writes how far a run is to `folder/progress.json`, once a second at most."""

    def __init__(self, folder: Path, name: str) -> None:
        self.path, self.name, self.written = folder / FILE, name, 0.0
        self.shares: dict[str, int] = SHARES

    def expect(self, stages: Iterable[str]) -> None:
        """Take the stages that are going to be walked, in their order."""
        self.shares = {stage: SHARES.get(stage, SHARE_OF_OTHERS) for stage in stages}

    def __call__(self, stage: str, done: int, total: int) -> None:
        """Tell that `done` of `total` steps of a stage are through."""
        now = time.monotonic()
        if now - self.written < 1 and done < total:
            return
        self.written = now
        before = sum(share for name, share in list(self.shares.items())[: list(self.shares).index(stage)])
        fraction = (before + self.shares[stage] * done / max(total, 1)) / sum(self.shares.values())
        write_json(self.path, {"name": self.name, "text": f"{stage} {done}/{total}", "fraction": fraction})

    def end(self, fraction: float = 1.0) -> None:
        """Tell that the run is over."""
        write_json(self.path, {"name": self.name, "text": "", "fraction": fraction})


class ProgressBar:
    """Shows the progress of all jobs under a folder while the block runs; plain lines where there is no terminal."""

    def __init__(self, folder: Path, jobs: int) -> None:
        self.folder, self.jobs, self.over = folder, jobs, threading.Event()
        self.bar: Any = tqdm(
            total=100 * jobs,
            bar_format="{percentage:3.0f}%|{bar:24}| {elapsed}<{remaining} {desc}",
            disable=not sys.stderr.isatty(),
        )
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
        self.bar.close()

    def _watch(self) -> None:
        shown, every = 0.0, 30.0
        while not self.over.wait(1.0):
            states = [state for state in map(_read, self.folder.rglob(FILE)) if state]
            done = sum(100 * state["fraction"] for state in states)
            running = " | ".join(f"{s['name']} {s['text']}" for s in states if s["text"])
            self.bar.n = round(done, 1)
            self.bar.set_description_str(running)
            if self.bar.disable and running and time.monotonic() - shown > every:
                shown = time.monotonic()
                print(f"{done / self.jobs:3.0f}%  {running}", file=sys.stderr, flush=True)


def _read(path: Path) -> dict[str, Any]:
    try:
        return json.loads(path.read_text())
    except (OSError, ValueError):  # being replaced just now
        return {}
