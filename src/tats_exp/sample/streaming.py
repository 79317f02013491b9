"""From a run to a video file: codes are sampled, decoded and written piece by piece, and none is kept.

Axes: n latent frames of a piece, T frames, H W pixels, C = 3 colour channels.
"""

import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from tqdm import tqdm

from tats_exp.features.clip_batches import exact_float32
from tats_exp.run.run_sampler import Beginning, RunSampler
from tats_exp.sampling.decoding import finite_pixels

Item = TypeVar("Item")


@dataclass(frozen=True)
class Spent:
    """What a video took.

    Attributes:
        frames: that were written, those given included.
        sampled: of them, not given.
        seconds: of it all, writing included.
        sampling: seconds of the sampler alone.
        decoding: seconds of the decoder alone.
    """

    frames: int
    sampled: int
    seconds: float
    sampling: float
    decoding: float

    def __str__(self) -> str:
        whole, alone = self.sampled / self.seconds, self.sampled / max(self.sampling, 1e-9)
        decoded = self.frames / max(self.decoding, 1e-9)
        return (
            f"{self.frames} frames, {self.sampled} of them sampled, in {self.seconds:.1f} s: {whole:.1f} frames per "
            f"second, sampling ({alone:.1f}) and decoding ({decoded:.1f}) included"
        )


def stream(
    sampler: RunSampler,
    beginning: Beginning,
    frames: int | None,
    write: Callable[[NDArray[np.uint8]], None],
    stop: threading.Event,
    device: torch.device,
) -> Spent:
    """Sample, decode and write one video.

    Args:
        sampler: of the run.
        beginning: of the one video.
        frames: to sample behind those given; None: until it is stopped. Then the last latent frames, whose
            pixels hang on what would follow them, are left out.
        write: takes the next frames (T, H, W, C).
        stop: looked at after every piece of codes.
        device: of the models.
    """
    stride = sampler.time_stride
    given = 0 if beginning.given is None else beginning.given.shape[1] * stride
    total, begun, written = None if frames is None else given + frames, time.perf_counter(), 0
    decoder, decoding = sampler.decoder(beginning, frames), 0.0
    with tqdm(total=total, unit="frame", disable=None) as bar:

        def show(sampled: int) -> None:
            bar.update((min(sampled, total or sampled) + written) // 2 - bar.n)  # half of the work is not half the time

        pieces = _Timed(sampler.stream(beginning, frames, lambda made, _: show(made * stride)), nullcontext, device)
        for piece in pieces:
            decoded = _Timed(decoder(piece), lambda: exact_float32(device), device)
            for video in decoded:
                pixels = finite_pixels(video)[0].cpu().numpy()
                write(pixels if total is None else pixels[: total - written])
                written += len(pixels) if total is None else min(len(pixels), total - written)
                show(written)
            decoding += decoded.seconds
            if stop.is_set():
                break
    seconds = time.perf_counter() - begun
    return Spent(written, max(0, written - given), seconds, pieces.seconds, decoding)


@contextmanager
def asked_to_stop() -> Iterator[threading.Event]:
    """A block in which Ctrl-C and SIGTERM set an event, so that it ends where it can; a second one stops it at once."""
    event = threading.Event()

    def ask(number: int, frame: object) -> None:
        if event.is_set():
            raise KeyboardInterrupt
        event.set()

    if threading.current_thread() is not threading.main_thread():
        yield event
        return
    before = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield event
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class _Timed(Generic[Item]):
    """What an iterator gives, and the seconds that it took for it."""

    def __init__(
        self, items: Iterator[Item], around: Callable[[], AbstractContextManager[None]], device: torch.device
    ) -> None:
        self._items, self._around, self._device, self.seconds = items, around, device, 0.0

    def __iter__(self) -> "Iterator[Item]":
        return self

    def __next__(self) -> Item:
        begun = time.perf_counter()
        try:
            with self._around():
                item = next(self._items)
                if self._device.type == "cuda":  # which goes on behind the caller's back
                    torch.cuda.synchronize(self._device)
                return item
        finally:
            self.seconds += time.perf_counter() - begun
