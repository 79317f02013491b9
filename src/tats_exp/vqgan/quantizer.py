"""What a quantizer is: the base class of those that the group `quantizer` can name.

Axes: B D t h w latents, K codes.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass

from jaxtyping import Float, Int64
from torch import Tensor, nn


@dataclass(frozen=True)
class Quantized:
    """What a quantizer makes of latents.

    Attributes:
        codes: index of the nearest entry, margin included.
        quantized: that entry; its gradient goes straight through to the latents. Margin included.
        commitment: weighted loss that draws the latents of the middle to their entries, scalar.
        perplexity: exp of the entropy of the codes used by the middle, 1..K, scalar.
    """

    codes: Int64[Tensor, "B t h w"]
    quantized: Float[Tensor, "B D t h w"]
    commitment: Float[Tensor, ""]
    perplexity: Float[Tensor, ""]


class Quantizer(nn.Module, ABC):
    """Latents to codes and back.

    Attributes:
        size: K, number of codes.
        dim: D, width of the latents.
    """

    size: int
    dim: int

    @abstractmethod
    def forward(self, latents: Float[Tensor, "B D t h w"], margin: int = 0) -> Quantized:
        """Quantize; `margin` latent frames at each end are neither learned from nor counted."""

    @abstractmethod
    def nearest(self, latents: Float[Tensor, "B D t h w"]) -> Int64[Tensor, "B t h w"]:
        """Codes 0..K-1 of latents."""

    @abstractmethod
    def lookup(self, codes: Int64[Tensor, "B t h w"]) -> Float[Tensor, "B D t h w"]:
        """What the decoder reads for each code."""
