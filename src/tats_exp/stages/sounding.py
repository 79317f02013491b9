"""What sampled videos show beside the sound that they were made for: part of the metrics stage.

Axes: N videos, T frames, H W C pixels.
"""

from collections.abc import Iterable, Iterator

import numpy as np
import torch
from jaxtyping import Int64, UInt8
from numpy.typing import NDArray
from torch import Tensor

from tats_exp.data.audio import RATE
from tats_exp.data.video_writer import Track
from tats_exp.data.videos import Videos
from tats_exp.metrics.findings import SoundFindings
from tats_exp.metrics.reconstruction import ReconstructionErrors
from tats_exp.metrics.synchrony import Path, Times, beginnings

AT_ONCE = 64
"""Frames of a real video that are read at a time."""


def sound_from(videos: Videos, video: int, start: int) -> Track:
    """The sound of a video from one of its source frames on, to be laid under another one; then silence.

    Args:
        videos: where it is.
        video: its index.
        start: source frame.
    """
    stride = videos.frame_stride

    def piece(first: int, frames: int) -> NDArray[np.float32]:
        begin = start + first * stride
        there = min(frames, max(0, -(-(videos.lengths[video] - begin) // stride)))
        return videos.audio(video, begin, there) if there else np.zeros(0, np.float32)

    return Track(piece, rate_of(videos, video, start))


def rate_of(videos: Videos, video: int, start: int = 0) -> float:
    """Clip frames a second of one video: how many last as long as their sound does.

    Args:
        videos: where it is.
        video: its index.
        start: source frame from which on it is looked at.
    """
    frames = min(AT_ONCE, max(1, -(-(videos.lengths[video] - start) // videos.frame_stride)))
    return frames * RATE / len(videos.audio(video, start, frames))


class SoundOnTheWay:
    """Looks at sampled videos, chunk by chunk on their way to another reader, and at those whose sound they have."""

    def __init__(self, videos: Videos, sounds: Int64[Tensor, "N 2"], given: int, frames: int) -> None:
        """Choose whose sound it is.

        Args:
            videos: real ones.
            sounds: video whose sound each sampled video has, and its first frame there, in source frames.
            given: frames that sampled videos go on from.
            frames: of a sampled video behind them.
        """
        self.videos, self.sounds, self.given, self.frames = videos, sounds.tolist(), given, frames
        self._seen: list[Times] = []
        self._errors = ReconstructionErrors()

    def watch(self, chunks: Iterable[UInt8[Tensor, "n _ H W C"]]) -> Iterator[UInt8[Tensor, "n _ H W C"]]:
        """The same chunks of the next few videos, given frames included."""
        first, at, paths = len(self._seen), 0, list[Path]()
        for chunk in chunks:
            paths = paths or [Path() for _ in chunk]
            for number, frames in enumerate(chunk):
                paths[number].add(frames[max(0, self.given - at) :])
                real = self._real(first + number, at, len(frames))
                if len(real):
                    # Each frame as a window of its own: chunks differ in length.
                    self._errors.add(real[:, None], frames[: len(real), None])
            at += chunk.shape[1]
            yield chunk
        self._seen += [path.turns() for path in paths]

    def findings(self, window: int) -> SoundFindings:
        """What was seen, once all videos went by, and what is heard.

        Args:
            window: its frames.
        """
        numbers = range(len(self._seen))
        in_real = []
        for number in numbers:
            path = Path()
            for start in range(self.given, self.given + self.frames, AT_ONCE):
                path.add(self._real(number, start, min(AT_ONCE, self.given + self.frames - start)))
            in_real.append(path.turns())
        return SoundFindings(window, [self._heard(n) for n in numbers], self._seen, in_real, self._errors)

    def _real(self, number: int, first: int, frames: int) -> UInt8[Tensor, "T H W C"]:
        """Frames of the video whose sound a sampled video has, as far as there are any."""
        start, there = self._there(number, first, frames)
        if not there:
            size = self.videos.resolution
            return torch.zeros(0, size, size, 3, dtype=torch.uint8)
        return torch.from_numpy(self.videos.read(self.sounds[number][0], start, there))

    def _heard(self, number: int) -> Times:
        """When sounds begin, in frames behind those given."""
        start, there = self._there(number, self.given, self.frames)
        if not there:
            return np.zeros(0)
        sound = self.videos.audio(self.sounds[number][0], start, there)
        return beginnings(sound, RATE) * (there * RATE / len(sound))  # videos have frame rates of their own

    def _there(self, number: int, first: int, frames: int) -> tuple[int, int]:
        """Where frames begin in their real video, in source frames, and how many of them it has."""
        video, begin = self.sounds[number]
        stride = self.videos.frame_stride
        start = begin + first * stride
        return start, min(frames, max(0, -(-(self.videos.lengths[video] - start) // stride)))
