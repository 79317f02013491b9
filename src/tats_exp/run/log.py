"""Where the numbers of a run go while it runs, beside the files of its folder, which hold them all.

The report reads the files; a log such as W&B (wandb_log.py) is for looking on. Both have the same keys.
"""

import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from tats_exp.cli import one_line
from tats_exp.run.store import Made

logger = logging.getLogger(__name__)


class RunLog:
    """What a run tells about itself, beside the files of its folder. A log overrides what it has a place for."""

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

    def stage(self, made: Made, name: str, made_from: Mapping[str, str]) -> None:
        """What a stage left in the store; name -> key of the stages that it was made from."""

    def finish(self, values: Mapping[str, float | None], failed: bool = False) -> None:
        """Final metrics; closes the log."""


class FilesOnly(RunLog):
    """No log beside the files, which hold everything."""


class GuardedLog(RunLog):
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

    def stage(self, made: Made, name: str, made_from: Mapping[str, str]) -> None:
        """As `RunLog`."""
        self._if_opened("stage", made, name, made_from)

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
                self._first = f"{which} refused {method}: {one_line(error)}"
                logger.warning("%s; the run goes on, its files have everything", self._first)
