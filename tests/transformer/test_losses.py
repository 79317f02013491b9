"""The loss against the textbook formula, and what of it is learned."""

import pytest
import torch

from tats_exp.transformer import code_nll
from tats_exp.transformer.training import TransformerTraining
from tests.transformer.test_transformer import batch, small


def test_nll_is_the_negative_log_softmax_at_the_offset_code():
    logits = torch.randn(3, 5, 11, generator=torch.Generator().manual_seed(0))
    codes = torch.randint(7, (3, 5), generator=torch.Generator().manual_seed(1))
    nll = code_nll(logits, codes, condition_codes=4)
    for video in range(3):
        for n in range(5):
            scores = logits[video, n].double().exp()
            expected = -(scores[4 + codes[video, n]] / scores.sum()).log()
            torch.testing.assert_close(nll[video, n].double(), expected, atol=1e-5, rtol=0)


def test_half_precision_logits_lose_nothing_in_the_loss_itself():
    logits = torch.full((1, 1, 4096), 3.0, dtype=torch.bfloat16)
    nll = code_nll(logits, torch.zeros(1, 1, dtype=torch.int64), condition_codes=0)
    torch.testing.assert_close(nll, torch.full((1, 1), 4096.0).log(), atol=1e-4, rtol=0)


@pytest.mark.parametrize("mask, anchors_in_loss", [("causal", False), ("c", False), ("c", True), ("b", False)])
def test_anchors_are_learned_only_if_asked_for(mask, anchors_in_loss):
    """Changing what scores the anchors changes the loss in that case alone: the row before a code scores it."""
    model = small(mask)
    condition, codes = batch(model)
    module = TransformerTraining(model, torch.optim.SGD, None, "interpolation", anchors_in_loss)
    nll = code_nll(model.logits(condition, codes), codes, model.condition_codes)
    anchors = mask != "causal" and not anchors_in_loss
    expected = nll[:, 4:12].mean() if anchors else nll.mean()
    torch.testing.assert_close(module.training_step({"condition": condition, "codes": codes}, 0), expected)
