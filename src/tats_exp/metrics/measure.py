"""What a measure is: the columns it declares, and a function of what was seen of a set of videos."""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar, Literal

from tats_exp.metrics.findings import Findings
from tats_exp.run_folder.columns import Column

Values = dict[str, float | None]
FloorKind = Literal["real", "rebuilt", "reconstruction", "chance", "ceiling"]
FEW_WINDOWS = 3
"""A slope over fewer windows than this says no more than their difference."""


@dataclass(frozen=True)
class Measurement:
    """What a measure gives of a set of videos.

    Attributes:
        values: by key. None: the value is undefined for these videos. Infinity: the event of a `never` column did not
            happen.
        curves: by key, one value per window; nan where a window was not measured.
        floors: by kind, then by key; that of a curve holds for its first and last value, too: what real windows get
            against real ones, rebuilt ones against rebuilt ones, rebuilt ones against real ones, what chance gives.
        notes: what a reader of the values has to know, one line each.
        free: keys of values that say nothing here, as a degenerate model gets them for nothing, and what makes it one.
    """

    values: Mapping[str, float | None] = field(default_factory=dict)
    curves: Mapping[str, Sequence[float]] = field(default_factory=dict)
    floors: Mapping[FloorKind, Mapping[str, float]] = field(default_factory=dict)
    notes: Sequence[str] = ()
    free: Mapping[str, str] = field(default_factory=dict)


class Measure(ABC):
    """One kind of value that videos are given; an entry of `metrics.measures`.

    Attributes:
        of_sound: whether it says nothing but of videos that were made for a sound.
        of_text: whether it says nothing where no CLIP reads what videos were asked for.
    """

    of_sound: ClassVar[bool] = False
    of_text: ClassVar[bool] = False

    @property
    @abstractmethod
    def columns(self) -> tuple[Column, ...]:
        """Every value and curve that the measure may give."""

    @abstractmethod
    def __call__(self, findings: Findings) -> Measurement:
        """The values of a set of videos. What the findings do not allow to say is left out; it is never 0."""


def free_of_charge(reason: str, *keys: str) -> dict[str, str]:
    """Keys of values that a degenerate model gets for nothing.

    Args:
        reason: what makes it one, as the findings tell it; "" where it is none.
        keys: of the values.
    """
    return dict.fromkeys(keys, reason) if reason else {}


def defined(value: float) -> float | None:
    """The value; None for nan, which in a curve stands for what was not measured or is not defined."""
    return None if math.isnan(value) else value


def at_ends(key: str, curve: Sequence[float], end: str = "") -> Values:
    """The first and the last value of a curve, under the keys that all curves of networks use; None where it has none.

    Args:
        key: of the curve.
        curve: one value per window.
        end: of both keys, behind the window: which reference the values were taken to.
    """
    return {f"{key}/window_0{end}": defined(curve[0]), f"{key}/last{end}": defined(curve[-1])}


def along_windows(findings: Findings, value: Callable[[int], float]) -> list[float]:
    """A curve of the windows that networks looked at; nan between them.

    Args:
        findings: say which windows those are.
        value: of the window with a number.
    """
    looked_at = set(findings.looked_at)
    return [value(t) if t in looked_at else math.nan for t in range(len(findings.windows))]
