"""Whether palettes and places go wrong along the videos, and from which window on."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor

from tats_exp.metrics.drift import first_window_past, growth
from tats_exp.metrics.findings import Findings
from tats_exp.metrics.layout import spread
from tats_exp.metrics.measure import FloorKind, Measure, Measurement, Values, at_ends, free_of_charge
from tats_exp.metrics.measures.distances import WHERE, short
from tats_exp.metrics.reference_windows import ReferenceWindows
from tats_exp.run_folder.columns import TO_REAL, Column

_INTERVAL = 0.975  # the upper quantile behind the lower end of a basic interval of 95%


@dataclass(frozen=True)
class LayoutDrift(Measure):
    """Layout distance of every window, its growth, the windows of drift and of collapse, and the videos' diversity.

    Attributes:
        collapse_floors: k, by how many floors the distance must have risen for a collapse; above 1.

    Raises:
        ValueError: it is not.
    """

    collapse_floors: float

    def __post_init__(self) -> None:
        if not 1 < self.collapse_floors < math.inf:
            raise ValueError(f"collapse_floors={self.collapse_floors} must be above 1, the floors of mere drift")

    @property
    def columns(self) -> tuple[Column, ...]:
        """As `Measure`."""
        return tuple(column for end, where in WHERE.items() for column in self._columns(end, where))

    def _columns(self, end: str, where: str) -> Iterator[Column]:
        rise = "from which on the 95% bootstrap interval of D_t - D_0 lies wholly above"
        yield Column(
            f"layout/growth{end}",
            ("layout", f"growth{short(end)}"),
            f"ln((D_late + F) / (D_0 + F)) of the layout distance to {where}: D_late is the mean of the later half "
            "of the windows, F the floor.",
            unit="log of a ratio",
            better="lower",
            phrase="growth of the layout distance",
            in_table=True,
            protocol=True,
        )
        yield Column(
            f"drift/collapse_window{end}",
            ("collapse", f"at window{short(end)}"),
            f"First window {rise} {self.collapse_floors:g} floors, D being the layout distance to {where}.",
            unit="window",
            better="higher",
            phrase="window of collapse",
            in_table=True,
            never=True,
            protocol=True,
        )
        yield Column(
            f"drift/first_window{end}",
            ("drift", f"from window{short(end)}"),
            f"First window {rise} one floor, D being the layout distance to {where}.",
            unit="window",
            better="higher",
            phrase="window of first drift",
            never=True,
            protocol=True,
        )
        distance = f"Fréchet distance x 1,000 of mean colours in 4 x 4 fields to {where}."
        share = f"Variance between videos of mean colours in 4 x 4 fields over that of {where}: 0 is one look for all."
        for key, column in (
            ("layout", Column("", ("layout", ""), distance, "layout distance", "lower", ratio=True, protocol=True)),
            ("diversity", Column("", ("diversity", ""), share, "ratio", "one", ratio=True, protocol=True)),
        ):
            yield replace(column, key=f"{key}{end}", title=(f"{key.capitalize()}{short(end)}", ""), is_curve=True)
            for place, window in (("window_0", "window 0"), ("last", "last window")):
                phrase = f"{column.unit if key == 'layout' else key} of {'the ' if place == 'last' else ''}{window}"
                yield replace(column, key=f"{key}/{place}{end}", title=(key, window + short(end)), phrase=phrase)

    def __call__(self, findings: Findings) -> Measurement:
        """As `Measure`. Videos of one window neither grow nor drift: these values are None."""
        values: Values = {}
        curves: dict[str, list[float]] = {}
        floors: dict[FloorKind, dict[str, float]] = {}
        free: dict[str, str] = {}
        layouts = [window.layout for window in findings.windows]
        for end, reference in findings.references.items():
            curve = [reference.layout_distance(window) for window in layouts]
            floor = reference.layout_floor
            curves[f"layout{end}"] = curve
            floors["real" if end == TO_REAL else "rebuilt"] = {f"layout{end}": floor}
            values |= {f"layout/growth{end}": growth(curve, floor), **at_ends("layout", curve, end)}
            values |= self._windows(end, layouts, reference, findings)
            varied = spread(reference.layout.flatten(0, 1))
            curves[f"diversity{end}"] = [spread(window) / varied if varied else math.nan for window in layouts]
            values |= at_ends("diversity", curves[f"diversity{end}"], end)
            along = (f"layout/growth{end}", f"drift/first_window{end}", f"drift/collapse_window{end}")
            free |= free_of_charge(findings.standing, *along)
            if end != TO_REAL:
                free |= free_of_charge(findings.one_code, f"layout/window_0{end}", f"layout/last{end}")
        return Measurement(values, curves, floors, free=free)

    def _windows(
        self, end: str, layouts: Sequence[Float[Tensor, "videos 48"]], reference: ReferenceWindows, findings: Findings
    ) -> Values:
        """The windows of drift and collapse; None below two windows, without a bootstrap, or where the floor is 0."""
        keys = (f"drift/first_window{end}", f"drift/collapse_window{end}")
        if len(layouts) < 2 or not findings.resamples or not reference.layout_floor > 0:
            return dict.fromkeys(keys)
        lower = least_rises(layouts, reference, findings.resamples, findings.seed)
        limits = (reference.layout_floor, self.collapse_floors * reference.layout_floor)
        return {key: first_window_past(lower, limit) for key, limit in zip(keys, limits, strict=True)}


def least_rises(
    layouts: Sequence[Float[Tensor, "videos 48"]], reference: ReferenceWindows, resamples: int, seed: int
) -> list[float]:
    """By how much the layout distance of each window has at least risen since window 0.

    Args:
        layouts: Of the same videos in each window, in time order.
        reference: What they are measured against, apart for every repeat; it is not resampled.
        resamples: Bootstrap draws over videos, each with all of its windows.
        seed: Of the draws.

    Returns:
        The lower ends of 95% basic bootstrap intervals of D_t - D_0: 2 (D_t - D_0) less the 97.5% quantile of the
        draws. Duplicates add bias to a drawn distance, which the basic interval takes off again.
    """
    random = torch.Generator().manual_seed(seed)
    apart = [reference.by_repeat(window) for window in layouts]
    drawn = [
        torch.stack([torch.bincount(torch.randint(n, (n,), generator=random), minlength=n) for _ in range(resamples)])
        for n in map(len, apart[0])
    ]
    curves = [
        torch.stack([r.distances(v, c) for r, v, c in zip(reference.layouts, window, drawn, strict=True)]).mean(dim=0)
        for window in apart
    ]
    observed = [reference.layout_distance(window) for window in layouts]
    upper = [float((curve - curves[0]).quantile(_INTERVAL)) for curve in curves]
    return [2 * (distance - observed[0]) - end for distance, end in zip(observed, upper, strict=True)]
