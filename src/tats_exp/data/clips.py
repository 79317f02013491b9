"""The data set that models are trained on: every clip of a split, with its margins and its label.

Axes: T frames, H W pixels, C colour channels. Lengths and starts are in source frames, everything else in clip frames;
see videos.py.
"""

import logging
from typing import TypedDict

import numpy as np
import torch
from jaxtyping import Int64, UInt8
from torch import Tensor
from torch.utils.data import Dataset

from tats_exp import UserError
from tats_exp.data.videos import Videos
from tats_exp.data.window_reading import read_windows
from tats_exp.data.windows import Window, span, starts

logger = logging.getLogger(__name__)


class ClipItem(TypedDict):
    """One item of `Clips`."""

    video: UInt8[Tensor, "T H W C"]
    label: Int64[Tensor, ""]


class Clips(Dataset[ClipItem]):
    """Every clip of a split: all starts, at each source frame, from which the clip and its margins fit.

    Attributes:
        left_out: videos that are too short for a single clip.
    """

    def __init__(self, videos: Videos, frames: int, margin: int = 0, reserve: int = 0) -> None:
        """Index the clips.

        Args:
            videos: where the clips lie.
            frames: clip frames of a clip.
            margin: clip frames read on either side of it.
            reserve: clip frames that must exist on either side, read or not. Runs that differ in `margin` draw from
                the same index when they share a `reserve` of at least the largest margin.

        Raises:
            ValueError: no video is long enough.
        """
        self.videos = videos
        self.frames = frames
        self.margin = margin
        reach = max(margin, reserve)
        stride = videos.frame_stride
        self._starts = [starts(length, stride, frames, reach, reach) for length in videos.lengths]
        self._ends = np.cumsum([len(places) for places in self._starts], dtype=np.int64)
        self.left_out = sum(not places for places in self._starts)
        wanted = span(reach + frames + reach, stride)
        need = f"{frames} frames plus {reach} on either side at stride {stride} need {wanted} frames"
        if self.left_out == len(self._starts):
            longest = max(range(len(videos.names)), key=videos.lengths.__getitem__, default=None)
            have = (
                "there is no video"
                if longest is None
                else (f"the longest video, {videos.names[longest]}, has {videos.lengths[longest]}")
            )
            raise UserError(f"no clip fits: {need}, {have}")
        if self.left_out:
            logger.warning("left out %d of %d videos as too short: %s", self.left_out, len(self._starts), need)

    def __len__(self) -> int:
        """Number of clips."""
        return int(self._ends[-1])

    def window(self, index: int) -> Window:
        """Where clip `index` begins, its margin not counted.

        Raises:
            IndexError: there is no such clip.
        """
        if not 0 <= index < len(self):
            raise IndexError(f"clip {index} of {len(self)}")
        video = int(np.searchsorted(self._ends, index, side="right"))
        places = self._starts[video]
        return Window(video, places[index - int(self._ends[video])])

    def __getitem__(self, index: int) -> ClipItem:
        """Clip `index` with its margins, (margin + frames + margin, H, W, C) uint8, and its label."""
        window = self.window(index)
        video = read_windows(self.videos, [window], self.frames, self.margin, self.margin)[0]
        return {"video": video, "label": torch.tensor(self.videos.labels[window.video], dtype=torch.int64)}
