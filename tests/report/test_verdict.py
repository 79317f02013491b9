import itertools
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tats_exp.report.columns import table_columns
from tats_exp.report.runs import Group, Run
from tats_exp.report.verdict import Sentence, find, make_verdict
from tests.report.declared import columns_of

PROBE = "codes/place_probe"
FVD = "fvd/net/last"


def group(padding: str, values: list[float | None], key: str = PROBE, floor: float | None = None) -> Group:
    floors = {} if floor is None else {"real": {"fvd/net": floor}}
    runs = [
        Run(
            Path(),
            f"{padding}{seed}",
            "finished",
            choices={"seed": str(seed)},
            values={key: value},
            floors=floors,
            columns=columns_of([key]),
        )
        for seed, value in enumerate(values)
    ]
    return Group(f"padding={padding}", padding, {"padding": padding}, runs)


def said(groups: list[Group], outcome: str) -> list[str]:
    return [sentence.text for sentence in make_verdict(groups) if sentence.outcome == outcome]


def test_two_seeds_agree_only_when_all_of_one_exceed_all_of_the_other() -> None:
    (apart,) = said([group("zero", [0.5, 0.6]), group("real", [0.2, 0.49])], "apart")
    assert apart.startswith("Both seeds agree that padding=zero (0.5, 0.6) has a higher (worse) place-probe accuracy")
    assert apart.endswith("than padding=real (0.2, 0.49).")
    overlapping = [group("zero", [0.5, 0.6]), group("real", [0.2, 0.51])]
    assert not said(overlapping, "apart")
    assert "no difference seen" in said(overlapping, "same")[0]


def test_a_tie_is_no_difference() -> None:
    assert not said([group("zero", [0.5, 0.6]), group("real", [0.2, 0.5])], "apart")


def test_the_order_of_the_choices_does_not_matter() -> None:
    groups = [group("a", [1.0, 2.0]), group("b", [3.0, 4.0]), group("c", [2.5, 3.5])]
    first = {(f.outcome, f.high.label, f.low.label) for f in find(groups)}
    for order in itertools.permutations(groups):
        assert {(f.outcome, f.high.label, f.low.label) for f in find(list(order))} == first


@pytest.mark.parametrize("seeds", [(1, 1), (1, 5)])
def test_one_seed_proves_nothing(seeds: tuple[int, int]) -> None:
    sentences = make_verdict([group("zero", [9.0] * seeds[0]), group("real", [1.0] * seeds[1])])
    assert [sentence.outcome for sentence in sentences] == ["one seed"]
    assert "one seed proves nothing" in sentences[0].text and "agree" not in sentences[0].text


def test_two_seeds_never_get_a_difference_and_three_do() -> None:
    two = [group("zero", [5.0, 6.0]), group("real", [1.0, 2.0])]
    three = [group("zero", [5.0, 6.0, 7.0]), group("real", [1.0, 2.0, 3.0])]
    assert "±" not in said(two, "apart")[0]
    text = said(three, "apart")[0]
    assert text.startswith("All 3 seeds agree") and "(1 … 3; means differ by 4 ± 1.4)" in text


def test_distances_within_the_floor_count_as_equal() -> None:
    within = [group("zero", [3.0, 3.3], FVD, 1.7), group("real", [2.0, 2.5], FVD, 1.7)]
    assert "all within the floor (below 2 × 1.7)" in said(within, "floor")[0] and not said(within, "apart")
    partly = [group("zero", [3.3, 3.9], FVD, 1.7), group("real", [2.0, 2.5], FVD, 1.7)]
    assert "count as equal" in said(partly, "same")[0] and not said(partly, "apart")
    above = [group("zero", [3.5, 3.9], FVD, 1.7), group("real", [2.0, 2.5], FVD, 1.7)]
    assert "padding=real (2, 2.5; within the floor)" in said(above, "apart")[0]


def test_never_is_later_than_any_window() -> None:
    key = "drift/first_window"
    (apart,) = said([group("zero", [3.0, 40.0], key), group("real", [None, None], key)], "apart")
    assert "padding=real (never, never) has a later (better) window of collapse than padding=zero (3, 40)" in apart
    assert said([group("zero", [3.0, None], key), group("real", [None, None], key)], "apart") == []


def test_likelihoods_of_different_codebooks_are_never_compared() -> None:
    key = "val/transformer/nll"
    groups = [group("zero", [1.0, 1.1], key), group("real", [3.0, 3.1], key)]
    assert [column.key for column in table_columns(groups[0].runs)] == [key]
    assert find(groups) == []


def test_a_metric_that_one_choice_lacks_is_not_compared() -> None:
    assert find([group("zero", [None, None]), group("real", [3.0, 3.1])]) == []


def test_the_grain_of_salt_is_what_chance_gives() -> None:
    random = np.random.default_rng(0)
    draws = random.normal(size=(20_000, 5))
    low, high = draws[:, :2], draws[:, 2:]
    apart = (low.min(1) > high.max(1)) | (high.min(1) > low.max(1))
    (note,) = said([group("a", [1.0, 2.0]), group("b", [1.5, 2.5, 3.5])], "note")
    assert "2 seeds against 3" in note
    odds = float(note.split("1 of ")[1].split()[0])
    assert apart.mean() == pytest.approx(1 / odds, rel=0.05)


def test_nothing_to_compare_is_said() -> None:
    assert make_verdict([]) == [Sentence("note", "No run finished: no verdict.")]
    (only,) = make_verdict([group("zero", [1.0, 2.0])])
    assert "nothing to compare" in only.text


def test_metrics_of_a_shared_model_are_told_in_one_line() -> None:
    groups = [group(name, [0.5, 0.6]) for name in "abc"]
    (text,) = said(groups, "same")
    assert text == "The same in all choices that have them, seed by seed: place-probe accuracy."
    assert "no difference seen" in said([group("a", [0.5, 0.6]), group("b", [0.6, 0.5])], "same")[0]
    assert "no difference seen" in said([*groups, group("d", [0.55, 0.6])], "same")[0]


def test_choices_that_are_all_alike_are_told_once() -> None:
    groups = [group(name, [1.0, 2.0 + place]) for place, name in enumerate("abcd")]
    (text,) = said(groups, "same")
    assert text.count("padding=") == 4 and "among" in text


def test_one_low_choice_is_told_once() -> None:
    groups = [group("zero", [0.1, 0.2]), *(group(name, [0.5, 0.6]) for name in "abc")]
    (text,) = said(groups, "apart")
    assert "padding=zero (0.1, 0.2) has a lower (better) place-probe accuracy than padding=a" in text
    assert all(f"padding={name} (0.5, 0.6)" in text for name in "abc")


def test_no_pair_that_came_out_apart_is_left_untold_or_told_twice() -> None:
    groups = [group(f"p{place}", [float(place), place + 0.5]) for place in range(5)]
    told = 0
    for text in said(groups, "apart"):
        told += text.count("padding=") - 1
    assert told == 10 and len(said(groups, "apart")) == 4


def test_bad_reconstruction_is_told_and_good_is_not() -> None:
    key = "fvd/net/reconstruction"
    bad = said([group("zero", [70.0, 75.0], key, 1.7), group("real", [2.0, 2.5], key, 1.7)], "note")
    assert any("up to 75 where real against real is 1.7" in text for text in bad)
    good = said([group("zero", [3.0, 3.3], key, 1.7), group("real", [2.0, 2.5], key, 1.7)], "note")
    assert not any("reconstructions" in text for text in good)


def test_what_a_reader_has_to_know_is_told_once() -> None:
    groups = [group("zero", [1.0, 2.0]), group("real", [3.0, 4.0])]
    noted = [replace(each, runs=[replace(run, notes=("few videos",)) for run in each.runs]) for each in groups]
    for some in (noted, noted[:1]):
        assert said(some, "note").count("A grain of salt: few videos.") == 1
