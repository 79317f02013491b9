"""Distances: means of repeats, floors, curves, and what is not measured."""

import math
import statistics

import pytest
import torch

from metrics.made_findings import D, a_window, of_folders, of_run, real_windows
from tats_exp.metrics import frechet_distance, polynomial_mmd
from tats_exp.metrics.measures import FrechetDistance, KernelDistance

FEW = real_windows(videos=2, reference=3)
MEASURES = {"fvd/net": (FrechetDistance(), frechet_distance), "kvd/net": (KernelDistance(), polynomial_mmd)}


@pytest.mark.parametrize("key", MEASURES)
def test_values_of_repeats_are_means_with_their_spread(key: str) -> None:
    measure, distance = MEASURES[key]
    real, windows = real_windows(repeats=3), [a_window(60, 1), a_window(60, 2, shift=1.0)]
    values = measure(of_folders(windows, real)).values
    parts = windows[1].features.split(20)
    each = [float(distance(reference, part)) for reference, part in zip(real.reference, parts, strict=True)]
    assert values[f"{key}/last"] == pytest.approx(statistics.fmean(each))
    assert values[f"{key}/last/std"] == pytest.approx(statistics.stdev(each))
    assert not [key for key in measure(of_folders([a_window(20, 1)])).values if "std" in key]


@pytest.mark.parametrize("key", MEASURES)
def test_the_floor_is_real_against_disjoint_real(key: str) -> None:
    measure, distance = MEASURES[key]
    findings = of_folders([a_window(20, 1)])
    floor = float(distance(findings.real.reference[0], findings.real.floor[0]))
    assert measure(findings).floors == {"real": {key: pytest.approx(floor)}}


@pytest.mark.parametrize("key", MEASURES)
def test_reconstructions_are_measured_where_there_are_any(key: str) -> None:
    measure, distance = MEASURES[key]
    findings = of_run()
    given = measure(findings)
    expected = pytest.approx(float(distance(findings.real.reference[0], findings.reconstructions.features)))
    assert given.values[f"{key}/reconstruction"] == expected
    assert given.floors["reconstruction"] == {key: expected}
    assert f"{key}/reconstruction" not in measure(of_folders([a_window(20, 1)])).values


def test_windows_that_no_network_saw_leave_a_gap_and_no_slope() -> None:
    windows = [a_window(20, 1), a_window(20, 2, looked_at=False), a_window(20, 3)]
    given = FrechetDistance()(of_folders(windows, resamples=10))
    first, gap, last = given.curves["fvd/net"]
    assert math.isnan(gap) and given.values["fvd/net/growth"] == pytest.approx(last - first)
    assert not [key for key in given.values if "slope" in key] and "drift/first_window" not in given.values


def test_a_curve_that_moves_away_has_a_slope_past_its_interval() -> None:
    windows = [a_window(60, t, shift=0.5 * t) for t in range(5)]
    values = FrechetDistance()(of_folders(windows, real_windows(videos=60, reference=60), resamples=30)).values
    low, high = values["fvd/net/slope/low"], values["fvd/net/slope/high"]
    assert 0 < low < values["fvd/net/slope"] < high
    assert values["drift/first_window"] == 1
    assert values["fvd/net/relative_change"] > 1


def test_videos_of_one_window_do_not_change() -> None:
    values = FrechetDistance()(of_folders([a_window(20, 1)], resamples=10)).values
    assert values["fvd/net/growth"] is None and values["fvd/net/relative_change"] is None
    assert "drift/first_window" not in values  # None would say that they never collapse
    assert values["fvd/net/window_0"] == values["fvd/net/last"]


def test_few_videos_are_noted() -> None:
    (note,) = FrechetDistance()(of_folders([a_window(2, 1)], FEW)).notes
    assert note.startswith("fvd/net: ") and "biased" in note and "N < 4" in note
    assert list(FrechetDistance()(of_folders([a_window(20, 1)])).notes) == []


def test_enough_videos_are_extrapolated_and_few_are_not() -> None:
    def extrapolated(videos: int) -> bool:
        findings = of_folders([a_window(videos, 1)], real_windows(videos=videos, reference=videos))
        return "fvd/net/extrapolated" in FrechetDistance()(findings).values

    assert extrapolated(8 * D) and not extrapolated(D)


def test_repeats_have_no_interval() -> None:
    real, windows = real_windows(repeats=2), [a_window(40, t) for t in range(3)]
    values = FrechetDistance()(of_folders(windows, real, resamples=10)).values
    assert "fvd/net/slope" in values and "fvd/net/slope/low" not in values
    assert torch.tensor(values["fvd/net/slope"]).isfinite()
