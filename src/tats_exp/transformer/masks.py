"""Which position of a window may look at which: the attention masks of the transformer.

A window is read as condition codes, then latent frames in time order, each row-major. The very last code is never
an input, so there are N = c + L - 1 positions. The interpolation masks know two anchors, the first and the last
latent frame; the frames between them are what is predicted.

    causal  everything before, the condition included (autoregressive model)
    a       the same, for interpolation: the last anchor never informs the frames between
    b       frames between see what is before them and both anchors; anchors see each other; the last anchor also sees
            the frames between, and from the second layer on hands their future back to them: a leak
    c       as b, but anchors see only anchors: the paper's choice
"""

from collections.abc import Sequence
from typing import Literal, get_args

import torch
from jaxtyping import Bool
from torch import Tensor

Mask = Literal["causal", "a", "b", "c"]


def is_causal(mask: Mask) -> bool:
    """Whether every position sees exactly the positions up to its own."""
    return mask in ("causal", "a")


def attention_mask(
    mask: Mask, condition_length: int, window: Sequence[int], device: torch.device | None = None
) -> Bool[Tensor, "N N"]:
    """Who sees whom, over all positions of a window.

    Args:
        mask: the kind, see the head of this file.
        condition_length: number of condition codes, c.
        window: latent grid (t, h, w) of the window.
        device: where the mask is made.

    Returns:
        True where the row's position may look at the column's, N = c + t*h*w - 1.

    Raises:
        ValueError: unknown mask, or an interpolation mask with nothing between the anchors.

    Source: Ge et al. 2022, masks of the interpolation transformer. `c` with one condition code is what the official
    code makes of `n_unmasked = h*w`.
    """
    check_mask(mask, window)
    frames, height, width = window
    position = torch.arange(condition_length + frames * height * width - 1, device=device)
    row, column = position[:, None], position[None, :]
    before = column <= row
    if is_causal(mask):
        return before

    frame = torch.div(position - condition_length, height * width, rounding_mode="floor")
    between = (frame > 0) & (frame < frames - 1)
    last = frame == frames - 1
    seen_by_all = ~between[None, :]
    if mask == "b":
        return seen_by_all | (between[:, None] & before) | last[:, None]
    return seen_by_all | (between[:, None] & before)


def check_mask(mask: str, window: Sequence[int]) -> None:
    """Refuse an unknown mask, and interpolation without a frame to interpolate.

    Raises:
        ValueError: in one line, what was given and what is allowed.
    """
    if mask not in get_args(Mask):
        raise ValueError(f"mask={mask!r} is unknown; choose from {', '.join(get_args(Mask))}")
    if mask != "causal" and window[0] < 3:
        raise ValueError(f"mask={mask!r} needs a window of at least 3 latent frames, got window={tuple(window)}")
