"""One open video: a video file, a GIF, a folder of images or part of an array. None holds more than it is asked for.

Axes: N videos of an array, T frames, H W pixels, C = 3 colour channels (a single one is repeated).
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Protocol, runtime_checkable

import av
import numpy as np
from numpy.typing import NDArray

from tats_exp import UserError
from tats_exp.data.array_reader import ARRAYS, ArrayReader
from tats_exp.data.image_reader import IMAGES, ImageReader, images_in, load_image
from tats_exp.data.regular_file import require_file
from tats_exp.data.stored_array import map_array
from tats_exp.data.video_decoding import SUFFIXES, VideoFileReader, codec_of

__all__ = [
    "ARRAYS",
    "FILES",
    "IMAGES",
    "ArrayReader",
    "GifReader",
    "ImageReader",
    "Reader",
    "images_in",
    "load_image",
    "map_array",
    "open_reader",
    "stored_in",
]

FILES = (*SUFFIXES, ".gif", *ARRAYS)


@runtime_checkable
class Reader(Protocol):
    """One open video.

    Attributes:
        length: in frames.
    """

    length: int

    def read(self, indices: range) -> NDArray[np.uint8]:
        """Read frames; going forwards is cheap, going back may mean starting again.

        Args:
            indices: of the frames, all inside the video.

        Returns:
            (T, H, W, 3) uint8.

        Raises:
            UserError: they cannot be read; one line that names the file.
        """
        ...


def open_reader(path: Path, index: int = 0) -> Reader:
    """Open a video.

    Args:
        path: of a file with one of the suffixes `FILES`, or of a folder of images.
        index: of the video, in an array of several.

    Raises:
        UserError: it cannot be opened; one line that names the file.
    """
    if path.is_dir():
        return ImageReader(path)
    suffix = path.suffix.lower()
    if suffix in ARRAYS:
        return ArrayReader(path, index)
    return GifReader(path) if suffix == ".gif" else VideoFileReader(path)


def stored_in(path: Path) -> str:
    """The codec that the pixels of a video went through; "none" where there was none.

    Raises:
        UserError: it is no video; one line that names the file.
    """
    if path.is_dir():
        return IMAGES[images_in(path)[0].suffix.lower()]
    return "none" if path.suffix.lower() in ARRAYS else codec_of(path)


class GifReader:
    """A GIF, decoded from its start on, each frame composed with what it leaves of the one before.

    Writers drop a frame that equals the one before and show that longer instead. What is shown k times as long as a
    single frame, which is one within a hundredth of a second of the shortest, therefore counts as k frames, or a video
    that stands still would come back shorter than it was.

    Attributes:
        pause: how many frames the last picture counts as, where no other counts as many; else 1. It may be a video
            that comes to a stop, or a pause before it begins again: nobody can tell.
    """

    def __init__(self, path: Path) -> None:
        require_file(path)
        self.path = path
        try:
            with av.open(str(path)) as container:
                delays = np.array([packet.duration or 1 for packet in container.demux(video=0) if packet.size])
        except (av.error.FFmpegError, IndexError) as error:
            raise UserError(f"{path}: cannot be opened as a GIF") from error
        if not delays.size:
            raise UserError(f"{path}: holds no frame")
        usual = delays[delays <= delays.min() + 1].mean()  # 40 frames a second are written as 2, 3, 2, 3 hundredths
        shown = np.maximum(1, np.rint(delays / usual)).astype(np.int64)
        self.pause = int(shown[-1]) if shown[-1] > shown[:-1].max(initial=1) else 1
        self._pictures = np.repeat(np.arange(len(delays)), shown)
        self.length = len(self._pictures)
        self._restart()

    def read(self, indices: range) -> NDArray[np.uint8]:
        """As `Reader.read`."""
        try:
            return np.stack([self._picture(int(self._pictures[index])) for index in indices])
        except (av.error.FFmpegError, StopIteration) as error:
            raise UserError(f"{self.path}: damaged, some of its frames cannot be decoded") from error

    def _restart(self) -> None:
        self._decoded, self._at = self._decode(), -1

    def _decode(self) -> Iterator[av.VideoFrame]:
        with av.open(str(self.path)) as container:
            yield from container.decode(video=0)

    def _picture(self, number: int) -> NDArray[np.uint8]:
        if number < self._at:
            self._restart()
        while self._at < number:
            self._frame = next(self._decoded)
            self._at += 1
        return np.asarray(self._frame.to_ndarray(format="rgb24"), dtype=np.uint8)
