"""From real windows and generated videos to the values that are reported: what a run and `evaluate` have in common.

Nothing here knows where videos come from. What networks and pixels say of a window of all videos is a `Look` (see
`look.py`); of a generated video there is one for every window, in time order.

Axes: R repeats, N real windows and n videos of each repeat, D features, T H W C pixels of a window.
"""

import math
import statistics
from collections.abc import Callable, Iterable, Sequence
from functools import cached_property
from typing import Any

import numpy as np
import torch
from einops import rearrange
from jaxtyping import Float
from torch import Tensor

from tats_exp.data.videos import Videos
from tats_exp.data.window_reading import read_windows
from tats_exp.data.windows import Window, draw_windows
from tats_exp.metrics.coherence import ccs, ics, inception_score
from tats_exp.metrics.drift import first_window_past
from tats_exp.metrics.frechet import FrechetReference, bias_warning, extrapolated_frechet, polynomial_mmd
from tats_exp.metrics.look import PIXELS, look
from tats_exp.metrics.trend import bootstrap_slope, frozen_share, relative_change, slope

Look = dict[str, Tensor]
Row = dict[str, float]
Values = dict[str, float | None]
FEW_WINDOWS = 3
"""A slope over fewer windows than this says no more than their difference."""


class Evaluation:
    """Real windows, looked at once, against which any number of generated videos are measured.

    Attributes:
        network: name of the feature network, as in `fvd/<name>`.
        classifier: name of the network whose opinions give IS, CCS and ICS.
        real: what was seen of the real windows, as `real_side` gives it.
        repeats: R.
        count: n.
        notes: what a reader of the values has to know.
    """

    def __init__(self, network: str, classifier: str, real: Look) -> None:
        self.network, self.classifier, self.real = network, classifier, real
        self.repeats, self.count = real["floor"].shape[:2]
        self._references = [FrechetReference(features) for features in real["reference"]]
        biased = bias_warning(real["reference"].shape[2], real["reference"].shape[1], self.count)
        self.notes = [] if biased is None else [f"fvd/{network}: {biased}"]

    def distances(self, features: Float[Tensor, "videos D"]) -> dict[str, list[float]]:
        """Fréchet and kernel distance of R n videos to the real windows, one value per repeat."""
        parts = rearrange(features, "(r n) d -> r n d", r=self.repeats)
        pairs = list(zip(self._references, self.real["reference"], parts, strict=True))
        return {
            f"fvd/{self.network}": [float(reference.distance(part)) for reference, _, part in pairs],
            f"kvd/{self.network}": [float(polynomial_mmd(real, part)) for _, real, part in pairs],
        }

    @cached_property
    def floors(self) -> dict[str, float]:
        """What real videos get against other real ones, at equal numbers."""
        floors = self.distances(rearrange(self.real["floor"], "r n d -> (r n) d"))
        found = {key: statistics.fmean(values) for key, values in floors.items()}
        return {**found, f"is/{self.classifier}": float(inception_score(self.real["probabilities"]))}

    def rows(self, seen: Sequence[Look]) -> list[Row]:
        """One row per window; nan where the networks did not look at it.

        Args:
            seen: a `Look` per window at all R n videos; features and probabilities may be missing between the ends.
        """
        looked = [t for t, window in enumerate(seen) if "features" in window]
        opinions = torch.stack([seen[t]["probabilities"] for t in looked], dim=1)
        coherence = {f"ccs/{self.classifier}": ccs(opinions), f"ics/{self.classifier}": ics(opinions)}
        rows = []
        for t, window in enumerate(seen):
            row: Row = {"window": float(t), **dict.fromkeys(self._network_keys(), math.nan)}
            if t in looked:
                row |= {key: statistics.fmean(values) for key, values in self.distances(window["features"]).items()}
                row[f"is/{self.classifier}"] = float(inception_score(window["probabilities"]))
                row |= {key: float(values[looked.index(t)]) for key, values in coherence.items()}
            row |= {f"drift/{name}": _ratio(window[name], self.real[name]) for name in PIXELS}
            row["drift/frozen"] = frozen_share(window["motion"], self.real["motion"])
            rows.append(row)
        return rows

    def values(self, rows: list[Row], seen: Sequence[Look], resamples: int, seed: int) -> Values:
        """The final values of a set of videos.

        Args:
            rows: as `rows` gave them, more columns included.
            seen: the same looks.
            resamples: of the bootstrap behind the interval of the slope; 0 for none.
            seed: of the bootstrap and of the extrapolation.
        """
        fvd = f"fvd/{self.network}"
        values: Values = {}
        for key in self._network_keys():
            values |= {f"{key}/window_0": rows[0][key], f"{key}/last": rows[-1][key]}
        if self.repeats > 1:
            for name, window in (("window_0", seen[0]), ("last", seen[-1])):
                spread = self.distances(window["features"])
                values |= {f"{key}/{name}/std": statistics.stdev(found) for key, found in spread.items()}
        values |= self._from_first_to_last(rows)
        values |= self._unbiased(seen[0]["features"], seed)
        curve = [row[fvd] for row in rows]
        if len(curve) > 1 and all(map(math.isfinite, curve)):
            past = first_window_past(curve, self.floors[fvd])
            values["drift/first_window"] = None if past is None else float(past)
            if len(curve) >= FEW_WINDOWS:
                values |= self._slope(curve, seen, resamples, seed)
        values |= {f"{key}/last": rows[-1][key] for key in rows[-1] if key.startswith(("codes/", "drift/"))}
        return values

    def _from_first_to_last(self, rows: list[Row]) -> Values:
        """What changes along the videos; None where they are one window long, which can neither change nor keep."""
        fvd = f"fvd/{self.network}"
        if len(rows) == 1:
            kept = (f"{metric}/{self.classifier}/last" for metric in ("ccs", "ics"))
            return dict.fromkeys([f"{fvd}/growth", f"{fvd}/relative_change", *kept])
        first, last = rows[0][fvd], rows[-1][fvd]
        return {f"{fvd}/growth": last - first, f"{fvd}/relative_change": relative_change([first, last])[-1]}

    def _network_keys(self) -> list[str]:
        asked = (f"{metric}/{self.classifier}" for metric in ("is", "ccs", "ics"))
        return [f"fvd/{self.network}", f"kvd/{self.network}", *asked]

    def _unbiased(self, features: Float[Tensor, "videos D"], seed: int) -> Values:
        """The distance of the first window at infinitely many videos, where there are enough to tell."""
        parts = rearrange(features, "(r n) d -> r n d", r=self.repeats)
        found = [extrapolated_frechet(*pair, seed=seed) for pair in zip(self.real["reference"], parts, strict=True)]
        told = [value for value in found if value is not None]
        return {f"fvd/{self.network}/extrapolated": statistics.fmean(told)} if told else {}

    def _slope(self, curve: list[float], seen: Sequence[Look], resamples: int, seed: int) -> Values:
        key = f"fvd/{self.network}/slope"
        values: Values = {key: slope(curve)}
        if resamples and self.repeats == 1:  # the mean over repeats has no bootstrap of its own
            low, high = bootstrap_slope(
                self.real["reference"][0], [window["features"] for window in seen], resamples, seed
            )
            values |= {f"{key}/low": low, f"{key}/high": high}
        return values


def draw_real(
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


def count_notes(wanted: tuple[int, int], measured: tuple[int, int]) -> list[str]:
    """What to say where fewer were measured than asked for.

    Args:
        wanted: generated videos and real windows.
        measured: the same.
    """
    if wanted == measured:
        return []
    told = "{} generated videos against {} real windows"
    return [f"{told.format(*measured)} were measured in place of {told.format(*wanted)}: there are no more"]


def look_at_windows(
    network: Any,
    classifier: Any,
    videos: Videos,
    windows: list[Window],
    frames: int,
    batch: int,
    device: torch.device,
    progress: Callable[[int], None],
) -> Look:
    """Look at windows of real videos, a batch at a time.

    Args:
        network: gives the features.
        classifier: gives the opinions; None for the network itself.
        videos: where the windows lie.
        windows: the places, one or more; what is seen is in their order.
        frames: of a window.
        batch: windows looked at side by side.
        device: where the networks are.
        progress: told how many windows are done.
    """
    # Video after video, from front to back: a reader of files opens each once and seeks little.
    order = sorted(range(len(windows)), key=lambda place: (windows[place].video, windows[place].start))
    looks = []
    for start in range(0, len(windows), batch):
        some = [windows[place] for place in order[start : start + batch]]
        looks.append(look(network, read_windows(videos, some, frames), device, classifier))
        progress(min(start + batch, len(windows)))
    back = torch.tensor(order).argsort()
    return {name: torch.cat([part[name] for part in looks])[back] for name in looks[0]}


def real_side(seen: Look, repeats: int, floor: int) -> Look:
    """What an `Evaluation` keeps of real windows.

    Args:
        seen: a look at the windows of all repeats, in the order of `draw_real`.
        repeats: R.
        floor: n, how many windows of each repeat, from the front, are the floor.

    Returns:
        `reference` (R, N, D), `floor` (R, n, D), `probabilities` (R n, classes) of the floor, and the pixel
        statistics (R N,) of the reference.
    """
    apart = {name: rearrange(value, "(r w) ... -> r w ...", r=repeats) for name, value in seen.items()}
    return {
        "reference": apart["features"][:, floor:],
        "floor": apart["features"][:, :floor],
        "probabilities": apart["probabilities"][:, :floor].flatten(0, 1),
        **{name: apart[name][:, floor:].flatten() for name in PIXELS},
    }


def joined(batches: Iterable[list[Look]]) -> list[Look]:
    """Looks at all videos, window by window, from looks at a few videos at a time."""
    return [{name: torch.cat([part[name] for part in same]) for name in same[0]} for same in zip(*batches, strict=True)]


def _ratio(generated: Float[Tensor, " n"], real: Float[Tensor, " N"]) -> float:
    """Mean of the generated over mean of the real; nan where the real is 0 (stills do not move)."""
    return float(generated.mean() / real.mean()) if real.mean() > 0 else math.nan
