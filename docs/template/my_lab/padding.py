"""A time padding: repeated frames that fade out."""

from dataclasses import dataclass

import torch
from torch import Tensor

from tats_exp.vqgan.padding import Pair, Replicate, TimePadding


@dataclass(frozen=True)
class FadeOut(TimePadding):
    """The first and the last frame repeated, each time weaker.

    Attributes:
        decay: factor from one padded frame to the next, 0 to 1; 1 is `Replicate`.
    """

    decay: float

    def __post_init__(self) -> None:
        if not 0 <= self.decay <= 1:
            raise ValueError(f"decay={self.decay} is out of range; allowed: 0 to 1")

    def pad(self, x: Tensor, time: Pair, height: Pair, width: Pair) -> Tensor:
        """Pad (B, C, T, H, W) features in time and space."""
        before, after, frames = *time, x.shape[2]
        steps = [*range(before, 0, -1), *[0] * frames, *range(1, after + 1)]
        weights = torch.tensor([self.decay**step for step in steps], dtype=x.dtype, device=x.device)
        return Replicate().pad(x, time, height, width) * weights[:, None, None]
