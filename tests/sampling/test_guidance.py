"""Classifier-free guidance: what it means, and that it is nothing where it is off."""

import pytest
import torch

from tats_exp.sampling import Hierarchical, ShortClip, SlidingWindow, sample_codes
from tats_exp.transformer import Transformer

C, K, WINDOW = 5, 11, (3, 2, 2)


def transformer(mask: str = "causal", null: bool = True) -> Transformer:
    torch.manual_seed(0)
    model = Transformer(C, K, WINDOW, layers=2, heads=2, width=16, mask=mask, condition_length=2, null=null)
    with torch.no_grad():  # so that conditions and codes before are felt
        for weight in model.parameters():
            weight.mul_(4)
    return model.eval()


CONDITION = torch.tensor([[0, 1], [2, 3], [1, 1]])


def drawn(model: Transformer, guidance: float, condition: torch.Tensor = CONDITION, **more) -> torch.Tensor:
    steps = 12 if model.mask == "causal" else 4
    if model.mask != "causal":
        more = {
            "prefix": torch.ones(len(condition), 4, dtype=torch.int64),
            "last_anchor": condition.new_ones(3, 4)[: len(condition)],
        } | more
    return sample_codes(model, condition, steps, guidance=guidance, **{"seeds": range(len(condition)), **more})


@pytest.mark.parametrize("mask", ["causal", "a", "b", "c"])
def test_guidance_of_1_is_none_to_the_bit(mask: str) -> None:
    assert torch.equal(drawn(transformer(mask), 1.0), drawn(transformer(mask, null=False), 1.0))


@pytest.mark.parametrize("mask", ["causal", "a", "b", "c"])
def test_guidance_of_0_is_sampling_without_the_condition(mask: str) -> None:
    model = transformer(mask)
    assert torch.equal(drawn(model, 0.0), drawn(model, 1.0, torch.full_like(CONDITION, C - 1)))
    assert not torch.equal(drawn(model, 0.0), drawn(model, 1.0))


@pytest.mark.parametrize("guidance", [0.5, 3.0])
@pytest.mark.parametrize("mask", ["causal", "a", "c"])
def test_each_code_is_the_likeliest_by_the_guided_logits_of_the_full_pass(mask: str, guidance: float) -> None:
    model = transformer(mask)
    codes = drawn(model, guidance, greedy=True)
    first = 0 if mask == "causal" else 4
    window = (
        codes
        if mask == "causal"
        else torch.cat([torch.ones(3, 4, dtype=torch.int64), codes, torch.ones(3, 4, dtype=torch.int64)], 1)
    )
    with torch.no_grad():
        told, untold = (model.logits(c, window)[:, :, C:] for c in (CONDITION, torch.full_like(CONDITION, C - 1)))
    guided = (untold + guidance * (told - untold))[:, first : first + codes.shape[1]]
    assert torch.equal(codes, guided.argmax(-1))
    assert not torch.equal(codes, told[:, first : first + codes.shape[1]].argmax(-1))


@pytest.mark.parametrize("mask", ["causal", "c"])
def test_a_video_does_not_depend_on_its_batch(mask: str) -> None:
    model = transformer(mask)
    together = drawn(model, 2.0, seeds=[5, 6, 7])
    for video in range(3):
        alone = drawn(model, 2.0, CONDITION[video : video + 1], seeds=[5 + video])
        assert torch.equal(alone[0], together[video])


def test_every_sampler_takes_guidance() -> None:
    model, between = transformer(), transformer("c")
    for sampler, interpolation in (
        (SlidingWindow(context=2, guidance=3.0), None),
        (ShortClip(guidance=3.0), None),
        (Hierarchical(key_every=2, guidance=3.0), between),
    ):
        frames = 3 if isinstance(sampler, ShortClip) else 7
        videos = sampler(model, CONDITION, frames, [1, 2, 3], interpolation=interpolation)
        plain = type(sampler)(**{**sampler.__dict__, "guidance": 1.0})(
            model, CONDITION, frames, [1, 2, 3], interpolation=interpolation
        )
        assert videos.shape == (3, frames, 2, 2) and not torch.equal(videos, plain)


@pytest.mark.parametrize("guidance", [-1.0, float("inf"), float("nan")])
def test_what_is_no_guidance_is_one_line(guidance: float) -> None:
    with pytest.raises(ValueError, match=r"^guidance="):
        SlidingWindow(guidance=guidance)


def test_a_transformer_that_knows_no_absence_is_not_guided() -> None:
    with pytest.raises(ValueError, match=r"guidance=2\.0: the transformer never learned without its condition"):
        drawn(transformer(null=False), 2.0)
    with pytest.raises(ValueError, match="null=true: of condition_codes=1 none would be left"):
        Transformer(1, K, WINDOW, layers=1, heads=1, width=4, null=True)
