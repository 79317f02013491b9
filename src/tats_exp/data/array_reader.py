"""A video in an array, read frame by frame with plain file reads.

Axes: N videos of an array, T frames, H W pixels, C = 3 colour channels (a single one is repeated).
"""

import math
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

import numpy as np
from einops import rearrange
from numpy.typing import NDArray

from tats_exp import UserError
from tats_exp.data.limits import DEFAULT, Limits
from tats_exp.data.regular_file import fill_from, read_at, require_frames, state_of
from tats_exp.data.stored_array import map_array

ARRAYS = (".npy", ".npz")

SLACK = 1e-4
"""By how much a float may leave [0, 1]: filters that resize do so by their rounding."""

BLOCK = 2**22
"""Bytes of an array that are read at once for a checksum, or in Fortran order: a frame then lies all over the file."""


class ArrayReader:
    """A video in an array: (T, H, W, C) or (N, T, H, W, C), uint8 or float in [0, 1], C 3 or 1.

    Attributes:
        path: of the file.
        length: in frames.
        size: height and width of its frames, in pixels.
        videos: N; None where the array is a single video.
        checks_values: whether a frame may be refused for its values, as those of floats may.
    """

    def __init__(self, path: Path, index: int = 0, limits: Limits = DEFAULT) -> None:
        """Look where the frames lie; none is read.

        Args:
            path: of an .npy or .npz.
            index: of the video, in an array of several.
            limits: budgets that its claims are held against.

        Raises:
            UserError: it holds no such array, or goes over a budget; one line that names the file.
        """
        array = map_array(path)
        shape, dtype = array.shape, array.dtype
        if len(shape) not in (4, 5) or shape[-1] not in (1, 3) or not math.prod(shape):
            raise UserError(
                f"{path}: an array of shape {shape}, it must be (T, H, W, C) or (N, T, H, W, C) with C 3 or 1"
            )
        if dtype != np.uint8 and dtype.kind != "f":
            raise UserError(f"{path}: an array of {dtype}, it must be uint8, or floats from 0 to 1")
        self.videos = shape[0] if len(shape) == 5 else None
        if (self.videos or 1) > limits.frames:
            raise UserError(
                f"{path}: {self.videos} videos; allowed: limits.frames={limits.frames}, which can be raised"
            )
        limits.check_length(path, shape[-4])
        limits.check_frame(path, shape[-3], shape[-2])
        if index >= (self.videos or 1):
            raise UserError(f"{path}: has {self.videos or 1} videos, number {index} was asked for")
        self.path, self.length, self.size = path, shape[-4], (shape[-3], shape[-2])
        self.checks_values = dtype != np.uint8
        self._array, self._index, self._frame = array, index, shape[-3:]
        self._row = (self.videos or 1) * self.length
        if array.fortran and (apart := self._row * dtype.itemsize) > BLOCK:
            raise UserError(
                f"{path}: in Fortran order, the values of a frame lie {apart} bytes apart; allowed: {BLOCK}, or C "
                "order (np.ascontiguousarray)"
            )

    def read(self, indices: range) -> NDArray[np.uint8]:
        """As `Reader.read`. Floats are checked: they must not leave [0, 1]."""
        require_frames(self.path, indices, self.length)
        height, width, _ = self._frame
        frames = np.empty((len(indices), height, width, 3), np.uint8)
        try:
            with self.path.open("rb", buffering=0) as file:
                if state_of(file) != self._array.state:
                    raise UserError(f"{self.path}: has changed since it was opened")
                if self._array.fortran:
                    self._read_scattered(file, indices, frames)
                else:
                    self._read_whole(file, indices, frames)
        except OSError as error:
            raise UserError(f"{self.path}: cannot be read ({error.strerror})") from error
        return frames

    def require_undamaged(self, beat: Callable[[], None]) -> None:
        """Hold the array of an archive against the checksum that is kept beside it.

        Args:
            beat: called for every block that is read.

        Raises:
            UserError: its content is another one; one line that names the file.
        """
        member, check = self._array.member, 0
        if member is None:
            return
        with self.path.open("rb") as file:
            for offset in range(0, member.size, BLOCK):
                block = read_at(file, self.path, member.start + offset, min(BLOCK, member.size - offset))
                check = zlib.crc32(block, check)
                beat()
        if check != member.check:
            raise UserError(f"{self.path}: damaged, {member.name} in it does not have its checksum")

    def _read_whole(self, file: BinaryIO, indices: range, frames: NDArray[np.uint8]) -> None:
        """Frames that lie in one piece each."""
        raw = np.empty(self._frame, self._array.dtype)
        first = self._array.start + self._index * self.length * raw.nbytes
        if raw.dtype == np.uint8 and raw.shape[-1] == 3 and indices.step == 1:
            fill_from(file, self.path, first + indices.start * raw.nbytes, frames.reshape(-1).data)
            return
        for place, index in enumerate(indices):
            fill_from(file, self.path, first + index * raw.nbytes, raw.view(np.uint8).reshape(-1).data)
            frames[place] = self._as_bytes(raw)

    def _read_scattered(self, file: BinaryIO, indices: range, frames: NDArray[np.uint8]) -> None:
        """Frames in Fortran order: all videos and frames of a value lie side by side, then those of the next value.

        The values of a frame come by rows, channel by channel.
        """
        values, row = math.prod(self._frame), self._row * self._array.dtype.itemsize
        flat = np.empty((values, len(indices)), np.uint8)
        for first in range(0, values, BLOCK // row):
            block = np.empty((min(BLOCK // row, values - first), self._row), self._array.dtype)
            fill_from(file, self.path, self._array.start + first * row, block.view(np.uint8).reshape(-1).data)
            video = rearrange(block, "v (t n) -> v t n", t=self.length)[:, :, self._index]
            wanted = video[:, list(indices)]
            flat[first : first + len(block)] = self._as_bytes(wanted)
        height, width, channels = self._frame
        frames[:] = rearrange(flat, "(c w h) t -> t h w c", h=height, w=width, c=channels)

    def _as_bytes(self, values: NDArray[np.generic]) -> NDArray[np.uint8]:
        if values.dtype == np.uint8:
            return values  # type: ignore[return-value]
        low, high = values.min(), values.max()
        if not (low >= -SLACK and high <= 1 + SLACK):
            raise UserError(f"{self.path}: values from {low:g} to {high:g}, floats must lie in 0 to 1")
        return np.rint(values.astype(np.float32) * 255).clip(0, 255).astype(np.uint8)
