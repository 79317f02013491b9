"""What pixels alone say of a window: does it move, is it flat, dark or grey?

All are absolute, shares of their range, one per video. What is reported is the mean over sampled videos divided by the
mean over real ones, 1 being real.

Axes: N videos, T H W C pixels.
"""

from collections.abc import Callable
from functools import reduce

import torch
from jaxtyping import Float64, UInt8
from torch import Tensor

_GREY_LEVELS = 255.0


def motion_energy(video: UInt8[Tensor, "N T H W C"]) -> Float64[Tensor, " N"]:
    """Mean absolute difference of consecutive frames, as a share of the grey range.

    Args:
        video: Windows of at least 2 frames.

    Returns:
        One value in [0, 1] per video; 0 is a still.

    Raises:
        ValueError: Fewer than 2 frames.
    """
    if video.shape[1] < 2:
        raise ValueError(f"video: {video.shape[1]} frames, motion needs at least 2")
    return _per_video(video, lambda clip: clip.diff(dim=0).abs().mean())


def contrast(video: UInt8[Tensor, "N T H W C"]) -> Float64[Tensor, " N"]:
    """Spread of the pixels of a frame: their standard deviation over space, averaged over frames and channels.

    Args:
        video: Windows.

    Returns:
        One value in [0, 0.5] per video, as a share of the grey range; 0 is a frame of one colour.
    """
    return _per_video(video, lambda clip: clip.std(dim=(1, 2), correction=0).mean())


def brightness(video: UInt8[Tensor, "N T H W C"]) -> Float64[Tensor, " N"]:
    """Mean grey level over frames, space and channels.

    Args:
        video: Windows.

    Returns:
        One value in [0, 1] per video, as a share of the grey range.
    """
    return _per_video(video, lambda clip: clip.mean())


def saturation(video: UInt8[Tensor, "N T H W C"]) -> Float64[Tensor, " N"]:
    """Mean saturation of the pixels: (max - min) / max over the channels, 0 where max is 0 (black).

    Args:
        video: Windows.

    Returns:
        One value in [0, 1] per video; 0 is grey.
    """
    shares = []
    for clip in video:
        channels = clip.unbind(dim=-1)  # of bytes, pair by pair: seven times as fast as amax over the last axis
        most, least = reduce(torch.maximum, channels), reduce(torch.minimum, channels)
        shares.append(((most - least) / most.clamp(min=1)).mean())
    return torch.stack(shares).double()


def gradient(video: UInt8[Tensor, "N T H W C"]) -> Float64[Tensor, " N"]:
    """Mean absolute difference of neighbouring pixels, along height and along width: what blur takes away.

    Edges raise it, and so do noise and invented texture: it tells sharp from blurred beside an error, not alone.

    Args:
        video: Windows of at least 2 x 2 pixels.

    Returns:
        One value in [0, 1] per video, as a share of the grey range; 0 is a frame of one colour.
    """
    return _per_video(video, lambda clip: (clip.diff(dim=1).abs().mean() + clip.diff(dim=2).abs().mean()) / 2)


def _per_video(video: UInt8[Tensor, "N T H W C"], measure: Callable[[Tensor], Tensor]) -> Float64[Tensor, " N"]:
    # video by video: a float copy of all of them would be four times as large as the set
    return torch.stack([measure(clip.float() / _GREY_LEVELS) for clip in video]).double()
