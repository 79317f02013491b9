"""Finite scalar quantisation: every axis of a latent is rounded to a few levels; a code is the number they spell.

Axes: B D t h w latents, D = number of `levels`, K = their product. Nothing is learned, so nothing can die or diverge.
"""

import math
from collections.abc import Sequence

import torch
import torch.distributed as dist
from jaxtyping import Float, Int64
from torch import Tensor

from tats_exp.vqgan.quantizer import Quantized, Quantizer

EPS = 1e-3  # a saturated latent stays this share of the range inside the outermost level


class FSQ(Quantizer):
    """Quantizer without a codebook, to stand where an `EMACodebook` does.

    The entry of a code lies in [-1, 1]^D, the levels of an axis 1 / (L // 2) apart; an even number of levels has one
    more below 0 than above. The state dict is empty.

    Source: Mentzer et al. 2023, appendix A.1. Their levels are [8, 6, 5] for about 2^8 codes, [8, 5, 5, 5] for 2^10,
    [7, 5, 5, 5, 5] for 2^12, [8, 8, 8, 6, 5] for 2^14 and [8, 8, 8, 5, 5, 5] for 2^16.
    """

    _levels: Tensor
    _basis: Tensor

    def __init__(self, levels: Sequence[int]) -> None:
        """Make the quantizer.

        Args:
            levels: L of every axis, 2 or more each; attributes `dim` = D = their number, `size` = K = their product.

        Raises:
            ValueError: no level, or one below 2.
        """
        super().__init__()
        if not levels or min(levels) < 2:
            raise ValueError(f"fsq levels={list(levels)} must be one or more numbers, each at least 2")
        self.dim, self.size = len(levels), math.prod(levels)
        basis = [math.prod(levels[:axis]) for axis in range(self.dim)]
        self.register_buffer("_levels", torch.tensor(levels).view(-1, 1, 1, 1), persistent=False)
        self.register_buffer("_basis", torch.tensor(basis).view(-1, 1, 1, 1), persistent=False)

    def forward(self, latents: Float[Tensor, "B D t h w"], margin: int = 0) -> Quantized:
        """Quantize.

        Args:
            latents: (B, D, t, h, w), unbounded.
            margin: latent frames at each end that are quantized but not counted.

        Returns:
            The codes and what goes with them; the gradient of `quantized` goes through the bound, but straight through
            the rounding. `commitment` is 0.
        """
        bounded = self._bound(latents)
        rounded = bounded + (bounded.round() - bounded).detach()
        quantized = rounded / (self._levels // 2)
        codes = self.codes_of(quantized.detach())
        return Quantized(
            codes=codes,
            quantized=quantized,
            commitment=quantized.new_zeros(()),
            perplexity=self._perplexity(codes[:, margin : codes.shape[1] - margin].flatten()),
        )

    @torch.no_grad()
    def nearest(self, latents: Float[Tensor, "B D t h w"]) -> Int64[Tensor, "B t h w"]:
        """Code of every latent.

        Args:
            latents: (B, D, t, h, w), unbounded.

        Returns:
            Codes 0..K-1.
        """
        return self.codes_of(self._bound(latents).round() / (self._levels // 2))

    @torch.no_grad()
    def lookup(self, codes: Int64[Tensor, "B t h w"]) -> Float[Tensor, "B D t h w"]:
        """Entries of the codes.

        Args:
            codes: 0..K-1.

        Returns:
            (B, D, t, h, w) in [-1, 1].
        """
        half = self._levels // 2
        return (codes[:, None] // self._basis % self._levels - half) / half

    @torch.no_grad()
    def codes_of(self, entries: Float[Tensor, "B D t h w"]) -> Int64[Tensor, "B t h w"]:
        """Codes of entries, the exact inverse of `lookup`.

        Args:
            entries: what `lookup` or `forward` returned.

        Returns:
            Codes 0..K-1.
        """
        half = self._levels // 2
        digits = (entries * half).round().long() + half
        return (digits * self._basis).sum(1)

    def _bound(self, latents: Tensor) -> Tensor:
        """Squash every axis so that rounding gives exactly its levels, and 0 stays near level 0; in float32."""
        half_range = (self._levels - 1) * ((1 - EPS) / 2)
        offset = (self._levels % 2 == 0) / 2
        return torch.tanh(latents + torch.tan(offset / half_range)) * half_range - offset

    def _perplexity(self, codes: Tensor) -> Tensor:
        counts = torch.zeros(self.size, device=codes.device).index_add_(0, codes, torch.ones_like(codes).float())
        if self.training and dist.is_initialized():
            dist.all_reduce(counts)
        shares = counts / counts.sum()
        return torch.exp(-torch.xlogy(shares, shares).sum())
