"""A clip and its batch: what a source of videos offers, and which windows fit into it.

Axes: B batch, N windows, T frames, H W pixels, C colour channels.
Two clocks: *source frames* count the frames of the file or world; *clip frames* are `frame_stride` source frames apart.
Lengths and starts are in source frames, everything else in clip frames.
"""

import logging
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Literal, Protocol, TypedDict, runtime_checkable

import numpy as np
import torch
from einops import rearrange
from jaxtyping import Float, Int64, UInt8
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from tats_exp import UserError

SUBSTITUTES = 16
"""Videos that are tried in place of one that turns out damaged, at most: where all are, something else is wrong."""

logger = logging.getLogger(__name__)

_told: set[str] = set()

Split = Literal["train", "test"]


def to_float(video: UInt8[Tensor, "*B T H W C"]) -> Float[Tensor, "*B C T H W"]:
    """Turn frames as they are stored into what models take.

    Args:
        video: frames, 0 to 255, channels last.

    Returns:
        float32 in [-0.5, 0.5], channels first, contiguous.
    """
    return rearrange(video, "... t h w c -> ... c t h w").contiguous().float() / 255 - 0.5


def to_uint8(video: Float[Tensor, "*B C T H W"]) -> UInt8[Tensor, "*B T H W C"]:
    """Turn what models give into frames as they are stored: the inverse of `to_float`.

    Args:
        video: frames in [-0.5, 0.5], channels first; values outside are clamped.

    Returns:
        0 to 255, rounded to the nearest, channels last, contiguous.
    """
    levels = ((video.float() + 0.5) * 255).round().clamp(0, 255).to(torch.uint8)
    return rearrange(levels, "... c t h w -> ... t h w c").contiguous()


@runtime_checkable
class Videos(Protocol):
    """One split of one source of videos.

    Attributes:
        names: an id for each video.
        labels: the class of each video, an index into `label_names`.
        label_names: the classes.
        lengths: the length of each video in source frames.
        frame_stride: source frames from one clip frame to the next.
        resolution: height and width of every frame, in pixels.
        resize: in words, how frames came to that resolution; it is part of every protocol.
        codec: what the videos are stored in, sorted and joined with "+" ("h264", "h264+mpeg4"); "none" for pixels that
            went through no codec. It is part of every protocol, too.
        decoder: what decodes them, name and version, joined like the codecs; "none" where nothing is decoded.
    """

    names: list[str]
    labels: list[int]
    label_names: list[str]
    lengths: list[int]
    frame_stride: int
    resolution: int
    resize: str
    codec: str
    decoder: str

    def read(self, video: int, start: int, frames: int) -> NDArray[np.uint8]:
        """Read `frames` frames of one video: start, start + frame_stride, ...

        Args:
            video: index of the video.
            start: first frame, in source frames.
            frames: how many, in clip frames.

        Returns:
            (frames, H, W, C) uint8.

        Raises:
            ValueError: the frames are not all inside the video.
            UserError: they cannot be read.
        """
        ...

    def fingerprint(self) -> str:
        """SHA-256 (hex) of everything that the pixels depend on."""
        ...


@runtime_checkable
class VideoSource(Protocol):
    """A data set: what the group `data` makes.

    Attributes:
        seed: of every fixed list of windows that is drawn from it.
    """

    seed: int

    def split(self, name: Split) -> Videos:
        """The videos of one split.

        Raises:
            ValueError: the split has no video.
        """
        ...


@dataclass(frozen=True)
class Window:
    """A place in a video: index of the video and first frame, in source frames."""

    video: int
    start: int


class ClipItem(TypedDict):
    """One item of `Clips`."""

    video: UInt8[Tensor, "T H W C"]
    label: Int64[Tensor, ""]


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
    rng = np.random.default_rng(seed)
    stride = videos.frame_stride
    length = span(frames, stride)
    allowed = [starts(total, stride, frames, before, after) for total in videos.lengths]
    room = [-(-len(places) // length) for places in allowed]

    turns: list[int] = []
    number = 0
    while len(turns) < count:
        offering = [video for video in range(len(room)) if room[video] > number]
        if not offering:
            break
        turns += [offering[place] for place in rng.permutation(len(offering))][: count - len(turns)]
        number += 1

    taken = np.bincount(np.array(turns, dtype=np.int64), minlength=len(room))
    places: dict[int, list[int]] = {}
    for video in sorted(set(turns)):
        windows = int(taken[video])
        # Placements without overlap are the choices of distinct places once length - 1 is cut out behind each window.
        slack = len(allowed[video]) - (windows - 1) * (length - 1)
        offsets = np.sort(rng.choice(slack, windows, replace=False)) + np.arange(windows) * (length - 1)
        places[video] = [allowed[video][int(offset)] for offset in rng.permutation(offsets)]
    return [Window(video, places[video].pop()) for video in turns]


def read_windows(
    videos: Videos, windows: list[Window], frames: int, before: int = 0, after: int = 0, shift: int = 0
) -> UInt8[Tensor, "N T H W C"]:
    """Read windows with the frames around them.

    A video that turns out damaged is said once, and the same place in another one of its class is read instead.

    Args:
        videos: where to read.
        windows: the places, N of them.
        frames: clip frames of a window.
        before: clip frames to read before each window.
        after: clip frames to read after each window.
        shift: clip frames by which each window is moved first; positive is later.

    Returns:
        T = before + frames + after.

    Raises:
        ValueError: there is no window, or frames outside of a video are asked for.
        UserError: a video is damaged, and there is no other one to read in its place.
    """
    if not windows:
        raise ValueError("windows is empty: there is nothing to read")
    stride = videos.frame_stride
    total = before + frames + after
    clips = [_read(videos, window.video, window.start + (shift - before) * stride, total) for window in windows]
    return torch.from_numpy(np.stack(clips))


def _read(videos: Videos, video: int, start: int, frames: int) -> NDArray[np.uint8]:
    """As `Videos.read`; where a video turns out damaged, or is gone, the same place in another one of its class.

    Every read of the video goes to that same other one, so windows that belong together stay together.
    """
    try:
        return videos.read(video, start, frames)
    except UserError as error:
        others = [*range(video + 1, len(videos.names)), *range(video)]
        length, label = videos.lengths[video], videos.labels[video]
        alike = [other for other in others if videos.labels[other] == label and videos.lengths[other] >= length]
        for other in alike[:SUBSTITUTES]:
            with suppress(UserError):
                found = videos.read(other, start, frames)
                if str(error) not in _told:
                    _told.add(str(error))
                    logger.warning("%s; %s is read in its place", error, videos.names[other])
                return found
        raise


def read_along(
    videos: Videos, count: int, frames: int, seed: int, piece: int = 16
) -> Iterator[UInt8[Tensor, "N f H W C"]]:
    """Read a few long windows piece by piece, to be shown.

    Args:
        videos: where to read.
        count: windows wanted.
        frames: clip frames wanted of each; the longest that exist where no video is as long.
        seed: of the draw.
        piece: clip frames read at a time.

    Yields:
        Pieces in time order; none where no video has as much as one.
    """
    longest = max((length - 1) // videos.frame_stride + 1 for length in videos.lengths)
    frames = min(frames, longest // piece * piece)
    long = draw_windows(videos, count, frames, seed) if frames else []
    for start in range(0, frames, piece):
        yield read_windows(videos, long, min(piece, frames - start), shift=start)


class Clips(Dataset[ClipItem]):
    """Every clip of a split: all starts, at each source frame, from which the clip and its margins fit.

    Attributes:
        left_out: videos that are too short for a single clip.
    """

    def __init__(self, videos: Videos, frames: int, margin: int = 0, reserve: int = 0) -> None:
        """Index the clips.

        Args:
            videos: where the clips lie.
            frames: clip frames of a clip.
            margin: clip frames read on either side of it.
            reserve: clip frames that must exist on either side, read or not. Runs that differ in `margin` draw from
                the same index when they share a `reserve` of at least the largest margin.

        Raises:
            ValueError: no video is long enough.
        """
        self.videos = videos
        self.frames = frames
        self.margin = margin
        reach = max(margin, reserve)
        stride = videos.frame_stride
        self._starts = [starts(length, stride, frames, reach, reach) for length in videos.lengths]
        self._ends = np.cumsum([len(places) for places in self._starts], dtype=np.int64)
        self.left_out = sum(not places for places in self._starts)
        wanted = span(reach + frames + reach, stride)
        need = f"{frames} frames plus {reach} on either side at stride {stride} need {wanted} frames"
        if self.left_out == len(self._starts):
            longest = max(range(len(videos.names)), key=videos.lengths.__getitem__, default=None)
            have = (
                "there is no video"
                if longest is None
                else (f"the longest video, {videos.names[longest]}, has {videos.lengths[longest]}")
            )
            raise UserError(f"no clip fits: {need}, {have}")
        if self.left_out:
            logger.warning("left out %d of %d videos as too short: %s", self.left_out, len(self._starts), need)

    def __len__(self) -> int:
        """Number of clips."""
        return int(self._ends[-1])

    def window(self, index: int) -> Window:
        """Where clip `index` begins, its margin not counted.

        Raises:
            IndexError: there is no such clip.
        """
        if not 0 <= index < len(self):
            raise IndexError(f"clip {index} of {len(self)}")
        video = int(np.searchsorted(self._ends, index, side="right"))
        places = self._starts[video]
        return Window(video, places[index - int(self._ends[video])])

    def __getitem__(self, index: int) -> ClipItem:
        """Clip `index` with its margins, (margin + frames + margin, H, W, C) uint8, and its label."""
        window = self.window(index)
        video = read_windows(self.videos, [window], self.frames, self.margin, self.margin)[0]
        return {"video": video, "label": torch.tensor(self.videos.labels[window.video], dtype=torch.int64)}
