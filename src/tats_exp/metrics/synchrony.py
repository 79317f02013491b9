"""Do things happen when they are heard? Turns of what moves, found in pixels, against the beginnings of sounds.

Axes: S samples, T frames, H W pixels, C colour channels.
"""

import math
from collections.abc import Sequence
from statistics import fmean

import numpy as np
from jaxtyping import UInt8
from numpy.typing import NDArray
from torch import Tensor

Times = NDArray[np.float64]

HOP = 160
"""Samples, a hundredth of a second."""
QUIET, RISE, APART = -60.0, 6.0, 5
"""Decibels below full swing that count as silence, by how many sound must grow within two hops where it begins anew,
and hops between two beginnings."""
TURN = 0.1
"""How far what moves must have come to a place where it turns, and go back, in sides of the frame."""
FAR = 8.0
"""Frames: the most that an offset counts, and the offset of a sound during which nothing turns at all."""
ENDS = 4.0
"""Frames at either end of a video whose sounds are not looked at: a turn there has nothing before or behind it."""
PAIRINGS = 16
"""Other videos whose sound each video is held against, at most."""


def beginnings(sound: NDArray[np.float32], rate: int) -> Times:
    """When sounds begin.

    Args:
        sound: (S,), -1 to 1.
        rate: samples a second.

    Returns:
        Seconds, in order, to a hundredth.
    """
    whole = len(sound) // HOP * HOP
    power = np.square(sound[:whole].astype(np.float64)).reshape(-1, HOP).mean(axis=1)
    level = np.concatenate([[QUIET] * 2, np.maximum(10 * np.log10(np.maximum(power, 1e-12)), QUIET)])
    rise = level[2:] - np.minimum(level[1:-1], level[:-2])
    # A rise at the very beginning or end is a peak, too.
    peaks = _peaks(np.concatenate([[0.0], rise, [0.0]]), height=RISE, distance=APART)
    times: Times = (peaks - 1) * HOP / rate
    return times


class Path:
    """Where the thing that stands out from a still ground is, in frames that arrive piece by piece."""

    def __init__(self) -> None:
        """Begin without a frame."""
        self._places: list[Times] = []

    def add(self, video: UInt8[Tensor, "T H W C"]) -> None:
        """Take the next frames; of none, nothing."""
        if not len(video):
            return
        frames = video.numpy().astype(np.float64)
        ground = np.median(frames, axis=(1, 2), keepdims=True)
        apart = np.abs(frames - ground).mean(axis=3)
        most = apart.max(axis=(1, 2), keepdims=True)
        weight = np.maximum(apart - most / 2, 0)
        total = np.maximum(weight.sum(axis=(1, 2)), 1e-12)
        height, width = weight.shape[1:]
        x = (weight.sum(axis=1) * (np.arange(width) + 0.5)).sum(axis=1) / total / width
        y = (weight.sum(axis=2) * (np.arange(height) + 0.5)).sum(axis=1) / total / height
        self._places.append(np.stack([x, y], axis=1))

    def turns(self) -> Times:
        """Frames, in order, at which it turns along one of the axes."""
        if not self._places:
            return np.zeros(0)
        places = np.concatenate(self._places)
        found = [_peaks(sign * places[:, axis], prominence=TURN) for axis in (0, 1) for sign in (-1, 1)]
        return np.sort(np.concatenate(found)).astype(np.float64)


def _peaks(values: NDArray[np.float64], **conditions: int | float) -> NDArray[np.int64]:
    """Places of the peaks of a curve that meet the conditions of `scipy.signal.find_peaks`."""
    from scipy.signal import find_peaks  # here, because it takes a second to be imported and few need it

    return find_peaks(values, **conditions)[0]


def offsets(heard: Times, seen: Times) -> Times:
    """From each beginning of a sound the time to the nearest turn, before or behind it.

    Args:
        heard: times of sounds.
        seen: times of turns, in order.

    Returns:
        One for each sound, at most `FAR`, in the unit of both.
    """
    if not len(seen):
        return np.full(len(heard), FAR)
    behind = np.clip(np.searchsorted(seen, heard), 1, len(seen) - 1) if len(seen) > 1 else np.zeros(len(heard), int)
    nearest = np.minimum(np.abs(heard - seen[behind]), np.abs(heard - seen[np.maximum(behind - 1, 0)]))
    return np.minimum(nearest, FAR)


def mean_offset(heard: Sequence[Times], seen: Sequence[Times], first: float | int, last: float | int) -> float:
    """Mean offset of all sounds that begin from `first` to before `last`; nan where there is none.

    Args:
        heard: times of sounds, of each video.
        seen: times of turns, of each video.
        first: frame.
        last: frame.
    """
    within = [times[(times >= first) & (times < last)] for times in heard]
    each = np.concatenate([offsets(*pair) for pair in zip(within, seen, strict=True)])
    return float(each.mean()) if len(each) else math.nan


def mean_offset_by_chance(
    heard: Sequence[Times], seen: Sequence[Times], first: float | int, last: float | int
) -> float:
    """The same of videos with the sound of another one: the mean over some pairings; nan of fewer than two videos."""
    count = len(heard)
    steps = range(1, min(count, PAIRINGS + 1))
    others = [mean_offset([*heard[step:], *heard[:step]], seen, first, last) for step in steps]
    known = [value for value in others if not math.isnan(value)]
    return fmean(known) if known else math.nan
