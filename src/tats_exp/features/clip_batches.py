"""How clips enter a large network: checked at the border, a few at a time so that memory stays bounded.

Axes: B batch, T frames, H W pixels, C colour channels, D features.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext

import torch
from jaxtyping import Float, UInt8
from torch import Tensor

FRAMES_AT_ONCE = {"cpu": 32, "cuda": 512}
"""Frames that go through a network together, by device; one clip at least. Two clips of 16 frames are the fastest on a
CPU (torch takes slow convolutions for one, and more leave the cache)."""

SHARED_BY = 16
"""Threads, at most, among which clips are shared out evenly."""


def check_video(network: str, video: Tensor, frames: int = 1) -> None:
    """Refuse what is no batch of RGB clips as they are stored.

    Args:
        network: what the clips are for; the message begins with it.
        video: what was given.
        frames: the fewest that the network can take.

    Raises:
        ValueError: not (B,T,H,W,3) uint8, no clip, or clips too short; one line.
    """
    if video.ndim != 5 or video.shape[-1] != 3 or video.dtype != torch.uint8:
        raise ValueError(f"{network}: video must be (B, T, H, W, 3) uint8, got {tuple(video.shape)} {video.dtype}")
    if 0 in video.shape:
        raise ValueError(f"{network}: video of shape {tuple(video.shape)} holds no pixel")
    if video.shape[1] < frames:
        raise ValueError(f"{network}: clips must have at least {frames} frames, got {video.shape[1]}")


def exact_float32(device: torch.device) -> AbstractContextManager[None]:
    """Keep cuDNN from rounding fp32 to TF32, which it does unless told: protocols say "fp32"."""
    if device.type != "cuda":
        return nullcontext()
    return torch.backends.cudnn.flags(enabled=True, allow_tf32=False)


def in_parts(
    look: Callable[[UInt8[Tensor, "b T H W C"]], Float[Tensor, "b D"]],
    video: UInt8[Tensor, "B T H W C"],
    in_turn: bool = False,
) -> Float[Tensor, "B D"]:
    """Apply a network to some `FRAMES_AT_ONCE` frames at a time (one clip at least) and join what it gives.

    On a CPU with several threads two parts or more are looked at side by side, one thread each, which gives the same
    numbers as one thread does and is faster than all threads inside a part; not where `in_turn` asks for one after the
    other, nor under autocast, which is of one thread.
    """
    in_turn = in_turn or video.device.type != "cpu" or torch.is_autocast_enabled("cpu")
    limit = FRAMES_AT_ONCE.get(video.device.type, FRAMES_AT_ONCE["cuda"])
    parts = split_clips(video, limit) if in_turn else shared_out(video, limit)
    threads = 1 if in_turn else min(torch.get_num_threads(), len(parts))
    return torch.cat(list(map(look, parts)) if threads < 2 else side_by_side(look, parts, threads))


def split_clips(video: UInt8[Tensor, "B T H W C"], frames: int) -> list[UInt8[Tensor, "b T H W C"]]:
    """Clips of at most so many frames together; a single one that would be left over goes with those before it."""
    size = max(1, frames // video.shape[1])
    parts = list(video.split(size))
    if size > 1 and len(parts) > 1 and len(parts[-1]) == 1:
        parts[-2:] = [video[-size - 1 :]]
    return parts


def shared_out(video: UInt8[Tensor, "B T H W C"], frames: int) -> list[UInt8[Tensor, "b T H W C"]]:
    """Clips in parts of about so many frames, at most twice as many, that threads can share evenly.

    There are as many parts as the largest power of two allows, `SHARED_BY` at most, or a multiple of that. How many
    threads there are plays no part, so that the numbers do not hang on it.
    """
    size = max(1, frames // video.shape[1])
    most = len(video) // size
    if size == 1 or most < 2:
        return split_clips(video, frames)
    together = min(SHARED_BY, 1 << (most.bit_length() - 1))
    return list(video.tensor_split(most // together * together))


def side_by_side(call: Callable[[Tensor], Tensor], parts: Sequence[Tensor], threads: int) -> list[Tensor]:
    """What a call gives of each part, computed in that many threads at once, each of which takes one core."""
    before, inference, gradients = torch.get_num_threads(), torch.is_inference_mode_enabled(), torch.is_grad_enabled()

    def alone(part: Tensor) -> Tensor:
        with torch.inference_mode(inference), torch.set_grad_enabled(gradients):  # both belong to a thread
            return call(part)

    try:
        with ThreadPoolExecutor(threads, initializer=torch.set_num_threads, initargs=(1,)) as pool:
            return list(pool.map(alone, parts))
    finally:
        torch.set_num_threads(before)  # threads that begin later take the number that was set last
