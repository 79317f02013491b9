"""Distances between two sets of videos, seen through a network's features.

The two functions take feature matrices; the two torchmetrics take uint8 video and a network. The Fréchet distance
compares means and covariances, so its metric keeps only sums (memory does not grow with the number of videos); the
kernel distance needs every pair, so its metric keeps the features.

Axes: N, M videos of the two sets, D features, B T H W C video.
"""

from abc import abstractmethod
from typing import Any, Protocol, runtime_checkable

import torch
from jaxtyping import Float, Float64, Shaped
from torch import Tensor, nn
from torchmetrics import Metric
from torchmetrics.utilities import dim_zero_cat

_KERNEL_ROWS = 1024  # rows of the kernel matrix held at a time


@runtime_checkable
class VideoFeatures(Protocol):
    """What a distance asks of a network: one feature vector per video."""

    def features(self, video: Tensor) -> Tensor:
        """Features (B, D) of uint8 video (B, T, H, W, C)."""
        ...


def frechet_distance(real: Float[Tensor, "N D"], generated: Float[Tensor, "M D"]) -> Float64[Tensor, ""]:
    """Squared Fréchet distance between two Gaussians fitted to features.

    `|m1 - m2|^2 + tr(C1 + C2 - 2 (C1 C2)^(1/2))` with unbiased covariances, in float64. Exact for fewer videos than
    features too, where the covariances are singular.

    Args:
        real: Features of the real videos, at least 2 of them.
        generated: Features of the others, at least 2 of them.

    Returns:
        The distance, not negative, in squared feature units.

    Raises:
        ValueError: Fewer than 2 videos on a side, numbers of features that differ, or a value that is not finite.

    Source:
        Heusel et al. 2017 (FID), Unterthiner et al. 2018 (FVD). Unlike the usual `sqrtm(C1 @ C2)`, which is not
        symmetric, the trace of the root is taken as the nuclear norm of `C1^(1/2) C2^(1/2)`.
    """
    _check_features("real", real)
    _check_features("generated", generated)
    _check_pair(real.shape[1], generated.shape[1], real.shape[0], generated.shape[0])
    gaussians = []
    for features in (real.double(), generated.double()):
        mean = features.mean(dim=0)
        centred = features - mean
        gaussians.append((mean, centred.T @ centred / (features.shape[0] - 1)))
    return _gaussian_distance(*gaussians[0], *gaussians[1])


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
    _check_features("real", real)
    _check_features("generated", generated)
    n, m = real.shape[0], generated.shape[0]
    _check_pair(real.shape[1], generated.shape[1], n, m)
    x, y = real.double(), generated.double()
    within_real = (_kernel_sum(x, x) - _kernel_diagonal_sum(x)) / (n * (n - 1))
    within_generated = (_kernel_sum(y, y) - _kernel_diagonal_sum(y)) / (m * (m - 1))
    return within_real + within_generated - 2 * _kernel_sum(x, y) / (n * m)


class _VideoDistance(Metric):
    """A distance that is fed real and generated videos, or their features, in any order and in batches of any size."""

    full_state_update = False
    is_differentiable = False
    higher_is_better = False

    def __init__(self, network: VideoFeatures, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.network = network

    @torch.no_grad()
    def update(self, video: Shaped[Tensor, "B T H W C"], real: bool) -> None:
        """Add a batch of videos to one of the two sides.

        Args:
            video: Frames, uint8, on the network's device.
            real: Whether they are real videos.

        Raises:
            ValueError: The video is not uint8 of five axes, or its features are not finite.
        """
        if video.dtype != torch.uint8 or video.ndim != 5:
            raise ValueError(f"video: {video.dtype} of shape {tuple(video.shape)}, allowed: uint8 of (B, T, H, W, C)")
        if isinstance(self.network, nn.Module):
            self.network.eval()  # a LightningModule that holds this metric switches it to training with the rest
        self._add(self.network.features(video), real)

    @torch.no_grad()
    def update_features(self, features: Float[Tensor, "B D"], real: bool) -> None:
        """Add videos whose features are known already: a reference is looked at once and compared with many times.

        Args:
            features: Features as `network.features` gives them.
            real: Whether they belong to real videos.

        Raises:
            ValueError: A value that is not finite.
        """
        self._add(features, real)
        self._computed = None  # what `update` does before it is run: forget the value, know that there is data
        self._update_count += 1

    @abstractmethod
    def _add(self, features: Float[Tensor, "B D"], real: bool) -> None: ...


class FrechetVideoDistance(_VideoDistance):
    """Fréchet distance between real and generated videos, in the feature space of a network.

    Named after its network wherever it is reported: only I3D's is the FVD of the literature. `compute` gives what
    `frechet_distance` gives for all features at once. Over several processes the sums are added up: give each process
    its share of both sides, at least one video of each.

    Args:
        network: `features(video uint8 (B, T, H, W, C)) -> (B, D)`; D is found at the first update.
        **kwargs: Options of `torchmetrics.Metric`.
    """

    real_count: Tensor
    real_sum: Tensor
    real_products: Tensor
    generated_count: Tensor
    generated_sum: Tensor
    generated_products: Tensor

    def __init__(self, network: VideoFeatures, **kwargs: Any) -> None:
        super().__init__(network, **kwargs)
        for side in ("real", "generated"):
            # one element each: broadcasts to D features when the first batch is added
            self.add_state(f"{side}_count", torch.zeros((), dtype=torch.int64), dist_reduce_fx="sum")
            self.add_state(f"{side}_sum", torch.zeros(1, dtype=torch.float64), dist_reduce_fx="sum")
            self.add_state(f"{side}_products", torch.zeros(1, 1, dtype=torch.float64), dist_reduce_fx="sum")

    def compute(self) -> Float64[Tensor, ""]:
        """Squared Fréchet distance of all videos so far.

        Raises:
            ValueError: Fewer than 2 videos on a side, or sides with different numbers of features.
        """
        _check_pair(self.real_sum.numel(), self.generated_sum.numel(), int(self.real_count), int(self.generated_count))
        return _gaussian_distance(*self._gaussian("real"), *self._gaussian("generated"))

    def _add(self, features: Float[Tensor, "B D"], real: bool) -> None:
        side = "real" if real else "generated"
        _check_features(side, features)
        x = features.to(self.device, torch.float64)
        known = getattr(self, f"{side}_sum").numel()
        if getattr(self, f"{side}_count") > 0 and known != x.shape[1]:
            raise ValueError(f"{side}: {x.shape[1]} features a video, those before had {known}")
        setattr(self, f"{side}_count", getattr(self, f"{side}_count") + x.shape[0])
        setattr(self, f"{side}_sum", getattr(self, f"{side}_sum") + x.sum(dim=0))
        setattr(self, f"{side}_products", getattr(self, f"{side}_products") + x.T @ x)

    def _gaussian(self, side: str) -> tuple[Float64[Tensor, " D"], Float64[Tensor, "D D"]]:
        count = getattr(self, f"{side}_count")
        mean = getattr(self, f"{side}_sum") / count
        return mean, (getattr(self, f"{side}_products") - count * torch.outer(mean, mean)) / (count - 1)


class KernelVideoDistance(_VideoDistance):
    """Kernel distance (KVD) between real and generated videos, in the feature space of a network.

    `compute` gives what `polynomial_mmd` gives for all features at once; over several processes they are gathered.

    Args:
        network: `features(video uint8 (B, T, H, W, C)) -> (B, D)`.
        **kwargs: Options of `torchmetrics.Metric`.
    """

    real_features: list[Tensor]
    generated_features: list[Tensor]

    def __init__(self, network: VideoFeatures, **kwargs: Any) -> None:
        super().__init__(network, **kwargs)
        self.add_state("real_features", [], dist_reduce_fx="cat")
        self.add_state("generated_features", [], dist_reduce_fx="cat")

    def compute(self) -> Float64[Tensor, ""]:
        """Squared maximum mean discrepancy of all videos so far.

        Raises:
            ValueError: Fewer than 2 videos on a side, or sides with different numbers of features.
        """
        sides = (self.real_features, self.generated_features)
        real, generated = (dim_zero_cat(side) if len(side) else torch.empty(0, 0) for side in sides)
        _check_pair(real.shape[1], generated.shape[1], real.shape[0], generated.shape[0])
        return polynomial_mmd(real, generated)

    def _add(self, features: Float[Tensor, "B D"], real: bool) -> None:
        _check_features("real" if real else "generated", features)
        (self.real_features if real else self.generated_features).append(features.to(self.device))


def _gaussian_distance(
    mean1: Float64[Tensor, " D"],
    covariance1: Float64[Tensor, "D D"],
    mean2: Float64[Tensor, " D"],
    covariance2: Float64[Tensor, "D D"],
) -> Float64[Tensor, ""]:
    root_trace = torch.linalg.svdvals(_root(covariance1) @ _root(covariance2)).sum()
    distance = (mean1 - mean2).square().sum() + covariance1.trace() + covariance2.trace() - 2 * root_trace
    return distance.clamp(min=0)  # rounding alone takes it below


def _root(covariance: Float64[Tensor, "D D"]) -> Float64[Tensor, "D D"]:
    values, vectors = torch.linalg.eigh(covariance)
    # what is zero but for rounding must not come back as its much larger root
    noise = values.abs().max() * values.numel() * torch.finfo(values.dtype).eps
    roots = torch.where(values > noise, values, 0).sqrt()
    return (vectors * roots) @ vectors.T


def _kernel_sum(x: Float64[Tensor, "N D"], y: Float64[Tensor, "M D"]) -> Float64[Tensor, ""]:
    rows = [(part @ y.T / x.shape[1] + 1).pow(3).sum() for part in x.split(_KERNEL_ROWS)]
    return torch.stack(rows).sum()


def _kernel_diagonal_sum(x: Float64[Tensor, "N D"]) -> Float64[Tensor, ""]:
    return (x.square().mean(dim=1) + 1).pow(3).sum()


def _check_features(side: str, features: Tensor) -> None:
    if features.ndim != 2:
        raise ValueError(f"{side}: features of shape {tuple(features.shape)}, allowed: (N, D)")
    if not bool(features.isfinite().all()):
        raise ValueError(f"{side}: features that are not finite")


def _check_pair(real_features: int, generated_features: int, real_count: int, generated_count: int) -> None:
    for side, count in (("real", real_count), ("generated", generated_count)):
        if count < 2:
            raise ValueError(f"{side}: {count} videos, at least 2 are needed")
    if real_features != generated_features:
        raise ValueError(f"generated: {generated_features} features a video, real has {real_features}")
