"""Likelihoods of real codes: whatever the batch, over as many windows of both splits, gap by gap."""

import pytest
import torch

from tats_exp.stages.likelihood import ConditionedCodes, likelihoods_of_hierarchy, mean_nll, split_nll
from tats_exp.transformer import Transformer

CPU, CODES = torch.device("cpu"), 8


def a_transformer(frames: int = 2, mask: str = "causal") -> Transformer:
    torch.manual_seed(0)
    return Transformer(0, CODES, (frames, 2, 2), layers=1, heads=2, width=16, mask=mask).eval()


def windows(count: int, *shape: int) -> ConditionedCodes:
    random = torch.Generator().manual_seed(count)
    codes = torch.randint(CODES, (count, *shape), generator=random)
    return ConditionedCodes(codes, torch.zeros(count, 1, dtype=torch.int64))


def test_the_batch_does_not_change_a_likelihood() -> None:
    transformer, some = a_transformer(), windows(7, 2, 2, 2)
    assert mean_nll(transformer, some, 7, CPU) == pytest.approx(mean_nll(transformer, some, 2, CPU), rel=1e-6)


def test_both_splits_are_scored_over_as_many_windows() -> None:
    transformer, train, held_out = a_transformer(), windows(9, 2, 2, 2), windows(4, 2, 2, 2)
    scored = split_nll(transformer, train, held_out, 4, CPU)
    assert scored.train == pytest.approx(mean_nll(transformer, train.first(4), 4, CPU))
    assert scored.held_out == pytest.approx(mean_nll(transformer, held_out, 4, CPU))


def test_every_gap_is_a_window_under_the_condition_of_its_video() -> None:
    flat = ConditionedCodes(torch.arange(24).view(2, 3, 1, 2, 2), torch.tensor([[5], [6]])).flat()
    assert flat.condition[:, 0].tolist() == [5, 5, 5, 6, 6, 6]
    assert torch.equal(flat.codes.flatten(), torch.arange(24)) and flat.flat() is flat


def test_only_a_mask_that_leaks_has_a_leak() -> None:
    train, held_out = windows(6, 5, 2, 2), windows(3, 5, 2, 2)
    shares = {}
    for mask in ("b", "c"):
        torch.manual_seed(1)
        interpolation = Transformer(0, CODES, (5, 2, 2), layers=2, heads=2, width=16, mask=mask).eval()
        given = likelihoods_of_hierarchy(a_transformer(), interpolation, train, held_out, 4, 4, CPU)
        assert set(given.nll) == {"transformer", "interpolation"} and given.shift_gap is None
        shares[mask] = given.leak.gradient.share
    assert shares["b"] > 0 and shares["c"] == 0
