"""Real windows through the VQGAN of a run: what it makes of them, measured as they come.

Axes: N windows, T frames, H W pixels, C colour channels.
"""

import logging
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import torch
from jaxtyping import Int64, UInt8
from torch import Tensor

from tats_exp.data.videos import Videos
from tats_exp.data.window_reading import read_windows
from tats_exp.data.windows import Window, draw_windows
from tats_exp.metrics import windows
from tats_exp.metrics.reconstruction import ReconstructionErrors
from tats_exp.stages.decoder import FrameDecoder
from tats_exp.stages.encoding import finite_latents

logger = logging.getLogger(__name__)

Pair = tuple[UInt8[Tensor, "n T H W C"], UInt8[Tensor, "n T H W C"]]


def held_out_windows(videos: Videos, count: int, frames: int, margin: int, seed: int) -> list[Window]:
    """Draw windows whose reconstructions are measured, with true frames all around wherever there are enough of them.

    Args:
        videos: where to draw from.
        count: windows wanted.
        frames: of a window.
        margin: frames on either side, the most that a run of the sweep reads: all of them measure the same windows.
        seed: of the draw.

    Returns:
        `count` windows, or all that fit if there are fewer. Where too few have the margin, it is asked of none.
    """
    inner = draw_windows(videos, count, frames, seed, margin, margin)
    anywhere = draw_windows(videos, count, frames, seed)
    if len(inner) == len(anywhere):
        return inner
    line = "metrics: %d held-out windows have %d frames on either side, %d are measured; end frames are repeated"
    logger.warning(line, len(inner), margin, len(anywhere))
    return anywhere


@dataclass(frozen=True)
class Reconstructor:
    """Encodes and decodes real windows, a few at a time.

    Attributes:
        decoder: of the VQGAN.
        frames: of a window.
        batch_size: windows side by side.
    """

    decoder: FrameDecoder
    frames: int
    batch_size: int

    @torch.inference_mode()
    def __call__(self, videos: Videos, places: list[Window], progress: Callable[[int], None]) -> Iterator[Pair]:
        """Reconstruct windows.

        Args:
            videos: where the windows lie.
            places: the windows, one or more.
            progress: receives how many windows are begun.

        Yields:
            Some of the windows and what the VQGAN made of them, on the CPU.
        """
        vqgan, frames = self.decoder.vqgan, self.frames
        margin = vqgan.training_margin
        for start in range(0, len(places), self.batch_size):
            progress(start)
            wide = _with_margin(videos, places[start : start + self.batch_size], frames, margin)
            codes = vqgan.codebook.nearest(finite_latents(vqgan, wide, self.decoder.device))
            chunks = list(self.decoder(codes, has_margin=vqgan.code_margin > 0))
            yield wide[:, margin : margin + frames], torch.cat(chunks, dim=1)

    def joined(
        self, videos: Videos, places: list[Window], count: int, progress: Callable[[int], None]
    ) -> Iterator[Iterator[UInt8[Tensor, "_ T H W C"]]]:
        """Encode long pieces of videos window by window, and decode the joined codes as those of samples.

        Args:
            videos: where the pieces lie.
            places: where each begins.
            count: windows of a piece.
            progress: receives how many pieces are begun.

        Yields:
            For a few pieces at a time their windows in time order, on the CPU.
        """
        for start in range(0, len(places), self.batch_size):
            progress(start)
            batch = places[start : start + self.batch_size]
            codes = torch.cat([self._codes(videos, batch, number) for number in range(count)], dim=1)
            yield windows(self.decoder(codes, has_margin=False), self.frames)

    @torch.inference_mode()
    def _codes(self, videos: Videos, places: list[Window], number: int) -> Int64[Tensor, "N t h w"]:
        """Codes of the window of each piece with a number, with true frames on either side where it wants them."""
        step = number * self.frames * videos.frame_stride
        moved = [Window(place.video, place.start + step) for place in places]
        vqgan = self.decoder.vqgan
        wide = _with_margin(videos, moved, self.frames, vqgan.margin)
        return vqgan.codebook.nearest(finite_latents(vqgan, wide, self.decoder.device))


def reconstruction_errors(
    pairs: Iterable[Pair], shown: int
) -> tuple[ReconstructionErrors, UInt8[Tensor, "n T two_H W C"]]:
    """Errors of reconstructions, and a few real windows above their reconstructions.

    Args:
        pairs: from a `Reconstructor`.
        shown: how many windows to show, the first ones.
    """
    errors, pictures = ReconstructionErrors(), []
    for real, rebuilt in pairs:
        if errors.windows < shown:
            pictures.append(torch.cat([real, rebuilt], dim=2))
        errors.add(real, rebuilt)
    return errors, torch.cat(pictures)[:shown]


def _with_margin(videos: Videos, places: list[Window], frames: int, margin: int) -> UInt8[Tensor, "N T H W C"]:
    """Windows with `margin` frames on either side, end frames repeated where the video ends first."""
    clips = []
    for place in places:
        stride, last = videos.frame_stride, videos.lengths[place.video] - 1
        before = min(margin, place.start // stride)
        after = min(margin, (last - place.start) // stride - (frames - 1))
        clip = read_windows(videos, [place], frames, before, after)[0]
        first, end = clip[:1], clip[-1:]
        clips.append(
            torch.cat([first.expand(margin - before, -1, -1, -1), clip, end.expand(margin - after, -1, -1, -1)])
        )
    return torch.stack(clips)
