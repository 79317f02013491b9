"""Which choices are compared, as pairs or not, and that a comparison says the same however its choices are named."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy import stats

from tats_exp.report.comparisons import compare, compare_all, contrasts_of
from tests.report.made_runs import COLLAPSE, DIFFERENCE, RATIO, made_group

VALUES = st.lists(st.floats(0.1, 100).map(lambda x: round(x, 3)), min_size=2, max_size=6)


def two(one: list[float], other: list[float], key: str = "a/last", shared: str = "") -> list:
    return [made_group({"padding": name}, {key: v}, shared=shared) for name, v in (("zero", one), ("real", other))]


def only(column, groups):
    (contrast,) = contrasts_of(groups)
    return compare(column, contrast, groups)


def test_two_choices_are_compared_by_welch_from_the_higher_side():
    one, other = [1.0, 2.0, 4.0], [7.0, 9.5]
    found = only(DIFFERENCE, two(one, other))
    expected = stats.ttest_ind(other, one, equal_var=False)
    interval = expected.confidence_interval(0.95)
    assert found.contrast.sides == ("padding=real", "padding=zero") and not found.is_paired
    assert found.told() == pytest.approx((np.mean(other) - np.mean(one), interval.low, interval.high))
    assert (found.p, found.trainings) == (pytest.approx(expected.pvalue), (3, 2))


def test_trainings_of_one_seed_that_share_a_stage_are_pairs():
    one, other = [1.0, 5.0, 9.0], [2.0, 6.5, 10.0]
    paired, apart = only(DIFFERENCE, two(one, other, shared="v")), only(DIFFERENCE, two(one, other))
    expected = stats.ttest_rel(other, one)
    interval = expected.confidence_interval(0.95)
    assert paired.told() == pytest.approx((np.mean(other) - np.mean(one), interval.low, interval.high))
    assert paired.is_paired and paired.estimate.decided and not apart.estimate.decided
    # a stage that trains nothing makes no pairs
    assert all(run.stages["samples"] == "alike" for group in two(one, other) for run in group.runs)


def test_a_pair_needs_both_of_its_trainings():
    found = only(DIFFERENCE, two([1.0, 5.0, 9.0, 100.0], [2.0, 6.5, 10.0], shared="v"))
    assert found.trainings == (3, 3) and found.is_paired


def test_a_ratio_is_a_difference_of_logarithms():
    one, other = [2.0, 3.0, 4.5], [20.0, 30.0, 36.0]
    found = only(RATIO, two(one, other, "b/last"))
    interval = stats.ttest_ind(np.log(other), np.log(one), equal_var=False).confidence_interval(0.95)
    geometric = stats.gmean(other) / stats.gmean(one)
    assert found.told() == pytest.approx((geometric, math.exp(interval.low), math.exp(interval.high)))


@given(VALUES, VALUES, st.sampled_from([DIFFERENCE, RATIO]))
def test_the_order_of_the_choices_changes_nothing(one, other, column):
    here, there = only(column, two(one, other, column.key)), only(column, two(other, one, column.key)[::1])
    assume(here is not None and here.estimate.value > 1e-9)
    swapped = {"padding=zero": "padding=real", "padding=real": "padding=zero"}
    assert there.contrast.sides == tuple(swapped[side] for side in here.contrast.sides)
    assert there.told() == pytest.approx(here.told()) and there.p == pytest.approx(here.p)


@given(VALUES, VALUES, st.floats(0.01, 100))
def test_another_unit_changes_no_ratio(one, other, unit):
    here = only(RATIO, two(one, other, "b/last"))
    assume(here is not None and here.estimate.value > 1e-6)
    there = only(RATIO, two([unit * v for v in one], [unit * v for v in other], "b/last"))
    assert there.told() == pytest.approx(here.told(), rel=1e-6)


@pytest.mark.parametrize(
    ("column", "one", "other"),
    [
        (DIFFERENCE, [1.0], [2.0, 3.0]),
        (DIFFERENCE, [1.0, 1.0], [2.0, 2.0]),
        (DIFFERENCE, [None, None], [2.0, 3.0]),
        (RATIO, [0.0, 1.0], [2.0, 3.0]),
        (DIFFERENCE, [2.0, 3.0], [2.0, 3.0]),
        (COLLAPSE, [math.inf, 1.0], [2.0, 3.0]),
    ],
)
def test_what_has_no_interval_is_not_compared(column, one, other):
    assert only(column, two(one, other, column.key)) is None


def test_of_two_keys_choices_that_differ_in_one_alone_are_compared():
    groups = [
        made_group({"sampler": sampler, "context": context}, {"a/last": [1.0, 2.0]})
        for sampler in "sh"
        for context in "123"
    ]
    pairs = [contrast.sides for contrast in contrasts_of(groups)]
    assert len(pairs) == 9  # 3 between samplers, 3 within each
    assert ("sampler=s context=1", "sampler=h context=2") not in pairs


def test_a_two_by_two_is_two_main_effects_and_what_both_do_together():
    values = {"zz": [1.0, 3.0], "zr": [3.0, 7.0], "rz": [3.0, 5.0], "rr": [9.0, 11.0]}
    groups = [made_group({"e": e, "d": d}, {"a/last": values[e + d]}) for e, d in itertools.product("zr", repeat=2)]
    encoder, decoder, both = (compare(DIFFERENCE, contrast, groups) for contrast in contrasts_of(groups))
    # means 2 5 4 10
    assert (encoder.contrast.sides, encoder.contrast.over) == (("e=r", "e=z"), "d")
    assert encoder.estimate.value == pytest.approx((4 + 10) / 2 - (2 + 5) / 2)
    assert (decoder.contrast.sides, decoder.estimate.value) == (("d=r", "d=z"), pytest.approx((5 + 10 - 2 - 4) / 2))
    # the difference of e=z to e=r is 2 - 4 = -2 with d=z and 5 - 10 = -5 with d=r
    assert both.contrast.effect == ("e=z", "e=r") and both.contrast.sides == ("d=z", "d=r")
    assert both.estimate.value == pytest.approx(-2 - -5)
    parts = [0.25, 1.0, 0.25, 0.25]
    assert encoder.estimate.degrees == pytest.approx(sum(parts) ** 2 / sum(part**2 for part in parts))
    assert both.estimate.degrees == pytest.approx(encoder.estimate.degrees)


def test_secondary_comparisons_are_adjusted_together_and_counts_are_none():
    values = {"a/last": [1.0, 1.2, 1.1], "b/last": [3.0, 3.5, 3.3], "drift/collapse_window": [1.0, 2.0, 3.0]}
    other = {"a/last": [1.3, 1.5, 1.2], "b/last": [9.0, 8.0, 9.5], "drift/collapse_window": [4.0, 5.0, 6.0]}
    groups = [made_group({"p": "x"}, values), made_group({"p": "y"}, other)]
    a, b = compare_all([DIFFERENCE, RATIO, COLLAPSE], groups)
    assert b.p == pytest.approx(2 * b.estimate.p) and a.p == pytest.approx(max(a.estimate.p, b.p))


def test_of_four_choices_those_that_share_a_training_count_as_one() -> None:
    """padding x context: both contexts of a padding have one training a seed, so its main effect has three a side."""
    values = {("zero", "1"): [5.0, 6.0, 9.0], ("zero", "3"): [5.5, 6.1, 9.3], ("real", "1"): [1.0, 4.0, 2.0]}
    values |= {("real", "3"): [1.4, 4.1, 2.6]}
    groups = [
        made_group({"padding": padding, "context": context}, {"a/last": v}, shared=padding)
        for (padding, context), v in values.items()
    ]
    padding, context, both = (compare(DIFFERENCE, of, groups) for of in contrasts_of(groups))
    zero, real = (np.mean([values[name, "1"], values[name, "3"]], axis=0) for name in ("zero", "real"))
    expected = stats.ttest_ind(zero, real, equal_var=False)
    assert padding.p == pytest.approx(expected.pvalue)
    interval = expected.confidence_interval(0.95)
    assert padding.told() == pytest.approx((np.mean(zero) - np.mean(real), interval.low, interval.high))
    steps = {name: np.subtract(values[name, "3"], values[name, "1"]) for name in ("zero", "real")}
    apart = stats.ttest_ind(steps["zero"], steps["real"], equal_var=False)
    assert both.p == pytest.approx(apart.pvalue) and context.is_paired


def test_four_choices_of_one_shared_training_do_not_claim_more_than_they_should() -> None:
    random, false = np.random.default_rng(0), 0
    for _ in range(300):
        trained = random.normal(size=(2, 3))
        groups = [
            made_group(
                {"padding": p, "context": c}, {"a/last": (trained[i] + 0.2 * random.normal(size=3)).tolist()}, shared=p
            )
            for i, p in enumerate(("zero", "real"))
            for c in ("1", "3")
        ]
        false += compare(DIFFERENCE, contrasts_of(groups)[0], groups).p < 0.05
    assert false / 300 < 0.08


def test_choices_that_no_single_key_joins_are_compared_all_with_all():
    """As of two sweeps in one report: zero and replicate, and doses between them."""
    choices = [{"padding": "zero"}, {"padding": "replicate"}, {"padding.alpha": "0.25"}, {"padding.alpha": "0.5"}]
    groups = [made_group(choice, {"a/last": [1.0, 2.0]}) for choice in choices]
    assert len(contrasts_of(groups)) == 6
    crossed = [{"a": a, "b": b} for a in "123" for b in "12"]
    joined = contrasts_of([made_group(choice, {"a/last": [1.0, 2.0]}) for choice in crossed])
    assert len(joined) == 9  # pairs that differ in one key: these join all
