"""Windows fit, do not overlap, and are drawn evenly."""

from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from tats_exp.data.window_reading import read_windows
from tats_exp.data.windows import draw_offsets, draw_windows, span, starts
from tests.data.counting import Counting


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


@settings(max_examples=100, deadline=None)
@given(
    lengths=st.lists(st.integers(1, 30), min_size=1, max_size=6),
    stride=st.integers(1, 3),
    frames=st.integers(1, 6),
    before=st.integers(0, 3),
    after=st.integers(0, 3),
    count=st.integers(0, 60),
    seed=st.integers(0, 5),
)
def test_drawn_offsets_fit_are_distinct_and_spread(lengths, stride, frames, before, after, count, seed):
    videos = Counting(lengths, stride)
    windows = draw_offsets(videos, count, frames, seed, before, after)
    assert windows == draw_offsets(videos, count, frames, seed, before, after)
    assert len(set(windows)) == len(windows)
    allowed = [starts(total, stride, frames, before, after) for total in lengths]
    assert all(window.start in allowed[window.video] for window in windows)
    assert len(windows) == min(count, sum(map(len, allowed)))
    taken = [sum(window.video == video for window in windows) for video in range(len(lengths))]
    for count_here, places in zip(taken, allowed, strict=True):
        assert count_here >= min(len(places), max(taken) - 1), "a video gave two before another gave one"


def test_every_offset_is_as_likely_and_windows_overlap():
    draws = [draw_offsets(Counting([9]), 3, 4, seed) for seed in range(1200)]
    found = [window.start for windows in draws for window in windows]
    shares = [found.count(start) / len(found) for start in range(6)]
    assert max(shares) - min(shares) < 0.04 and sum(shares) == 1
    assert any(abs(a.start - b.start) < 4 for a, b in pairwise(draws[0]))
