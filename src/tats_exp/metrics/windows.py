"""Cut streamed video into the windows that are measured, without ever holding all of it."""

from collections.abc import Iterable, Iterator

import torch
from jaxtyping import UInt8
from torch import Tensor


def windows(chunks: Iterable[UInt8[Tensor, "B _ H W C"]], length: int) -> Iterator[UInt8[Tensor, "B length H W C"]]:
    """Consecutive windows, not overlapping, of videos that arrive in chunks of any length.

    Frames at the end that do not fill a window are dropped. What is held is less than a window and a chunk.

    Args:
        chunks: The frames of B videos in time order.
        length: Frames a window.

    Yields:
        Window after window.

    Raises:
        ValueError: A length below 1.
    """
    if length < 1:
        raise ValueError(f"length: {length}, allowed: 1 or more")
    waiting: list[Tensor] = []
    for chunk in chunks:
        waiting.append(chunk)
        if sum(part.shape[1] for part in waiting) < length:
            continue
        frames = torch.cat(waiting, dim=1)
        whole = frames.shape[1] // length * length
        yield from frames[:, :whole].split(length, dim=1)
        waiting = [frames[:, whole:].clone()]  # a view would keep the chunk alive
