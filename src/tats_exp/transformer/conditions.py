"""What a transformer is conditioned on: the codes that precede those of a window.

Axes: N windows, c condition codes.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Int64
from torch import Tensor

from tats_exp.data.videos import Videos
from tats_exp.data.windows import Window
from tats_exp.files import Stage


class Condition(ABC):
    """What the group `condition` makes. The codes of windows are stored with their video codes, and read from there.

    Attributes:
        length: c, codes of one condition.
        asks_for_class: whether a video is asked for the class of the window whose condition it has.
        drop: with what probability a condition is dropped in training, unless `condition_drop` of a transformer says
            otherwise; above 0 videos can be sampled with guidance.
        moves: whether it moves along with the window, as sound does: then each part of a window that is modelled as a
            window of its own, a gap between key frames say, has that of its own time, and so has each window of a
            sampled video.
    """

    length: int
    drop: float = 0.0
    asks_for_class: bool = False
    moves: bool = False

    def for_windows(self, latents: int, time_stride: int) -> "Condition":
        """The condition of windows of some length; itself unless that changes its codes.

        Args:
            latents: latent frames from the first to the last of a window that the transformers learn.
            time_stride: clip frames of a latent frame.
        """
        return self

    def stages(self) -> tuple[Stage[Any, Any], ...]:
        """Stages of its own, a tokenizer say, that are walked before any window is encoded; none unless it says so."""
        return ()

    @abstractmethod
    def vocabulary(self, classes: int) -> int:
        """C, the number of condition codes; 0 for none of its own.

        Args:
            classes: of the data.
        """

    @abstractmethod
    def codes(self, videos: Videos, windows: Sequence[Window], made: Mapping[str, Path]) -> Int64[Tensor, "N c"]:
        """Condition codes of windows, 0..C-1.

        Args:
            videos: where the windows lie.
            windows: the places.
            made: folders of its own stages by their names.
        """


class Unconditional(Condition):
    """No condition: one start code 0, which belongs to no vocabulary of its own (the official way)."""

    length = 1

    def vocabulary(self, classes: int) -> int:
        """C = 0."""
        return 0

    def codes(self, videos: Videos, windows: Sequence[Window], made: Mapping[str, Path]) -> Int64[Tensor, "N c"]:
        """Zeros (N, 1)."""
        return torch.zeros(len(windows), 1, dtype=torch.int64)


class Label(Condition):
    """The class of the video as one code."""

    length = 1
    asks_for_class = True

    def vocabulary(self, classes: int) -> int:
        """C: the classes."""
        return classes

    def codes(self, videos: Videos, windows: Sequence[Window], made: Mapping[str, Path]) -> Int64[Tensor, "N c"]:
        """Indices of the classes (N, 1)."""
        return torch.tensor([[videos.labels[window.video]] for window in windows])
