"""Where which colours are in a window: 48 numbers, the Fréchet distance of sets of them, and how far videos differ.

Features of a network may be blind to a palette or a place that goes wrong; these numbers are nothing else.

Axes: N M videos of two sets, T H W C pixels, D = 48 numbers, B draws.
"""

import math

import torch
from einops import rearrange
from jaxtyping import Float, Float64, Int64, UInt8
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d

from tats_exp.metrics.frechet import check_features, check_pair, frechet_distance

SIDE = 4
NUMBERS = 3 * SIDE * SIDE
SCALE = 1000.0
"""Of the distance: colours are in [0, 1], so that it is small by nature."""


def layout(video: UInt8[Tensor, "N T H W C"]) -> Float[Tensor, "N 48"]:
    """Mean colour of each of the 4 x 4 fields of a frame, averaged over the window.

    Args:
        video: Windows of RGB frames, at least 4 x 4 pixels.

    Returns:
        Colours in [0, 1], row by row, red, green and blue of a field together.

    Raises:
        ValueError: Frames smaller than 4 x 4 pixels.
    """
    height, width = video.shape[2:4]
    if min(height, width) < SIDE:
        raise ValueError(f"video: frames of {height}x{width} pixels, the layout needs {SIDE}x{SIDE} at least")
    # video by video: a float copy of all of them would be four times as large as the set
    means = torch.stack([clip.float().mean(dim=0) for clip in video]) / 255
    return rearrange(adaptive_avg_pool2d(rearrange(means, "n h w c -> n c h w"), SIDE), "n c h w -> n (h w c)")


def layout_distance(real: Float[Tensor, "N D"], generated: Float[Tensor, "M D"]) -> Float64[Tensor, ""]:
    """Fréchet distance of layouts, times 1,000; arguments and errors as `frechet_distance`."""
    return SCALE * frechet_distance(real, generated)


class LayoutReference:
    """The reference of layout distances, factored once; it compares many draws of the same videos at a time."""

    def __init__(self, reference: Float[Tensor, "N D"]) -> None:
        """Fit the Gaussian of the reference.

        Raises:
            ValueError: Fewer than 2 windows, or a value that is not finite.
        """
        check_features("reference", reference)
        check_pair(reference.shape[1], reference.shape[1], len(reference), len(reference))
        weights = torch.ones(1, len(reference), dtype=torch.float64)
        mean, covariance = _gaussians(reference.double().cpu(), weights)
        values, vectors = torch.linalg.eigh(covariance[0])
        self._mean, self._trace = mean[0], covariance[0].trace()
        self._root = (vectors * values.clamp(min=0).sqrt()) @ vectors.T

    def distances(
        self, generated: Float[Tensor, "M D"], counts: Int64[Tensor, "B M"] | None = None
    ) -> Float64[Tensor, " B"]:
        """Layout distances of draws of videos to the reference.

        Args:
            generated: Layouts of the same window of M videos, at least 2.
            counts: How often each video counts in each draw; None for one draw of all of them.

        Returns:
            One distance per draw, not negative: `layout_distance` of the reference and the videos drawn.

        Raises:
            ValueError: Fewer than 2 videos, or a value that is not finite.
        """
        check_features("generated", generated)
        check_pair(self._mean.numel(), generated.shape[1], 2, len(generated))
        x = generated.double().cpu()
        weights = torch.ones(1, len(x), dtype=torch.float64) if counts is None else counts.double()
        means, covariances = _gaussians(x, weights)
        roots = torch.linalg.eigvalsh(self._root @ covariances @ self._root).clamp(min=0).sqrt().sum(dim=1)
        traces = covariances.diagonal(dim1=1, dim2=2).sum(dim=1)
        distances = (means - self._mean).square().sum(dim=1) + self._trace + traces - 2 * roots
        return SCALE * distances.clamp(min=0)  # rounding alone takes it below


def spread(layouts: Float[Tensor, "N D"]) -> float:
    """Variance between videos, summed over the numbers; nan of a single video."""
    return float(layouts.double().var(dim=0).sum()) if len(layouts) > 1 else math.nan


def _gaussians(
    x: Float64[Tensor, "M D"], weights: Float64[Tensor, "B M"]
) -> tuple[Float64[Tensor, "B D"], Float64[Tensor, "B D D"]]:
    """Mean and unbiased covariance of each draw."""
    totals = weights.sum(dim=1)
    centre = x.mean(dim=0)  # near all means: no digits are lost to them in the products
    means = weights @ (x - centre) / totals[:, None]
    products = torch.einsum("bm,md,me->bde", weights, x - centre, x - centre)
    outer = means[:, :, None] * means[:, None, :]
    return means + centre, (products - totals[:, None, None] * outer) / (totals - 1)[:, None, None]
