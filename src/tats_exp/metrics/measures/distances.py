"""How far videos are from real and from rebuilt windows in the features of a network: Fréchet and kernel distance."""

import statistics
from abc import abstractmethod
from collections.abc import Iterator
from dataclasses import replace
from functools import partial

from jaxtyping import Float
from torch import Tensor

from tats_exp.metrics.drift import growth
from tats_exp.metrics.findings import Findings
from tats_exp.metrics.frechet import bias_warning, extrapolated_frechet, polynomial_mmd
from tats_exp.metrics.measure import (
    FloorKind,
    Measure,
    Measurement,
    Values,
    along_windows,
    at_ends,
    free_of_charge,
)
from tats_exp.metrics.reference_windows import ReferenceWindows
from tats_exp.run_folder.columns import TO_REAL, TO_REBUILT, Column

WHERE = {"": "rebuilt windows", TO_REBUILT: "rebuilt windows", TO_REAL: "real windows"}
"""What the end of a key says of the reference, in words."""


class _Distance(Measure):
    """A distance of each repeat's videos from its references; values are means over the repeats."""

    prefix: str

    @abstractmethod
    def by_repeat(self, reference: ReferenceWindows, features: Float[Tensor, "videos D"]) -> list[float]:
        """One distance for each repeat, from features of the videos of all of them."""

    def distance(self, reference: ReferenceWindows, features: Float[Tensor, "videos D"]) -> float:
        """Mean over the repeats."""
        return statistics.fmean(self.by_repeat(reference, features))

    def __call__(self, findings: Findings) -> Measurement:
        """As `Measure`."""
        key, windows = f"{self.prefix}/{findings.network}", findings.windows
        values: Values = {}
        curves = {}
        floors: dict[FloorKind, dict[str, float]] = {}
        free: dict[str, str] = {}
        for end, reference in findings.references.items():
            curve = along_windows(findings, partial(self._of_window, findings, reference))
            curves[key + end] = curve
            values |= at_ends(key, curve, end)
            floor = self.distance(reference, reference.floor.flatten(0, 1))
            floors["real" if end == TO_REAL else "rebuilt"] = {key + end: floor}
            beyond = self.beyond(key, end, curve, floor)
            values |= beyond
            free |= free_of_charge(findings.standing, *beyond)
            if end != TO_REAL:
                free |= free_of_charge(findings.one_code, f"{key}/window_0{end}", f"{key}/last{end}")
            if reference.repeats > 1:
                for name, window in (("window_0", windows[0]), ("last", windows[-1])):
                    values[f"{key}/{name}/std{end}"] = statistics.stdev(self.by_repeat(reference, window.seen()[0]))
        if findings.rebuilt is not None:
            floors["real"] = {**floors["real"], f"{key}/rebuilt": floors["real"][key + TO_REAL]}
            pedestal = self.distance(findings.real, findings.rebuilt.windows.floor.flatten(0, 1))
            values[f"{key}/rebuilt"] = pedestal
            floors["reconstruction"] = {key + TO_REAL: pedestal}
        return Measurement(values, curves, floors, free=free)

    def _of_window(self, findings: Findings, reference: ReferenceWindows, t: int) -> float:
        return self.distance(reference, findings.windows[t].seen()[0])

    def beyond(self, key: str, end: str, curve: list[float], floor: float) -> Values:
        """Values of a curve that some distances have beside its ends."""
        return {}


class FrechetDistance(_Distance):
    """The Fréchet distance (FVD with I3D) of every window, and how it grows along the videos."""

    prefix = "fvd"

    @property
    def columns(self) -> tuple[Column, ...]:
        """As `Measure`."""
        plain = Column("fvd/{network}", ("FVD {network}", ""), "Fréchet distance", "Fréchet distance", protocol=True)
        distance = replace(plain, ratio=True, better="lower")
        return (
            *_of_ends(distance, "FVD"),
            _rebuilt(distance),
            *(
                replace(
                    plain,
                    key=f"fvd/{{network}}/growth{end}",
                    title=("FVD {network}", f"growth{short(end)}"),
                    explanation=f"ln((D_late + F) / (D_0 + F)) of the distance to {where}; D_late is the mean of the "
                    "later half of the windows, F the floor. Null where not all windows were looked at.",
                    unit="log of a ratio",
                    better="lower",
                )
                for end, where in WHERE.items()
            ),
            replace(
                plain,
                key="fvd/{network}/extrapolated",
                title=("FVD {network}", "extrapolated"),
                explanation="Of window 0 to real windows at infinitely many videos, where N allows it.",
            ),
        )

    def by_repeat(self, reference: ReferenceWindows, features: Float[Tensor, "videos D"]) -> list[float]:
        """As `_Distance`."""
        return reference.frechet_distances(features)

    def beyond(self, key: str, end: str, curve: list[float], floor: float) -> Values:
        """As `_Distance`."""
        return {f"{key}/growth{end}": growth(curve, floor)}

    def __call__(self, findings: Findings) -> Measurement:
        """As `Measure`."""
        measurement = super().__call__(findings)
        real, key = findings.real, f"{self.prefix}/{findings.network}"
        values = {**measurement.values, **_extrapolated(key, findings)}
        biased = bias_warning(real.reference.shape[2], real.reference_count, real.count)
        return replace(measurement, values=values, notes=[] if biased is None else [f"{key}: {biased}"])


class KernelDistance(_Distance):
    """The kernel distance (KVD with I3D), which few videos do not bias."""

    prefix = "kvd"

    @property
    def columns(self) -> tuple[Column, ...]:
        """As `Measure`."""
        why = "Squared MMD, polynomial kernel, unbiased,"
        plain = Column("kvd/{network}", ("KVD {network}", ""), why, "MMD²", "lower", protocol=True)
        return (*_of_ends(plain, "KVD"), _rebuilt(plain))

    def by_repeat(self, reference: ReferenceWindows, features: Float[Tensor, "videos D"]) -> list[float]:
        """As `_Distance`."""
        pairs = zip(reference.reference, reference.by_repeat(features), strict=False)
        return [float(polynomial_mmd(windows, videos)) for windows, videos in pairs]


def short(end: str) -> str:
    """The reference that the end of a key names, for titles."""
    return end.replace("/", ", ").replace("_", " ")


def _of_ends(column: Column, name: str) -> Iterator[Column]:
    """Curve, first and last window of a distance to each reference; in the main table is that of the Fréchet one."""
    for end, where in WHERE.items():
        why = f"{column.explanation} to {where}."
        title = column.title[0]
        yield replace(column, key=column.key + end, title=(f"{title}{short(end)}", ""), explanation=why, is_curve=True)
        for key, window in (("window_0", "window 0"), ("last", "last window")):
            yield replace(
                column,
                key=f"{column.key}/{key}{end}",
                title=(title, window + short(end)),
                explanation=why,
                phrase=f"{name} of {'the ' if key == 'last' else ''}{window} to {where} ({{network}})",
                in_table=name == "FVD" and key == "last",
            )
            yield replace(
                column,
                key=f"{column.key}/{key}/std{end}",
                title=(title, f"{window}, spread{short(end)}"),
                explanation="Sample standard deviation of it over the repeats.",
                ratio=False,
                better=None,
            )


def _rebuilt(column: Column) -> Column:
    return replace(
        column,
        key=f"{column.key}/rebuilt",
        title=(column.title[0], "rebuilt to real"),
        explanation=f"{column.explanation} of rebuilt windows to real ones: the VQGAN's own error, which every "
        "distance of a sampled video to real windows holds.",
        phrase=f"{column.title[0].split()[0]} of rebuilt to real windows ({{network}})",
        in_table=column.key.startswith("fvd"),
    )


def _extrapolated(key: str, findings: Findings) -> Values:
    """The distance of the first window to real ones at infinitely many videos, where there are enough to tell."""
    real = findings.real
    pairs = zip(real.reference, real.by_repeat(findings.windows[0].seen()[0]), strict=True)
    given = [value for pair in pairs if (value := extrapolated_frechet(*pair, seed=findings.seed)) is not None]
    return {f"{key}/extrapolated": statistics.fmean(given)} if given else {}
