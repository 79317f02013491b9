"""The sliding window against the naive loop without cache, and short clips."""

import pytest
import torch
from einops import rearrange

from tats_exp.sampling import Chooser, RandomStreams, ShortClip, SlidingWindow, sample_codes
from tests.transformer.test_transformer import small

LABELS = torch.tensor([[0, 1], [2, 0], [1, 1]])
FRAME, WINDOW = 4, 4


@torch.no_grad()
def naive(model, context: int, stride: int, latent_frames: int, seeds: list[int]) -> torch.Tensor:
    """Every code from a full pass over its window: the first one, then windows that move on by whole strides."""
    uniforms = RandomStreams(seeds, len(LABELS)).uniforms(latent_frames * FRAME)
    codes = torch.zeros(len(LABELS), 0, dtype=torch.int64)
    for n in range(latent_frames * FRAME):
        frame = n // FRAME
        slides = 0 if frame < WINDOW else (frame - WINDOW) // stride + 1
        first = 0 if not slides else WINDOW - context + (slides - 1) * stride
        window = torch.cat([codes[:, first * FRAME :], torch.zeros(len(LABELS), 1, dtype=torch.int64)], dim=1)
        logits = model.logits(LABELS, window)[:, -1, model.condition_codes :]
        code = Chooser(top_p=0.92)(logits, uniforms[:, n])
        codes = torch.cat([codes, code[:, None]], dim=1)
    return rearrange(codes, "B (t h w) -> B t h w", h=2, w=2)


@pytest.mark.parametrize(
    "context, stride, latent_frames", [(1, 1, 7), (3, 1, 9), (1, 3, 9), (2, 2, 7), (2, 1, 2), (3, 1, 1)]
)
def test_sliding_equals_the_naive_loop(context, stride, latent_frames):
    model, seeds = small(), [3, 1, 4]
    found = SlidingWindow(context=context, stride=stride)(model, LABELS, latent_frames, seeds)
    assert torch.equal(found, naive(model, context, stride, latent_frames, seeds))


def test_a_video_does_not_depend_on_its_batch_nor_its_beginning_on_its_length():
    model, slide = small(), SlidingWindow(context=2)
    together = slide(model, LABELS, 12, [3, 1, 4])
    assert torch.equal(slide(model, LABELS[1:2], 12, [1]), together[1:2])
    assert torch.equal(slide(model, LABELS, 5, [3, 1, 4]), together[:, :5])


def test_progress_counts_latent_frames_up_to_the_end():
    calls = []
    SlidingWindow(context=2)(small(), LABELS, 6, [0, 1, 2], progress=lambda done, total: calls.append((done, total)))
    assert calls == [(4, 6), (5, 6), (6, 6)]


def test_the_first_window_is_what_the_model_does_before_it_slides():
    model, seeds = small(), [3, 1, 4]
    alone = ShortClip()(model, LABELS, 4, seeds)
    for context in (1, 2, 3):
        assert torch.equal(SlidingWindow(context=context)(model, LABELS, 9, seeds)[:, :4], alone)


@pytest.mark.parametrize(
    "sampler, given",
    [
        *((SlidingWindow(c, stride=s), g) for c, s in ((1, 1), (3, 1), (1, 3), (2, 2)) for g in range(6)),
        *((ShortClip(), g) for g in range(3)),
    ],
)
def test_each_latent_frame_is_drawn_in_the_slot_that_the_sampler_says(sampler, given, monkeypatch):
    """A latent frame stands behind what precedes it in the window that it is drawn in."""
    slots, length = [], 9 if sampler.long else 4

    def watched(model, condition, steps, prefix=None, **options):
        slots.extend((len(prefix[0]) // FRAME + new,) for new in range(steps // FRAME))
        return sample_codes(model, condition, steps, prefix=prefix, **options)

    monkeypatch.setattr("tats_exp.sampling.sliding_window.sample_codes", watched)
    start = torch.zeros(3, given, 2, 2, dtype=torch.int64) if given else None
    sampler(small(), LABELS, length, [0, 1, 2], given=start)
    assert sampler.slots(length, WINDOW, given) == [()] * given + slots


def test_a_short_clip_is_one_window():
    model = small()
    clip = ShortClip(top_k=5, top_p=0.9, temperature=0.8)(model, LABELS, 4, [3, 1, 4])
    window = sample_codes(model, LABELS, 16, top_k=5, top_p=0.9, temperature=0.8, seeds=[3, 1, 4])
    assert torch.equal(clip, rearrange(window, "B (t h w) -> B t h w", h=2, w=2))


@pytest.mark.parametrize(
    "sampler, latent_frames, message",
    [
        (SlidingWindow(context=4), 8, "context=4 must be below the window's 4 latent frames"),
        (SlidingWindow(context=2, stride=3), 8, "stride=3 must be at most 2"),
        (SlidingWindow(), 0, "latent_frames=0 must be at least 1"),
        (ShortClip(), 5, "latent_frames=5 must be at most 4"),
    ],
)
def test_what_the_window_does_not_hold_is_refused(sampler, latent_frames, message):
    with pytest.raises(ValueError, match=message):
        sampler(small(), LABELS, latent_frames, [0, 1, 2])


@pytest.mark.parametrize(
    "arguments", [{"context": 0}, {"stride": 0}, {"top_p": 1.5}, {"temperature": -1.0}, {"top_k": 0}]
)
def test_values_out_of_range_are_refused_when_the_sampler_is_made(arguments):
    with pytest.raises(ValueError, match=next(iter(arguments))):
        SlidingWindow(**arguments)


def test_an_interpolating_transformer_is_refused():
    with pytest.raises(ValueError, match="mask='c' interpolates"):
        SlidingWindow()(small("c"), LABELS, 4, [0, 1, 2])


@pytest.mark.parametrize("context", [1, 2, 3])
@pytest.mark.parametrize("given", range(1, 8))
def test_prediction_goes_on_as_the_video_it_was_given_the_beginning_of(context, given):
    model, slide = small(), SlidingWindow(context=context)
    whole = slide(model, LABELS, 8, [3, 1, 4])
    assert torch.equal(slide(model, LABELS, 8, [3, 1, 4], given=whole[:, :given]), whole)
    other = slide(model, LABELS, 8, [3, 1, 4], given=whole.flip(0)[:, :given])
    assert torch.equal(other[:, :given], whole.flip(0)[:, :given]) and not torch.equal(other, whole)


def test_given_frames_must_leave_something_to_sample():
    with pytest.raises(ValueError, match="given holds 3 latent frames; allowed: fewer than the 3 wanted"):
        SlidingWindow()(small(), LABELS, 3, [0, 1, 2], given=torch.zeros(3, 3, 2, 2, dtype=torch.int64))
