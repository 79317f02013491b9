from dataclasses import dataclass, field
from itertools import pairwise
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.utils.data import DataLoader

from tats_exp import UserError
from tats_exp.data import clips
from tats_exp.data.clips import (
    Clips,
    Videos,
    Window,
    draw_windows,
    read_windows,
    span,
    starts,
    to_float,
    to_uint8,
)
from tats_exp.data.step_sampler import StepSampler


@dataclass
class Counting:
    """Videos whose pixels say which video (channel 0) and which source frame (channel 1) they are."""

    lengths: list[int]
    frame_stride: int = 1
    resolution: int = 2
    resize: str = "none"
    codec: str = "none"
    decoder: str = "none"
    names: list[str] = field(init=False)
    labels: list[int] = field(init=False)
    label_names: list[str] = field(default_factory=lambda: ["even", "odd"])

    def __post_init__(self):
        self.names = [f"video {index}" for index in range(len(self.lengths))]
        self.labels = [index % 2 for index in range(len(self.lengths))]

    def read(self, video, start, frames):
        places = np.arange(frames) * self.frame_stride + start
        if places[0] < 0 or places[-1] >= self.lengths[video]:
            raise ValueError(f"{self.names[video]}: frames {places[0]} to {places[-1]}")
        clip = np.zeros((frames, 2, 2, 3), dtype=np.uint8)
        clip[..., 0] = video
        clip[..., 1] = places[:, None, None]
        return clip

    def fingerprint(self):
        return "counting"


def test_videos_that_do_not_say_how_they_were_stored_are_none():
    given = {name: getattr(Counting([4]), name) for name in (*Videos.__annotations__, "read", "fingerprint")}
    assert isinstance(SimpleNamespace(**given), Videos)
    for name in ("codec", "decoder"):
        assert not isinstance(SimpleNamespace(**{key: value for key, value in given.items() if key != name}), Videos)


def test_every_level_survives_the_way_to_float_and_back():
    video = torch.arange(256, dtype=torch.uint8).reshape(1, 4, 8, 8, 1).expand(2, 4, 8, 8, 3)
    assert torch.equal(to_uint8(to_float(video)), video)
    assert torch.equal(to_uint8(to_float(video[0])), video[0])


def test_float_range_is_half_open_to_neither_side_and_axes_move():
    video = torch.zeros(1, 2, 3, 4, 3, dtype=torch.uint8)
    video[0, 1, 2, 3, 0] = 255
    moved = to_float(video)
    assert moved[0, 0, 1, 2, 3] == 0.5
    assert moved.sum() == -0.5 * moved.numel() + 1


def test_to_uint8_clamps_and_rounds_to_the_nearest():
    video = torch.tensor([-2.0, -0.5, -0.5 + 0.6 / 255, 0.49999, 3.0]).reshape(1, 1, 5, 1)
    assert to_uint8(video).flatten().tolist() == [0, 0, 1, 255, 255]


def test_span_and_starts_agree_with_counting():
    for length in range(1, 25):
        for stride in (1, 2, 3):
            for frames, before, after in ((1, 0, 0), (3, 0, 0), (3, 1, 2), (2, 2, 0)):
                fitting = [
                    start
                    for start in range(length)
                    if start - before * stride >= 0 and start + (frames - 1 + after) * stride < length
                ]
                assert list(starts(length, stride, frames, before, after)) == fitting
    assert [span(4, 1), span(4, 3), span(1, 5)] == [4, 10, 1]


@settings(max_examples=150, deadline=None)
@given(
    lengths=st.lists(st.integers(1, 60), min_size=1, max_size=6),
    stride=st.integers(1, 3),
    frames=st.integers(1, 8),
    before=st.integers(0, 3),
    after=st.integers(0, 3),
    count=st.integers(0, 40),
    seed=st.integers(0, 5),
)
def test_drawn_windows_fit_never_overlap_and_are_spread(lengths, stride, frames, before, after, count, seed):
    videos = Counting(lengths, stride)
    windows = draw_windows(videos, count, frames, seed, before, after)
    assert windows == draw_windows(videos, count, frames, seed, before, after)
    length = span(frames, stride)
    rooms = []
    for video, total in enumerate(lengths):
        allowed = starts(total, stride, frames, before, after)
        rooms.append(-(-len(allowed) // length))
        mine = sorted(window.start for window in windows if window.video == video)
        assert all(start in allowed for start in mine)
        assert all(later - earlier >= length for earlier, later in pairwise(mine))
    assert len(windows) == min(count, sum(rooms))
    taken = [sum(window.video == video for window in windows) for video in range(len(lengths))]
    for count_here, room in zip(taken, rooms, strict=True):
        assert count_here >= min(room, max(taken) - 1), "a video gave two before another gave one"
    if windows:
        read_windows(videos, windows, frames, before, after)


def test_draw_fills_a_video_to_the_last_frame():
    assert sorted(window.start for window in draw_windows(Counting([12]), 9, 4, seed=3)) == [0, 4, 8]


def test_all_placements_are_equally_likely():
    draws = [draw_windows(Counting([5]), 2, 2, seed) for seed in range(1500)]
    placed = [tuple(sorted(window.start for window in windows)) for windows in draws]
    shares = {place: placed.count(place) / len(placed) for place in set(placed)}
    assert set(shares) == {(0, 2), (0, 3), (1, 3)}
    assert max(shares.values()) - min(shares.values()) < 0.08


def test_other_seeds_draw_other_windows():
    videos = Counting([200] * 4)
    assert draw_windows(videos, 8, 4, seed=0) != draw_windows(videos, 8, 4, seed=1)


def test_read_windows_counts_margins_and_shift_in_clip_frames():
    videos = Counting([100, 100], frame_stride=3)
    read = read_windows(videos, [Window(1, 30), Window(0, 12)], frames=2, before=2, after=1, shift=1)
    assert read[0, :, 0, 0, 1].tolist() == [27, 30, 33, 36, 39]
    assert read[1, :, 0, 0, 1].tolist() == [9, 12, 15, 18, 21]
    assert read[:, 0, 0, 0, 0].tolist() == [1, 0]


def test_read_windows_refuses_nothing_to_read():
    with pytest.raises(ValueError, match="windows is empty"):
        read_windows(Counting([4]), [], frames=2)


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


def test_resumed_training_draws_what_an_uninterrupted_one_would():
    whole = list(StepSampler(1000, 8, seed=4, steps=30))
    rest = StepSampler(1000, 8, seed=4, steps=30, start_step=11)
    assert list(rest) == whole[11:]
    assert whole != list(StepSampler(1000, 8, seed=5, steps=30))
    assert len({tuple(batch) for batch in whole}) == 30


def test_batches_cover_the_data_without_repeats_inside():
    drawn = [index for batch in StepSampler(10, 4, seed=0, steps=2000) for index in batch]
    shares = np.bincount(drawn, minlength=10) / len(drawn)
    assert len(shares) == 10 and abs(shares - 0.1).max() < 0.02
    assert all(len(set(batch)) == 4 for batch in StepSampler(5, 4, seed=1, steps=50))
    assert len(StepSampler(3, 8, seed=0, steps=1).batch(0)) == 8


def test_an_empty_data_set_is_refused():
    with pytest.raises(ValueError, match="at least 1"):
        StepSampler(0, 4, seed=0, steps=1)


@pytest.mark.parametrize("workers", [0, 2])
def test_the_number_of_workers_changes_nothing(workers):
    clips = Clips(Counting([50, 40]), 4)
    loader = DataLoader(clips, batch_sampler=StepSampler(len(clips), 3, seed=7, steps=6), num_workers=workers)
    seen = [batch["video"][:, 0, 0, 0, :2].tolist() for batch in loader]
    assert seen == [
        [list(astuple) for astuple in ((clips.window(i).video, clips.window(i).start) for i in batch)]
        for batch in StepSampler(len(clips), 3, seed=7, steps=6)
    ]


class PartlyDamaged(Counting):
    """Videos of which some cannot be read."""

    damaged = (2,)

    def read(self, video, start, frames):
        if video in self.damaged:
            raise UserError(f"video {video}: damaged")
        return super().read(video, start, frames)


def test_a_video_that_turns_out_damaged_is_said_once_and_drawn_elsewhere(caplog, monkeypatch):
    monkeypatch.setattr(clips, "_told", set())
    videos = PartlyDamaged([20, 30, 20, 30, 19, 30, 20])
    for start in (3, 4, 3):
        read = read_windows(videos, [Window(2, start), Window(3, start)], 4)
        assert read[0, :, 0, 0, 0].tolist() == [6] * 4 and read[1, :, 0, 0, 0].tolist() == [3] * 4
        assert read[0, :, 0, 0, 1].tolist() == list(range(start, start + 4))
    assert [record.getMessage() for record in caplog.records] == [
        "video 2: damaged; video 6 is read in its place"  # 4 is of its class, but shorter
    ]
    assert Clips(videos, 4)[17 + 27]["video"][0, 0, 0].tolist() == [6, 0, 0]


def test_where_there_is_no_other_video_to_read_the_damaged_one_ends_it(monkeypatch):
    monkeypatch.setattr(PartlyDamaged, "damaged", (2, 4))
    with pytest.raises(UserError, match="video 2: damaged"):
        read_windows(PartlyDamaged([9, 20, 20, 20, 20]), [Window(2, 0)], 4)


def test_frames_outside_of_a_video_are_no_damage():
    with pytest.raises(ValueError, match="video 0: frames") as caught:
        read_windows(Counting([9, 9, 20]), [Window(0, 7)], 4)
    assert not isinstance(caught.value, UserError)
