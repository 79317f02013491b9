"""Key frames, then gaps: against gap after gap, against teacher-forced passes, and from given frames on."""

import pytest
import torch
from einops import rearrange

from tats_exp.sampling import Chooser, Hierarchical, RandomStreams, SlidingWindow, sample_codes
from tats_exp.sampling.hierarchical import gap_seed
from tests.transformer.test_transformer import small

LABELS = torch.tensor([[0, 1], [2, 0], [1, 1]])
SEEDS = [3, 1, 4]
FRAME = 4


def models(mask: str, every: int = 3):
    return small(), small(mask, window=(every + 1, 2, 2))


def gap_after_gap(transformer, interpolation, sampler: Hierarchical, latent_frames: int) -> torch.Tensor:
    """Video after video, gap after gap."""
    every, videos = sampler.key_every, []
    for label, seed in zip(LABELS, SEEDS, strict=True):
        count = -(-(latent_frames - 1) // every) + 1
        keys = SlidingWindow(sampler.context, top_p=sampler.top_p)(transformer, label[None], count, [seed])[0]
        frames = [keys[0]]
        for gap in range(count - 1):
            first, last = keys[gap].flatten()[None], keys[gap + 1].flatten()[None]
            steps, own = (every - 1) * FRAME, [gap_seed(seed, gap)]
            filled = sample_codes(interpolation, label[None], steps, first, last, top_p=sampler.top_p, seeds=own)
            frames += [*rearrange(filled[0], "(t h w) -> t h w", h=2, w=2), keys[gap + 1]]
        videos.append(torch.stack(frames)[:latent_frames])
    return torch.stack(videos)


@pytest.mark.parametrize("mask", ["a", "b", "c"])
@pytest.mark.parametrize("latent_frames", [1, 2, 4, 5, 12])
@pytest.mark.parametrize("context", [1, 3])
def test_all_gaps_at_once_equal_gap_after_gap(mask, latent_frames, context):
    transformer, interpolation = models(mask)
    sampler = Hierarchical(3, context, top_p=0.9)
    found = sampler(transformer, LABELS, latent_frames, SEEDS, interpolation=interpolation)
    assert torch.equal(found, gap_after_gap(transformer, interpolation, sampler, latent_frames))


@pytest.mark.parametrize("mask", ["a", "b", "c"])
def test_neither_chunks_nor_batch_nor_length_change_a_video(mask):
    transformer, interpolation = models(mask)
    sample, arguments = Hierarchical(3), {"interpolation": interpolation}
    whole = sample(transformer, LABELS, 11, SEEDS, **arguments)
    for at_once in (1, 2, 5, 100):
        assert torch.equal(sample(transformer, LABELS, 11, SEEDS, gaps_at_once=at_once, **arguments), whole)
    assert torch.equal(sample(transformer, LABELS[1:2], 11, SEEDS[1:2], **arguments), whole[1:2])
    assert torch.equal(sample(transformer, LABELS, 7, SEEDS, **arguments), whole[:, :7])


@pytest.mark.parametrize("mask", ["a", "c"])
@torch.no_grad()
def test_the_logits_that_a_gap_is_sampled_from_are_those_of_the_full_pass(mask):
    """Teacher-forced logits of the finished window, with the numbers of the gap's stream, choose the same codes."""
    transformer, interpolation = models(mask)
    video = Hierarchical(3, top_p=0.9)(transformer, LABELS, 10, SEEDS, interpolation=interpolation)
    for gap in range(3):
        window = video[:, 3 * gap : 3 * gap + 4].flatten(1)
        logits = interpolation.logits(LABELS, window)[..., interpolation.condition_codes :]
        streams = RandomStreams([gap_seed(seed, gap) for seed in SEEDS], 3).uniforms(2 * FRAME)
        for step in range(2 * FRAME):
            chosen = Chooser(top_p=0.9)(logits[:, FRAME + step], streams[:, step])
            assert torch.equal(chosen, window[:, FRAME + step]), (gap, step)


@pytest.mark.parametrize("mask", ["a", "b", "c"])
@pytest.mark.parametrize("given", range(1, 10))
def test_prediction_goes_on_as_the_video_it_was_given_the_beginning_of(mask, given):
    transformer, interpolation = models(mask)
    sample, arguments = Hierarchical(3, context=2), {"interpolation": interpolation}
    whole = sample(transformer, LABELS, 10, SEEDS, **arguments)
    found = sample(transformer, LABELS, 10, SEEDS, given=whole[:, :given], gaps_at_once=2, **arguments)
    assert torch.equal(found, whole)


def test_what_is_given_decides_what_follows():
    transformer, interpolation = models("c")
    sample, arguments = Hierarchical(3), {"interpolation": interpolation}
    whole = sample(transformer, LABELS, 10, SEEDS, **arguments)
    other = sample(transformer, LABELS, 10, SEEDS, given=whole.flip(0)[:, :5], **arguments)
    assert torch.equal(other[:, :5], whole.flip(0)[:, :5])
    assert not torch.equal(other[:, 5:], whole[:, 5:])


def test_streams_of_gaps_differ_from_each_other_and_from_the_video():
    seeds = [0, *(gap_seed(0, gap) for gap in range(3)), *(gap_seed(1, gap) for gap in range(3)), 1]
    drawn = RandomStreams(seeds, len(seeds)).uniforms(4)
    assert len(drawn.unique(dim=0)) == len(seeds)


def test_progress_ends_where_it_should():
    transformer, interpolation = models("c")
    calls = []
    Hierarchical(3)(transformer, LABELS, 8, SEEDS, lambda *said: calls.append(said), interpolation=interpolation)
    done = [call[0] for call in calls]
    assert done == sorted(done) and calls[-1] == (8, 8) and {call[1] for call in calls} == {8}


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"interpolation": small("c", window=(5, 2, 2))}, "window of 5 latent frames; key_every=3 needs 4"),
        ({"interpolation": small()}, "interpolation has mask='causal'; allowed: a, b, c"),
        ({"interpolation": small("c", condition_codes=4)}, "condition_codes=4, the autoregressive transformer 3"),
        (
            {"given": torch.zeros(3, 6, 2, 2, dtype=torch.int64)},
            "given holds 6 latent frames; allowed: fewer than the 6",
        ),
        ({"given": torch.zeros(3, 2, 4, 4, dtype=torch.int64)}, "given holds latent frames of 4x4 codes; .* are 2x2"),
        ({"latent_frames": 0}, "latent_frames=0 must be at least 1"),
    ],
)
def test_what_does_not_fit_is_refused_in_one_line(changes, message):
    transformer, interpolation = models("c")
    arguments = {"latent_frames": 6, "seeds": SEEDS, "interpolation": interpolation} | changes
    with pytest.raises(ValueError, match=message) as error:
        Hierarchical(3)(transformer, LABELS, **arguments)
    assert "\n" not in str(error.value)


def test_values_out_of_range_are_refused_when_the_sampler_is_made():
    with pytest.raises(ValueError, match="key_every=1 must be at least 2"):
        Hierarchical(1)
    with pytest.raises(ValueError, match="context=0"):
        Hierarchical(4, context=0)
    with pytest.raises(ValueError, match="context=4 must be below the window's 4 latent frames"):
        Hierarchical(4, context=4).check(4, 10)


@pytest.mark.parametrize("latent_frames", [1, 2, 4, 5, 12])
@pytest.mark.parametrize("given", [0, 1, 2, 3, 4, 7, 10])
def test_each_latent_frame_is_drawn_in_the_slot_that_the_sampler_says(latent_frames, given, monkeypatch):
    """Key frames stand in a window of key frames, others in a gap, behind what precedes them there."""
    if given >= latent_frames:
        pytest.skip("nothing is left to sample")
    transformer, interpolation = models("c")
    every, keys, between = 3, [], {}

    def slid(model, condition, steps, prefix=None, **options):
        keys.extend(prefix.shape[1] // FRAME + new for new in range(steps // FRAME))
        return sample_codes(model, condition, steps, prefix=prefix, **options)

    def filled(model, condition, steps, prefix=None, last_anchor=None, **options):
        places = [prefix.shape[1] // FRAME + new for new in range(steps // FRAME)]
        between.setdefault(places[0], places)
        return sample_codes(model, condition, steps, prefix=prefix, last_anchor=last_anchor, **options)

    monkeypatch.setattr("tats_exp.sampling.sliding_window.sample_codes", slid)
    monkeypatch.setattr("tats_exp.sampling.hierarchical.sample_codes", filled)
    sampler = Hierarchical(every, context=2)
    start = torch.zeros(3, given, 2, 2, dtype=torch.int64) if given else None
    sampler(transformer, LABELS, latent_frames, SEEDS, given=start, interpolation=interpolation)
    slots = sampler.slots(latent_frames, window=3 * every + 1, given=given)
    assert slots[:given] == [()] * given and len(slots) == latent_frames
    drawn_keys = [slots[frame] for frame in range(given, latent_frames) if frame % every == 0]
    assert drawn_keys == [(every * slot,) for slot in keys][: len(drawn_keys)]
    for frame in range(given, latent_frames):
        if place := frame % every:  # the window has three gaps
            assert slots[frame] == (place, every + place, 2 * every + place)
            assert any(place in places for places in between.values())
