"""How clips enter a large network: checked at the border, a few at a time so that memory stays bounded.

Axes: B batch, T frames, H W pixels, C colour channels, D features.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext

import torch
from jaxtyping import Float, UInt8
from torch import Tensor

FRAMES_AT_ONCE = {"cpu": 32, "cuda": 512}
"""Frames that go through a network together, by device; one clip at least. Two clips of 16 frames are the fastest on a
CPU (torch takes slow convolutions for one, and more leave the cache)."""


def check_video(network: str, video: Tensor, frames: int = 1) -> None:
    """Refuse what is no batch of RGB clips as they are stored.

    Args:
        network: what the clips are for; the message begins with it.
        video: what was given.
        frames: the fewest that the network can take.

    Raises:
        ValueError: not (B,T,H,W,3) uint8, no clip, or clips too short; one line.
    """
    if video.ndim != 5 or video.shape[-1] != 3 or video.dtype != torch.uint8:
        raise ValueError(f"{network}: video must be (B, T, H, W, 3) uint8, got {tuple(video.shape)} {video.dtype}")
    if 0 in video.shape:
        raise ValueError(f"{network}: video of shape {tuple(video.shape)} holds no pixel")
    if video.shape[1] < frames:
        raise ValueError(f"{network}: clips must have at least {frames} frames, got {video.shape[1]}")


def exact_float32(device: torch.device) -> AbstractContextManager[None]:
    """Keep cuDNN from rounding fp32 to TF32, which it does unless told: protocols say "fp32"."""
    if device.type != "cuda":
        return nullcontext()
    return torch.backends.cudnn.flags(enabled=True, allow_tf32=False)


def in_parts(
    look: Callable[[UInt8[Tensor, "b T H W C"]], Float[Tensor, "b D"]], video: UInt8[Tensor, "B T H W C"]
) -> Float[Tensor, "B D"]:
    """Apply a network to at most `FRAMES_AT_ONCE` frames at a time (one clip at least) and join what it gives."""
    limit = FRAMES_AT_ONCE.get(video.device.type, FRAMES_AT_ONCE["cuda"])
    return torch.cat([look(part) for part in video.split(max(1, limit // video.shape[1]))])
