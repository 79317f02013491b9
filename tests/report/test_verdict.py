"""The verdict answers first, says what intervals support, counts what it compared, and claims nothing else."""

import math
from dataclasses import replace

import numpy as np
import pytest

from tats_exp.report.columns import endpoints
from tats_exp.report.phrases import interval, sentence
from tats_exp.report.runs import Group
from tats_exp.report.verdict import Sentence, compared, make_verdict
from tests.report.made_runs import made_group

ENDPOINT = {"endpoint": "a/last", "secondary": ["b/last", "drift/collapse_window"]}
NEVER = math.inf
HIGH, LOW, MIDDLE = [10.0, 11.0, 10.5, 10.2], [1.0, 1.5, 1.2, 0.9], [5.0, 5.5, 5.2, 4.9]


def group(name: str, a: list, b: list | None = None, windows: list | None = None, **more) -> Group:
    values = {"a/last": a, "b/last": b or [None] * len(a), "drift/collapse_window": windows or [None] * len(a)}
    return made_group({"padding": name}, values, **(ENDPOINT | more))


def said(groups: list[Group], kind: str) -> list[str]:
    return [sentence.text for sentence in make_verdict(groups) if sentence.kind == kind]


def test_from_four_trainings_on_the_interval_answers():
    (answer,) = said([group("zero", HIGH), group("real", LOW)], "answer")
    assert answer.startswith(
        "With padding=zero, distance a (lower is better) is 9.28 [8.62, 9.93] higher than with padd"
    )


def test_one_choice_with_much_to_say_says_it_first():
    (answer,) = said([group("real", LOW), group("replicate", MIDDLE), group("zero", HIGH)], "answer")
    assert answer.startswith("With padding=zero, distance a") and answer.count("higher than with") == 3
    assert "; with padding=replicate, it is 4.00 [3.54, 4.46] higher than with padding=real." in answer


def test_many_choices_are_put_in_order_and_the_widest_difference_is_told():
    levels = {"zero": 20.0, "reflect": 10.0, "replicate": 9.9, "loop": 5.0, "real": 1.0}
    groups = [group(name, [level + step for step in (-0.2, 0.0, 0.1, 0.2)]) for name, level in levels.items()]
    (answer,) = said(groups, "answer")
    assert answer.startswith(
        "With padding=zero, distance a (lower is better) is 19.00 [18.70, 19.30] higher than with pa"
    )
    order = ", ".join(f"padding={name}" for name in ("zero", "reflect", "replicate", "loop"))
    assert (
        f"; from high to low the choices compared are {order} and padding=real; 9 of 10 pairs are decided, " in answer
    )
    assert answer.endswith("it is not decided between padding=reflect and padding=replicate (0.10 [−0.20, 0.40]).")


def test_below_four_trainings_those_that_collapse_are_counted_and_the_record_is_named():
    groups = [
        group("real", LOW[:2], windows=[NEVER, NEVER]),
        group("zero", HIGH[:2], windows=[2.0, 3.0], record="experiments/x/README.md"),
        group("replicate", MIDDLE[:2], windows=[None, 4.0]),
    ]
    (answer,) = said(groups, "answer")
    assert answer == (
        "2 of 2 with padding=zero collapse by window 3, 1 of 1 with padding=replicate collapse by window 4, "
        "0 of 2 with padding=real."
    )
    interval, record = said(groups, "detail")
    assert "[" in interval and "experiments/x/README.md" in record


def test_where_none_collapses_the_interval_answers():
    groups = [group("real", LOW[:2], windows=[NEVER, NEVER]), group("zero", HIGH[:2], windows=[NEVER, NEVER])]
    assert "higher than with padding=real" in said(groups, "answer")[0]
    assert said(groups, "detail") == ["0 of 4 trainings collapse."]


def test_what_the_interval_does_not_decide_is_said_of_the_endpoint_alone():
    overlapping = [
        group("zero", [1.0, 5.0, 3.0, 4.0], [1.0, 2.0, 3.0, 4.0]),
        group("real", [2.0, 4.0, 3.5, 2.0], [2.0, 3.0, 4.0, 1.0]),
    ]
    (answer,) = said(overlapping, "answer")
    assert answer.startswith(
        "Distance a (lower is better) is not decided between padding=zero and padding=real (0.4 [−"
    )
    (how_much,) = said(overlapping, "secondary")
    assert "quantity b" not in how_much
    assert how_much.startswith("2 comparisons: 1 by the primary endpoint, 1 by secondary ones, of which none holds")


def test_a_secondary_endpoint_is_told_with_its_adjusted_p():
    groups = [group("zero", HIGH, [20.0, 30.0, 36.0, 31.0]), group("real", LOW, [2.0, 3.0, 4.5, 3.5])]
    told, how_much = said(groups, "secondary")
    assert told.startswith(
        "With padding=zero, quantity b (higher is better) is 9.17 times [5.41, 15.6] as high as with"
    )
    assert "(adjusted p < 0.001)" in told
    assert "1 holds after Holm's adjustment" in how_much and "unit: a training, 4 a" in how_much


def test_only_an_adjusted_p_is_called_one():
    groups = [group("zero", HIGH, [20.0, 30.0, 36.0, 31.0]), group("real", LOW, [2.0, 3.0, 4.5, 3.5])]
    asked = endpoints([run for one in groups for run in one.runs])
    assert asked is not None
    primary, secondary = compared(asked, groups)
    (first,), (second,) = ([sentence([one], with_p=True) for one in several] for several in (primary, secondary))
    assert "(p = " in first or "(p < " in first
    assert "(adjusted p < 0.001)" in second


def test_an_end_beside_1_is_not_told_as_1():
    groups = [group("zero", HIGH, [20.0, 30.0, 36.0, 31.0]), group("real", LOW, [2.0, 3.0, 4.5, 3.5])]
    asked = endpoints([run for one in groups for run in one.runs])
    assert asked is not None
    ((one,), (ratio,)) = compared(asked, groups)
    narrow = replace(ratio, estimate=replace(ratio.estimate, value=math.log(1.08), low=0.00158, high=0.1455))
    assert interval(narrow) == "1.08 times [1.002, 1.16]" and "[" in interval(one)


def test_one_training_a_choice_is_said_once():
    groups = [group("zero", [9.0], [1.0], [3.0]), group("real", [1.0], [2.0], [NEVER])]
    texts = [sentence.text for sentence in make_verdict(groups)]
    assert texts[0] == "1 of 1 with padding=zero collapse by window 3, 0 of 1 with padding=real."
    assert (
        sum("one training" in text for text in texts) == 1 and texts[-1] == "Nothing was compared." and len(texts) == 3
    )


def test_without_an_endpoint_nothing_is_claimed():
    groups = [group("zero", HIGH, endpoint=None, secondary=()), group("real", LOW, endpoint=None, secondary=())]
    assert make_verdict(groups) == [
        Sentence("answer", "No endpoint was named before the runs, so no difference between choices is claimed here.")
    ]


def test_runs_that_name_other_endpoints_are_not_compared():
    groups = [group("zero", HIGH, secondary=()), group("real", LOW)]
    assert "do not name the same endpoint" in said(groups, "answer")[0] and not said(groups, "secondary")


def test_many_choices_to_which_nothing_happened_are_told_together():
    spared = [group(f"other{place}", LOW[:2], windows=[NEVER, NEVER]) for place in range(4)]
    answer = make_verdict([group("zero", HIGH[:2], windows=[2.0, 3.0]), *spared])[0].text
    assert answer == "2 of 2 with padding=zero collapse by window 3, 0 of 8 with the other 4 choices."


def test_an_endpoint_that_counts_is_counted():
    counted = {"endpoint": "drift/collapse_window", "secondary": ()}
    groups = [
        group("zero", HIGH, windows=[1.0, 2.0, 2.0, NEVER], **counted),
        group("real", LOW, windows=[NEVER] * 4, **counted),
    ]
    assert said(groups, "answer") == ["3 of 4 with padding=zero collapse by window 2, 0 of 4 with padding=real."]
    assert said(groups, "secondary") == ["Nothing was compared."]


@pytest.mark.parametrize(
    ("one", "other", "why"),
    [
        ([None] * 2, [1.0, 2.0], "a choice has no value of it"),
        ([1.0], [1.0, 2.0], "one training of a choice has no spread"),
        ([1.0, 1.0], [2.0, 2.0], "nothing spreads"),
    ],
)
def test_why_there_is_no_interval(one, other, why):
    assert said([group("zero", one), group("real", other)], "answer")[0].endswith(f"no interval, since {why}.")


def test_what_all_choices_share_is_said_in_one_line():
    alike = [group(name, HIGH, [1.0, 2.0, 3.0, 4.0]) for name in ("zero", "real")]
    assert said(alike, "answer") == ["Distance a is the same in all choices, training by training."]
    assert said(alike, "note") == [
        "The same in all choices that have them, training by training: distance a and quantity b."
    ]


def test_a_two_by_two_tells_main_effects_and_what_both_do_together():
    random = np.random.default_rng(0)
    means = {"zz": 9.0, "zr": 5.0, "rz": 2.0, "rr": 1.0}
    groups = [
        made_group({"e": e, "d": d}, {"a/last": (mean + 0.1 * random.normal(size=4)).tolist()}, endpoint="a/last")
        for (e, d), mean in means.items()
    ]
    (answer,) = said(groups, "answer")
    assert answer.startswith("With e=z, whatever d, distance a (lower is better) is 5.6")
    assert "with d=z, whatever e, it is 2.5" in answer
    assert "the difference of e=z to e=r is 2.92" in answer and "greater with d=z than with d=r" in answer
    assert "contrasts of four means (Welch-Satterthwaite)" in said(groups, "secondary")[-1]


def test_nothing_to_compare_is_said():
    assert make_verdict([]) == [Sentence("answer", "No run finished: no verdict.")]
    (only,) = make_verdict([group("zero", [1.0, 2.0])])
    assert "nothing to compare" in only.text


def test_folders_of_videos_are_no_trainings():
    of_folders = []
    for name, value in (("a", 3.0), ("b", 9.0)):
        one = group(name, [value], endpoint=None, secondary=())
        runs = [replace(run, choices={"generated": name}, floors={"real": {"a/last": 1.5}}) for run in one.runs]
        of_folders.append(replace(one, label=f"generated={name}", runs=runs))
    answer, once = make_verdict(of_folders)
    assert answer.text == "Distance a: 3 for generated=a and 9 for generated=b; real against other real: 1.5."
    assert "not the model" in once.text and not any("seed" in s.text or "training" in s.text for s in (answer, once))


def test_what_a_reader_has_to_know_is_told_once():
    groups = [group("zero", [1.0, 2.0]), group("real", [3.0, 4.0])]
    noted = [replace(each, runs=[replace(run, notes=("few videos",)) for run in each.runs]) for each in groups]
    for some in (noted, noted[:1]):
        assert said(some, "note").count("A grain of salt: few videos.") == 1


@pytest.mark.parametrize("apart, low", [(0.293, "−0.002"), (0.297, "0.002"), (0.31, "0.01")])
def test_an_end_that_is_almost_0_shows_its_side(apart: float, low: str):
    steps = (-0.2, 0.0, 0.1, 0.2)
    groups = [group(name, [1 + level + step for step in steps]) for name, level in {"zero": apart, "real": 0}.items()]
    (answer,) = said(groups, "answer")
    assert f"[{low}, 0." in answer


def with_chance(name: str, a: list[float], chance: list[float]) -> Group:
    made = group(name, a)
    runs = [replace(run, floors={"chance": {"a/last": one}}) for run, one in zip(made.runs, chance, strict=True)]
    return replace(made, runs=runs)


def test_choices_that_differ_as_their_chance_does_are_not_told_from_chance():
    groups = [with_chance("zero", HIGH, [10.5, 10.5, 10.6, 10.1]), with_chance("real", LOW, [1.2, 1.1, 1.4, 0.9])]
    (answer,) = said(groups, "answer")
    assert answer == (
        "Distance a cannot be told from chance with any choice: less the chance of its own videos, it is "
        "0.00 [−0.66, 0.66] with padding=zero and 0.00 [−0.45, 0.45] with padding=real."
    )
    assert "9.28 [8.62, 9.93] higher than" in said(groups, "detail")[0]


def test_what_choices_have_beyond_chance_stands_beside_the_answer():
    groups = [with_chance("zero", HIGH, [4.0, 4.5, 4.6, 4.1]), with_chance("real", LOW, [1.2, 1.1, 1.4, 0.9])]
    assert "9.28 [8.62, 9.93] higher than" in said(groups, "answer")[0]
    (beyond,) = said(groups, "detail")
    assert beyond.startswith("Less the chance of its own videos, it is 6.12 [5.71, 6.54] with padding=zero and 0.00")
    many = [replace(each, label=f"{each.label} {place}") for place in range(4) for each in groups]
    assert "it is told from 0 with 4 of 8 choices" in said(many, "detail")[0]


def test_few_trainings_are_compared_first():
    groups = [with_chance("zero", [10.0, 11.0], [3.0, 11.0]), with_chance("real", [1.0, 1.5], [0.0, 1.5])]
    assert "cannot be told from chance" not in said(groups, "answer")[0]
    assert "cannot be told from chance" in said(groups, "detail")[0]


@pytest.mark.parametrize("chance", [math.inf, math.nan])
def test_a_chance_that_is_no_number_is_none(chance: float):
    groups = [with_chance("zero", HIGH, [4.0, 4.5, 4.6, chance]), with_chance("real", LOW, [1.2, 1.1, 1.4, 0.9])]
    assert not any("chance" in text for text in said(groups, "detail"))


def test_without_the_chance_of_every_choice_nothing_is_held_against_it():
    groups = [with_chance("zero", HIGH, [4.0, 4.5, 4.6, 4.1]), group("real", LOW)]
    assert not any("chance" in text for text in said(groups, "detail"))
