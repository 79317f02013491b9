"""Frames between key frames: which they are, and where which colours are in them.

Axes: N videos, T H W C pixels of a window, t latent frames of it, W windows, D = 48 numbers.
"""

import torch
from einops import rearrange
from jaxtyping import Bool, Float, UInt8
from torch import Tensor

from tats_exp.metrics.layout import layout


def gap_frames(windows: int, frames: int, key_every: int, first_anchor: int) -> Bool[Tensor, "W t"]:
    """Which latent frames of consecutive windows lie between key frames.

    Args:
        windows: W.
        frames: t.
        key_every: latent frames from one key frame to the next.
        first_anchor: the latent frame, counted from the first window on, that is the first key frame; earlier ones are
            counted backwards.
    """
    places = torch.arange(windows * frames) - first_anchor
    return (places % key_every != 0).unflatten(0, (windows, frames))


def latent_layouts(window: UInt8[Tensor, "N T H W C"], frames: int) -> Float[Tensor, "N t D"]:
    """Layout of the frames that each latent frame of a window decodes to; their mean over t is that of the window.

    Args:
        window: T is a multiple of t.
        frames: t.
    """
    apart = rearrange(window, "n (t s) h w c -> (n t) s h w c", t=frames)
    return rearrange(layout(apart), "(n t) d -> n t d", t=frames)
