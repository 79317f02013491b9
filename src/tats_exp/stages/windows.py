"""The windows of sampled and of real videos, a few videos at a time: part of the metrics stage.

Axes: N videos, H W C pixels, t h w latent grid, P frames of a period.
"""

from collections.abc import Callable, Iterable, Iterator

import torch
from jaxtyping import Float64, Int64, UInt8
from torch import Tensor

from tats_exp import UserError
from tats_exp.data.videos import Videos
from tats_exp.data.window_reading import read_windows
from tats_exp.data.windows import draw_windows
from tats_exp.metrics import PhaseMotion, windows
from tats_exp.sampling.sampler import Sampler, Slots
from tats_exp.stages.decoder import FrameDecoder
from tats_exp.stages.samples import Samples
from tats_exp.vqgan.vqgan import VQGAN


def sampled_windows(
    decoder: FrameDecoder, samples: Samples, frames: int, batch_size: int, progress: Callable[[int], None]
) -> Iterator[Iterator[UInt8[Tensor, "_ frames H W C"]]]:
    """Windows of the sampled videos without the frames that were given.

    Args:
        decoder: makes frames of codes.
        samples: the codes.
        frames: of a window.
        batch_size: videos decoded side by side.
        progress: receives how many videos are begun.

    Yields:
        For a few videos at a time their windows in time order.
    """
    given = samples.given * decoder.vqgan.time_stride
    for start in range(0, len(samples.codes), batch_size):
        progress(start)
        chunks = decoder(samples.codes[start : start + batch_size], samples.has_margin)
        yield windows(without_given(chunks, given), frames)


def without_given(chunks: Iterable[UInt8[Tensor, "N _ H W C"]], given: int) -> Iterator[UInt8[Tensor, "N _ H W C"]]:
    """Frames of videos without the first `given` ones."""
    for chunk in chunks:
        dropped = min(given, chunk.shape[1])
        given -= dropped
        if dropped < chunk.shape[1]:
            yield chunk[:, dropped:]


def sampled_codes(vqgan: VQGAN, samples: Samples) -> Int64[Tensor, "N u h w"]:
    """The sampled codes that are measured: without margins, and without those given."""
    margin = vqgan.code_margin if samples.has_margin else 0
    return samples.codes[:, margin + samples.given : samples.codes.shape[1] - margin]


def sampled_slots(vqgan: VQGAN, samples: Samples, sampler: Sampler, window: int) -> list[Slots] | None:
    """Where in a window each latent frame of `sampled_codes` was drawn; None: the sampler does not say.

    Args:
        vqgan: of the run.
        samples: the codes.
        sampler: that made them.
        window: latent frames of the windows that the transformers learned from.

    Raises:
        UserError: the sampler names other places than there are, or none for what it drew.
    """
    margin = vqgan.code_margin if samples.has_margin else 0
    # Before given frames the margin was not sampled, but repeated.
    first = samples.given or margin
    made = samples.codes.shape[1] - (margin if samples.given else 0)
    slots = sampler.slots(made, window, samples.given)
    if slots is None:
        return None
    measured = slots[first : made - margin]
    if len(slots) != made or not all(some and min(some) >= 0 and max(some) < window for some in measured):
        raise UserError(
            f"sampler: its slots({made}, {window}, {samples.given}) are {slots}; wanted are places 0..{window - 1} for "
            "each latent frame that is not given"
        )
    return measured


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
