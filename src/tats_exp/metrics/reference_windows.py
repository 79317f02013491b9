"""The windows that videos are measured against, real ones or these rebuilt: how they are drawn, what is kept of them.

Axes: R repeats, N windows of the reference and n of the floor in each repeat, D features.
"""

from dataclasses import dataclass, fields
from functools import cached_property
from pathlib import Path
from statistics import fmean

import numpy as np
import torch
from einops import rearrange
from jaxtyping import Float, Int64
from torch import Tensor

from tats_exp.data.videos import Videos
from tats_exp.data.windows import Window, draw_windows
from tats_exp.files import load_tensors, save_tensors
from tats_exp.metrics.frechet import FrechetReference
from tats_exp.metrics.layout import LayoutReference
from tats_exp.metrics.window_statistics import PIXELS, WindowStatistics


@dataclass(frozen=True)
class ReferenceWindows:
    """What is stored of them. The names of the fields are those of the tensors in the file.

    Attributes:
        reference: features of the windows that videos are measured against.
        floor: features of other windows of the same kind, which are measured as if they were videos.
        layout: layouts of the reference.
        floor_layout: of the floor.
        probabilities: the classifier's opinions of the floor.
        motion: motion energy of the reference.
        contrast: of the reference.
        brightness: of the reference.
        saturation: of the reference.
        held_out: features of windows of the test split; None in an evaluation of folders, which have no splits, and of
            rebuilt windows.
        places: video and first frame of each window, of all repeats one after another, those of the floor first in
            each; None likewise.
    """

    reference: Float[Tensor, "R N D"]
    floor: Float[Tensor, "R n D"]
    layout: Float[Tensor, "R N 48"]
    floor_layout: Float[Tensor, "R n 48"]
    probabilities: Float[Tensor, "videos classes"]
    motion: Float[Tensor, " references"]
    contrast: Float[Tensor, " references"]
    brightness: Float[Tensor, " references"]
    saturation: Float[Tensor, " references"]
    held_out: Float[Tensor, "n_held_out D"] | None = None
    places: Int64[Tensor, "windows 2"] | None = None

    @classmethod
    def of(cls, statistics: WindowStatistics, repeats: int, floor: int) -> "ReferenceWindows":
        """What is stored of the windows of all repeats.

        Args:
            statistics: of the windows, in the order of `draw_reference`.
            repeats: R.
            floor: n, how many windows of each repeat, from the front, are the floor.
        """
        apart = {n: rearrange(v, "(r w) ... -> r w ...", r=repeats) for n, v in statistics.given().items()}
        return cls(
            reference=apart["features"][:, floor:],
            floor=apart["features"][:, :floor],
            layout=apart["layout"][:, floor:],
            floor_layout=apart["layout"][:, :floor],
            probabilities=apart["probabilities"][:, :floor].flatten(0, 1),
            **{name: apart[name][:, floor:].flatten() for name in PIXELS},
        )

    @classmethod
    def load(cls, path: Path) -> "ReferenceWindows":
        """Read what `save` wrote.

        Raises:
            UserError: the file is damaged.
        """
        return cls(**load_tensors(path))

    def save(self, path: Path) -> None:
        """Write a safetensors file that is whole or absent."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        save_tensors(path, {name: value for name, value in values.items() if value is not None})

    @property
    def repeats(self) -> int:
        """R."""
        return self.reference.shape[0]

    @property
    def reference_count(self) -> int:
        """N."""
        return self.reference.shape[1]

    @property
    def count(self) -> int:
        """The n of one repeat."""
        return self.floor.shape[1]

    @property
    def total(self) -> int:
        """R n, the videos of all repeats."""
        return self.repeats * self.count

    @cached_property
    def frechet(self) -> list[FrechetReference]:
        """The reference of each repeat, factored for Fréchet distances."""
        return [FrechetReference(features) for features in self.reference]

    @cached_property
    def layouts(self) -> list[LayoutReference]:
        """The reference of each repeat, factored for layout distances."""
        return [LayoutReference(layouts) for layouts in self.layout]

    def by_repeat(self, values: Float[Tensor, "videos D"]) -> tuple[Float[Tensor, "n D"], ...]:
        """Features or layouts of the videos of all repeats, or of the first ones, apart."""
        return values.split(self.count)

    def frechet_distances(self, features: Float[Tensor, "videos D"]) -> list[float]:
        """Fréchet distance of the videos of each repeat to its reference, of as many repeats as there are videos of."""
        pairs = zip(self.frechet, self.by_repeat(features), strict=False)
        return [float(reference.distance(videos)) for reference, videos in pairs]

    def layout_distance(self, layouts: Float[Tensor, "videos 48"]) -> float:
        """Layout distance of videos to the reference, mean over the repeats that there are videos of."""
        pairs = zip(self.layouts, self.by_repeat(layouts), strict=False)
        return fmean(float(reference.distances(videos)) for reference, videos in pairs)

    @cached_property
    def layout_floor(self) -> float:
        """Layout distance of the floor to the reference."""
        return self.layout_distance(self.floor_layout.flatten(0, 1))

    @property
    def windows(self) -> list[Window]:
        """Where all windows lie, in the order of `places`."""
        assert self.places is not None, "their places were not stored"
        return [Window(*place) for place in self.places.tolist()]

    @property
    def floor_places(self) -> list[Window]:
        """Where the windows of the floor lie."""
        each = self.count + self.reference_count
        return [window for place, window in enumerate(self.windows) if place % each < self.count]


def draw_reference(
    videos: Videos, reference: int, floor: int, frames: int, repeats: int, seed: int
) -> tuple[list[list[Window]], int]:
    """Draw the real windows of every repeat: first those of the floor, then the reference, all of a repeat disjoint.

    `draw_windows` goes round the videos, and the short ones drop out first: its windows are shuffled before they are
    dealt, so that floor and reference are draws of one kind.

    Args:
        videos: where to draw from.
        reference: windows wanted to measure against.
        floor: windows wanted to be measured, as many as there are generated videos.
        frames: of a window.
        repeats: R.
        seed: of the first repeat; the others count on from it.

    Returns:
        R lists of floor + reference windows, or of as many as there are, and how many of each list are the floor:
        those wanted, or half of too few.
    """
    drawn = []
    for number in range(seed, seed + repeats):
        windows = draw_windows(videos, floor + reference, frames, number)
        drawn.append([windows[place] for place in np.random.default_rng(number).permutation(len(windows))])
    return drawn, floor if len(drawn[0]) == floor + reference else min(floor, len(drawn[0]) // 2)


def places_of(windows: list[Window]) -> Int64[Tensor, "_ 2"]:
    """Video and first frame of windows, as `ReferenceWindows.places` holds them."""
    return torch.tensor([[window.video, window.start] for window in windows])
