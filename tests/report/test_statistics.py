"""Every estimate is what scipy, or a pencil, makes of the same numbers."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from tats_exp.report.statistics import contrast, holm, mean

SAMPLES = st.lists(st.floats(-100, 100).map(lambda x: round(x, 3)), min_size=2, max_size=9)


@pytest.mark.parametrize("sizes", [(2, 2), (3, 3), (8, 5), (2, 9)])
def test_two_means_are_compared_as_welch_does(sizes):
    random = np.random.default_rng(sizes)
    one, other = (random.normal(place, 1 + place, size).tolist() for place, size in enumerate(sizes))
    expected = stats.ttest_ind(one, other, equal_var=False)
    interval = expected.confidence_interval(0.95)
    found = contrast([one, other], [1.0, -1.0])
    assert (found.low, found.high) == pytest.approx((interval.low, interval.high))
    assert (found.p, found.degrees) == pytest.approx((expected.pvalue, expected.df))


def test_pairs_are_compared_as_the_paired_t_does():
    random = np.random.default_rng(0)
    one = random.normal(0, 5, 6)
    other = one + random.normal(0.5, 0.2, 6)
    expected = stats.ttest_rel(one, other)
    found = mean((one - other).tolist())
    interval = expected.confidence_interval(0.95)
    assert (found.p, found.low, found.high) == pytest.approx((expected.pvalue, interval.low, interval.high))
    assert not contrast([one.tolist(), other.tolist()], [1.0, -1.0]).decided and found.decided


def test_a_contrast_of_four_means_is_the_one_on_paper():
    # means 2, 5, 4, 10; variances 2, 8, 2, 2; weights 1/2 of each n = 2: parts .25 s2 / 2
    samples = [[1.0, 3.0], [3.0, 7.0], [3.0, 5.0], [9.0, 11.0]]
    found = contrast(samples, [0.5, 0.5, -0.5, -0.5])
    parts = [0.25, 1.0, 0.25, 0.25]
    degrees = 1.75**2 / (0.0625 + 1 + 0.0625 + 0.0625)
    assert found.value == (2 + 5) / 2 - (4 + 10) / 2 == -3.5
    assert found.degrees == pytest.approx(degrees) == pytest.approx(2.5789, abs=1e-4)
    half = stats.t.ppf(0.975, degrees) * math.sqrt(sum(parts))
    assert (found.low, found.high) == pytest.approx((-3.5 - half, -3.5 + half))


@given(SAMPLES, SAMPLES)
def test_the_other_way_round_changes_the_sign_alone(one, other):
    here, there = contrast([one, other], [1.0, -1.0]), contrast([other, one], [1.0, -1.0])
    assert (here is None) == (there is None)
    if here is not None:
        back = there.reversed()
        assert (here.value, here.low, here.high, here.p) == pytest.approx((back.value, back.low, back.high, back.p))
        assert here.decided == there.decided and (here.decided == (here.p < 0.05) or here.p == pytest.approx(0.05))


@pytest.mark.parametrize("samples", [[[1.0], [2.0, 3.0]], [[1.0, 1.0], [2.0, 2.0]], [[1.0, 2.0], []]])
def test_without_spread_or_a_second_training_there_is_no_interval(samples):
    assert contrast(samples, [1.0, -1.0]) is None


def test_intervals_hold_the_truth_as_often_as_they_say():
    random = np.random.default_rng(1)
    held = 0
    for _ in range(2000):
        found = contrast([random.normal(3, 1, 3).tolist(), random.normal(1, 4, 5).tolist()], [1.0, -1.0])
        held += found.low <= 2 <= found.high
    assert held / 2000 == pytest.approx(0.95, abs=0.015)


def test_holm_is_the_one_on_paper():
    # sorted .01 .02 .03 .5, times 4 3 2 1: .04 .06 .06 .5; never falling
    assert holm([0.03, 0.01, 0.5, 0.02]) == pytest.approx([0.06, 0.04, 0.5, 0.06])
    assert holm([0.6, 0.7]) == [1.0, 1.0] and holm([]) == [] and holm([0.04]) == [0.04]


@given(st.lists(st.floats(0, 1), min_size=1, max_size=12))
def test_holm_keeps_the_order_and_makes_none_smaller(p_values):
    adjusted = holm(p_values)
    for p, q in zip(p_values, adjusted, strict=True):
        assert p <= q <= 1
    assert min(adjusted) == min(1.0, len(p_values) * min(p_values))
    assert all(adjusted[i] <= adjusted[j] for i, p in enumerate(p_values) for j, q in enumerate(p_values) if p < q)
