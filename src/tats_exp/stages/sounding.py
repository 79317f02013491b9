"""What sampled videos show beside the sound that they were made for: part of the metrics stage.

Axes: N videos, T frames, H W C pixels.
"""

from collections.abc import Iterable, Iterator

import numpy as np
import torch
from jaxtyping import Int64, UInt8
from numpy.typing import NDArray
from torch import Tensor

from tats_exp import UserError
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
    rate, stride = rate_of(videos), videos.frame_stride

    def piece(first: int, frames: int) -> NDArray[np.float32]:
        begin = start + first * stride
        there = min(frames, max(0, -(-(videos.lengths[video] - begin) // stride)))
        sound = np.zeros(round(frames / rate * RATE), np.float32)
        if there:
            heard = videos.audio(video, begin, there)[: len(sound)]
            sound[: len(heard)] = heard
        return sound

    return Track(piece, rate)


def rate_of(videos: Videos) -> float:
    """Frames a second.

    Raises:
        UserError: the data do not tell.
    """
    if videos.frame_rate is None:
        raise UserError("sound: the data do not tell how many frames make a second")
    return videos.frame_rate


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
                    self._errors.add(real[None], frames[None, : len(real)])
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
        rate = rate_of(self.videos)
        start, there = self._there(number, self.given, self.frames)
        sound: NDArray[np.float32] = np.zeros(0, np.float32)
        if there:
            sound = self.videos.audio(self.sounds[number][0], start, there)
        return beginnings(sound, RATE) * rate

    def _there(self, number: int, first: int, frames: int) -> tuple[int, int]:
        """Where frames begin in their real video, in source frames, and how many of them it has."""
        video, begin = self.sounds[number]
        stride = self.videos.frame_stride
        start = begin + first * stride
        return start, min(frames, max(0, -(-(self.videos.lengths[video] - start) // stride)))
