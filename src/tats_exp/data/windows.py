"""Windows: which places of a video hold one, and fixed lists of them drawn by a seed.

Lengths and starts are in source frames, everything else in clip frames; see videos.py.
"""

from dataclasses import dataclass

import numpy as np

from tats_exp.data.videos import Videos


@dataclass(frozen=True)
class Window:
    """A place in a video: index of the video and first frame, in source frames."""

    video: int
    start: int


def span(frames: int, stride: int) -> int:
    """Source frames from the first to the last of `frames` clip frames, both counted."""
    return (frames - 1) * stride + 1


def starts(length: int, stride: int, frames: int, before: int = 0, after: int = 0) -> range:
    """All starts (source frames) from which `before` + `frames` + `after` clip frames lie inside a video.

    Args:
        length: of the video, in source frames.
        stride: source frames from one clip frame to the next.
        frames: clip frames from the start on.
        before: clip frames wanted before the start.
        after: clip frames wanted after the last of `frames`.
    """
    first = before * stride
    return range(first, max(first, length - span(frames + after, stride) + 1))


def draw_windows(videos: Videos, count: int, frames: int, seed: int, before: int = 0, after: int = 0) -> list[Window]:
    """Draw windows at random that do not overlap, spread over the videos as evenly as their lengths allow.

    Each video gives one window before any gives a second; where a video gives several, all placements without overlap
    are equally likely. Margins may overlap, the windows' own frames never do.

    Args:
        videos: where to draw from.
        count: windows wanted.
        frames: clip frames of a window.
        seed: the same seed draws the same windows.
        before: clip frames that must exist before each window.
        after: clip frames that must exist after each window.

    Returns:
        `count` windows, or all that fit if there are fewer.
    """
    return _drawn(videos, count, frames, seed, before, after, span(frames, videos.frame_stride))


def draw_offsets(videos: Videos, count: int, frames: int, seed: int, before: int = 0, after: int = 0) -> list[Window]:
    """Draw distinct windows at random, which may overlap, spread over the videos as evenly as their lengths allow.

    As `draw_windows` otherwise.
    """
    return _drawn(videos, count, frames, seed, before, after, 1)


def count_windows(videos: Videos, count: int, frames: int, overlap: bool = True) -> int:
    """How many windows a draw without margins gives: `count`, or all that fit if there are fewer.

    Args:
        videos: where to draw from.
        count: windows wanted.
        frames: clip frames of a window.
        overlap: whether windows of one video may overlap.
    """
    stride = videos.frame_stride
    apart = 1 if overlap else span(frames, stride)
    return min(count, sum(-(-len(starts(length, stride, frames)) // apart) for length in videos.lengths))


def _drawn(videos: Videos, count: int, frames: int, seed: int, before: int, after: int, apart: int) -> list[Window]:
    """Windows of which two of one video begin `apart` source frames from each other, at least."""
    rng = np.random.default_rng(seed)
    allowed = [starts(total, videos.frame_stride, frames, before, after) for total in videos.lengths]
    turns = _turns([-(-len(places) // apart) for places in allowed], count, rng)
    places: dict[int, list[int]] = {}
    for video, windows in zip(*np.unique(np.array(turns, dtype=np.int64), return_counts=True), strict=True):
        # Placements so far apart are the choices of distinct places once apart - 1 are cut out behind each window.
        slack = len(allowed[video]) - (windows - 1) * (apart - 1)
        offsets = np.sort(rng.choice(slack, windows, replace=False)) + np.arange(windows) * (apart - 1)
        places[int(video)] = [allowed[video][int(offset)] for offset in rng.permutation(offsets)]
    return [Window(video, places[video].pop()) for video in turns]


def _turns(room: list[int], count: int, rng: np.random.Generator) -> list[int]:
    """Which video gives each window: each that has room gives one, in random order, before any gives the next."""
    turns: list[int] = []
    number = 0
    while len(turns) < count:
        offering = [video for video in range(len(room)) if room[video] > number]
        if not offering:
            break
        turns += [offering[place] for place in rng.permutation(len(offering))][: count - len(turns)]
        number += 1
    return turns
