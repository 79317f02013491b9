"""The two distances as torchmetrics: fed uint8 video, or features, in batches and over several processes.

The Fréchet distance keeps only sums (memory does not grow with the number of videos); the kernel distance needs every
pair, so it keeps the features.

Axes: B T H W C video, D features.
"""

from abc import abstractmethod
from typing import Any

import torch
from jaxtyping import Float, Float64, Shaped
from torch import Tensor, nn
from torchmetrics import Metric
from torchmetrics.utilities import dim_zero_cat, rank_zero_warn
from torchmetrics.utilities.distributed import gather_all_tensors

from tats_exp.metrics.frechet import (
    VideoFeatures,
    bias_warning,
    check_features,
    check_pair,
    gaussian_distance,
    polynomial_mmd,
)


class _VideoDistance(Metric):
    """A distance that is fed real and generated videos, or their features, in any order and in batches of any size.

    Over several processes give each its share of either side; a share may be empty.
    """

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
    `frechet_distance` gives for all features at once; it warns where that is far from what more videos would give.
    Over several processes the sums are added up.

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
        super().__init__(network, **{"dist_sync_fn": _gather_sums, **kwargs})
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
        counts = (int(self.real_count), int(self.generated_count))
        check_pair(self.real_sum.numel(), self.generated_sum.numel(), *counts)
        warning = bias_warning(self.real_sum.numel(), *counts)
        if warning is not None:
            rank_zero_warn(warning, UserWarning)
        return gaussian_distance(*self._gaussian("real"), *self._gaussian("generated"))

    def _add(self, features: Float[Tensor, "B D"], real: bool) -> None:
        side = "real" if real else "generated"
        check_features(side, features)
        x = features.to(self.device, torch.float64)
        known = getattr(self, f"{side}_sum").numel()
        if getattr(self, f"{side}_count") > 0 and known != x.shape[1]:
            raise ValueError(f"{side}: {x.shape[1]} features a video, those before had {known}")
        setattr(self, f"{side}_count", getattr(self, f"{side}_count") + x.shape[0])
        setattr(self, f"{side}_sum", getattr(self, f"{side}_sum") + x.sum(dim=0))
        setattr(self, f"{side}_products", getattr(self, f"{side}_products") + x.T @ x)

    def _gaussian(self, side: str) -> tuple[Float64[Tensor, " D"], Float64[Tensor, "D D"]]:
        """Mean and a factor of the covariance."""
        count = getattr(self, f"{side}_count")
        mean = getattr(self, f"{side}_sum") / count
        covariance = (getattr(self, f"{side}_products") - count * torch.outer(mean, mean)) / (count - 1)
        values, vectors = torch.linalg.eigh(covariance)
        # what is zero but for rounding must not come back as its much larger root
        noise = values.abs().max() * values.numel() * torch.finfo(values.dtype).eps
        return mean, torch.where(values > noise, values, 0).sqrt()[:, None] * vectors.T


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
        super().__init__(network, **{"dist_sync_fn": _gather_rows, **kwargs})
        self.add_state("real_features", [], dist_reduce_fx="cat")
        self.add_state("generated_features", [], dist_reduce_fx="cat")

    def compute(self) -> Float64[Tensor, ""]:
        """Squared maximum mean discrepancy of all videos so far.

        Raises:
            ValueError: Fewer than 2 videos on a side, or sides with different numbers of features.
        """
        sides = (self.real_features, self.generated_features)
        real, generated = (dim_zero_cat(side) if len(side) else torch.empty(0, 0) for side in sides)
        check_pair(real.shape[1], generated.shape[1], real.shape[0], generated.shape[0])
        return polynomial_mmd(real, generated)

    def _add(self, features: Float[Tensor, "B D"], real: bool) -> None:
        check_features("real" if real else "generated", features)
        # float64 on every process: a gather needs one type
        (self.real_features if real else self.generated_features).append(features.to(self.device, torch.float64))


def _gather_sums(state: Tensor, group: Any = None) -> list[Tensor]:
    """The sums of all processes; one that has seen no video does not know D yet, and its one zero becomes D of them."""
    return list(torch.broadcast_tensors(*gather_all_tensors(state, group)))


def _gather_rows(state: Tensor, group: Any = None) -> list[Tensor]:
    """The features of all processes that have any. torchmetrics stands in for none of them with an empty vector."""
    rows = state.double() if state.ndim == 2 else state.new_empty(0, 0, dtype=torch.float64)
    parts = gather_all_tensors(rows, group)
    return [part for part in parts if len(part)] or parts[:1]
