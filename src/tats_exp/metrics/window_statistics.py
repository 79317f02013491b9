"""What is kept of one window of videos: the features, opinions and pixel statistics that all video metrics are made of.

Axes: N videos, T H W C pixels of a window, D features.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields

import torch
from jaxtyping import Float, Int64, UInt8
from torch import Tensor

from tats_exp.metrics.layout import layout
from tats_exp.metrics.pixels import brightness, contrast, motion_energy, saturation

PIXELS = ("motion", "contrast", "brightness", "saturation")
"""The statistics that need no network, one value per video each."""


@dataclass(frozen=True)
class WindowStatistics:
    """One window of N videos, on the CPU.

    Attributes:
        motion: motion energy; see `pixels.py` for this and the next three.
        contrast: of its frames.
        brightness: of its frames.
        saturation: of its frames.
        layout: where which colours are; see `layout.py`.
        features: of the feature network; None where no network looked at the window.
        probabilities: softmax of the classifier; None where no network looked.
    """

    motion: Float[Tensor, " N"]
    contrast: Float[Tensor, " N"]
    brightness: Float[Tensor, " N"]
    saturation: Float[Tensor, " N"]
    layout: Float[Tensor, "N 48"]
    features: Float[Tensor, "N D"] | None = None
    probabilities: Float[Tensor, "N classes"] | None = None

    @classmethod
    def joined(cls, parts: Sequence["WindowStatistics"]) -> "WindowStatistics":
        """The same window of all videos, from a few videos at a time."""
        return cls(**{name: torch.cat([part.given()[name] for part in parts]) for name in parts[0].given()})

    def ordered(self, places: Int64[Tensor, " N"]) -> "WindowStatistics":
        """The videos in another order."""
        return WindowStatistics(**{name: value[places] for name, value in self.given().items()})

    def given(self) -> dict[str, Tensor]:
        """The statistics that are there, by name."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return {name: value for name, value in values.items() if value is not None}

    def seen(self) -> tuple[Float[Tensor, "N D"], Float[Tensor, "N classes"]]:
        """Features and probabilities of a window that the networks looked at."""
        assert self.features is not None and self.probabilities is not None, "no network looked at this window"
        return self.features, self.probabilities


def pixel_statistics(video: UInt8[Tensor, "N T H W C"]) -> WindowStatistics:
    """What is kept of a window that no network looks at."""
    return WindowStatistics(motion_energy(video), contrast(video), brightness(video), saturation(video), layout(video))


def joined_by_window(batches: Iterable[Sequence[WindowStatistics]]) -> list[WindowStatistics]:
    """Statistics of all videos, window by window, from those of a few videos at a time."""
    return [WindowStatistics.joined(same) for same in zip(*batches, strict=True)]
