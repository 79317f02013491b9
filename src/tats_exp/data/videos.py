"""What a source of videos offers: splits, and what each of them says of its videos.

Axes: H W pixels, C colour channels.
Two clocks: *source frames* count the frames of the file or world; *clip frames* are `frame_stride` source frames apart.
Lengths and starts are in source frames, everything else in clip frames.
"""

from abc import ABC, abstractmethod
from typing import Literal, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from tats_exp import UserError

Split = Literal["train", "test"]
MOST_VIDEOS = 1_000_000
"""Videos of a split that is made up: names, labels and places of windows are listed video by video."""


@runtime_checkable
class Videos(Protocol):
    """One split of one source of videos. Derived from, it has neither captions nor sound unless it says so.

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
        """SHA-256 (hex) of everything that pixels, labels and lengths depend on; captions and sound are apart."""
        ...

    @property
    def captions(self) -> list[tuple[str, ...]]:
        """Texts that describe each video, any number of them."""
        return [()] * len(self.names)

    def frame_rate(self) -> float | None:
        """Clip frames a second, those of the first video where they differ; None: unknown."""
        return None

    def sound_fingerprint(self) -> str:
        """SHA-256 (hex) of what the sound depends on beside `fingerprint`; empty where nothing is."""
        return ""

    def audio(self, video: int, start: int, frames: int) -> NDArray[np.float32]:
        """Read the sound of clip frames: from when the first is shown, for as long as they last.

        Args:
            video: index of the video.
            start: first frame, in source frames.
            frames: how many, in clip frames.

        Returns:
            (S,) float32, -1 to 1: one channel at 16,000 samples a second.

        Raises:
            ValueError: the frames are not all inside the video.
            UserError: there is no sound.
        """
        raise UserError(f"{self.names[video]}: there is no sound in these data")


class VideoSource(ABC):
    """A data set: what the group `data` makes.

    Attributes:
        seed: of every fixed list of windows that is drawn from it.
    """

    seed: int

    @abstractmethod
    def split(self, name: Split) -> Videos:
        """The videos of one split.

        Raises:
            ValueError: the split has no video.
        """

    def left_out(self, name: Split) -> list[str]:
        """What `split` found and left out of a split, a line each: which file or folder, and why."""
        return []

    def missing(self, name: Split) -> list[str]:
        """What a split lacks of the whole data set, where that is known, a line each."""
        return []
