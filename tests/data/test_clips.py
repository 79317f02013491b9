"""Clips are those that fit, all of them, whatever margin is read."""

import pytest
import torch

from tats_exp.data.clips import Clips
from tats_exp.data.windows import Window
from tests.data.counting import Counting


def test_clips_are_exactly_those_that_fit():
    videos = Counting([9, 20, 14], frame_stride=2)
    clips = Clips(videos, frames=3, margin=1)
    assert clips.left_out == 0
    found = []
    for index in range(len(clips)):
        item = clips[index]
        video, first = item["video"][0, 0, 0, :2].tolist()
        assert item["video"][:, 0, 0, 1].tolist() == [first + 2 * step for step in range(5)]
        assert item["label"].dtype == torch.int64 and item["label"] == video % 2
        assert clips.window(index) == Window(video, first + 2)
        found.append((video, first))
    assert found == [(video, first) for video, length in enumerate(videos.lengths) for first in range(length - 8)]
    with pytest.raises(IndexError):
        clips[len(clips)]


def test_paddings_that_share_a_reserve_draw_the_same_clips():
    videos = Counting([40, 10, 33])
    small, large = Clips(videos, 4, margin=0, reserve=8), Clips(videos, 4, margin=8)
    assert small.left_out == large.left_out == 1
    assert len(small) == len(large)
    for index in range(len(small)):
        assert small.window(index) == large.window(index)
        assert torch.equal(small[index]["video"], large[index]["video"][8:-8])


def test_too_short_videos_are_counted_in_the_log(caplog):
    Clips(Counting([40, 10, 33]), 4, reserve=8)
    assert "left out 1 of 3 videos as too short" in caplog.text


@pytest.mark.parametrize("lengths", [[5, 18], []])
def test_no_clip_at_all_is_one_line_that_says_what_is_missing(lengths):
    with pytest.raises(ValueError) as caught:
        Clips(Counting(lengths, frame_stride=2), frames=8, margin=1, reserve=2)
    message = str(caught.value)
    assert "\n" not in message
    assert "8 frames plus 2 on either side at stride 2 need 23 frames" in message
    assert ("video 1, has 18" in message) == bool(lengths)
