"""The windows of sampled and of real videos, a few videos at a time: part of the metrics stage.

Axes: N videos, H W C pixels, t h w latent grid, P frames of a period.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator

import torch
from jaxtyping import Bool, Float, Float64, UInt8
from torch import Tensor

from tats_exp.data.videos import Videos
from tats_exp.data.window_reading import read_windows
from tats_exp.data.windows import draw_windows
from tats_exp.metrics import PhaseMotion, windows
from tats_exp.metrics.findings import GapFindings
from tats_exp.metrics.gaps import latent_layouts
from tats_exp.stages.decoder import FrameDecoder
from tats_exp.stages.samples import Samples
from tats_exp.stages.sounding import SoundOnTheWay


def sampled_windows(
    decoder: FrameDecoder,
    samples: Samples,
    frames: int,
    batch_size: int,
    progress: Callable[[int], None],
    sound: SoundOnTheWay | None = None,
) -> Iterator[Iterator[UInt8[Tensor, "_ frames H W C"]]]:
    """Windows of the sampled videos without the frames that were given.

    Args:
        decoder: makes frames of codes.
        samples: the codes.
        frames: of a window.
        batch_size: videos decoded side by side.
        progress: receives how many videos are begun.
        sound: looks at all frames, those given included.

    Yields:
        For a few videos at a time their windows in time order.
    """
    given = samples.given * decoder.vqgan.time_stride
    for start in range(0, len(samples.codes), batch_size):
        progress(start)
        chunks = decoder(samples.codes[start : start + batch_size], samples.has_margin)
        chunks = chunks if sound is None else sound.watch(chunks)
        yield windows(without_given(chunks, given), frames)


def without_given(chunks: Iterable[UInt8[Tensor, "N _ H W C"]], given: int) -> Iterator[UInt8[Tensor, "N _ H W C"]]:
    """Frames of videos without the first `given` ones."""
    for chunk in chunks:
        dropped = min(given, chunk.shape[1])
        given -= dropped
        if dropped < chunk.shape[1]:
            yield chunk[:, dropped:]


class WindowsOnTheWay(ABC):
    """Gathers what is seen of windows of videos that pass by on their way to another reader."""

    def __init__(self) -> None:
        self._batches: list[list[Float[Tensor, "_ D"] | None]] = []

    @abstractmethod
    def look(self, number: int, window: UInt8[Tensor, "n T H W C"]) -> Float[Tensor, "n D"] | None:
        """What is kept of the window with a number, of a few videos; None: nothing, of none of the videos."""

    def watch(
        self, batches: Iterable[Iterable[UInt8[Tensor, "_ T H W C"]]]
    ) -> Iterator[Iterator[UInt8[Tensor, "_ T H W C"]]]:
        """The same windows of the same batches of videos."""
        for batch in batches:
            self._batches.append([])
            yield self._watched(batch, self._batches[-1])

    def joined(self) -> list[Float[Tensor, "N D"] | None]:
        """What was kept of all videos, window by window, once all were read."""
        by_window = zip(*self._batches, strict=True)
        return [None if parts[0] is None else torch.cat(parts) for parts in by_window]

    def _watched(
        self, batch: Iterable[UInt8[Tensor, "_ T H W C"]], kept: list[Float[Tensor, "_ D"] | None]
    ) -> Iterator[UInt8[Tensor, "_ T H W C"]]:
        for number, window in enumerate(batch):
            kept.append(self.look(number, window))
            yield window


class GapsOnTheWay(WindowsOnTheWay):
    """Gathers the layouts of frames between key frames of videos whose windows pass by on their way to another reader.

    Args:
        frames: which latent frames of each window these are.
    """

    def __init__(self, frames: Bool[Tensor, "windows t"]) -> None:
        super().__init__()
        self.frames = frames

    def look(self, number: int, window: UInt8[Tensor, "n T H W C"]) -> Float[Tensor, "n 48"] | None:
        """Mean layout of the frames between key frames; None where the window has none."""
        frames = self.frames[number]
        return latent_layouts(window, len(frames))[:, frames].mean(dim=1) if frames.any() else None

    def findings(self) -> GapFindings:
        """What was gathered, once all windows were read."""
        layouts = self.joined()
        assert len(layouts) == len(self.frames), "all windows were to be read"
        return GapFindings(self.frames, layouts)


class MotionOnTheWay:
    """Gathers the motion of videos whose windows pass by on their way to another reader.

    Args:
        period: P, frames from one key frame to the next.
        first: frame at which the first anchor begins.
    """

    def __init__(self, period: int, first: int = 0) -> None:
        self.period, self.first = period, first
        self._batches: list[PhaseMotion] = []

    def watch(
        self, batches: Iterable[Iterable[UInt8[Tensor, "_ T H W C"]]]
    ) -> Iterator[Iterator[UInt8[Tensor, "_ T H W C"]]]:
        """The same windows of the same batches of videos."""
        for batch in batches:
            self._batches.append(PhaseMotion(self.period, self.first))
            yield self._watched(batch, self._batches[-1])

    def means(self) -> Float64[Tensor, "N P"]:
        """Motion of all videos by place in the period, once all windows were read."""
        return torch.cat([motion.means() for motion in self._batches])

    def _watched(
        self, batch: Iterable[UInt8[Tensor, "_ T H W C"]], motion: PhaseMotion
    ) -> Iterator[UInt8[Tensor, "_ T H W C"]]:
        for window in batch:
            motion.add(window)
            yield window


def real_motion(videos: Videos, count: int, period: int, batch_size: int, seed: int) -> Float64[Tensor, "N P"]:
    """Motion of real windows by place in a period as long as that of the key frames.

    Args:
        videos: where to draw from.
        count: windows wanted.
        period: P, frames.
        batch_size: windows read at a time.
        seed: of the draw.
    """
    drawn = draw_windows(videos, count, period + 1, seed)
    motions = []
    for start in range(0, len(drawn), batch_size):
        motion = PhaseMotion(period)
        motion.add(read_windows(videos, drawn[start : start + batch_size], period + 1))
        motions.append(motion.means())
    return torch.cat(motions)
