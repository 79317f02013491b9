"""Bring frames to one size.

Axes: T frames, H W pixels, C = 3 colour channels.
"""

from typing import Literal

import numpy as np
import torch
from einops import rearrange
from numpy.typing import NDArray
from torch.nn import functional

VERSION = 2
"""Raised whenever cropping, resizing or choosing frames changes the pixels: it enters the fingerprints."""

Crop = Literal["centre", "stretch", "pad"]
"""How a frame becomes a square: its middle is cut out, it is stretched, or its shorter side is padded with black."""

RESIZED: dict[Crop, str] = {
    "centre": "centre crop, bilinear with antialiasing",
    "stretch": "stretched to a square, bilinear with antialiasing",
    "pad": "padded to a square, bilinear with antialiasing",
}
"""What `crop_and_resize` does, as protocols say it."""

CROP_AND_RESIZE = RESIZED["centre"]

CHUNK_BYTES = 2**26
"""Bytes of frames at their full size held at once, where more than that are resized one after the other."""


def crop_and_resize(frames: NDArray[np.uint8], resolution: int, crop: Crop = "centre") -> NDArray[np.uint8]:
    """Make frames square and resize them, bilinearly and antialiased.

    Args:
        frames: (T, H, W, 3) uint8 of any size.
        resolution: height and width wanted.
        crop: how they become square.

    Returns:
        (T, resolution, resolution, 3) uint8.
    """
    height, width = frames.shape[1:3]
    if crop == "centre":
        side = min(height, width)
        top, left = (height - side) // 2, (width - side) // 2
        frames = frames[:, top : top + side, left : left + side]
    elif crop == "pad":
        side = max(height, width)
        top, left = (side - height) // 2, (side - width) // 2
        around = ((0, 0), (top, side - height - top), (left, side - width - left), (0, 0))
        frames = np.pad(frames, around)
    small = functional.interpolate(
        rearrange(torch.from_numpy(frames), "t h w c -> t c h w"),
        size=(resolution, resolution),
        mode="bilinear",
        antialias=True,
    )
    return np.ascontiguousarray(rearrange(small, "t c h w -> t h w c").numpy())


def chunks(wanted: range, height: int, width: int) -> list[range]:
    """Cut a range of frames into pieces that take no more than `CHUNK_BYTES` at their full size, or a frame each."""
    step = max(1, CHUNK_BYTES // (3 * height * width))
    return [wanted[first : first + step] for first in range(0, len(wanted), step)]
