"""How far videos are from real ones in the features of a network: Fréchet and kernel distance."""

import math
import statistics
from abc import abstractmethod
from dataclasses import replace

from jaxtyping import Float
from torch import Tensor

from tats_exp.metrics.drift import first_window_past
from tats_exp.metrics.findings import Findings
from tats_exp.metrics.frechet import bias_warning, extrapolated_frechet, polynomial_mmd
from tats_exp.metrics.measure import FEW_WINDOWS, Measure, Measurement, Values, along_windows, at_ends
from tats_exp.metrics.real_windows import RealWindows
from tats_exp.metrics.trend import bootstrap_slope, relative_change, slope
from tats_exp.run_folder.columns import Column


class _Distance(Measure):
    """A distance of each repeat's videos from its real windows; values are means over the repeats."""

    prefix: str

    @abstractmethod
    def by_repeat(self, real: RealWindows, features: Float[Tensor, "videos D"]) -> list[float]:
        """One distance for each repeat, from features of the videos of all of them."""

    def __call__(self, findings: Findings) -> Measurement:
        """As `Measure`."""
        real, windows = findings.real, findings.windows
        key = f"{self.prefix}/{findings.network}"

        def distance(features: Float[Tensor, "videos D"]) -> float:
            return statistics.fmean(self.by_repeat(real, features))

        curve = along_windows(findings, lambda t: distance(windows[t].seen()[0]))
        values = at_ends(key, curve)
        if real.repeats > 1:
            for name, window in (("window_0", windows[0]), ("last", windows[-1])):
                values[f"{key}/{name}/std"] = statistics.stdev(self.by_repeat(real, window.seen()[0]))
        measurement = Measurement(values, {key: curve}, {"real": {key: distance(real.floor.flatten(0, 1))}})
        if findings.reconstructions is None:
            return measurement
        rebuilt = distance(findings.reconstructions.features)
        values[f"{key}/reconstruction"] = rebuilt
        return replace(measurement, floors={**measurement.floors, "reconstruction": {key: rebuilt}})


class FrechetDistance(_Distance):
    """The Fréchet distance (FVD with I3D), how it moves along the videos, and when it has left the floor."""

    prefix = "fvd"

    @property
    def columns(self) -> tuple[Column, ...]:
        """As `Measure`."""
        key, name, unit = "fvd/{network}", "FVD {network}", "Fréchet distance"
        plain = replace(_column(key, name, "Fréchet distance to real windows."), unit=unit, floored=True)
        per_window = f"{unit} per window"
        bars = replace(plain, in_table=True, better="lower", figure="frechet")
        return (
            replace(
                _at(bars, "reconstruction", "reconstr.", "FVD of reconstructions ({network})"),
                explanation="Of reconstructed real windows: what the VQGAN's own error adds to every distance.",
                pedestal=True,
            ),
            _at(bars, "window_0", "window 0", "FVD of window 0 ({network})"),
            _at(bars, "last", "last window", "FVD of the last window ({network})"),
            Column(
                "drift/first_window",
                ("collapse", "at window"),
                "First window whose distance above the floor has doubled; null: none has.",
                unit="window",
                better="higher",
                phrase="window of collapse",
                in_table=True,
                never=True,
                protocol=True,
            ),
            replace(plain, is_curve=True, better="lower"),
            *_spreads(plain),
            _extra(plain, "growth", "growth", "Of the last window, less that of window 0."),
            _extra(plain, "relative_change", "relative change", "Growth over the distance of window 0.", "share"),
            _extra(plain, "extrapolated", "extrapolated", "Of window 0 at infinitely many videos, where N allows it."),
            _extra(plain, "slope", "slope", "Change per window, by least squares.", per_window),
            _extra(plain, "slope/low", "slope, low", "Low end of its 95% bootstrap interval over videos.", per_window),
            _extra(plain, "slope/high", "slope, high", "High end of that interval.", per_window),
        )

    def by_repeat(self, real: RealWindows, features: Float[Tensor, "videos D"]) -> list[float]:
        """As `_Distance`."""
        pairs = zip(real.frechet, real.by_repeat(features), strict=True)
        return [float(reference.distance(videos)) for reference, videos in pairs]

    def __call__(self, findings: Findings) -> Measurement:
        """As `Measure`."""
        measurement = super().__call__(findings)
        real, key = findings.real, f"{self.prefix}/{findings.network}"
        curve, floor = list(measurement.curves[key]), measurement.floors["real"][key]
        values = {**measurement.values, **_from_first_to_last(key, curve), **_extrapolated(key, findings)}
        if len(curve) > 1 and all(map(math.isfinite, curve)):
            past = first_window_past(curve, floor)
            values["drift/first_window"] = math.inf if past is None else float(past)
            if len(curve) >= FEW_WINDOWS:
                values |= _slope(key, curve, findings)
        biased = bias_warning(real.reference.shape[2], real.reference_count, real.count)
        return replace(measurement, values=values, notes=[] if biased is None else [f"{key}: {biased}"])


class KernelDistance(_Distance):
    """The kernel distance (KVD with I3D), which few videos do not bias."""

    prefix = "kvd"

    @property
    def columns(self) -> tuple[Column, ...]:
        """As `Measure`."""
        name, why = "KVD {network}", "Squared MMD to real windows, polynomial kernel, unbiased."
        plain = replace(_column("kvd/{network}", name, why), unit="MMD²")
        bars = replace(plain, in_table=True, better="lower")
        return (
            replace(
                _at(bars, "reconstruction", "reconstr.", "KVD of reconstructions ({network})"),
                explanation="Of reconstructed real windows: what the VQGAN's own error adds to every distance.",
            ),
            _at(bars, "window_0", "window 0", "KVD of window 0 ({network})"),
            _at(bars, "last", "last window", "KVD of the last window ({network})"),
            replace(plain, is_curve=True, better="lower"),
            *_spreads(plain),
        )

    def by_repeat(self, real: RealWindows, features: Float[Tensor, "videos D"]) -> list[float]:
        """As `_Distance`."""
        pairs = zip(real.reference, real.by_repeat(features), strict=True)
        return [float(polynomial_mmd(reference, videos)) for reference, videos in pairs]


def _column(key: str, title: str, explanation: str) -> Column:
    return Column(key, (title, ""), explanation, protocol=True)


def _at(column: Column, end: str, second: str, phrase: str) -> Column:
    return replace(column, key=f"{column.key}/{end}", title=(column.title[0], second), phrase=phrase)


def _extra(column: Column, end: str, second: str, explanation: str, unit: str = "") -> Column:
    other = replace(column, key=f"{column.key}/{end}", title=(column.title[0], second), explanation=explanation)
    return replace(other, floored=False, unit=unit or column.unit)


def _spreads(column: Column) -> tuple[Column, ...]:
    why = "Sample standard deviation of the distance over the repeats."
    ends = (("window_0/std", "window 0, spread"), ("last/std", "last window, spread"))
    return tuple(_extra(column, end, second, why) for end, second in ends)


def _from_first_to_last(key: str, curve: list[float]) -> Values:
    """What changes along the videos; None where they are one window long."""
    if len(curve) == 1:
        return {f"{key}/growth": None, f"{key}/relative_change": None}
    first, last = curve[0], curve[-1]
    return {f"{key}/growth": last - first, f"{key}/relative_change": relative_change([first, last])[-1]}


def _extrapolated(key: str, findings: Findings) -> Values:
    """The distance of the first window at infinitely many videos, where there are enough to tell."""
    real = findings.real
    pairs = zip(real.reference, real.by_repeat(findings.windows[0].seen()[0]), strict=True)
    given = [value for pair in pairs if (value := extrapolated_frechet(*pair, seed=findings.seed)) is not None]
    return {f"{key}/extrapolated": statistics.fmean(given)} if given else {}


def _slope(key: str, curve: list[float], findings: Findings) -> Values:
    values: Values = {f"{key}/slope": slope(curve)}
    if findings.resamples and findings.real.repeats == 1:  # the mean over repeats has no bootstrap of its own
        windows = [window.seen()[0] for window in findings.windows]
        interval = bootstrap_slope(findings.real.reference[0], windows, findings.resamples, findings.seed)
        values |= dict(zip((f"{key}/slope/low", f"{key}/slope/high"), interval, strict=True))
    return values
