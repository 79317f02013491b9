"""How far the frames between key frames look from real ones: what the interpolation transformer is for."""

import math
from dataclasses import replace
from statistics import fmean

from jaxtyping import Bool
from torch import Tensor

from tats_exp.metrics.findings import Findings
from tats_exp.metrics.measure import Measure, Measurement, Values, at_ends, free_of_charge
from tats_exp.metrics.reference_windows import ReferenceWindows
from tats_exp.run_folder.columns import Column

_KEY = "layout/gaps"
_TEXT = (
    "Fréchet distance x 1,000 of mean colours in 4 x 4 fields, over the frames of a window between key frames, to the "
    "same frames of rebuilt windows"
)
_OF_WINDOW = Column("", ("", ""), f"{_TEXT}.", "layout distance", "lower", ratio=True, protocol=True)


class GapLayout(Measure):
    """Layout distance of the frames between key frames, window by window and on average."""

    columns = (
        replace(_OF_WINDOW, key=_KEY, title=("Layout", "of gaps"), is_curve=True),
        replace(_OF_WINDOW, key=f"{_KEY}/window_0", title=("gap layout", "window 0"), phrase="gap layout of window 0"),
        replace(_OF_WINDOW, key=f"{_KEY}/last", title=("gap layout", "last"), phrase="gap layout of the last window"),
        replace(
            _OF_WINDOW,
            key=f"{_KEY}/mean",
            title=("gap layout", "all windows"),
            explanation=f"{_TEXT}; the mean over the windows.",
            phrase="layout distance of gaps",
        ),
    )

    def __call__(self, findings: Findings) -> Measurement:
        """As `Measure`. A window whose frames are all key frames has no value."""
        gaps, rebuilt = findings.gaps, findings.rebuilt
        if gaps is None or rebuilt is None or rebuilt.latent_layouts is None:
            return Measurement()
        references: dict[tuple[bool, ...], ReferenceWindows] = {}
        curve = []
        for frames, layouts in zip(gaps.frames, gaps.layouts, strict=True):
            pattern = tuple(frames.tolist())
            if any(pattern) and pattern not in references:
                references[pattern] = _at(rebuilt.windows, rebuilt.latent_layouts, frames)
            curve.append(math.nan if layouts is None else references[pattern].layout_distance(layouts))
        measured = [distance for distance in curve if not math.isnan(distance)]
        values: Values = {**at_ends(_KEY, curve), f"{_KEY}/mean": fmean(measured) if measured else None}
        floors = [references[p].layout_floor if any(p) else math.nan for p in map(tuple, gaps.frames.tolist())]
        ends = {key: floor for key, floor in at_ends(_KEY, floors).items() if floor is not None}
        at_rest = {f"{_KEY}/mean": fmean([floor for floor in floors if not math.isnan(floor)])} if measured else {}
        at_rest |= ends
        if len(references) == 1:  # else the floor changes from window to window
            at_rest[_KEY] = at_rest[f"{_KEY}/mean"]
        free = free_of_charge(findings.one_code, *values)
        return Measurement(values, {_KEY: curve}, {"rebuilt": at_rest}, free=free)


def _at(windows: ReferenceWindows, layouts: Tensor, frames: Bool[Tensor, " t"]) -> ReferenceWindows:
    """The rebuilt windows with layouts of some of their latent frames in place of all."""
    chosen = layouts[:, :, frames].mean(dim=2)
    return replace(windows, layout=chosen[:, windows.count :], floor_layout=chosen[:, : windows.count])
