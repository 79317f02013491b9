"""Where the numbers of a run go while it runs: files next to it always, Weights & Biases when chosen.

Both hold the same keys. The files are what the report reads; W&B is for looking on.
"""

import csv
import hashlib
import logging
import math
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np

from tats_exp.columns import Column
from tats_exp.files import atomic, write_json

logger = logging.getLogger(__name__)

Rows = Iterable[tuple[int, str, float]]
TAG, NAME = 64, 128
"""Letters that W&B takes of a tag, and of the name of a run or a group."""


@runtime_checkable
class RunLog(Protocol):
    """What a run tells about itself, beside the files of its folder."""

    def start(self, folder: Path, name: str, group: str, tags: list[str], config: Mapping[str, Any]) -> None:
        """Open the log of one run."""

    def losses(self, stage: str, step: int, values: Mapping[str, float]) -> None:
        """Losses of one training step."""

    def curves(self, rows: list[dict[str, float]]) -> None:
        """One row per window of the sampled videos, `window` among its keys."""

    def histogram(self, key: str, counts: list[int]) -> None:
        """How often each code occurs."""

    def video(self, key: str, path: Path) -> None:
        """A video file."""

    def protocol(self, protocol: Mapping[str, str | int]) -> None:
        """How the metrics were measured."""

    def finish(self, values: Mapping[str, float | None], failed: bool = False) -> None:
        """Final metrics; closes the log."""


class GuardedLog:
    """Any log, held so that nothing it refuses ends a run: the files have it all.

    Attributes:
        refused: one line about the first refusal and how many there were; None if there was none.
    """

    def __init__(self, make: Callable[[], RunLog]) -> None:
        """Take what makes the log; it is made when the run starts."""
        self._make = make
        self._log: RunLog | None = None
        self._opened = False
        self._first = ""
        self._count = 0

    @property
    def refused(self) -> str | None:
        """See the class."""
        if not self._count:
            return None
        return self._first + (f" (the first of {self._count} refusals)" if self._count > 1 else "")

    def start(self, folder: Path, name: str, group: str, tags: list[str], config: Mapping[str, Any]) -> None:
        """Make the log and open it; one that cannot be opened is told nothing more, but closed."""

        def opened() -> None:
            self._log = self._make()
            self._log.start(folder, name, group, tags, config)
            self._opened = True

        self._tell("start", opened)

    def losses(self, stage: str, step: int, values: Mapping[str, float]) -> None:
        """As `RunLog`."""
        self._if_opened("losses", stage, step, values)

    def curves(self, rows: list[dict[str, float]]) -> None:
        """As `RunLog`."""
        self._if_opened("curves", rows)

    def histogram(self, key: str, counts: list[int]) -> None:
        """As `RunLog`."""
        self._if_opened("histogram", key, counts)

    def video(self, key: str, path: Path) -> None:
        """As `RunLog`."""
        self._if_opened("video", key, path)

    def protocol(self, protocol: Mapping[str, str | int]) -> None:
        """As `RunLog`."""
        self._if_opened("protocol", protocol)

    def finish(self, values: Mapping[str, float | None], failed: bool = False) -> None:
        """As `RunLog`."""
        log = self._log
        if log is not None:
            self._tell("finish", lambda: log.finish(values, failed))

    def _if_opened(self, method: str, *arguments: Any) -> None:
        if self._opened:
            self._tell(method, lambda: getattr(self._log, method)(*arguments))

    def _tell(self, method: str, call: Callable[[], None]) -> None:
        try:
            call()
        except Exception as error:
            self._count += 1
            if self._count == 1:
                which = type(self._log).__name__ if self._log is not None else "logger"
                said = " ".join(str(error).split()) or type(error).__name__
                self._first = f"{which} refused {method}: {said}"
                logger.warning("%s; the run goes on, its files have everything", self._first)


class FilesOnly:
    """No log beside the files."""

    def start(self, folder: Path, name: str, group: str, tags: list[str], config: Mapping[str, Any]) -> None:
        """Nothing to open."""

    def losses(self, stage: str, step: int, values: Mapping[str, float]) -> None:
        """The run folder's losses.csv holds them."""

    def curves(self, rows: list[dict[str, float]]) -> None:
        """The run folder's curves.csv holds them."""

    def histogram(self, key: str, counts: list[int]) -> None:
        """The run folder's code_histogram.csv holds them."""

    def video(self, key: str, path: Path) -> None:
        """The run folder's videos/ holds it."""

    def protocol(self, protocol: Mapping[str, str | int]) -> None:
        """The run folder's metrics.json holds it."""

    def finish(self, values: Mapping[str, float | None], failed: bool = False) -> None:
        """The run folder's metrics.json holds them."""


class WandbLog:
    """One W&B run per run; offline unless logged in or WANDB_MODE says otherwise.

    Losses lie over the step of their own stage (`step/vqgan`, ...), curves over `window`.
    """

    def __init__(self, project: str = "tats_exp") -> None:
        """Name the W&B project."""
        self.project = project
        self.wandb: Any = None
        self.run: Any = None

    def start(self, folder: Path, name: str, group: str, tags: list[str], config: Mapping[str, Any]) -> None:
        """Open the W&B run; its files lie in `folder/wandb`."""
        import wandb  # here, because it takes seconds and only this log needs it

        self.wandb = wandb
        os.environ.setdefault("WANDB_SILENT", "true")
        mode = os.environ.get("WANDB_MODE") or ("online" if self.wandb.login(prompt=False) else "offline")
        self.run = self.wandb.init(
            project=self.project,
            dir=folder,
            name=shortened(name, NAME),
            group=shortened(group, NAME),
            tags=[shortened(tag, TAG) for tag in tags],
            config=dict(config),
            mode=mode,
            reinit="finish_previous",
            settings=self.wandb.Settings(console="off"),
        )
        for stage in ("vqgan", "transformer", "interpolation"):
            self.run.define_metric(f"train/{stage}/*", step_metric=f"step/{stage}")
        self.run.define_metric("alarm/*", step_metric="step/vqgan")

    def losses(self, stage: str, step: int, values: Mapping[str, float]) -> None:
        """One W&B row over the step of the stage."""
        self.run.log({f"step/{stage}": step, **values})

    def curves(self, rows: list[dict[str, float]]) -> None:
        """One W&B row per window."""
        for key in dict.fromkeys(key for row in rows for key in row if key != "window"):
            self.run.define_metric(key, step_metric="window")
        for row in rows:
            self.run.log(row)

    def histogram(self, key: str, counts: list[int]) -> None:
        """A W&B histogram with one bin per code."""
        bins = list(range(len(counts) + 1))
        if len(counts) > self.wandb.Histogram.MAX_LENGTH:  # W&B keeps no more bins: neighbours are joined
            width = -(-len(counts) // self.wandb.Histogram.MAX_LENGTH)
            counts = [sum(counts[i : i + width]) for i in range(0, len(counts), width)]
            bins = [i * width for i in range(len(counts) + 1)]
        self.run.log({key: self.wandb.Histogram(np_histogram=(np.array(counts), np.array(bins)))})

    def video(self, key: str, path: Path) -> None:
        """Copied into the W&B run."""
        self.run.log({key: self.wandb.Video(str(path), format="mp4")})

    def protocol(self, protocol: Mapping[str, str | int]) -> None:
        """Part of the summary, as `protocol.<field>`."""
        self.run.summary.update({"protocol": dict(protocol)})

    def finish(self, values: Mapping[str, float | None], failed: bool = False) -> None:
        """The final metrics become the summary; None (never happened) is left out."""
        if self.run is None:  # it could not even be opened, which is what failed
            return
        self.run.summary.update({key: value for key, value in values.items() if value is not None})
        self.run.finish(exit_code=int(failed))


def shortened(text: str, most: int) -> str:
    """A text of at most so many letters: both ends of a longer one, and a hash that tells it from others alike."""
    if len(text) <= most:
        return text
    digest = hashlib.sha256(text.encode(errors="surrogateescape")).hexdigest()[:6]
    left = most - len(digest) - 2
    return f"{text[: left // 2]}…{text[-(left - left // 2) :]}~{digest}"


def write_losses(path: Path, stages: Mapping[str, Rows]) -> None:
    """Write the losses of all training stages as CSV: stage, step, key, value."""
    with atomic(path) as temporary, temporary.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("stage", "step", "key", "value"))
        for stage, rows in stages.items():
            writer.writerows((stage, *row) for row in rows)


def write_metrics(
    folder: Path,
    values: Mapping[str, float | None],
    floors: Mapping[str, Mapping[str, float]],
    notes: Sequence[str],
    protocol: Mapping[str, str | int],
    columns: Sequence[Column],
) -> None:
    """Write `metrics.json`, what the report reads; values that are no numbers become null."""
    content = {
        "values": {k: value if value is None or math.isfinite(value) else None for k, value in values.items()},
        "floors": floors,
        "notes": list(notes),
        "protocol": protocol,
        "columns": [column.as_dict() for column in columns],
    }
    write_json(folder / "metrics.json", content)


def write_table(path: Path, rows: Sequence[Mapping[str, int | float]]) -> None:
    """Write rows that share their keys as CSV."""
    with atomic(path) as temporary, temporary.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
