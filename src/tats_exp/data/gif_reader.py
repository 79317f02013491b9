"""A GIF as a video: pictures, each shown for a while.

Axes: T frames, H W pixels, C = 3 colour channels.
"""

import logging
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tats_exp.data.judge import Verdict
from tats_exp.data.limits import DEFAULT, Limits
from tats_exp.data.regular_file import require_frames
from tats_exp.data.video_decoding import VideoFileReader

logger = logging.getLogger(__name__)

_told: set[Path] = set()


class GifReader:
    """A GIF, decoded from its start on, each picture composed with what it leaves of the one before.

    Writers drop a frame that equals the one before and show that longer instead. What is shown k times as long as
    most pictures are therefore counts as k frames, or a video that stands still would come back shorter than it was.

    Attributes:
        length: in frames.
        pictures: that are stored; fewer than frames where some are shown longer.
        pause: how many frames the last picture counts as, where no other counts as many; else 1. It may be a video
            that comes to a stop, or a pause before it begins again: nobody can tell.
    """

    def __init__(self, path: Path, limits: Limits = DEFAULT, verdict: Verdict | None = None) -> None:
        """Open a GIF.

        Args:
            path: of the file.
            limits: budgets that its claims are held against.
            verdict: what is known of the file; None: it is judged now, and a length that its delays make is logged,
                once.

        Raises:
            UserError: it is no GIF, damaged, or too long; one line that names it.
        """
        self._reader = VideoFileReader(path, limits, verdict)
        shown = shown_as(self._reader.delays)
        self.length, self.pictures = int(shown.sum()), len(shown)
        limits.check_length(path, self.length)
        self.pause = int(shown[-1]) if shown[-1] > shown[:-1].max(initial=1) else 1
        self._pictures = np.repeat(np.arange(len(shown)), shown)
        if verdict is None and self.length != self.pictures and path not in _told:
            _told.add(path)
            logger.warning("%s: %s", path, told_length(self.pictures, self.length))

    def read(self, indices: range) -> NDArray[np.uint8]:
        """As `Reader.read`."""
        require_frames(self._reader.path, indices, self.length)
        return self._reader.read(self._pictures[list(indices)].tolist())


def shown_as(delays: NDArray[np.int64]) -> NDArray[np.int64]:
    """How many frames each picture of a GIF counts as.

    Args:
        delays: for how long each is shown, in hundredths of a second.

    Returns:
        Multiples of the delay that most pictures have, 1 or more. 40 frames a second are written as 2, 3, 2, 3
        hundredths: what lies within one hundredth of the most frequent delay counts as it does.
    """
    values, counts = np.unique(delays, return_counts=True)
    usual = delays[abs(delays - values[counts.argmax()]) <= 1].mean()
    return np.maximum(1, np.rint(delays / usual)).astype(np.int64)


def told_length(pictures: int, frames: int) -> str:
    """What to say of a GIF whose pictures are not all shown for as long as each other."""
    return f"its {pictures} pictures count as {frames} frames, since some are shown longer than most are"
