"""Which windows are rebuilt: such that all paddings of a sweep see true frames around the same ones."""

import logging

import numpy as np
import pytest
import torch

from tats_exp.data.shapes import Shapes, ShapesVideos
from tats_exp.stages.reconstructions import _with_margin, held_out_windows

FRAMES, MARGIN = 16, 28


def videos(count: int, frames: int) -> ShapesVideos:
    return Shapes(1, count, frames, 4, 0).split("test")


@pytest.mark.parametrize("wanted", [8, 99])
def test_the_margins_of_held_out_windows_are_true_frames_where_that_costs_no_window(wanted: int) -> None:
    """The smaller world holds 16 windows, and as many that have a frame on either side."""
    world, margin = (videos(8, 100), MARGIN) if wanted == 8 else (videos(8, 34), 1)
    places = held_out_windows(world, wanted, FRAMES, margin, seed=0)
    assert len(places) == min(wanted, 16)
    wide = _with_margin(world, places, FRAMES, margin)
    true = [world.read(place.video, place.start - margin, FRAMES + 2 * margin) for place in places]
    assert torch.equal(wide, torch.from_numpy(np.stack(true)))


@pytest.mark.parametrize("count, frames", [(1, 100), (4, 60)], ids=["some have a margin", "none has"])
def test_where_too_few_have_a_margin_none_is_left_out(
    count: int, frames: int, caplog: pytest.LogCaptureFixture
) -> None:
    world = videos(count, frames)
    with caplog.at_level(logging.WARNING):
        places = held_out_windows(world, 4, FRAMES, MARGIN, seed=0)
    assert len(places) == 4 and "end frames are repeated" in caplog.text
    wide = _with_margin(world, places, FRAMES, MARGIN)
    for clip, place in zip(wide, places, strict=True):
        assert torch.equal(clip[MARGIN:-MARGIN], torch.from_numpy(world.read(place.video, place.start, FRAMES)))
        first, last = world.read(place.video, 0, 1)[0], world.read(place.video, frames - 1, 1)[0]
        before, after = place.start, frames - FRAMES - place.start
        assert before >= MARGIN or torch.equal(clip[0], torch.from_numpy(first))
        assert after >= MARGIN or torch.equal(clip[-1], torch.from_numpy(last))
