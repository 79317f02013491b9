"""Sound as small pictures, one of each span of time, from that span alone.

Axes: S samples, M frequencies, F short-time frames.
"""

from dataclasses import dataclass
from typing import TypedDict

import numpy as np
import torch
from jaxtyping import UInt8
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from tats_exp import UserError
from tats_exp.data.clips import Clips
from tats_exp.data.videos import Videos
from tats_exp.data.windows import span

DECIBELS = 80.0
"""From what is as good as silence to the loudest sine: 0 to 255 of a picture."""


@dataclass(frozen=True)
class Spectrogram:
    """The short-time Fourier transform of a span of sound, as levels of loudness.

    All its frames lie inside the span: the first begins with it, the last ends with it, the others are spread evenly
    between. So whatever lies before or behind a span is not in its picture, and equal spans have equal pictures. Where
    they would be more than half a window apart, each is the mean power of several that are not.

    Attributes:
        window: samples of a short-time frame, under a Hann window. A shorter span is filled up with silence.
        bins: M, the lowest frequencies kept, 1..window / 2 of them; one from the next rate / window Hz.
        frames: F, short-time frames of a span.

    Raises:
        UserError: a number is out of its range.
    """

    window: int
    bins: int
    frames: int

    def __post_init__(self) -> None:
        for name, value, least, most in (
            ("window", self.window, 16, 2**16),
            ("bins", self.bins, 1, self.window // 2),
            ("frames", self.frames, 1, 2**12),
        ):
            if not least <= value <= most:
                raise UserError(f"{name}={value}: allowed: {least} to {most}")

    def __call__(self, sound: NDArray[np.float32]) -> NDArray[np.uint8]:
        """The picture of a span.

        Args:
            sound: (S,), -1 to 1.

        Returns:
            (M, F) uint8, low frequencies first: 255 for a sine of full swing, 0 from `DECIBELS` below it on.
        """
        padded = np.pad(sound.astype(np.float64), (0, max(0, self.window - len(sound))))
        room, half = len(padded) - self.window, self.window // 2
        each = max(1, -(-(-(-room // half) + 1) // self.frames))
        starts = np.round(np.linspace(0, room, each * self.frames)).astype(np.int64)
        pieces = padded[starts[:, None] + np.arange(self.window)] * np.hanning(self.window + 1)[:-1]
        powers = np.square(np.abs(np.fft.rfft(pieces))[:, : self.bins] * 4 / self.window)
        swing = np.sqrt(powers.reshape(self.frames, each, self.bins).mean(axis=1))
        decibels = 20 * np.log10(np.maximum(swing, 10 ** (-DECIBELS / 20)))
        return np.round(255 * np.minimum(1 + decibels / DECIBELS, 1)).astype(np.uint8).T

    def of_frames(self, videos: Videos, video: int, start: int, frames: int) -> NDArray[np.uint8]:
        """The picture of the sound of clip frames; that of silence where they are not all inside the video.

        Args:
            videos: where the video is.
            video: its index.
            start: the first of the frames, in source frames.
            frames: how many, in clip frames.

        Raises:
            UserError: the video has no sound.
        """
        if start < 0 or start + span(frames, videos.frame_stride) > videos.lengths[video]:
            return np.zeros((self.bins, self.frames), np.uint8)
        return self(videos.audio(video, start, frames))


class SpanItem(TypedDict):
    """One item of `Spans`."""

    picture: UInt8[Tensor, "1 M F"]


class Spans(Dataset[SpanItem]):
    """The pictures of all spans of sound that a split has: one from each source frame on."""

    def __init__(self, videos: Videos, frames: int, spectrogram: Spectrogram) -> None:
        """Index the spans.

        Args:
            videos: whose sound it is.
            frames: clip frames of a span.
            spectrogram: makes the pictures.

        Raises:
            UserError: no video is long enough.
        """
        self.clips, self.spectrogram = Clips(videos, frames), spectrogram

    def __len__(self) -> int:
        """Number of spans."""
        return len(self.clips)

    def __getitem__(self, index: int) -> SpanItem:
        """The picture of span `index`."""
        place = self.clips.window(index)
        picture = self.spectrogram.of_frames(self.clips.videos, place.video, place.start, self.clips.frames)
        return {"picture": torch.from_numpy(picture.copy())[None]}
