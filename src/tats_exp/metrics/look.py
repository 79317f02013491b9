"""One look at a batch of windows: the features, opinions and pixel statistics that all video metrics are made of."""

from typing import Any

import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from tats_exp.metrics.pixels import brightness, contrast, motion_energy, saturation

PIXELS = ("motion", "contrast", "brightness", "saturation")
"""What `pixels` gives, one value per video each."""


@torch.inference_mode()
def look(
    network: Any, video: UInt8[Tensor, "N T H W C"], device: torch.device, classifier: Any = None
) -> dict[str, Tensor]:
    """Everything that is kept of one window of N videos, on the CPU.

    Args:
        network: its `features` are called for features. Where it has `features_and_logits(video)`, one pass gives both.
        video: the windows, on the CPU.
        device: where the networks are.
        classifier: called for logits; None for `network` itself.

    Returns:
        `features` (N, D), `probabilities` (N, classes), and what `pixels` gives.
    """
    frames = video.to(device)
    if classifier is None:
        features, logits = _features_and_logits(network, frames)
    else:
        features, logits = network.features(frames), classifier(frames)
    return {
        "features": features.float().cpu(),
        "probabilities": logits.float().softmax(dim=-1).cpu(),
        **pixels(video),
    }


def pixels(video: UInt8[Tensor, "N T H W C"]) -> dict[str, Tensor]:
    """What is kept of a window that no network looks at: `PIXELS`, (N,) each."""
    measures = (motion_energy, contrast, brightness, saturation)
    return {name: measure(video) for name, measure in zip(PIXELS, measures, strict=True)}


def _features_and_logits(
    network: Any, frames: UInt8[Tensor, "N T H W C"]
) -> tuple[Float[Tensor, "N D"], Float[Tensor, "N classes"]]:
    both = getattr(network, "features_and_logits", None)
    return both(frames) if both is not None else (network.features(frames), network(frames))
