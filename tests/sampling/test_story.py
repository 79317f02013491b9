"""Stories: each latent frame is drawn under what holds at its time, and what came before a change stays as it was."""

import pytest
import torch

from tats_exp.sampling import Hierarchical, SlidingWindow, Story, sample_codes
from tests.transformer.test_transformer import small

LABELS = torch.tensor([[0, 1], [2, 0], [1, 1]])
OTHERS = torch.tensor([[2, 2], [1, 0], [0, 2]])
SEEDS = [3, 1, 4]
FRAME = 4


def guided(model, scale: float):
    """The model with its last condition code as the one for nothing, where guidance needs one."""
    if scale != 1:
        model.null_code = model.condition_codes - 1
    return model


@pytest.mark.parametrize("scale", [1.0, 2.0])
@pytest.mark.parametrize("context, stride", [(1, 1), (3, 1), (1, 3), (2, 2)])
@pytest.mark.parametrize("change", [1, 3, 4, 5, 8])
def test_a_change_leaves_what_was_before_and_draws_what_follows_under_what_holds(context, stride, change, scale):
    model, slide = guided(small(), scale), SlidingWindow(context, stride=stride, guidance=scale)
    plain = slide(model, LABELS, 10, SEEDS)
    told = slide(model, Story((0, change), (LABELS, OTHERS)), 10, SEEDS)
    assert torch.equal(told[:, :change], plain[:, :change])
    assert not torch.equal(told[:, change:], plain[:, change:])
    # From the change on a video is the prediction, under the other condition, of what was there before.
    if change >= 4 and stride == 1:
        assert torch.equal(told, slide(model, OTHERS, 10, SEEDS, given=plain[:, :change]))


def test_every_latent_frame_is_drawn_under_the_condition_of_its_time(monkeypatch):
    drawn = []

    def watched(model, condition, steps, **options):
        drawn.extend([condition[0].tolist()] * (steps // FRAME))
        return sample_codes(model, condition, steps, **options)

    monkeypatch.setattr("tats_exp.sampling.sliding_window.sample_codes", watched)
    story = Story((0, 2, 3, 7), (LABELS, OTHERS, LABELS.flip(0), OTHERS.flip(0)))
    SlidingWindow(1, stride=3)(small(), story, 9, SEEDS)
    assert drawn == [story.at(frame)[0].tolist() for frame in range(9)]


@pytest.mark.parametrize("sampler", [SlidingWindow(2), Hierarchical(3, context=2)])
@pytest.mark.parametrize("given", [0, 5])
def test_a_story_of_one_entry_or_of_the_same_again_is_none(sampler, given):
    model, options = small(), {"interpolation": small("c", window=(4, 2, 2))}
    start = torch.zeros(3, given, 2, 2, dtype=torch.int64) if given else None
    plain = sampler(model, LABELS, 11, SEEDS, given=start, **options)
    for story in (Story((0,), (LABELS,)), Story((0, 5, 8), (LABELS, LABELS, LABELS))):
        assert torch.equal(sampler(model, story, 11, SEEDS, given=start, **options), plain)


@pytest.mark.parametrize("mask", ["a", "b", "c"])
@pytest.mark.parametrize("change", range(1, 10))
def test_in_a_hierarchy_all_up_to_the_key_frame_before_a_change_stays(mask, change):
    model, options = small(), {"interpolation": small(mask, window=(4, 2, 2))}
    sampler, story = Hierarchical(3, context=2), Story((0, change), (LABELS, OTHERS))
    plain, told = sampler(model, LABELS, 10, SEEDS, **options), sampler(model, story, 10, SEEDS, **options)
    # Frames between see the key frame behind them: with mask a it informs none of them.
    same = change if mask == "a" else 3 * ((change - 1) // 3) + 1
    assert torch.equal(told[:, :same], plain[:, :same])
    assert not torch.equal(told[:, change:], plain[:, change:])
    for at_once in (1, 4):
        assert torch.equal(sampler(model, story, 10, SEEDS, gaps_at_once=at_once, **options), told)
    for video in range(3):
        alone = sampler(model, story[video : video + 1], 10, SEEDS[video : video + 1], **options)
        assert torch.equal(alone, told[video : video + 1])


def test_in_a_gap_every_latent_frame_is_drawn_under_the_condition_of_its_time(monkeypatch):
    drawn = {}

    def watched(model, condition, steps, prefix, last_anchor, **options):
        places = range(prefix.shape[1] // FRAME, (prefix.shape[1] + steps) // FRAME)
        drawn.update({place: condition[0].tolist() for place in places})
        return sample_codes(model, condition, steps, prefix=prefix, last_anchor=last_anchor, **options)

    monkeypatch.setattr("tats_exp.sampling.hierarchical.sample_codes", watched)
    story = Story((0, 1, 3), (LABELS, OTHERS, LABELS.flip(0)))
    Hierarchical(4)(small(), story, 5, SEEDS, interpolation=small("c", window=(5, 2, 2)))
    assert drawn == {place: story.at(place)[0].tolist() for place in (1, 2, 3)}


def test_stories_are_cut_moved_and_thinned():
    story = Story((0, 2, 3, 7), (LABELS, OTHERS, LABELS, OTHERS))
    assert list(story.parts(1, 8)) == [(1, 2), (2, 3), (3, 7), (7, 8)] and list(story.parts(3, 5)) == [(3, 5)]
    assert story.later(4).starts == (0, 6, 7, 11) and story.later(4).at(5) is story.first
    assert story.every(4).starts == (0, 1, 2) and story.every(4).at(1) is story.at(4)
    for starts in ((), (1,), (0, 0), (0, 2, 1)):
        with pytest.raises(ValueError, match=r"^(a story of 0|starts=)"):
            Story(starts, (LABELS,) * len(starts))


@pytest.mark.parametrize("context, stride, given", [(1, 1, 0), (3, 1, 0), (2, 2, 0), (1, 3, 6), (2, 1, 2)])
def test_piece_by_piece_is_the_whole_and_without_an_end_begins_as_the_whole(context, stride, given):
    model, slide = small(), SlidingWindow(context, stride=stride)
    start = torch.ones(3, given, 2, 2, dtype=torch.int64) if given else None
    whole = slide(model, LABELS, 14, SEEDS, given=start)
    assert torch.equal(torch.cat(list(slide.stream(model, LABELS, 14, SEEDS, given=start)), dim=1), whole)
    pieces = slide.stream(model, LABELS, None, SEEDS, given=start)
    endless = torch.cat([next(pieces) for _ in range(14)], dim=1)
    assert torch.equal(endless[:, :14], whole)


def test_what_makes_one_piece_has_an_end():
    with pytest.raises(ValueError, match="no video without an end"):
        next(Hierarchical(3).stream(small(), LABELS, None, SEEDS))
