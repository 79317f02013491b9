"""Decode single frames of video files, find their codec, bring frames to one size.

Axes: T frames, H W pixels, C = 3 colour channels.
"""

from collections.abc import Sequence
from pathlib import Path

import av
import decord
import numpy as np
import torch
from einops import rearrange
from numpy.typing import NDArray
from torch.nn import functional

from tats_exp import UserError

VERSION = 1
"""Raised whenever cropping, resizing or decoding changes the pixels: it enters the fingerprints."""

SUFFIXES = (".avi", ".mkv", ".mov", ".mp4", ".webm")

CROP_AND_RESIZE = "centre crop, bilinear with antialiasing"
"""What `crop_and_resize` does, as protocols say it."""

# What is wrong with a file is said once, by us, and not by the decoder for each of its packets.
decord.logging.set_level(decord.logging.QUIET)


class VideoFileReader:
    """A video file, open for random access; frame after frame costs no seeking.

    Attributes:
        path: of the file.
        length: in frames.
    """

    def __init__(self, path: Path) -> None:
        """Open a file.

        Raises:
            UserError: it is gone or damaged; one line that names it.
        """
        require_file(path)
        try:
            self._reader = decord.VideoReader(str(path), ctx=decord.cpu(0), num_threads=1)
        except (decord.DECORDError, RuntimeError) as error:
            raise UserError(f"{path}: cannot be opened as a video") from error
        self.path = path
        self.length = len(self._reader)
        self._padded = False

    def read(self, indices: Sequence[int]) -> NDArray[np.uint8]:
        """Decode single frames.

        Args:
            indices: of the frames; negative ones count from the end.

        Returns:
            (T, H, W, 3) uint8.

        Raises:
            UserError: the file is damaged, or has no such frame; one line that names it.
        """
        try:
            return self._batch(indices)
        except (decord.DECORDError, RuntimeError, IndexError, StopIteration) as error:
            raise UserError(f"{self.path}: damaged, some of its frames cannot be decoded") from error

    def _batch(self, indices: Sequence[int]) -> NDArray[np.uint8]:
        if not self._padded:
            try:
                return self._reader.get_batch(list(indices)).asnumpy()
            except decord.DECORDError:
                # At some widths (16, 48, 72 ...) decord takes the padding of the rows in memory for further channels
                # and fails to gather a batch (dmlc/decord#336); the pixels lie at the front of each row.
                self._padded = self._reader[0].shape[2] > 3
                if not self._padded:
                    raise
        frames = np.stack([self._reader[index].asnumpy() for index in indices])
        width = frames.shape[2]
        rows = rearrange(frames, "t h w c -> t h (w c)")[:, :, : 3 * width]
        return np.ascontiguousarray(rearrange(rows, "t h (w c) -> t h w c", c=3))


def decode(path: Path, indices: Sequence[int]) -> tuple[NDArray[np.uint8], int]:
    """Open a video file and decode single frames of it.

    Args:
        path: of the file.
        indices: of the frames; negative ones count from the end.

    Returns:
        The frames, (T, H, W, 3) uint8, and the length of the video.

    Raises:
        UserError: the file is gone or damaged, or has no such frame; one line that names it.
    """
    reader = VideoFileReader(path)
    return reader.read(indices), reader.length


def require_file(path: Path) -> None:
    """Raise a ValueError of one line if there is no such file, or nothing in it."""
    if not path.is_file():
        raise UserError(f"{path}: no such file")
    if not path.stat().st_size:
        raise UserError(f"{path}: the file is empty")


def codec_of(path: Path) -> str:
    """The codec of a video file by its common name: "av1", whichever library decodes it.

    Raises:
        UserError: the file is gone or holds no video; one line that names it.
    """
    require_file(path)
    try:
        with _demux(path) as container:
            stream = container.streams.best("video")
            if stream is None or stream.codec_context is None:
                raise UserError(f"{path}: holds no video that can be decoded")
            return stream.codec_context.codec.canonical_name
    except av.error.FFmpegError as error:
        raise UserError(f"{path}: cannot be opened as a video") from error


def _demux(path: Path) -> av.container.InputContainer:
    try:
        return av.open(str(path))
    except UnicodeDecodeError:
        # A title in another encoding is no reason to refuse a video; PyAV 19 and later do not raise, nor know the word.
        return av.open(str(path), metadata_errors="replace")


def crop_and_resize(frames: NDArray[np.uint8], resolution: int) -> NDArray[np.uint8]:
    """Cut the square in the middle and resize it, bilinearly and antialiased.

    Args:
        frames: (T, H, W, 3) uint8 of any size.
        resolution: height and width wanted.

    Returns:
        (T, resolution, resolution, 3) uint8.
    """
    height, width = frames.shape[1:3]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    square = torch.from_numpy(frames[:, top : top + side, left : left + side])
    small = functional.interpolate(
        rearrange(square, "t h w c -> t c h w"), size=(resolution, resolution), mode="bilinear", antialias=True
    )
    return np.ascontiguousarray(rearrange(small, "t c h w -> t h w c").numpy())
