"""The audit finds what the masks promise: no leak through causal, a and c; one through b from the second layer on."""

import pytest
import torch

from tats_exp.metrics import hidden_nll, leak
from tats_exp.metrics.causality import audited
from tats_exp.transformer import Transformer, code_nll
from tests.transformer.test_transformer import batch, small


def with_layers(mask: str, layers: int) -> Transformer:
    torch.manual_seed(0)
    model = Transformer(3, 10, (4, 2, 2), layers, 2, 16, mask=mask, condition_length=2)
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.4)
    return model.eval()


@pytest.mark.parametrize("mask", ["causal", "a", "b", "c"])
@pytest.mark.parametrize("layers", [1, 2, 3])
def test_only_mask_b_leaks_and_only_from_two_layers_on(mask: str, layers: int) -> None:
    model = with_layers(mask, layers)
    condition, codes = batch(model)
    found, leaks = leak(model, condition, codes), mask == "b" and layers > 1
    assert (found.share > 0) == leaks and found.share < 1
    between = slice(1, 3) if mask != "causal" else slice(0, 4)
    measured = ~found.blocks.isnan()
    expected = torch.zeros(4, 4, dtype=torch.bool)
    expected[between, between] = torch.ones(4, 4, dtype=torch.bool).triu()[between, between]
    assert torch.equal(measured, expected)
    assert bool((found.blocks[measured] > 0).all()) == leaks
    assert bool((found.blocks[measured] == 0).all()) != leaks


@pytest.mark.parametrize("mask", ["causal", "a", "b", "c"])
def test_the_two_likelihoods_differ_where_something_leaks(mask: str) -> None:
    model = small(mask)
    condition, codes = batch(model)
    forced, hidden = hidden_nll(model, condition, codes)
    with torch.no_grad():
        nll = code_nll(model.logits(condition, codes), codes, model.condition_codes)[:, model.predicted]
    assert forced == pytest.approx(float(nll.mean()), abs=1e-5)
    if mask == "b":
        assert abs(hidden - forced) > 1e-4
    else:
        assert hidden == pytest.approx(forced, abs=1e-6)


def test_a_share_of_the_codes_is_spread_over_those_that_are_predicted() -> None:
    model = small("c")
    assert audited(model, 100).tolist() == list(range(4, 12))
    assert audited(model, 3).tolist() == [4, 8, 11]
    assert audited(small(), 2).tolist() == [0, 15]


def test_the_audit_leaves_no_trace() -> None:
    model = small("b")
    condition, codes = batch(model)
    before = model.logits(condition, codes)
    with torch.no_grad():  # whoever measures is likely to have switched gradients off
        leak(model, condition, codes)
    assert all(parameter.grad is None for parameter in model.parameters())
    assert torch.equal(model.logits(condition, codes), before)
