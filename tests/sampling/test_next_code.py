"""Sampling one code at a time: the filters by brute force, the cache against full passes, streams against batches."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from tats_exp.sampling import Chooser, RandomStreams, sample_codes
from tests.transformer.test_transformer import golden_model, small

GOLDEN = json.loads((Path(__file__).parents[1] / "golden.json").read_text())
LABELS = torch.tensor([[0, 1], [2, 0], [1, 1], [2, 2]])
ANCHORS = torch.tensor([[1, 2, 3, 4], [5, 6, 7, 8], [9, 0, 1, 2], [3, 3, 3, 3]])


def by_hand(logits: np.ndarray, temperature: float, top_k: int | None, top_p: float | None) -> np.ndarray:
    """What is drawn from, code by code from the likeliest down."""
    weights = np.exp(logits.astype(np.float64) / temperature)
    kept = sorted(range(len(weights)), key=lambda code: -weights[code])[: top_k or len(weights)]
    total, mass, nucleus = sum(weights[kept]), 0.0, []
    for code in kept:
        nucleus.append(code)
        mass += weights[code] / total
        if top_p is not None and mass >= top_p:
            break
    out = np.zeros_like(weights)
    out[nucleus] = weights[nucleus] / sum(weights[nucleus])
    return out


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.0])
@pytest.mark.parametrize("top_k", [None, 1, 5, 100])
@pytest.mark.parametrize("top_p", [None, 0.01, 0.7, 1.0])
def test_filters_equal_brute_force(temperature, top_k, top_p):
    logits = torch.randn(6, 20, generator=torch.Generator().manual_seed(3)) * 2
    found = Chooser(temperature, top_k, top_p).probabilities(logits)
    expected = np.stack([by_hand(row, temperature, top_k, top_p) for row in logits.numpy()])
    np.testing.assert_allclose(found.numpy(), expected, atol=1e-6)


def by_stable_sort(logits: torch.Tensor, temperature: float, top_k: int | None, top_p: float | None) -> torch.Tensor:
    """The same by sorting codes, equal ones in the order of the vocabulary, which is slow and plain."""
    probabilities = torch.softmax(logits / temperature, dim=-1)
    if top_p is None and top_k >= logits.shape[-1]:
        return probabilities
    ranked, order = probabilities.sort(dim=-1, descending=True, stable=True)
    ranked[:, top_k or logits.shape[-1] :] = 0
    if top_p is not None:
        before = ranked.cumsum(dim=-1) - ranked
        ranked = ranked.masked_fill(~(before < top_p * ranked.sum(dim=-1, keepdim=True)), 0)
    kept = torch.zeros_like(probabilities).scatter_(-1, order, ranked)
    return kept / kept.sum(dim=-1, keepdim=True)


@pytest.mark.parametrize("codes, batch", [(1, 2), (7, 1), (7, 200), (128, 16), (4096, 3)])
@pytest.mark.parametrize("top_k, top_p", [(None, 0.92), (2, 0.8), (50, None), (50, 0.5), (4096, 0.999), (1, 0.9)])
@pytest.mark.parametrize("step", [0.0, 0.5, 3.0, 100.0])
def test_filters_equal_a_stable_sort_to_the_bit(codes, batch, top_k, top_p, step):
    """Also where many codes are equally likely: logits are rounded to a step, the largest leaves one value."""
    logits = torch.randn(batch, codes, generator=torch.Generator().manual_seed(codes)) * 4
    logits = (logits / step).round() * step if step else logits
    found = Chooser(0.9, top_k, top_p).probabilities(logits.requires_grad_())
    assert torch.equal(found, by_stable_sort(logits, 0.9, top_k, top_p))


def test_ties_at_the_border_keep_exactly_top_k_codes():
    kept = Chooser(top_k=3).probabilities(torch.zeros(2, 8))
    assert (kept > 0).sum(dim=-1).tolist() == [3, 3]


def test_draws_follow_the_filtered_distribution():
    logits, draws = torch.tensor([[0.0, 2.0, 1.0, 1.5, -3.0]]), 40_000
    chooser = Chooser(temperature=1.3, top_k=4, top_p=0.9)
    uniforms = RandomStreams([0], 1).uniforms(draws)[0]
    found = torch.bincount(chooser(logits.expand(draws, -1), uniforms), minlength=5) / draws
    expected = torch.from_numpy(by_hand(logits[0].numpy(), 1.3, 4, 0.9)).float()
    assert (found[expected == 0] == 0).all()
    torch.testing.assert_close(found, expected, atol=0.01, rtol=0)


def test_extreme_uniforms_draw_codes_that_were_kept():
    logits = torch.tensor([[-5.0, 1.0, 0.5, -5.0]])
    chooser = Chooser(top_k=2)
    assert chooser(logits, torch.tensor([0.0])).item() == 1
    assert chooser(logits, torch.tensor([1.0])).item() == 2


def test_greedy_rollout_over_the_whole_vocabulary_equals_the_original():
    model, golden = golden_model("transformer_causal_label", (3, 4, 4), "causal")
    codes = sample_codes(model, torch.tensor([golden["condition"]]), 48, greedy=True, restrict=False)
    assert codes[0].tolist() == golden["greedy_unrestricted"]


def test_restricted_codes_are_video_codes_however_likely_the_condition_codes_are():
    model = small()
    with torch.no_grad():
        model.head.weight[: model.condition_codes] *= 20
    free = sample_codes(model, LABELS, 16, seeds=range(4), restrict=False)
    assert (free < model.condition_codes).any()
    for options in ({}, {"top_k": 1}, {"top_p": 0.1}, {"temperature": 50.0}, {"greedy": True}):
        codes = sample_codes(model, LABELS, 16, seeds=range(4), **options)
        assert codes.min() >= 0 and codes.max() < model.video_codes


@torch.no_grad()
def uncached(model, condition, steps, prefix, last_anchor, seeds, top_p):
    """Teacher-forced passes of the model over what is known; what is not known yet is filled with zeros."""
    uniforms = RandomStreams(seeds, len(condition)).uniforms(steps)
    codes = torch.zeros(len(condition), model.window_codes, dtype=torch.int64)
    start = prefix.shape[1]
    codes[:, :start] = prefix
    if last_anchor is not None:
        codes[:, -last_anchor.shape[1] :] = last_anchor
    for step in range(steps):
        logits = model.logits(condition, codes)[:, start + step, model.condition_codes :]
        codes[:, start + step] = Chooser(top_p=top_p)(logits, uniforms[:, step])
    return codes[:, start : start + steps]


@pytest.mark.parametrize("length", [0, 1, 4, 11])
def test_cached_sampling_equals_full_passes(length):
    model, seeds = small(), [5, 6, 7, 8]
    prefix = torch.arange(4 * length).reshape(4, length) % model.video_codes
    expected = uncached(model, LABELS, 16 - length, prefix, None, seeds, 0.9)
    assert torch.equal(sample_codes(model, LABELS, 16 - length, prefix, top_p=0.9, seeds=seeds), expected)


@pytest.mark.parametrize("mask", ["a", "c"])
def test_cached_sampling_between_anchors_equals_full_passes(mask):
    model, seeds = small(mask), [5, 6, 7, 8]
    expected = uncached(model, LABELS, 8, ANCHORS, ANCHORS.flip(0), seeds, 0.9)
    found = sample_codes(model, LABELS, 8, ANCHORS, ANCHORS.flip(0), top_p=0.9, seeds=seeds)
    assert torch.equal(found, expected)


def test_the_last_anchor_informs_what_is_between_under_b_and_c_alone():
    for mask, informs in (("a", False), ("b", True), ("c", True)):
        model = small(mask)
        one, other = (
            sample_codes(model, LABELS, 8, ANCHORS, last, seeds=range(4)) for last in (ANCHORS, ANCHORS.flip(0))
        )
        assert torch.equal(one, other) != informs, mask


def test_mask_b_reads_condition_first_anchor_codes_so_far_and_last_anchor():
    # Nothing of what is not known may enter, so the pass is written out here: those tokens at their places, no others.
    model = small("b")
    found = sample_codes(model, LABELS, 8, ANCHORS, ANCHORS.flip(0), greedy=True)
    window = torch.cat([ANCHORS, found, ANCHORS.flip(0)], dim=1) + model.condition_codes
    tokens = torch.cat([LABELS, window], dim=1)[:, :-1]
    for step in range(8):
        seen = torch.tensor([*range(14, 17), *range(6 + step)])
        logits = model.prefill(tokens[:, seen], seen)[:, model.condition_codes :]
        assert torch.equal(logits.argmax(dim=-1), found[:, step])


@pytest.mark.parametrize("mask", ["causal", "b", "c"])
def test_a_video_does_not_depend_on_its_batch(mask):
    model = small(mask)
    anchors = {} if mask == "causal" else {"prefix": ANCHORS, "last_anchor": ANCHORS.flip(0)}
    together = sample_codes(model, LABELS, 8, **anchors, top_p=0.95, seeds=[3, 1, 4, 5])
    assert len(together.unique(dim=0)) == 4
    order = [2, 0]
    some = {name: anchor[order] for name, anchor in anchors.items()}
    apart = sample_codes(model, LABELS[order], 8, **some, top_p=0.95, seeds=[4, 3])
    assert torch.equal(apart, together[order])


def test_streams_go_on_where_the_last_call_left_them():
    whole = RandomStreams([7, 8], 2).uniforms(10)
    streams = RandomStreams([7, 8], 2)
    assert torch.equal(torch.cat([streams.uniforms(3), streams.uniforms(7)], dim=1), whole)
    assert not torch.equal(whole[0], whole[1])


def test_without_seeds_the_global_seed_decides():
    model = small()
    torch.manual_seed(1)
    one, two = sample_codes(model, LABELS, 16), sample_codes(model, LABELS, 16)
    torch.manual_seed(1)
    assert torch.equal(sample_codes(model, LABELS, 16), one)
    assert not torch.equal(one, two)


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"steps": 17}, "steps=17 must be 1 to 16"),
        ({"steps": 13, "prefix": ANCHORS}, "steps=13 must be 1 to 12"),
        ({"steps": 0}, "steps=0 must be 1 to 16"),
        ({"prefix": ANCHORS + 1}, "prefix holds codes 1 to 10; allowed are 0 to 9"),
        ({"condition": LABELS + 1}, "condition holds codes 1 to 3; allowed are 0 to 2"),
        ({"condition": LABELS[:, :1]}, "condition holds 1 codes; the model takes 2"),
        ({"last_anchor": ANCHORS}, "last_anchor is for interpolation"),
        ({"seeds": [1, 2]}, "seeds holds 2 seeds for 4 videos"),
        ({"seeds": [1, 2, 3, -4]}, "seeds holds -4"),
        ({"top_k": 0}, "top_k=0 must be at least 1"),
        ({"top_p": 0.0}, "top_p=0.0 must be above 0"),
        ({"temperature": 0.0}, "temperature=0.0 must be above 0"),
    ],
)
def test_what_does_not_fit_is_refused_in_one_line(arguments, message):
    with pytest.raises(ValueError, match=message) as error:
        sample_codes(small(), **({"condition": LABELS, "steps": 4} | arguments))
    assert "\n" not in str(error.value)


def test_a_transformer_that_diverged_is_not_sampled_from():
    model = small()
    torch.nn.init.constant_(model.head.weight, float("nan"))
    with pytest.raises(ValueError, match="not finite: its training has diverged"):
        sample_codes(model, LABELS, 4)


def test_interpolation_needs_both_anchors_and_stops_before_the_last():
    model = small("c")
    with pytest.raises(ValueError, match="mask='c' needs both anchors"):
        sample_codes(model, LABELS, 4, prefix=ANCHORS)
    with pytest.raises(ValueError, match="mask='c' needs both anchors"):
        sample_codes(model, LABELS, 4, last_anchor=ANCHORS)
    with pytest.raises(ValueError, match="steps=9 must be 1 to 8"):
        sample_codes(model, LABELS, 9, prefix=ANCHORS, last_anchor=ANCHORS)
