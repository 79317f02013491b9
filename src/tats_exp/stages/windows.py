"""Looking along the sampled videos, window by window: part of the metrics stage.

Axes: N videos, H W C pixels, t h w latent grid.
"""

import math
from collections.abc import Callable, Iterable, Iterator

import torch
from jaxtyping import UInt8
from torch import Tensor

from tats_exp.data.window_reading import read_windows
from tats_exp.data.windows import draw_windows
from tats_exp.metrics import PhaseMotion, joint_ratio, windows
from tats_exp.metrics.evaluation import Look, Values, joined
from tats_exp.metrics.look import look, pixels
from tats_exp.stages.decoded import decoded
from tats_exp.stages.parts import Parts
from tats_exp.stages.samples import Samples
from tats_exp.vqgan.vqgan import VQGAN


def look_along(
    parts: Parts, vqgan: VQGAN, samples: Samples, progress: Callable[[int], None]
) -> tuple[list[Look], Values]:
    """What is kept of every window of all sampled videos, window by window, and how smooth they are at anchors.

    A few videos are decoded at a time. Frames that were given are not looked at. `progress` is told how many videos are
    begun.
    """
    config = parts.config
    count, period = config.sampled_frames // config.frames, config.key_every * vqgan.time_stride
    ends, size = config.metrics.windows == "ends", config.metrics.batch_size
    motions: list[Tensor] = []

    def looks(start: int) -> list[Look]:
        progress(start)
        batch = samples.codes[start : start + size]
        chunks = _generated(decoded(parts, vqgan, batch, samples.has_margin), samples.given * vqgan.time_stride)
        seen, motion = [], PhaseMotion(period, (samples.first_anchor or 0) * vqgan.time_stride)
        for t, window in enumerate(windows(chunks, config.frames)):
            skipped = ends and 0 < t < count - 1
            seen.append(pixels(window) if skipped else look(parts.network, window, parts.device, parts.classifier))
            if config.interpolates:
                motion.add(window)
        if config.interpolates:
            motions.append(motion.means())
        return seen

    seen = joined(looks(start) for start in range(0, len(samples.codes), size))
    if not config.interpolates:
        return seen, {}
    real = _real_joints(parts, period, vqgan.time_stride)
    ratio = joint_ratio(torch.cat(motions), vqgan.time_stride) / real if real else math.nan
    return seen, {"drift/joints": ratio}


def _generated(chunks: Iterable[UInt8[Tensor, "N _ H W C"]], given: int) -> Iterator[UInt8[Tensor, "N _ H W C"]]:
    """Frames of videos without the first `given` ones."""
    for chunk in chunks:
        dropped = min(given, chunk.shape[1])
        given -= dropped
        if dropped < chunk.shape[1]:
            yield chunk[:, dropped:]


def _real_joints(parts: Parts, period: int, time_stride: int) -> float:
    """The same measure of smoothness on real video, where it is 1 but for chance."""
    metrics = parts.config.metrics
    drawn = draw_windows(parts.real, metrics.videos, period + 1, parts.data_seed)
    motions = []
    for start in range(0, len(drawn), metrics.batch_size):
        motion = PhaseMotion(period)
        motion.add(read_windows(parts.real, drawn[start : start + metrics.batch_size], period + 1))
        motions.append(motion.means())
    return joint_ratio(torch.cat(motions), time_stride)
