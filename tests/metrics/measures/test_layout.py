"""Layout drift: growth, windows of drift and collapse, diversity; what is null and what is never."""

import math
from dataclasses import replace

import pytest
import torch

from metrics.made_findings import a_window, of_folders, real_windows, rebuilt_windows
from tats_exp.metrics import Findings, ReferenceWindows, layout_distance
from tats_exp.metrics.measures import LayoutDrift
from tats_exp.metrics.measures.layout import least_rises

MEASURE = LayoutDrift(collapse_floors=40.0)


def drifting(shifts: list[float], resamples: int = 60) -> Findings:
    windows = [a_window(60, 50, shift=shift) for shift in shifts]
    return of_folders(windows, real_windows(videos=60, reference=60), resamples=resamples)


def test_values_are_the_formulas_of_the_curve() -> None:
    findings = drifting([0.0, 0.2, 0.4, 0.6])
    given, real = MEASURE(findings), findings.real
    curve = given.curves["layout/to_real"]
    each = [float(layout_distance(real.layout[0], window.layout)) for window in findings.windows]
    floor = float(layout_distance(real.layout[0], real.floor_layout[0]))
    assert curve == pytest.approx(each, rel=1e-6)
    assert given.floors["real"]["layout/to_real"] == pytest.approx(floor, rel=1e-6)
    wanted = math.log(((each[2] + each[3]) / 2 + floor) / (each[0] + floor))
    assert given.values["layout/growth/to_real"] == pytest.approx(wanted, rel=1e-6)
    varied = float(findings.windows[3].layout.double().var(dim=0).sum() / real.layout[0].double().var(dim=0).sum())
    assert given.values["diversity/last/to_real"] == pytest.approx(varied)


def test_videos_that_stay_never_drift_and_those_that_leave_drift_before_they_collapse() -> None:
    still = MEASURE(drifting([0.0] * 5)).values
    assert still["drift/first_window/to_real"] == still["drift/collapse_window/to_real"] == math.inf
    left = MEASURE(drifting([0.0, 0.0, 1.0, 1.2, 40.0])).values
    assert 2 == left["drift/first_window/to_real"] < left["drift/collapse_window/to_real"] == 4
    back = MEASURE(drifting([0.0, 40.0, 0.0, 40.0])).values
    assert back["drift/collapse_window/to_real"] == 3


@pytest.mark.parametrize(
    "findings", [drifting([0.0]), drifting([0.0, 9.0], resamples=0)], ids=["short", "no bootstrap"]
)
def test_what_is_not_defined_is_null_and_not_never(findings: Findings) -> None:
    values = MEASURE(findings).values
    assert values["drift/first_window/to_real"] is None and values["drift/collapse_window/to_real"] is None
    assert (values["layout/growth/to_real"] is None) == (len(findings.windows) == 1)


def test_rebuilt_windows_of_the_run_come_first_and_without_a_name() -> None:
    findings = drifting([0.0, 0.3])
    of_run = MEASURE(replace(findings, rebuilt=rebuilt_windows(videos=60))).values
    assert {"layout/growth", "layout/growth/to_real", "drift/collapse_window"} <= of_run.keys()
    of_folder = MEASURE(replace(findings, rebuilt=rebuilt_windows(videos=60, own=False))).values
    assert {key.rpartition("/")[2] for key in of_folder} == {"to_real", "to_rebuilt"}
    assert of_folder["layout/last/to_rebuilt"] == of_run["layout/last"]


def test_the_least_rise_is_the_lower_end_of_a_basic_interval() -> None:
    """Against a reference that hardly spreads, D is 1,000 times a mean of squares: its interval is the textbook one."""
    random = torch.Generator().manual_seed(3)
    flat = replace(a_window(4000, 0), layout=1e-3 * torch.randn(4000, 48, generator=random))
    reference = ReferenceWindows.of(flat, 1, 2000)
    first, last = torch.zeros(2, 2000, 48)
    last[:, 0] = 1 + 0.5 * torch.randn(2000, generator=random)
    zero, rise = least_rises([first, last], reference, resamples=400, seed=0)
    squares = 1000 * last[:, 0].double().square()
    assert zero == 0
    assert rise == pytest.approx(float(squares.mean()) - 1.96 * float(squares.std()) / 2000**0.5, rel=0.02)


def test_videos_are_drawn_with_all_their_windows_within_their_repeat() -> None:
    real = real_windows(repeats=2, videos=20, reference=30)
    window = a_window(40, 9).layout
    rises = least_rises([window, window], real, resamples=20, seed=0)
    assert rises == [0.0, 0.0]


@pytest.mark.parametrize("floors", [1.0, 0.0, math.inf, math.nan])
def test_a_collapse_is_more_than_a_drift(floors: float) -> None:
    with pytest.raises(ValueError, match="collapse_floors"):
        LayoutDrift(collapse_floors=floors)
