"""The reference: the real windows that a run is measured against, looked at once.

Axes: N windows, R repeats, D features.
"""

import logging
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from tats_exp.data.videos import Videos
from tats_exp.data.windows import Window, draw_windows
from tats_exp.files import Stage, load_tensors, save_tensors
from tats_exp.metrics.evaluation import draw_real, look_at_windows, real_side
from tats_exp.stages.context import Chosen, NoMeaning, RunContext, Work

logger = logging.getLogger(__name__)

REFERENCE = "reference.safetensors"


@dataclass(frozen=True)
class ReferenceInputs:
    """What the reference depends on.

    Attributes:
        real: where its windows are drawn.
        test: where as many held-out windows are drawn.
        data_seed: of the draw.
        frames: of a window.
        videos: windows of a floor, as many as there are videos to measure.
        reference_videos: windows of the reference.
        repeats: R.
        network: gives features.
        classifier: gives opinions; None for the network itself.
        batch_size: windows looked at side by side.
    """

    real: Videos
    test: Videos
    data_seed: int
    frames: int
    videos: int
    reference_videos: int
    repeats: int
    network: Chosen[Any]
    classifier: Chosen[Any]
    batch_size: NoMeaning[int]


def _inputs(run: RunContext) -> ReferenceInputs:
    metrics = run.config.metrics
    return ReferenceInputs(
        run.real,
        run.test,
        run.data_seed,
        run.config.frames,
        metrics.videos,
        metrics.reference_videos,
        metrics.repeats,
        *run.looking,
        metrics.batch_size,
    )


def _make(inputs: ReferenceInputs, work: Work) -> None:
    """Leaves what was seen of the real windows, the windows of the floor, and features of as many held-out windows."""
    wanted = (inputs.reference_videos, inputs.videos)
    drawn, count = draw_real(inputs.real, *wanted, inputs.frames, inputs.repeats, inputs.data_seed)
    if len(drawn[0]) < sum(wanted):
        logger.warning("reference: %d windows without overlap instead of %d", len(drawn[0]), sum(wanted))
    held_out = draw_windows(inputs.test, count, inputs.frames, inputs.data_seed)
    windows = [window for repeat in drawn for window in repeat]
    total = len(windows) + len(held_out)

    def look_at(videos: Videos, places: list[Window], before: int) -> dict[str, Tensor]:
        networks = (inputs.network.object, inputs.classifier.object)
        return look_at_windows(
            *networks,
            videos,
            places,
            inputs.frames,
            inputs.batch_size,
            work.device,
            lambda done: work.progress(before + done, total),
        )

    seen = real_side(look_at(inputs.real, windows, 0), inputs.repeats, count)
    seen["held_out"] = look_at(inputs.test, held_out, len(windows))["features"]
    seen["floor_windows"] = torch.tensor([[w.video, w.start] for repeat in drawn for w in repeat[:count]])
    save_tensors(work.folder / REFERENCE, seen)


def _read(_config: object, folder: Any) -> dict[str, Tensor]:
    return load_tensors(folder / REFERENCE)


REFERENCE_STAGE = Stage("reference", 4, _inputs, _make, _read)
