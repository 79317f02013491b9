"""A condition that changes on the way through a video, which samplers take in place of one that does not.

Axes: B videos, c condition length.
"""

from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import torch
from jaxtyping import Int64
from torch import Tensor


@dataclass(frozen=True)
class Story:
    """Conditions one after the other, the same number of codes each.

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

    @property
    def first(self) -> Int64[Tensor, "B c"]:
        """The condition that a video begins with."""
        return self.conditions[0]

    def at(self, frame: int) -> Int64[Tensor, "B c"]:
        """The condition that holds at a latent frame."""
        return self.conditions[bisect_right(self.starts, frame) - 1]

    def parts(self, begin: int, end: int) -> Iterator[tuple[int, int]]:
        """Latent frames from `begin` to `end`, cut where the condition changes: first and last + 1 of each part."""
        return pairwise([begin, *(start for start in self.starts if begin < start < end), end])

    def every(self, step: int) -> "Story":
        """The same for every `step`-th latent frame; what holds at none of them falls out."""
        chapters = {-(-start // step): number for number, start in enumerate(self.starts)}  # the last of each counts
        return Story(tuple(chapters), tuple(self.conditions[number] for number in chapters.values()))

    def later(self, frames: int) -> "Story":
        """The same with this many latent frames more of the first condition."""
        return Story((0, *(start + frames for start in self.starts[1:])), self.conditions)

    def __getitem__(self, videos: slice) -> "Story":
        """The same for some of the videos."""
        return Story(self.starts, tuple(condition[videos] for condition in self.conditions))

    def to(self, device: torch.device) -> "Story":
        """The same on a device."""
        return Story(self.starts, tuple(condition.to(device) for condition in self.conditions))


def as_story(condition: Int64[Tensor, "B c"] | Story) -> Story:
    """A condition that does not change is a story with one entry."""
    return condition if isinstance(condition, Story) else Story((0,), (condition,))
