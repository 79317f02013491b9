"""Conditions that change on the way through a video, which samplers take in place of one that does not.

Axes: B videos, c condition length.
"""

from abc import ABC, abstractmethod
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import torch
from jaxtyping import Int64
from torch import Tensor


class OverTime(ABC):
    """Conditions of all latent frames of some videos, the same number of codes each."""

    @property
    def first(self) -> Int64[Tensor, "B c"]:
        """The condition that a video begins with."""
        return self.at(0, 0)

    @abstractmethod
    def at(self, frame: int, window: int) -> Int64[Tensor, "B c"]:
        """The condition that a latent frame is drawn under, in a window that begins with the latent frame `window`."""

    @abstractmethod
    def parts(self, begin: int, end: int) -> Iterator[tuple[int, int]]:
        """Latent frames from `begin` to `end` of one window, cut where what they are drawn under changes.

        Yields:
            First and last + 1 of each part.
        """

    @abstractmethod
    def every(self, step: int) -> "OverTime":
        """The same for every `step`-th latent frame."""

    @abstractmethod
    def __getitem__(self, videos: slice) -> "OverTime":
        """The same for some of the videos."""

    @abstractmethod
    def to(self, device: torch.device) -> "OverTime":
        """The same on a device."""


@dataclass(frozen=True)
class Story(OverTime):
    """Conditions one after the other: each latent frame is drawn under the one that holds at its time.

    Attributes:
        starts: latent frame from which each of them holds: 0 first, then later and later.
        conditions: of all videos, as a sampler takes a single one.

    Raises:
        ValueError: there is none, they do not begin at latent frame 0, or are out of order.
    """

    starts: tuple[int, ...]
    conditions: tuple[Int64[Tensor, "B c"], ...]

    def __post_init__(self) -> None:
        if not self.starts or len(self.starts) != len(self.conditions):
            raise ValueError(f"a story of {len(self.starts)} starts and {len(self.conditions)} conditions")
        if self.starts[0] != 0 or any(one >= other for one, other in pairwise(self.starts)):
            raise ValueError(f"starts={self.starts} must begin with 0 and grow")

    def at(self, frame: int, window: int = 0) -> Int64[Tensor, "B c"]:
        """As `OverTime`: the window does not matter."""
        return self.conditions[bisect_right(self.starts, frame) - 1]

    def parts(self, begin: int, end: int) -> Iterator[tuple[int, int]]:
        """As `OverTime`."""
        return pairwise([begin, *(start for start in self.starts if begin < start < end), end])

    def every(self, step: int) -> "Story":
        """As `OverTime`; what holds at none of them falls out."""
        chapters = {-(-start // step): number for number, start in enumerate(self.starts)}  # the last of each counts
        return Story(tuple(chapters), tuple(self.conditions[number] for number in chapters.values()))

    def later(self, frames: int) -> "Story":
        """The same with this many latent frames more of the first condition."""
        return Story((0, *(start + frames for start in self.starts[1:])), self.conditions)

    def __getitem__(self, videos: slice) -> "Story":
        """As `OverTime`."""
        return Story(self.starts, tuple(condition[videos] for condition in self.conditions))

    def to(self, device: torch.device) -> "Story":
        """As `OverTime`."""
        return Story(self.starts, tuple(condition.to(device) for condition in self.conditions))


@dataclass(frozen=True)
class Moving(OverTime):
    """A condition that moves along with the window, as sound does: all of a window is drawn under that of its time.

    Attributes:
        codes: of every latent frame, those of a window that begins with it.
    """

    codes: Int64[Tensor, "B latent_frames c"]

    def at(self, frame: int, window: int) -> Int64[Tensor, "B c"]:
        """As `OverTime`: only the window matters."""
        return self.codes[:, window]

    def parts(self, begin: int, end: int) -> Iterator[tuple[int, int]]:
        """As `OverTime`: all in one."""
        return iter([(begin, end)])

    def every(self, step: int) -> "Moving":
        """As `OverTime`."""
        return Moving(self.codes[:, ::step])

    def __getitem__(self, videos: slice) -> "Moving":
        """As `OverTime`."""
        return Moving(self.codes[videos])

    def to(self, device: torch.device) -> "Moving":
        """As `OverTime`."""
        return Moving(self.codes.to(device))


def over_time(condition: Int64[Tensor, "B c"] | OverTime) -> OverTime:
    """A condition that does not change is a story with one entry."""
    return condition if isinstance(condition, OverTime) else Story((0,), (condition,))
