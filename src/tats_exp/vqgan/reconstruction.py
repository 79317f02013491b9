"""Pixel terms of the VQGAN's loss: how far a reconstruction is from its clip, pixel by pixel."""

from abc import ABC, abstractmethod

from jaxtyping import Float
from torch import Tensor


class PixelLoss(ABC):
    """A mean over all pixels and channels of how far two clips are apart."""

    @abstractmethod
    def __call__(self, target: Float[Tensor, "B C T H W"], video: Float[Tensor, "B C T H W"]) -> Float[Tensor, ""]:
        """Compare two clips.

        Args:
            target: the clip, [-0.5, 0.5].
            video: what the VQGAN made of it, about [-0.5, 0.5].

        Returns:
            Scalar, 0 where they are equal, not weighted.
        """


class L1(PixelLoss):
    """mean |x - x_hat|, 0 to about 1. Where a pixel is uncertain its best guess is the median.

    Source: Ge et al. 2022, Eq. 2.
    """

    def __call__(self, target: Float[Tensor, "B C T H W"], video: Float[Tensor, "B C T H W"]) -> Float[Tensor, ""]:
        """Mean absolute error. Arguments as `PixelLoss.__call__`."""
        return (target - video).abs().mean()


class SquaredError(PixelLoss):
    """mean (x - x_hat)^2, 0 to about 1. Where a pixel is uncertain its best guess is the mean.

    A small sprite whose place is not known yet leaves a trace in the mean, but none in the median.
    """

    def __call__(self, target: Float[Tensor, "B C T H W"], video: Float[Tensor, "B C T H W"]) -> Float[Tensor, ""]:
        """Mean squared error. Arguments as `PixelLoss.__call__`."""
        return (target - video).square().mean()
