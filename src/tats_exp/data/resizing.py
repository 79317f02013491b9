"""Bring frames to one size.

Axes: T frames, H W pixels, C = 3 colour channels.
"""

import numpy as np
import torch
from einops import rearrange
from numpy.typing import NDArray
from torch.nn import functional

VERSION = 2
"""Raised whenever cropping, resizing or choosing frames changes the pixels: it enters the fingerprints."""

CROP_AND_RESIZE = "centre crop, bilinear with antialiasing"
"""What `crop_and_resize` does, as protocols say it."""

CHUNK_BYTES = 2**26
"""Bytes of frames at their full size held at once, where more than that are resized one after the other."""


def crop_and_resize(frames: NDArray[np.uint8], resolution: int) -> NDArray[np.uint8]:
    """Cut the square in the middle and resize it, bilinearly and antialiased.

    Args:
        frames: (T, H, W, 3) uint8 of any size.
        resolution: height and width wanted.

    Returns:
        (T, resolution, resolution, 3) uint8.
    """
    height, width = frames.shape[1:3]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    square = torch.from_numpy(frames[:, top : top + side, left : left + side])
    small = functional.interpolate(
        rearrange(square, "t h w c -> t c h w"), size=(resolution, resolution), mode="bilinear", antialias=True
    )
    return np.ascontiguousarray(rearrange(small, "t c h w -> t h w c").numpy())


def chunks(wanted: range, height: int, width: int) -> list[range]:
    """Cut a range of frames into pieces that take no more than `CHUNK_BYTES` at their full size, or a frame each."""
    step = max(1, CHUNK_BYTES // (3 * height * width))
    return [wanted[first : first + step] for first in range(0, len(wanted), step)]
