"""Real windows through the VQGAN of a run: what it makes of them, measured as they come.

Axes: N windows, T frames, H W pixels, C colour channels, D features, t h w latent grid.
"""

import logging
from collections.abc import Callable, Iterator

import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from tats_exp.data.pixels import to_float
from tats_exp.data.videos import Videos
from tats_exp.data.window_reading import read_windows
from tats_exp.data.windows import Window, draw_windows
from tats_exp.metrics.reconstruction import ReconstructionErrors
from tats_exp.stages.decoded import decoded
from tats_exp.stages.parts import Parts
from tats_exp.vqgan.vqgan import VQGAN

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
    told = "metrics: %d held-out windows have %d frames on either side, %d are measured; end frames are repeated"
    logger.warning(told, len(inner), margin, len(anywhere))
    return anywhere


@torch.inference_mode()
def rebuild(
    parts: Parts, vqgan: VQGAN, videos: Videos, places: list[Window], progress: Callable[[int], None]
) -> Iterator[Pair]:
    """Encode and decode real windows, a few at a time.

    Args:
        parts: of the run.
        vqgan: in eval mode.
        videos: where the windows lie.
        places: the windows, one or more.
        progress: told how many windows are begun.

    Yields:
        Some of the windows and what the VQGAN made of them, on the CPU.
    """
    frames, margin, size = parts.config.frames, vqgan.training_margin, parts.config.metrics.batch_size
    for start in range(0, len(places), size):
        progress(start)
        wide = _with_margin(videos, places[start : start + size], frames, margin)
        codes = vqgan.encode(to_float(wide.to(parts.device)))
        yield (
            wide[:, margin : margin + frames],
            torch.cat(list(decoded(parts, vqgan, codes, has_margin=vqgan.code_margin > 0)), dim=1),
        )


@torch.inference_mode()
def rebuilt_features(parts: Parts, pairs: Iterator[Pair]) -> Float[Tensor, "N D"]:
    """Features of reconstructions, on the CPU."""
    seen = (parts.network.features(rebuilt.to(parts.device)).float().cpu() for _, rebuilt in pairs)
    return torch.cat(list(seen))


def rebuilt_errors(pairs: Iterator[Pair], shown: int) -> tuple[dict[str, float | None], UInt8[Tensor, "n T two_H W C"]]:
    """Errors of reconstructions as they are logged, and a few real windows above their reconstructions.

    Args:
        pairs: from `rebuild`.
        shown: how many windows to show, the first ones.
    """
    errors, pictures = ReconstructionErrors(), []
    for real, rebuilt in pairs:
        if errors.windows < shown:
            pictures.append(torch.cat([real, rebuilt], dim=2))
        errors.add(real, rebuilt)
    names = ("psnr", "ssim", "gradient_ratio", "edge_ratio")
    found: dict[str, float | None] = {f"val/vqgan/{name}": getattr(errors, name) for name in names}
    frames = enumerate(errors.frame_errors.tolist())
    return found | {f"val/vqgan/l1/frame_{frame}": error for frame, error in frames}, torch.cat(pictures)[:shown]


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
