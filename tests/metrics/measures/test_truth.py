"""The curve without a transformer: null past the real videos, and its kappa a ceiling."""

import math
from dataclasses import replace

import pytest
import torch

from metrics.made_findings import a_window, of_folders, of_run, rebuilt_windows
from tats_exp.metrics import frechet_distance, kappa, layout_distance
from tats_exp.metrics.measures import Truth


def test_values_are_those_of_the_joined_windows() -> None:
    findings = of_run()
    given, rebuilt = Truth()(findings), findings.rebuilt
    last, reference = rebuilt.truth[-1], rebuilt.windows
    assert given.values["truth/fvd/net/last"] == pytest.approx(
        float(frechet_distance(reference.reference[0], last.features))
    )
    assert given.values["truth/layout/last"] == pytest.approx(
        float(layout_distance(reference.layout[0], last.layout)), rel=1e-6
    )
    opinions = torch.stack([window.probabilities for window in rebuilt.truth], dim=1)
    assert given.curves["truth/kappa"] == kappa(opinions).tolist()
    assert all(len(curve) == len(findings.windows) for curve in given.curves.values())


def test_past_the_end_of_real_videos_nothing_is_known() -> None:
    findings = replace(of_run(windows=4), rebuilt=rebuilt_windows(windows=2))
    given = Truth()(findings)
    for curve in given.curves.values():
        assert [math.isnan(value) for value in curve] == [False, False, True, True]
    assert given.values["truth/layout/last"] is None and given.values["truth/layout/window_0"] > 0


def test_without_real_videos_or_a_vqgan_there_is_no_curve() -> None:
    for findings in (of_folders([a_window(20, 1)]), replace(of_run(), rebuilt=rebuilt_windows(windows=0))):
        given = Truth()(findings)
        assert given.values == {} and given.curves == {}
