"""The curve without a transformer: what long real videos get that were encoded window by window and decoded as samples.

It is the ceiling of class coherence, and it tells what the decoder alone makes of joined windows.
"""

import math
import statistics
from collections.abc import Iterable
from dataclasses import replace

import torch

from tats_exp.metrics.coherence import kappa
from tats_exp.metrics.findings import Findings
from tats_exp.metrics.measure import Measure, Measurement, Values, at_ends
from tats_exp.run_folder.columns import Column

_OF = "Of long real videos encoded window by window and decoded as samples are; null past their end."
_CURVES = (
    Column("truth/layout", ("layout", "without transformer"), _OF, "layout distance", "lower", protocol=True),
    Column(
        "truth/fvd/{network}", ("FVD {network}", "without transformer"), _OF, "Fréchet distance", "lower", protocol=True
    ),
    Column("truth/kappa", ("kappa", "without transformer"), _OF, "kappa", "higher", protocol=True),
)


class Truth(Measure):
    """Layout distance, Fréchet distance and kappa of real videos without a transformer."""

    @property
    def columns(self) -> tuple[Column, ...]:
        """As `Measure`."""
        columns = []
        for column in _CURVES:
            columns.append(replace(column, is_curve=True))
            for end, window in (("window_0", "window 0"), ("last", "last window")):
                title = (f"{column.title[0]}, real", window)
                columns.append(replace(column, key=f"{column.key}/{end}", title=title, better=None))
        return tuple(columns)

    def __call__(self, findings: Findings) -> Measurement:
        """As `Measure`."""
        if findings.rebuilt is None or not findings.rebuilt.truth:
            return Measurement()
        reference, truth, count = findings.rebuilt.windows, findings.rebuilt.truth, len(findings.windows)
        looked_at = [t for t in findings.looked_at if t < len(truth)]
        opinions = torch.stack([truth[t].seen()[1] for t in looked_at], dim=1)
        frechet = [statistics.fmean(reference.frechet_distances(truth[t].seen()[0])) for t in looked_at]
        curves = {
            "truth/layout": _along(count, range(len(truth)), [reference.layout_distance(w.layout) for w in truth]),
            f"truth/fvd/{findings.network}": _along(count, looked_at, frechet),
            "truth/kappa": _along(count, looked_at, kappa(opinions).tolist()),
        }
        values: Values = {}
        for key, curve in curves.items():
            values |= at_ends(key, curve)
        ceiling = curves["truth/kappa"][-1]
        return Measurement(values, curves, {"ceiling": {"coherence/kappa_last": ceiling}})


def _along(count: int, places: Iterable[int], values: Iterable[float]) -> list[float]:
    """A curve over all windows, nan where there is no value."""
    curve = [math.nan] * count
    for place, value in zip(places, values, strict=True):
        curve[place] = value
    return curve
