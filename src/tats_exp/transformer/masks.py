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

from collections.abc import Callable, Sequence
from typing import Literal, get_args

import torch
from jaxtyping import Bool, Float64
from torch import Tensor

Mask = Literal["causal", "a", "b", "c"]
"""Who sees whom in a window of codes."""
Rule = Callable[[Tensor, Tensor], Tensor]
"""Takes positions of rows and of columns, of shapes that broadcast; True where the row may look at the column."""


def is_causal(mask: Mask) -> bool:
    """Whether every position sees exactly the positions up to its own."""
    return mask in ("causal", "a")


def mask_rule(mask: Mask, condition_length: int, window: Sequence[int]) -> Rule:
    """Who sees whom, as a rule for single pairs: for a dense mask, and for kernels that ask pair by pair.

    Args:
        mask: the kind, see the head of this file.
        condition_length: number of condition codes, c.
        window: latent grid (t, h, w) of the window.

    Raises:
        ValueError: unknown mask, or an interpolation mask with nothing between the anchors.

    Source: Ge et al. 2022, masks of the interpolation transformer. `c` with one condition code is what the official
    code makes of `n_unmasked = h*w`.
    """
    check_mask(mask, window)
    if is_causal(mask):
        return lambda row, column: column <= row
    frame = window[1] * window[2]
    between = condition_length + frame
    last_anchor = condition_length + (window[0] - 1) * frame
    # Under `b` the rows of the last anchor go on where those between end: what is before them is all there is.
    end = last_anchor if mask == "c" else last_anchor + frame
    return lambda row, column: (
        (column < between) | (column >= last_anchor) | ((row >= between) & (row < end) & (column <= row))
    )


def attention_mask(
    mask: Mask, condition_length: int, window: Sequence[int], device: torch.device | None = None
) -> Bool[Tensor, "N N"]:
    """Who sees whom, over all positions of a window; arguments and errors as for `mask_rule`.

    Returns:
        True where the row's position may look at the column's, N = c + t*h*w - 1.
    """
    rule = mask_rule(mask, condition_length, window)
    position = torch.arange(tokens_read(condition_length, window), device=device)
    return rule(position[:, None], position[None, :])


def tokens_read(condition_length: int, window: Sequence[int]) -> int:
    """N, how many tokens of a window are read: all but its very last code."""
    return condition_length + window[0] * window[1] * window[2] - 1


def check_mask(mask: str, window: Sequence[int]) -> None:
    """Refuse an unknown mask, and interpolation without a frame to interpolate.

    Raises:
        ValueError: in one line, what was given and what is allowed.
    """
    if mask not in get_args(Mask):
        raise ValueError(f"mask={mask!r} is unknown; choose from {', '.join(get_args(Mask))}")
    if mask != "causal" and window[0] < 3:
        raise ValueError(f"mask={mask!r} needs a window of at least 3 latent frames, got window={tuple(window)}")


def visible_blocks(mask: Mask, condition_length: int, window: Sequence[int]) -> Float64[Tensor, "blocks blocks"]:
    """Share of pairs of positions that see each other, by blocks: condition, then latent frames.

    Args:
        mask: which.
        condition_length: c.
        window: latent grid (t, h, w).

    Returns:
        (1 + t, 1 + t), rows look at columns; the last code of a window, which is never read, is left out.
    """
    visible = attention_mask(mask, condition_length, window).double()
    frame = window[1] * window[2]
    sizes = [condition_length, *[frame] * (window[0] - 1), frame - 1]
    rows = visible.split(sizes, dim=0)
    return torch.stack([torch.stack([block.mean() for block in row.split(sizes, dim=1)]) for row in rows])
