"""How far a latent moves when its frames are encoded one place earlier in the window, relative to how far latents lie
from each other.

The codebook plays no part, so the value compares between sizes of it, and with autoencoders that have none.

Axes: N windows, D channels, t h w latent grid.
"""

import torch
from einops import reduce
from jaxtyping import Float, Float64
from torch import Tensor

from tats_exp import NotFiniteError

_ROUNDING = 1e-12
"""Share of the mean square that is left of a variance of 0 in float64, with room to spare."""


class LatentShift:
    """The relative latent shift of each slot, over windows that come a batch at a time.

    With z the latents of slot i + 1 of a window and z' those of the same frames, which are slot i of the window one
    latent frame later, it is

        sum over channels of E |z - z'|^2 / sum over channels of (Var z + Var z')

    over all windows and places of a frame: 0 where the slot does not matter, 1 where z and z' have nothing to do with
    each other.
    """

    def __init__(self) -> None:
        self._sums: Float64[Tensor, "places five D"] | None = None
        self._count = 0

    def add(self, earlier: Float[Tensor, "N D t h w"], later: Float[Tensor, "N D t h w"]) -> None:
        """Take more windows in.

        Args:
            earlier: What enters the codebook of windows at frame f.
            later: The same of the same videos' windows at frame f + s, s being the time stride of the VQGAN.

        Raises:
            ValueError: Different shapes, or windows of a single latent frame.
        """
        if earlier.shape != later.shape or earlier.shape[2] < 2:
            shapes = f"{tuple(earlier.shape)} and {tuple(later.shape)}"
            raise ValueError(f"earlier, later: shapes {shapes}; allowed: equal ones of 2 latent frames or more")
        z, moved = earlier[:, :, 1:].double(), later[:, :, :-1].double()
        terms = torch.stack([(z - moved).square(), z, z.square(), moved, moved.square()])
        sums = reduce(terms, "five n d t h w -> t five d", "sum").cpu()
        self._sums = sums if self._sums is None else self._sums + sums
        self._count += z[:, 0, 0].numel()

    def values(self) -> Float64[Tensor, " places"]:
        """The shift from each slot to the one before it, from slot 1 on; nan where latents are all the same.

        Raises:
            NotFiniteError: latents that are not finite were among them.
        """
        if self._sums is None:
            return torch.zeros(0, dtype=torch.float64)
        if not bool(self._sums.isfinite().all()):
            raise NotFiniteError("latent shift: latents are not finite")
        moved, mean, square, mean_later, square_later = (self._sums / self._count).unbind(dim=1)
        variance = (square - mean.square() + square_later - mean_later.square()).sum(dim=1)
        # What rounding leaves of the variance of equal latents is no variance to divide by: 0 / 1e-17 would be perfect.
        rounding = _ROUNDING * (square + square_later).sum(dim=1)
        return torch.where(variance > rounding, moved.sum(dim=1) / variance, torch.nan)
