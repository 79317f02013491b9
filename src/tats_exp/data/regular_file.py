"""Files that are read piece by piece, so that memory follows what is wanted of them and not what they claim."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from tats_exp import UserError


def require_file(path: Path) -> None:
    """Refuse what is no file, an empty one, or one in a closed folder.

    Raises:
        UserError: one line that names it.
    """
    try:
        if not path.is_file():
            raise UserError(f"{path}: no such file")
        size = path.stat().st_size
    except OSError as error:
        raise UserError(f"{path}: {error.strerror}") from error
    if not size:
        raise UserError(f"{path}: the file is empty")


@contextmanager
def entering_folders() -> Iterator[None]:
    """A block in which folders are listed: one that may not be entered is the user's to open.

    Raises:
        UserError: one line that names it.
    """
    try:
        yield
    except OSError as error:
        raise UserError(f"{error.filename}: {error.strerror}") from error


def require_frames(path: Path, indices: Sequence[int], length: int) -> None:
    """Refuse to read frames that a video does not have.

    Raises:
        UserError: one of them is not in 0 to length - 1; one line that names the file.
    """
    if beyond := [index for index in indices if not 0 <= index < length]:
        raise UserError(f"{path}: frame {beyond[0]} asked for, it has 0 to {length - 1}")


def read_at(file: BinaryIO, path: Path, offset: int, size: int) -> bytes:
    """Read exactly `size` bytes; arguments and errors as for `fill_from`."""
    content = bytearray(size)
    fill_from(file, path, offset, memoryview(content))
    return bytes(content)


def fill_from(file: BinaryIO, path: Path, offset: int, buffer: memoryview) -> None:
    """Fill a buffer from a file.

    Mapped into memory, a file that another process cuts off would kill this one.

    Args:
        file: opened for reading.
        path: of the file, for the message.
        offset: in the file, in bytes.
        buffer: of bytes.

    Raises:
        UserError: it ends before that, or cannot be read; one line that names it.
    """
    try:
        file.seek(offset)
        filled = 0
        while filled < len(buffer) and (count := file.readinto(buffer[filled:])):  # type: ignore[attr-defined]
            filled += count
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror})") from error
    if filled < len(buffer):
        raise UserError(f"{path}: cut off, it ends before byte {offset + len(buffer)}")


def state_of(file: BinaryIO) -> tuple[int, ...]:
    """What tells an open file from one that was put in its place or written to since."""
    status = os.fstat(file.fileno())
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns
