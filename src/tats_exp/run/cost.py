"""What looking at videos will cost, told before it starts."""

import time

import torch

from tats_exp.features.video_network import VideoNetwork
from tats_exp.metrics.networks import Networks

WORTH_TELLING = 60.0
"""Seconds below which nobody needs to be warned."""


def seconds_per_clip(network: VideoNetwork, frames: int, height: int, width: int, device: torch.device) -> float:
    """Time a feature network on clips of noise, once it is warm.

    Args:
        network: on the device.
        frames: of a clip.
        height: of a frame, in pixels.
        width: of a frame, in pixels.
        device: where the network is.
    """
    clips = torch.randint(0, 256, (2, frames, height, width, 3), dtype=torch.uint8)
    networks = Networks(network, None, device)
    networks.statistics(clips[:1])
    started = time.perf_counter()
    networks.statistics(clips)
    return (time.perf_counter() - started) / len(clips)


def cost_line(name: str, clips: int, seconds: float) -> str | None:
    """One line that tells a cost that is worth telling.

    Args:
        name: of the network.
        clips: it will look at.
        seconds: a clip.
    """
    if clips * seconds < WORTH_TELLING:
        return None
    minutes = f"{clips * seconds / 60:.0f} minutes, less what the store holds already"
    return f"{name} will look at {clips:,} clips, {1 / seconds:.2g} a second: some {minutes}"
