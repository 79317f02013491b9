"""Distances between two sets of videos, seen through a network's features: pure functions of feature matrices.

The Fréchet distance compares means and covariances, the kernel distance every pair of videos. With few videos the first
is biased upwards and the second is not: report both.

Axes: N, M videos of the two sets, D features, r rows of a factor of a covariance (rank at most r).
"""

from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float, Float64, Int64
from torch import Tensor

_KERNEL_ROWS = 1024  # rows of the kernel matrix held at a time
_HALVINGS = 3  # of the extrapolation: 6 halves; more did not lower its error


@runtime_checkable
class VideoFeatures(Protocol):
    """What a distance asks of a network: one feature vector per video."""

    def features(self, video: Tensor) -> Tensor:
        """Features (B, D) of uint8 video (B, T, H, W, C)."""
        ...


class FrechetReference:
    """The real side of Fréchet distances, factored once and compared with any number of other sets.

    The distance is `|m1 - m2|^2 + tr(C1 + C2 - 2 (C1 C2)^(1/2))` with unbiased covariances, in float64. Unlike in the
    usual `sqrtm(C1 @ C2)`, the trace of the root is the nuclear norm of `L1 L2^T` for any factors `L^T L = C`: no
    covariance is formed, so none loses digits by being singular, and with fewer videos than features it is cheaper.

    Source:
        Heusel et al. 2017 (FID), Unterthiner et al. 2018 (FVD).
    """

    def __init__(self, real: Float[Tensor, "N D"]) -> None:
        """Fit the Gaussian of the real videos.

        Args:
            real: Their features, at least 2 of them.

        Raises:
            ValueError: Fewer than 2 videos, or a value that is not finite.
        """
        check_features("real", real)
        check_pair(real.shape[1], real.shape[1], real.shape[0], real.shape[0])
        self._mean, self._factor = _gaussian(real)

    def distance(
        self, generated: Float[Tensor, "M D"], counts: Int64[Tensor, " M"] | None = None
    ) -> Float64[Tensor, ""]:
        """Squared Fréchet distance of the reference to other videos.

        Args:
            generated: Their features, at least 2 of them.
            counts: How often each of them counts, as a bootstrap draws them; None for once.

        Returns:
            The distance, not negative, in squared feature units.

        Raises:
            ValueError: Fewer than 2 videos, another number of features, or a value that is not finite.
        """
        check_features("generated", generated)
        total = generated.shape[0] if counts is None else int(counts.sum())
        check_pair(self._mean.numel(), generated.shape[1], 2, total)
        return gaussian_distance(self._mean, self._factor, *_gaussian(generated, counts))


def frechet_distance(real: Float[Tensor, "N D"], generated: Float[Tensor, "M D"]) -> Float64[Tensor, ""]:
    """Squared Fréchet distance between two Gaussians fitted to features; `FrechetReference` says how.

    Biased upwards by finite N, about as 1/N once N exceeds D: compare only values of equal N and M.

    Args:
        real: Features of the real videos, at least 2 of them.
        generated: Features of the others, at least 2 of them.

    Returns:
        The distance, not negative, in squared feature units.

    Raises:
        ValueError: Fewer than 2 videos on a side, numbers of features that differ, or a value that is not finite.
    """
    return FrechetReference(real).distance(generated)


def bias_warning(features: int, n_real: int, n_generated: int) -> str | None:
    """What to say of a Fréchet distance that comes from fewer videos than features.

    Args:
        features: D.
        n_real: Real videos.
        n_generated: Generated videos.

    Returns:
        One line, or None when both sides have D videos or more.
    """
    if min(n_real, n_generated) >= features:
        return None
    return (
        f"with N < {features} videos a side ({n_real} real, {n_generated} generated) a Fréchet distance of {features} "
        "features is biased far upwards: compare it at equal N only, and read the kernel distance, which is unbiased"
    )


def extrapolated_frechet(real: Float[Tensor, "N D"], generated: Float[Tensor, "M D"], seed: int) -> float | None:
    """Fréchet distance at infinitely many videos, extrapolated linearly in 1/N; None where that cannot be justified.

    Both sides are cut at random into halves; the line through the distance of all videos and the mean distance of the
    halves, over 1/N, meets 1/N = 0 at `2 F(N) - F(N/2)`. The bias is linear in 1/N only where covariances have full
    rank, so every half must hold D videos. In simulations (Gaussians with D 64 and 400 and spectra 1, 1/k and 1/k^1.5;
    heavy tails; `shapes_cnn` of blurred clips) the mean error was smaller than the plain value's at every N from D/2 to
    10 D, but up to three fifths of the bias were left at D/2 and up to two fifths at D. From 2 D on at most a seventh
    was, and less than the spread between draws where tails were not heavy. More sizes, down to N/4, left more bias
    below 5 D and were no less noisy above. Below 2 D videos read `polynomial_mmd`, which is unbiased at any N.

    Args:
        real: Features of the real videos.
        generated: Features of the others.
        seed: Of the halves.

    Returns:
        The estimate, in squared feature units; around 0 (negative too) when both sets come from one distribution. None
        when either side has fewer than 2 D videos.

    Raises:
        ValueError: As `frechet_distance`.

    Source:
        Chong & Forsyth 2020, "Effectively unbiased FID and Inception Score". They hold the real side fixed and fit
        15 sizes of the generated one; here both sides are small, so both shrink together.
    """
    whole = float(frechet_distance(real, generated))
    if min(real.shape[0], generated.shape[0]) < 2 * real.shape[1]:
        return None
    random = torch.Generator().manual_seed(seed)
    halves = []
    for _ in range(_HALVINGS):
        sides = [side[torch.randperm(len(side), generator=random).to(side.device)] for side in (real, generated)]
        pairs = zip(*(side.tensor_split(2) for side in sides), strict=True)
        halves += [float(frechet_distance(*pair)) for pair in pairs]
    return 2 * whole - sum(halves) / len(halves)


def polynomial_mmd(real: Float[Tensor, "N D"], generated: Float[Tensor, "M D"]) -> Float64[Tensor, ""]:
    """Squared maximum mean discrepancy with the kernel `(x.y / D + 1)^3`, unbiased, in float64.

    Args:
        real: Features of the real videos, at least 2 of them.
        generated: Features of the others, at least 2 of them.

    Returns:
        The estimate; around 0 (negative too, being unbiased) when both sets come from one distribution.

    Raises:
        ValueError: Fewer than 2 videos on a side, numbers of features that differ, or a value that is not finite.

    Source:
        Binkowski et al. 2018 (KID), Unterthiner et al. 2018 (KVD). All pairs are used, not random subsets.
    """
    check_features("real", real)
    check_features("generated", generated)
    n, m = real.shape[0], generated.shape[0]
    check_pair(real.shape[1], generated.shape[1], n, m)
    x, y = real.double(), generated.double()
    within_real = (_kernel_sum(x, x) - _kernel_diagonal_sum(x)) / (n * (n - 1))
    within_generated = (_kernel_sum(y, y) - _kernel_diagonal_sum(y)) / (m * (m - 1))
    return within_real + within_generated - 2 * _kernel_sum(x, y) / (n * m)


def gaussian_distance(
    mean1: Float64[Tensor, " D"],
    factor1: Float64[Tensor, "r D"],
    mean2: Float64[Tensor, " D"],
    factor2: Float64[Tensor, "s D"],
) -> Float64[Tensor, ""]:
    """Squared Fréchet distance of two Gaussians, each given by its mean and any factor L of its covariance L^T L."""
    root_trace = torch.linalg.svdvals(factor1 @ factor2.T).sum()
    distance = (mean1 - mean2).square().sum() + factor1.square().sum() + factor2.square().sum() - 2 * root_trace
    return distance.clamp(min=0)  # rounding alone takes it below


def check_features(side: str, features: Tensor) -> None:
    """Refuse what is no finite feature matrix.

    Raises:
        ValueError: It names the side.
    """
    if features.ndim != 2:
        raise ValueError(f"{side}: features of shape {tuple(features.shape)}, allowed: (N, D)")
    if not bool(features.isfinite().all()):
        raise ValueError(f"{side}: features that are not finite")


def check_pair(real_features: int, generated_features: int, real_count: int, generated_count: int) -> None:
    """Refuse sides that cannot be compared.

    Raises:
        ValueError: Fewer than 2 videos on a side, or numbers of features that differ.
    """
    for side, count in (("real", real_count), ("generated", generated_count)):
        if count < 2:
            raise ValueError(f"{side}: {count} videos, at least 2 are needed")
    if real_features != generated_features:
        raise ValueError(f"generated: {generated_features} features a video, real has {real_features}")


def _gaussian(
    features: Float[Tensor, "N D"], counts: Int64[Tensor, " N"] | None = None
) -> tuple[Float64[Tensor, " D"], Float64[Tensor, "r D"]]:
    """Mean and factor of the unbiased covariance; r is at most D."""
    x = features.double()
    counts = torch.ones(x.shape[0], dtype=torch.int64, device=x.device) if counts is None else counts
    drawn = counts > 0
    x, weights = x[drawn], counts[drawn].double()
    total = weights.sum()
    mean = weights @ x / total
    factor = (x - mean) * (weights / (total - 1)).sqrt()[:, None]
    return mean, torch.linalg.qr(factor, mode="r").R if factor.shape[0] > factor.shape[1] else factor


def _kernel_sum(x: Float64[Tensor, "N D"], y: Float64[Tensor, "M D"]) -> Float64[Tensor, ""]:
    rows = [(part @ y.T / x.shape[1] + 1).pow(3).sum() for part in x.split(_KERNEL_ROWS)]
    return torch.stack(rows).sum()


def _kernel_diagonal_sum(x: Float64[Tensor, "N D"]) -> Float64[Tensor, ""]:
    return (x.square().mean(dim=1) + 1).pow(3).sum()
