"""Distances: to which reference, means of repeats, floors, curves, and what is not measured."""

import math
import statistics
from dataclasses import replace

import pytest

from metrics.made_findings import D, a_window, of_folders, of_run, real_windows, rebuilt_windows
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
    assert values[f"{key}/last/to_real"] == pytest.approx(statistics.fmean(each))
    assert values[f"{key}/last/std/to_real"] == pytest.approx(statistics.stdev(each))
    assert not [key for key in measure(of_folders([a_window(20, 1)])).values if "std" in key]


@pytest.mark.parametrize("key", MEASURES)
def test_a_run_is_measured_against_rebuilt_windows_and_real_ones_are_named(key: str) -> None:
    measure, distance = MEASURES[key]
    findings = of_run()
    given, last = measure(findings), findings.windows[-1].features
    for end, reference in (("", findings.rebuilt.windows), ("/to_real", findings.real)):
        assert given.values[f"{key}/last{end}"] == pytest.approx(float(distance(reference.reference[0], last)))
        assert given.curves[key + end][-1] == given.values[f"{key}/last{end}"]
    pedestal = float(distance(findings.real.reference[0], findings.rebuilt.windows.floor[0]))
    assert given.values[f"{key}/rebuilt"] == pytest.approx(pedestal)
    assert given.floors["reconstruction"][f"{key}/to_real"] == pytest.approx(pedestal)


@pytest.mark.parametrize("key", MEASURES)
@pytest.mark.parametrize("has_rebuilt", [False, True])
def test_every_key_of_an_evaluation_names_its_reference(key: str, has_rebuilt: bool) -> None:
    findings = of_folders([a_window(20, t) for t in range(3)])
    rebuilt = rebuilt_windows(own=False) if has_rebuilt else None
    given = MEASURES[key][0](replace(findings, rebuilt=rebuilt))
    ends = {name.rpartition("/")[2] for name in (*given.values, *given.curves) if name != f"{key}/rebuilt"}
    assert ends - {"extrapolated"} == ({"to_real", "to_rebuilt"} if has_rebuilt else {"to_real"})


@pytest.mark.parametrize("key", MEASURES)
def test_floors_are_of_windows_of_one_kind_that_are_disjoint(key: str) -> None:
    measure, distance = MEASURES[key]
    findings = of_run()
    for kind, end, side in (("real", "/to_real", findings.real), ("rebuilt", "", findings.rebuilt.windows)):
        floor = pytest.approx(float(distance(side.reference[0], side.floor[0])))
        assert measure(findings).floors[kind][key + end] == floor
    real = float(distance(findings.real.reference[0], findings.real.floor[0]))
    assert measure(findings).floors["real"][f"{key}/rebuilt"] == pytest.approx(real)


def test_windows_that_no_network_saw_leave_a_gap_and_no_growth() -> None:
    windows = [a_window(20, 1), a_window(20, 2, looked_at=False), a_window(20, 3, looked_at=False), a_window(20, 4)]
    given = FrechetDistance()(of_folders(windows))
    assert [math.isnan(value) for value in given.curves["fvd/net/to_real"]] == [False, True, True, False]
    assert given.values["fvd/net/growth/to_real"] is None


def test_a_curve_that_moves_away_grows() -> None:
    windows = [a_window(60, t, shift=0.5 * t) for t in range(5)]
    given = FrechetDistance()(of_folders(windows, real_windows(videos=60, reference=60)))
    curve, floor = given.curves["fvd/net/to_real"], given.floors["real"]["fvd/net/to_real"]
    late = (curve[3] + curve[4]) / 2
    assert given.values["fvd/net/growth/to_real"] == pytest.approx(math.log((late + floor) / (curve[0] + floor)))


def test_videos_of_one_window_do_not_grow() -> None:
    values = FrechetDistance()(of_folders([a_window(20, 1)])).values
    assert values["fvd/net/growth/to_real"] is None
    assert values["fvd/net/window_0/to_real"] == values["fvd/net/last/to_real"]


def test_few_videos_are_noted() -> None:
    (note,) = FrechetDistance()(of_folders([a_window(2, 1)], FEW)).notes
    assert note.startswith("fvd/net: ") and "biased" in note and "N < 4" in note
    assert list(FrechetDistance()(of_folders([a_window(20, 1)])).notes) == []


def test_enough_videos_are_extrapolated_and_few_are_not() -> None:
    def extrapolated(videos: int) -> bool:
        findings = of_folders([a_window(videos, 1)], real_windows(videos=videos, reference=videos))
        return "fvd/net/extrapolated" in FrechetDistance()(findings).values

    assert extrapolated(8 * D) and not extrapolated(D)
