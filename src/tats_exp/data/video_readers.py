"""One open video: a video file, a GIF, a folder of images or part of an array. None holds more than it is asked for.

Axes: N videos of an array, T frames, H W pixels, C = 3 colour channels (a single one is repeated).
"""

import re
import struct
import threading
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Literal, Protocol, runtime_checkable

import av
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from tats_exp import UserError
from tats_exp.data.video_decoding import SUFFIXES, VideoFileReader, codec_of, require_file

ARRAYS = (".npy", ".npz")
FILES = (*SUFFIXES, ".gif", *ARRAYS)
IMAGES = {".bmp": "none", ".jpeg": "jpeg", ".jpg": "jpeg", ".png": "none", ".webp": "webp"}
"""Suffixes of images and the codec that their pixels went through."""
FORMATS = ("BMP", "JPEG", "PNG", "WEBP")

SLACK = 1e-4
"""By how much a float may leave [0, 1]: filters that resize do so by their rounding."""

# numpy parses headers with `ast`, which now and then fails in CPython 3.11 where two threads use it (gh-106905).
_headers = threading.Lock()


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


def images_in(folder: Path) -> list[Path]:
    """The images in a folder, `frame_2` before `frame_10`; hidden ones are left out.

    Raises:
        UserError: the folder is gone, holds no image, images of several formats, or the frames of several videos.
    """
    try:
        images = [entry for entry in folder.iterdir() if entry.suffix.lower() in IMAGES and entry.name[0] != "."]
    except OSError as error:
        raise UserError(f"{folder}: {error.strerror}") from error
    formats = sorted({image.suffix.lower() for image in images})
    if len(formats) != 1:
        found = f"images of several formats ({' '.join(formats)})" if formats else "no image"
        raise UserError(f"{folder}: holds {found}, the frames of a video must be of one")
    if _several_videos([re.findall(r"\d+", image.stem) for image in images]):
        raise UserError(f"{folder}: no number in the names tells all frames apart: give each video a folder of its own")
    return sorted(images, key=lambda image: (_natural(image.name), image.name))


def _several_videos(numbers: list[list[str]]) -> bool:
    """Whether names count two things, such as `video0_frame12`, and neither of them alone counts the frames."""
    if len({len(found) for found in numbers}) != 1:
        return False
    distinct = [len(set(column)) for column in zip(*numbers, strict=True)]
    return sum(count > 1 for count in distinct) > 1 and max(distinct) < len(numbers)


def _natural(name: str) -> list[str | int]:
    return [int(part) if place % 2 else part for place, part in enumerate(re.split(r"(\d+)", name))]


class ImageReader:
    """A folder of images, one a frame."""

    def __init__(self, folder: Path) -> None:
        self._images = images_in(folder)
        self.length = len(self._images)
        self._size = load_image(self._images[0]).shape[:2]

    def read(self, indices: range) -> NDArray[np.uint8]:
        """As `Reader.read`."""
        return np.stack([self._frame(index) for index in indices])

    def _frame(self, index: int) -> NDArray[np.uint8]:
        frame = load_image(self._images[index])
        if frame.shape[:2] != self._size:
            (height, width), (first_height, first_width) = frame.shape[:2], self._size
            raise UserError(
                f"{self._images[index]}: is {height}x{width}, the first frame is {first_height}x{first_width}"
            )
        return frame


def load_image(path: Path) -> NDArray[np.uint8]:
    """Load an image as (H, W, 3) uint8; transparency is dropped.

    Raises:
        UserError: it is gone, damaged, or has more than 8 bits a channel; one line that names it.
    """
    require_file(path)
    try:
        with Image.open(path, formats=FORMATS) as image:
            # Pillow cuts deep values off at 255 instead of scaling them.
            deep = image.mode.startswith(("I", "F"))
            frame = None if deep else np.array(image.convert("RGB"))
    except (OSError, SyntaxError, ValueError, EOFError, struct.error, Image.DecompressionBombError) as error:
        raise UserError(f"{path}: cannot be read as an image") from error
    if frame is None:
        raise UserError(f"{path}: more than 8 bits a channel")
    return frame


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


class ArrayReader:
    """A video in an array, mapped into memory: (T, H, W, C) or (N, T, H, W, C), uint8 or float in [0, 1], C 3 or 1.

    Attributes:
        videos: N; None where the array is a single video.
    """

    def __init__(self, path: Path, index: int = 0) -> None:
        array = map_array(path)
        if array.ndim not in (4, 5) or array.shape[-1] not in (1, 3) or not array.size:
            raise UserError(
                f"{path}: an array of shape {array.shape}, it must be (T, H, W, C) or (N, T, H, W, C) with C 3 or 1"
            )
        if array.dtype != np.uint8 and array.dtype.kind != "f":
            raise UserError(f"{path}: an array of {array.dtype}, it must be uint8, or floats from 0 to 1")
        self.path = path
        self.videos = len(array) if array.ndim == 5 else None
        if index >= (self.videos or 1):
            raise UserError(f"{path}: has {self.videos or 1} videos, number {index} was asked for")
        self._array = array if self.videos is None else array[index]
        self.length = len(self._array)

    def read(self, indices: range) -> NDArray[np.uint8]:
        """As `Reader.read`. Floats are checked: they must not leave [0, 1]."""
        frames = np.array(self._array[indices.start : indices.stop : indices.step])
        if frames.dtype != np.uint8:
            low, high = frames.min(), frames.max()
            if not (low >= -SLACK and high <= 1 + SLACK):
                raise UserError(f"{self.path}: values from {low:g} to {high:g}, floats must lie in 0 to 1")
            frames = np.rint(frames.astype(np.float32) * 255).clip(0, 255).astype(np.uint8)
        return frames.repeat(3, axis=-1) if frames.shape[-1] == 1 else frames


def map_array(path: Path) -> NDArray[np.generic]:
    """Map an array into memory without reading it; nothing is ever unpickled.

    Args:
        path: of an .npy, or of an .npz as `np.savez` writes it: uncompressed, with one array of 4 or 5 axes.

    Raises:
        UserError: there is no such array; one line that names the file.
    """
    require_file(path)
    try:
        with _headers:
            return _map_member(path) if path.suffix.lower() == ".npz" else np.lib.format.open_memmap(path, mode="r")
    except Exception as error:  # numpy and zipfile raise a dozen kinds of it over a damaged header
        raise UserError(f"{path}: cannot be read as an array ({' '.join(str(error).split())})") from error


def _map_member(path: Path) -> NDArray[np.generic]:
    formats = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
    found = []
    with zipfile.ZipFile(path) as archive:
        for member in archive.infolist():
            with archive.open(member) as file:
                shape, fortran, dtype = formats[np.lib.format.read_magic(file)](file)
                if len(shape) in (4, 5):
                    found.append((member, file.tell(), shape, fortran, dtype))
    if len(found) != 1:
        raise UserError(f"{len(found)} arrays of 4 or 5 axes, there must be one")
    member, header, shape, fortran, dtype = found[0]
    if member.compress_type != zipfile.ZIP_STORED:
        raise UserError("it is compressed: write it with np.save or np.savez")
    # A member's data follow its local header: 30 bytes, of which the last two pairs say how much more there is.
    with path.open("rb") as file:
        file.seek(member.header_offset + 26)
        start = member.header_offset + 30 + sum(struct.unpack("<HH", file.read(4))) + header
    order: Literal["F", "C"] = "F" if fortran else "C"
    return np.memmap(path, dtype=dtype, mode="r", offset=start, shape=shape, order=order)
