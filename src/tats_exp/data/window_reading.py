"""Windows read from their videos; where one turns out damaged, from another one.

Axes: N windows, T frames, H W pixels, C colour channels.
"""

import logging
from collections.abc import Iterator
from contextlib import suppress

import numpy as np
import torch
from jaxtyping import UInt8
from numpy.typing import NDArray
from torch import Tensor

from tats_exp import UserError, printable
from tats_exp.data.videos import Videos
from tats_exp.data.windows import Window, draw_windows

SUBSTITUTES = 16
"""Videos that are tried in place of one that turns out damaged, at most: where all are, something else is wrong."""

logger = logging.getLogger(__name__)

_reported: set[str] = set()
"""What was said of damaged videos, so that it is said once."""


def read_windows(
    videos: Videos, windows: list[Window], frames: int, before: int = 0, after: int = 0, shift: int = 0
) -> UInt8[Tensor, "N T H W C"]:
    """Read windows with the frames around them.

    A video that turns out damaged is said once, and the same place in another one of its class is read instead.

    Args:
        videos: where to read.
        windows: the places, N of them.
        frames: clip frames of a window.
        before: clip frames to read before each window.
        after: clip frames to read after each window.
        shift: clip frames by which each window is moved first; positive is later.

    Returns:
        T = before + frames + after.

    Raises:
        ValueError: there is no window, or frames outside of a video are asked for.
        UserError: a video is damaged, and there is no other one to read in its place.
    """
    if not windows:
        raise ValueError("windows is empty: there is nothing to read")
    stride = videos.frame_stride
    total = before + frames + after
    clips = [_read(videos, window.video, window.start + (shift - before) * stride, total) for window in windows]
    return torch.from_numpy(np.stack(clips))


def _read(videos: Videos, video: int, start: int, frames: int) -> NDArray[np.uint8]:
    """As `Videos.read`; where a video turns out damaged, or is gone, the same place in another one of its class.

    Every read of the video goes to that same other one, so windows that belong together stay together.
    """
    try:
        return videos.read(video, start, frames)
    except UserError as error:
        others = [*range(video + 1, len(videos.names)), *range(video)]
        length, label = videos.lengths[video], videos.labels[video]
        alike = [other for other in others if videos.labels[other] == label and videos.lengths[other] >= length]
        for other in alike[:SUBSTITUTES]:
            with suppress(UserError):
                instead = videos.read(other, start, frames)
                if str(error) not in _reported:
                    _reported.add(str(error))
                    logger.warning("%s; %s is read in its place", error, printable(videos.names[other]))
                return instead
        raise


def read_along(
    videos: Videos, count: int, frames: int, seed: int, piece: int = 16
) -> Iterator[UInt8[Tensor, "N f H W C"]]:
    """Read a few long windows piece by piece, to be shown.

    Args:
        videos: where to read.
        count: windows wanted.
        frames: clip frames wanted of each; the longest that exist where no video is as long.
        seed: of the draw.
        piece: clip frames read at a time.

    Yields:
        Pieces in time order; none where no video has as much as one.
    """
    longest = max((length - 1) // videos.frame_stride + 1 for length in videos.lengths)
    frames = min(frames, longest // piece * piece)
    long = draw_windows(videos, count, frames, seed) if frames else []
    for start in range(0, frames, piece):
        yield read_windows(videos, long, min(piece, frames - start), shift=start)
