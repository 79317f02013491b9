"""One look at a batch of windows: the features, opinions and pixel statistics that all video metrics are made of."""

from typing import Any

import torch
from jaxtyping import UInt8
from torch import Tensor

from tats_exp.metrics.drift import brightness, contrast, motion_energy


@torch.inference_mode()
def look(network: Any, video: UInt8[Tensor, "N T H W C"], device: torch.device) -> dict[str, Tensor]:
    """Everything that is kept of one window of N videos, on the CPU.

    Args:
        network: called for logits, its `features` for features.
        video: the windows, on the CPU.
        device: where the network is.

    Returns:
        `features` (N, D), `probabilities` (N, classes), and `motion`, `contrast`, `brightness` (N,).
    """
    frames = video.to(device)
    return {
        "features": network.features(frames).float().cpu(),
        "probabilities": network(frames).float().softmax(dim=-1).cpu(),
        "motion": motion_energy(video),
        "contrast": contrast(video),
        "brightness": brightness(video),
    }
