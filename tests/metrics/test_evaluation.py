"""What a run and `evaluate` report of the same looks: floors, curves, repeats, and what is not measured."""

import math

import pytest
import torch

from tats_exp.data.shapes import Shapes
from tats_exp.features import ShapesCNN
from tats_exp.metrics import frechet_distance, polynomial_mmd
from tats_exp.metrics.evaluation import Evaluation, Look, count_notes, draw_real, joined, look_at_windows, real_side
from tats_exp.metrics.look import PIXELS

D, CLASSES = 4, 3


def a_look(videos: int, seed: int, features: bool = True, shift: float = 0.0) -> Look:
    random = torch.Generator().manual_seed(seed)
    seen = {name: torch.rand(videos, generator=random).double() + 0.1 for name in PIXELS}
    if features:
        seen["features"] = torch.randn(videos, D, generator=random) + shift
        seen["probabilities"] = torch.randn(videos, CLASSES, generator=random).softmax(dim=-1)
    return seen


def an_evaluation(repeats: int = 1, videos: int = 20, reference: int = 30) -> Evaluation:
    return Evaluation("net", "judge", real_side(a_look(repeats * (videos + reference), 0), repeats, videos))


def test_distances_are_those_of_each_repeat() -> None:
    evaluation = an_evaluation(repeats=3)
    generated = torch.randn(60, D, generator=torch.Generator().manual_seed(1))
    found = evaluation.distances(generated)
    for repeat in range(3):
        pair = evaluation.real["reference"][repeat], generated[20 * repeat : 20 * repeat + 20]
        assert found["fvd/net"][repeat] == pytest.approx(float(frechet_distance(*pair)))
        assert found["kvd/net"][repeat] == pytest.approx(float(polynomial_mmd(*pair)))


def test_values_of_repeats_are_means_with_their_spread() -> None:
    evaluation = an_evaluation(repeats=3)
    seen = [a_look(60, 1), a_look(60, 2, shift=1.0)]
    values = evaluation.values(evaluation.rows(seen), seen, resamples=0, seed=0)
    distances = torch.tensor(evaluation.distances(seen[1]["features"])["fvd/net"])
    assert values["fvd/net/last"] == pytest.approx(float(distances.mean()))
    assert values["fvd/net/last/std"] == pytest.approx(float(distances.std()))
    single = an_evaluation()
    assert not [key for key in single.values(single.rows([a_look(20, 1)]), [a_look(20, 1)], 0, 0) if "std" in key]


def test_the_floor_is_real_against_disjoint_real() -> None:
    evaluation = an_evaluation()
    floors = evaluation.floors
    assert floors["fvd/net"] == pytest.approx(
        float(frechet_distance(evaluation.real["reference"][0], evaluation.real["floor"][0]))
    )
    assert floors["is/judge"] > 1


def test_windows_that_no_network_saw_have_pixels_only() -> None:
    evaluation = an_evaluation()
    seen = [a_look(20, 1), a_look(20, 2, features=False), a_look(20, 3)]
    rows = evaluation.rows(seen)
    assert all(math.isfinite(rows[1][f"drift/{name}"]) for name in PIXELS)
    assert math.isnan(rows[1]["fvd/net"]) and math.isnan(rows[1]["ccs/judge"])
    assert rows[0]["ccs/judge"] == 1 and rows[0]["ics/judge"] == 0
    values = evaluation.values(rows, seen, resamples=10, seed=0)
    assert values["fvd/net/growth"] == pytest.approx(rows[2]["fvd/net"] - rows[0]["fvd/net"])
    assert not [key for key in values if "slope" in key] and "drift/first_window" not in values


def test_a_curve_that_moves_away_has_a_slope_past_its_interval() -> None:
    evaluation = an_evaluation(videos=60, reference=60)
    seen = [a_look(60, t, shift=0.5 * t) for t in range(5)]
    values = evaluation.values(evaluation.rows(seen), seen, resamples=30, seed=0)
    low, high = values["fvd/net/slope/low"], values["fvd/net/slope/high"]
    assert 0 < low < values["fvd/net/slope"] < high
    assert values["drift/first_window"] == 1
    assert values["fvd/net/relative_change"] > 1


def test_videos_of_one_window_neither_change_nor_keep_anything() -> None:
    evaluation, seen = an_evaluation(), [a_look(20, 1)]
    rows = evaluation.rows(seen)
    values = evaluation.values(rows, seen, resamples=10, seed=0)
    along = ("fvd/net/growth", "fvd/net/relative_change", "ccs/judge/last", "ics/judge/last")
    assert [values[key] for key in along] == [None] * 4
    assert "drift/first_window" not in values  # None would say that they never collapse
    assert values["fvd/net/window_0"] == values["fvd/net/last"] == rows[0]["fvd/net"]


def test_few_videos_are_noted() -> None:
    few = Evaluation("net", "net", real_side(a_look(5, 0), 1, 2))
    assert "biased" in few.notes[0] and "N < 4" in few.notes[0]
    assert an_evaluation().notes == []


def test_enough_videos_are_extrapolated_and_few_are_not() -> None:
    def extrapolated(videos: int) -> bool:
        evaluation, seen = an_evaluation(videos=videos, reference=videos), [a_look(videos, 1)]
        return "fvd/net/extrapolated" in evaluation.values(evaluation.rows(seen), seen, 0, 0)

    assert extrapolated(8 * D) and not extrapolated(D)


def test_looks_at_a_few_videos_at_a_time_are_joined_in_order() -> None:
    whole = [a_look(6, t) for t in range(2)]
    parts = [
        [{name: value[some] for name, value in window.items()} for window in whole] for some in ([0, 1], [2, 3, 4, 5])
    ]
    for window, again in zip(whole, joined(parts), strict=True):
        assert all(torch.equal(window[name], again[name]) for name in window)


def test_repeats_draw_anew_and_each_is_disjoint() -> None:
    videos = Shapes(train_videos=6, test_videos=1, frames=64, resolution=8, seed=0).split("train")
    drawn, floor = draw_real(videos, reference=8, floor=4, frames=16, repeats=2, seed=0)
    assert floor == 4 and drawn[0] != drawn[1]
    assert all(len({(window.video, window.start) for window in repeat}) == 12 for repeat in drawn)
    fewer, floor = draw_real(videos, reference=50, floor=40, frames=16, repeats=1, seed=0)
    assert len(fewer[0]) < 90 and floor == len(fewer[0]) // 2


def test_floor_and_reference_are_draws_of_one_kind() -> None:
    videos = Shapes(train_videos=84, test_videos=1, frames=320, resolution=8, seed=0).split("train")
    videos.lengths = [16] * 80 + [320] * 4  # eighty videos of one window, four of twenty
    (windows,), floor = draw_real(videos, reference=80, floor=80, frames=16, repeats=1, seed=0)
    short = [sum(window.video < 80 for window in side) for side in (windows[:floor], windows[floor:])]
    assert floor == 80 and short == pytest.approx([40, 40], abs=12)


def test_fewer_than_were_asked_for_are_noted() -> None:
    assert count_notes((8, 16), (8, 16)) == []
    (note,) = count_notes((8, 16), (5, 6))
    assert note.startswith(
        "5 generated videos against 6 real windows were measured in place of 8 generated videos against"
    )


def test_what_is_seen_does_not_depend_on_the_batch() -> None:
    videos = Shapes(train_videos=3, test_videos=1, frames=40, resolution=8, seed=0).split("train")
    (windows,), _ = draw_real(videos, 3, 2, 16, 1, 0)
    done: list[int] = []
    network = ShapesCNN.pretrained()
    how = (network, None, videos, windows, 16)
    at_once = look_at_windows(*how, 5, torch.device("cpu"), done.append)
    in_twos = look_at_windows(*how, 2, torch.device("cpu"), done.append)
    assert done == [5, 2, 4, 5]
    for name, value in at_once.items():
        torch.testing.assert_close(value, in_twos[name], rtol=1e-5, atol=1e-5)
