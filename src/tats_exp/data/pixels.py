"""Frames as they are stored (uint8, channels last) and as models take them (float in [-0.5, 0.5], channels first).

Axes: B batch, T frames, H W pixels, C colour channels.
"""

import torch
from einops import rearrange
from jaxtyping import Float, UInt8
from torch import Tensor


def to_float(video: UInt8[Tensor, "*B T H W C"]) -> Float[Tensor, "*B C T H W"]:
    """Turn frames as they are stored into what models take.

    Args:
        video: frames, 0 to 255, channels last.

    Returns:
        float32 in [-0.5, 0.5], channels first, contiguous.
    """
    return rearrange(video, "... t h w c -> ... c t h w").contiguous().float() / 255 - 0.5


def to_uint8(video: Float[Tensor, "*B C T H W"]) -> UInt8[Tensor, "*B T H W C"]:
    """Turn what models give into frames as they are stored: the inverse of `to_float`.

    Args:
        video: frames in [-0.5, 0.5], channels first; values outside are clamped.

    Returns:
        0 to 255, rounded to the nearest, channels last, contiguous.
    """
    levels = ((video.float() + 0.5) * 255).round().clamp(0, 255).to(torch.uint8)
    return rearrange(levels, "... c t h w -> ... t h w c").contiguous()
