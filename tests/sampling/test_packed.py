"""Packed weights: the same codes, made once, given up when weights change, and only where they pay."""

import gc
import weakref

import pytest
import torch

from tats_exp.sampling import packed, sample_codes
from tats_exp.sampling.packed import PackedLinear, pays, stepping
from tats_exp.transformer import Transformer

WIDTH, BATCH = 768, 4


def wide(width: int = WIDTH, mask: str = "causal", null: bool = False) -> Transformer:
    torch.manual_seed(0)
    frames = 2 if mask == "causal" else 3
    model = Transformer(4, 32, (frames, 4, 4), layers=2, heads=4, width=width, mask=mask, null=null)
    for parameter in model.parameters():
        if parameter.ndim > 1:
            torch.nn.init.normal_(parameter, std=0.05)
    return model.eval().requires_grad_(False)


@pytest.mark.parametrize("guidance", [1.0, 2.0])
@pytest.mark.parametrize("mask", ["causal", "c"])
def test_codes_are_those_of_plain_weights(mask: str, guidance: float, monkeypatch: pytest.MonkeyPatch) -> None:
    model, condition = wide(mask=mask, null=True), torch.tensor([[0], [1], [2], [0]])
    anchors = () if mask == "causal" else (torch.arange(16).repeat(BATCH, 1), torch.arange(16, 32).repeat(BATCH, 1))
    options = {"top_p": 0.9, "seeds": range(BATCH), "guidance": guidance}
    found = sample_codes(model, condition, 16, *anchors, **options)
    assert model in packed._packed
    monkeypatch.setattr(packed, "pays", lambda *_: False)
    assert torch.equal(sample_codes(model, condition, 16, *anchors, **options), found)


def test_logits_agree_to_rounding_and_weights_are_shared() -> None:
    model = wide()
    fast = stepping(model, BATCH, 16)
    assert fast is not model
    assert sum(isinstance(module, PackedLinear) for module in fast.modules()) == 2 * 6 + 1
    assert not any(type(module) is torch.nn.Linear for module in fast.modules())
    assert fast.tok_emb.weight is model.tok_emb.weight and fast.pos_emb is model.pos_emb
    token = torch.tensor([4, 5, 6, 7])
    caches = [model.new_cache(BATCH, 1), model.new_cache(BATCH, 1)]
    one, other = (m.step(token, 0, cache) for m, cache in zip((model, fast), caches, strict=True))
    torch.testing.assert_close(other, one, atol=2e-5, rtol=0)
    torch.testing.assert_close(caches[1].kept, caches[0].kept, atol=2e-5, rtol=0)


def test_packing_is_done_once_and_again_when_weights_change() -> None:
    model = wide()
    first = stepping(model, BATCH, 16)
    assert stepping(model, 2 * BATCH, 30) is first
    model.head.weight.mul_(2)
    second = stepping(model, BATCH, 16)
    token = torch.tensor([4, 5, 6, 7])
    logits = [m.step(token, 0, model.new_cache(BATCH, 1)) for m in (model, second)]
    assert second is not first
    torch.testing.assert_close(logits[1], logits[0], atol=5e-5, rtol=0)


def test_what_is_packed_goes_with_its_model() -> None:
    model = wide()
    gone = weakref.ref(stepping(model, BATCH, 16))
    del model
    gc.collect()
    assert gone() is None


@pytest.mark.parametrize(
    "width, rows, steps, expected",
    [
        (768, 4, 16, True),
        (768, 64, 16, True),
        (512, 4, 16, False),
        (768, 3, 16, False),
        (768, 65, 16, False),
        (768, 4, 15, False),
    ],
)
def test_weights_are_packed_only_where_it_pays(width: int, rows: int, steps: int, expected: bool) -> None:
    model = wide(width)
    assert pays(model, rows, steps) == expected
    assert (stepping(model, rows, steps) is model) != expected
    assert stepping(model.to(torch.bfloat16), rows, steps) is model


def test_a_copy_that_does_not_hold_any_more_is_let_go() -> None:
    model = wide()
    gone = weakref.ref(stepping(model, BATCH, 16))
    stepping(model.to(torch.bfloat16), BATCH, 16)
    gc.collect()
    assert gone() is None


def test_weights_that_do_not_count_their_changes_are_not_packed() -> None:
    with torch.inference_mode():
        model = wide()
    assert stepping(model, BATCH, 16) is model


def test_under_autocast_plain_weights_are_taken() -> None:
    model, condition = wide(), torch.zeros(BATCH, 1, dtype=torch.int64)
    with torch.autocast("cpu", torch.bfloat16):
        assert sample_codes(model, condition, 16, greedy=True).shape == (BATCH, 16)


def test_a_torch_without_these_names_takes_plain_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packed.torch.ops, "mkldnn", object())
    model = wide()
    assert stepping(model, BATCH, 16) is model
