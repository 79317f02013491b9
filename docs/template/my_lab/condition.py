"""A condition: how much a window moves, as one code; with a stage of its own that finds out what is much."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from tats_exp.data.videos import Videos
from tats_exp.data.windows import Window, draw_windows
from tats_exp.files import Stage, load_tensors, save_tensors
from tats_exp.stages.context import RunContext, Work
from tats_exp.transformer.conditions import Condition


def motion(videos: Videos, windows: Sequence[Window], frames: int = 4) -> Tensor:
    """Mean change from frame to frame at the beginning of each window, in grey levels."""
    clips = [videos.read(window.video, window.start, frames).astype(np.float32) for window in windows]
    return torch.tensor([float(np.abs(np.diff(clip, axis=0)).mean()) for clip in clips])


@dataclass(frozen=True)
class ThresholdInputs:
    """What the thresholds depend on: all that is here enters the stage's key."""

    train: Videos
    levels: int
    data_seed: int


def _inputs(run: RunContext) -> ThresholdInputs:
    return ThresholdInputs(run.train, run.condition.vocabulary(0), run.data_seed)


def _make(inputs: ThresholdInputs, work: Work) -> None:
    windows = draw_windows(inputs.train, 64, 4, inputs.data_seed)
    inner = torch.linspace(0, 1, inputs.levels + 1)[1:-1]
    save_tensors(work.folder / "thresholds.safetensors", {"thresholds": motion(inputs.train, windows).quantile(inner)})


def _read(config: object, folder: Path) -> Tensor:
    return load_tensors(folder / "thresholds.safetensors")["thresholds"]


THRESHOLDS = Stage("motion_thresholds", 1, _inputs, _make, _read)


class Motion(Condition):
    """How much a window moves, in levels that are equally frequent.

    Args:
        levels: C.
    """

    length = 1

    def __init__(self, levels: int) -> None:
        if levels < 2:
            raise ValueError(f"levels={levels} must be 2 or more")
        self.levels = levels

    def stages(self) -> tuple[Stage, ...]:
        """The stage that finds the thresholds between levels."""
        return (THRESHOLDS,)

    def vocabulary(self, classes: int) -> int:
        """C: the levels."""
        return self.levels

    def codes(self, videos: Videos, windows: Sequence[Window], made: Mapping[str, Path]) -> Tensor:
        """The level (N, 1) of each window."""
        thresholds = _read(None, made[THRESHOLDS.name])
        return torch.bucketize(motion(videos, windows), thresholds)[:, None]
