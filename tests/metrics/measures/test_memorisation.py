"""How near videos and unseen real windows come to the reference, of which a run and `evaluate` mean the same."""

from dataclasses import replace

import pytest

from metrics.made_findings import a_window, of_folders, real_windows
from tats_exp.metrics import nearest_distance
from tats_exp.metrics.findings import UnseenReal
from tats_exp.metrics.measures import Memorisation


def test_a_run_and_evaluate_mean_the_same_by_one_key() -> None:
    of_evaluate = of_folders([a_window(40, 1)], real_windows(repeats=2))
    of_run = replace(of_evaluate, unseen=UnseenReal("held_out", of_evaluate.real.floor))
    one, other = (Memorisation()(findings).values for findings in (of_evaluate, of_run))
    assert one["memorisation/nearest_sample"] == other["memorisation/nearest_sample"] > 0
    assert set(one) ^ set(other) == {"memorisation/nearest_held_out", "memorisation/nearest_other_real"}


def test_a_copy_is_at_distance_zero() -> None:
    real = real_windows(videos=20, reference=20)
    copied = replace(a_window(20, 1), features=real.reference[0])
    values = Memorisation()(of_folders([copied], real)).values
    assert values["memorisation/nearest_sample"] == pytest.approx(0, abs=1e-6)
    other = float(nearest_distance(real.floor[0], real.reference[0]).mean())
    assert values["memorisation/nearest_other_real"] == pytest.approx(other)


def test_without_unseen_windows_nothing_is_said() -> None:
    assert Memorisation()(replace(of_folders([a_window(20, 1)]), unseen=None)).values == {}
