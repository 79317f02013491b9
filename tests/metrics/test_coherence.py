import math
from itertools import permutations

import pytest
import torch

from tats_exp.metrics import ccs, ics, inception_score, js_divergence, kappa, label_chance, label_coherence, opinion_js


def one_hot(labels: list[list[int]], classes: int) -> torch.Tensor:
    return torch.nn.functional.one_hot(torch.tensor(labels), classes).float()


def test_ccs_counts_videos_that_keep_their_first_class() -> None:
    p = one_hot([[0, 0, 0, 1], [2, 2, 1, 2], [1, 1, 1, 1], [3, 0, 0, 0]], classes=4) * 0.9 + 0.025
    assert ccs(p).tolist() == [1.0, 0.75, 0.5, 0.5]


def test_kappa_is_what_is_kept_beyond_chance() -> None:
    p = one_hot([[0, 0], [0, 1], [1, 1], [1, 1]], classes=2)
    # kept 3/4; shares (1/2, 1/2) and (1/4, 3/4): chance 1/2
    assert kappa(p).tolist() == pytest.approx([1.0, 0.5])


def test_videos_of_one_class_keep_it_by_chance() -> None:
    kept = kappa(one_hot([[2, 2], [2, 2]], classes=3))
    assert kept.isnan().all() and ccs(one_hot([[2, 2], [2, 2]], classes=3)).tolist() == [1.0, 1.0]


def test_kappa_of_classes_drawn_anew_is_about_zero() -> None:
    labels = torch.randint(4, (4000, 2), generator=torch.Generator().manual_seed(0))
    labels[:, 1] = labels[:, 1].where(labels[:, 1] > 0, 1)  # the later window uses fewer classes
    assert float(kappa(one_hot(labels.tolist(), 4))[1]) == pytest.approx(0, abs=0.03)


def test_the_bounded_opinion_is_jensen_shannon_against_window_0() -> None:
    p = torch.randn(5, 3, 4, generator=torch.Generator().manual_seed(0)).softmax(dim=-1)
    wanted = [float(js_divergence(p[:, t], p[:, 0]).mean()) for t in range(3)]
    assert opinion_js(p).tolist() == pytest.approx(wanted) and wanted[0] == 0
    assert float(opinion_js(one_hot([[0, 1]], classes=2))[1]) == pytest.approx(math.log(2))


def test_ics_of_known_distributions() -> None:
    p0, p1 = torch.tensor([0.5, 0.25, 0.25]), torch.tensor([0.2, 0.2, 0.6])
    kl = sum(float(b) * math.log(float(b) / float(a)) for a, b in zip(p0, p1, strict=True))
    probabilities = torch.stack([torch.stack([p0, p1, p0]), torch.stack([p0, p0, p0])])
    assert ics(probabilities).tolist() == pytest.approx([0.0, kl / 2, 0.0], abs=1e-7)


def test_ics_direction_is_window_t_against_window_0() -> None:
    sure, unsure = torch.tensor([0.999, 0.001]), torch.tensor([0.5, 0.5])
    away = float(ics(torch.stack([sure, unsure])[None])[1])
    back = float(ics(torch.stack([unsure, sure])[None])[1])
    assert away == pytest.approx(0.5 * math.log(0.5 / 0.999) + 0.5 * math.log(0.5 / 0.001), rel=1e-4)
    assert away > back


def test_ics_is_finite_where_a_probability_vanished() -> None:
    value = float(ics(one_hot([[0, 1]], classes=2))[1])
    assert value == pytest.approx(-math.log(1e-20), rel=1e-6)


def test_inception_score_bounds() -> None:
    every_class_once = one_hot([[k] for k in range(8)], 8)[:, 0]
    assert float(inception_score(every_class_once)) == pytest.approx(8.0)
    assert float(inception_score(every_class_once[:1].repeat(5, 1))) == pytest.approx(1.0)
    assert float(inception_score(torch.full((6, 8), 1 / 8))) == pytest.approx(1.0)
    p = torch.randn(50, 8, generator=torch.Generator().manual_seed(0)).softmax(-1)
    assert 1.0 < float(inception_score(p)) < 8.0


@pytest.mark.parametrize("score", [ccs, ics])
def test_logits_are_refused(score) -> None:
    with pytest.raises(ValueError, match="softmax probabilities, not logits"):
        score(torch.randn(3, 4, 5, generator=torch.Generator().manual_seed(0)))


def test_half_precision_probabilities_are_accepted() -> None:
    p = torch.randn(4, 3, 400, generator=torch.Generator().manual_seed(0)).softmax(-1)
    assert ics(p.bfloat16()).tolist() == pytest.approx(ics(p).tolist(), rel=0.05, abs=0.01)


def test_label_coherence_counts_videos_in_the_class_they_were_asked_for() -> None:
    p = one_hot([[0, 0, 1], [2, 1, 2], [1, 1, 1], [3, 3, 0]], classes=4) * 0.9 + 0.025
    assert label_coherence(p, torch.tensor([0, 2, 1, 0])).tolist() == [0.75, 0.5, 0.75]
    with pytest.raises(ValueError, match=r"labels: 0..4, allowed: 0..3"):
        label_coherence(p, torch.tensor([0, 2, 1, 4]))


KINDS = torch.tensor([0, 0, 1, 1])  # what classes 0 to 3 are: two of one colour, two of another


def test_label_coherence_of_an_attribute_counts_classes_that_share_it() -> None:
    p = one_hot([[0, 1, 2], [3, 2, 1]], classes=4) * 0.9 + 0.025
    assert label_coherence(p, torch.tensor([1, 2]), KINDS).tolist() == [1, 1, 0]
    assert label_coherence(p, torch.tensor([1, 2])).tolist() == [0, 1, 0]


@pytest.mark.parametrize("kinds", [None, KINDS])
def test_chance_is_the_mean_over_all_pairings(kinds: torch.Tensor | None) -> None:
    random = torch.Generator().manual_seed(0)
    p = torch.randn(5, 2, 4, generator=random).softmax(-1)
    asked_for = torch.tensor([0, 0, 1, 2, 3])
    pairings = [label_coherence(p, asked_for[list(order)], kinds) for order in permutations(range(5))]
    assert label_chance(p, asked_for, kinds).tolist() == pytest.approx(torch.stack(pairings).mean(0).tolist())


def test_videos_of_one_look_are_right_as_often_as_it_is_asked_for() -> None:
    alike = one_hot([[2, 2]] * 4, classes=4) * 0.9 + 0.025
    asked_for = torch.tensor([2, 0, 2, 2])
    assert label_chance(alike, asked_for).tolist() == label_coherence(alike, asked_for).tolist() == [0.75, 0.75]
