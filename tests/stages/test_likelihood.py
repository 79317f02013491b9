"""Likelihoods of real codes: whatever the batch, over as many windows of both splits, gap by gap."""

import pytest
import torch

from tats_exp.stages.likelihood import (
    ConditionedCodes,
    likelihoods_of_hierarchy,
    likelihoods_of_windows,
    mean_nll,
    split_nll,
)
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


def test_gaps_are_those_that_sampler_and_videos_allow() -> None:
    transformer, train = a_transformer(4), windows(6, 4, 2, 2)
    held_out = torch.randint(CODES, (5, 3, 4, 2, 2), generator=torch.Generator().manual_seed(0))
    condition = torch.zeros(5, 1, dtype=torch.int64)

    def found(shifts: int, context: int | None) -> tuple[bool, bool]:
        given = likelihoods_of_windows(transformer, train, held_out[:, :shifts], condition, context, 4, CPU)
        assert given.nll["transformer"].held_out == pytest.approx(
            mean_nll(transformer, ConditionedCodes(held_out[:, 0], condition), 5, CPU)
        )
        return given.shift_gap is not None, given.sliding_gap is not None

    assert found(3, 2) == (True, True) and found(3, None) == (True, False)
    assert found(2, 2) == (True, False) and found(1, 1) == (False, False)
    stream = torch.randint(CODES, (5, 6, 2, 2), generator=torch.Generator().manual_seed(1))
    blind = stream.unfold(1, 4, 1).movedim(-1, 2)
    assert likelihoods_of_windows(transformer, train, blind, condition, 2, 4, CPU).sliding_gap == 0.0
