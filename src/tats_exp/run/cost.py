"""What looking at videos will cost, told before it starts."""

import time
from collections.abc import Callable

import torch
from jaxtyping import UInt8
from torch import Tensor

WORTH_TELLING = 60.0
"""Seconds below which nobody needs to be warned."""


def seconds_per_clip(
    look: Callable[[UInt8[Tensor, "B T H W C"]], object], frames: int, height: int, width: int
) -> float:
    """Time what looks at clips on some of noise, once it is warm.

    Args:
        look: is called with clips on the CPU.
        frames: of a clip.
        height: of a frame, in pixels.
        width: of a frame, in pixels.
    """
    clips = torch.randint(0, 256, (2, frames, height, width, 3), dtype=torch.uint8)
    look(clips[:1])
    started = time.perf_counter()
    look(clips)
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
