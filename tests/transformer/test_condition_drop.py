"""Conditions that are dropped in training: how many, which, and what is then learned."""

from functools import partial

import pytest
import torch

from tats_exp.transformer import Transformer
from tats_exp.transformer.training import TransformerTraining

C = 5
ADAM = partial(torch.optim.AdamW, lr=1e-3)


def training(drop: float, seed: int = 0) -> TransformerTraining:
    torch.manual_seed(0)
    model = Transformer(C, 7, (2, 2, 2), layers=1, heads=2, width=8, condition_length=3, null=drop > 0)
    module = TransformerTraining(model, ADAM, None, condition_drop=drop, seed=seed)
    return module


CONDITION = torch.arange(4).repeat(500)[:, None].expand(-1, 3)


@pytest.mark.parametrize("drop", [0.1, 0.5])
def test_so_many_are_dropped_whole_and_others_each_time(drop: float) -> None:
    module = training(drop)
    batches = [module._dropped(CONDITION) for _ in range(5)]
    for batch in batches:
        gone = (batch == C - 1).all(dim=1)
        assert torch.equal(batch[~gone], CONDITION[~gone])
        assert abs(gone.double().mean() - drop) < 4 * (drop * (1 - drop) / 2000) ** 0.5
    assert len({tuple(batch[:, 0].tolist()) for batch in batches}) == 5
    again = training(drop)
    assert torch.equal(again._dropped(CONDITION), batches[0])
    assert not torch.equal(training(drop, seed=1)._dropped(CONDITION), batches[0])


def test_without_drop_nothing_is_dropped_and_no_state_is_kept() -> None:
    module = training(0.0)
    assert module._dropped(CONDITION) is CONDITION and "batches" not in module.state_dict()


def test_what_is_always_dropped_teaches_nothing() -> None:
    """With probability 1 the loss and all gradients are the same whatever the conditions are."""
    codes = torch.randint(7, (len(CONDITION), 8), generator=torch.Generator().manual_seed(0))
    found = []
    for condition in (CONDITION, CONDITION.flip(0), torch.zeros_like(CONDITION)):
        module = training(1.0)
        loss = module.training_step({"condition": condition.contiguous(), "codes": codes}, 0)
        loss.backward()
        found.append([loss, *(weight.grad for weight in module.transformer.parameters())])
    for others in found[1:]:
        assert all(torch.equal(one, other) for one, other in zip(found[0], others, strict=True))
    assert not module.transformer.tok_emb.weight.grad[: C - 1].any(), (
        "codes of conditions that were never read have learned something"
    )
