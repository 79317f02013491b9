"""The logits that each code is drawn from: those of a full pass, at every position and for every length of context."""

import pytest
import torch

from tats_exp.sampling import Chooser, SlidingWindow, sample_codes
from tats_exp.transformer import Transformer, attention_mask
from tests.transformer.test_transformer import batch, small

FRAME, FRAMES, SEEDS = 4, 4, [3, 1, 4]
CODES = FRAME * FRAMES


@pytest.fixture
def drawn_from(monkeypatch: pytest.MonkeyPatch) -> list[torch.Tensor]:
    """Everything that a code is chosen from, in order."""
    seen, choose = [], Chooser.__call__

    def watched(self: Chooser, logits: torch.Tensor, uniform: torch.Tensor) -> torch.Tensor:
        seen.append(logits)
        return choose(self, logits, uniform)

    monkeypatch.setattr(Chooser, "__call__", watched)
    return seen


def assert_same(drawn_from: list[torch.Tensor], expected: torch.Tensor) -> None:
    torch.testing.assert_close(torch.stack(drawn_from, dim=1), expected, atol=1e-5, rtol=0)


@pytest.mark.parametrize("length", range(CODES))
@torch.no_grad()
def test_a_window_goes_on_from_any_beginning_as_the_full_pass(length, drawn_from):
    model = small()
    condition, codes = batch(model)
    steps = CODES - length
    found = sample_codes(model, condition, steps, codes[:, :length], top_p=0.9, seeds=SEEDS)
    window = torch.cat([codes[:, :length], found], dim=1)
    assert_same(drawn_from, model.logits(condition, window)[:, length:, model.condition_codes :])


@pytest.mark.parametrize("mask", ["a", "c"])
@pytest.mark.parametrize("length", range(FRAME, CODES - FRAME))
@torch.no_grad()
def test_a_gap_goes_on_from_any_beginning_as_the_full_pass(mask, length, drawn_from):
    model = small(mask)
    condition, codes = batch(model)
    steps, last = CODES - FRAME - length, codes[:, -FRAME:]
    found = sample_codes(model, condition, steps, codes[:, :length], last, top_p=0.9, seeds=SEEDS)
    window = torch.cat([codes[:, :length], found, last], dim=1)
    assert_same(drawn_from, model.logits(condition, window)[:, length:-FRAME, model.condition_codes :])


def logits_without(model: Transformer, condition: torch.Tensor, window: torch.Tensor, code: int) -> torch.Tensor:
    """Logits of a code in a full pass that hides it and those behind it from all, but not the last anchor."""
    tokens = torch.cat([condition, window + model.condition_codes], dim=1)[:, :-1]
    place = torch.arange(tokens.shape[1])
    known = (place < model.condition_length + code) | (place >= model.condition_length + CODES - FRAME)
    visible = attention_mask(model.mask, model.condition_length, model.window) & known
    x = model.tok_emb(tokens) + model.pos_emb
    for block in model.blocks:
        x = block(x, visible, False)
    return model.head(model.ln_f(x[:, model.condition_length - 1 + code]))[:, model.condition_codes :]


@pytest.mark.parametrize("length", range(FRAME, CODES - FRAME))
@torch.no_grad()
def test_under_mask_b_what_is_not_drawn_yet_stays_hidden(length, drawn_from):
    model = small("b")
    condition, codes = batch(model)
    steps, last = CODES - FRAME - length, codes[:, -FRAME:]
    found = sample_codes(model, condition, steps, codes[:, :length], last, top_p=0.9, seeds=SEEDS)
    window = torch.cat([codes[:, :length], found, last], dim=1)
    hidden = [logits_without(model, condition, window, code) for code in range(length, CODES - FRAME)]
    assert_same(drawn_from, torch.stack(hidden, dim=1))
    # The full pass, which training sees, gives others: that is the leak.
    forced = model.logits(condition, window)[:, length:-FRAME, model.condition_codes :]
    differs = (forced - torch.stack(drawn_from, dim=1)).abs().amax(dim=(0, 2)) > 1e-3
    assert differs.all()


@pytest.mark.parametrize("context, stride", [(c, s) for c in range(1, FRAMES) for s in range(1, FRAMES - c + 1)])
@torch.no_grad()
def test_every_slide_draws_from_the_full_pass_over_its_window(context, stride, drawn_from):
    model, wanted = small(), 9
    condition, _ = batch(model)
    video = SlidingWindow(context, stride=stride)(model, condition, wanted, SEEDS)
    logits, made = [], 0
    while made < wanted:
        kept, end = (context, min(made + stride, wanted)) if made else (0, FRAMES)
        window = video[:, made - kept : end].flatten(1)
        logits.append(model.logits(condition, window)[:, kept * FRAME :, model.condition_codes :])
        made = end
    assert_same(drawn_from, torch.cat(logits, dim=1))


@pytest.mark.parametrize("mask", ["a", "b", "c"])
def test_gaps_are_filled_with_video_codes_however_likely_condition_codes_are(mask):
    model = small(mask)
    with torch.no_grad():
        model.head.weight[: model.condition_codes] *= 20
    condition, codes = batch(model)
    first, last = codes[:, :FRAME], codes[:, -FRAME:]
    free = sample_codes(model, condition, 2 * FRAME, first, last, seeds=SEEDS, restrict=False)
    assert (free < model.condition_codes).any()
    for options in ({}, {"top_k": 1}, {"top_p": 0.1}, {"temperature": 50.0}):
        found = sample_codes(model, condition, 2 * FRAME, first, last, seeds=SEEDS, **options)
        assert found.min() >= 0 and found.max() < model.video_codes
