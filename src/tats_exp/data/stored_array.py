"""Where in an .npy or .npz the array of a video lies. What a header claims is held against the file; no pixel is read.

Axes: N videos of an array, T frames, H W pixels, C = 3 colour channels or 1.
"""

import math
import re
import struct
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from tats_exp import UserError
from tats_exp.data.archive import Member, members_of
from tats_exp.data.regular_file import read_at, require_file, state_of

HEADER = 2**16
"""Bytes of an array's header that are read at most; numpy's own take 128."""
MAGIC = b"\x93NUMPY"
PREFIX = len(MAGIC) + 2
LENGTH = {(1, 0): "<H", (2, 0): "<I"}
"""How versions of the format say the length of the header. In version 3 names of fields may be Unicode: no video."""
VIDEO_AXES = (4, 5)

# A header is a Python dictionary. numpy's own parser warns of some of them, and takes time and memory over others.
_ITEM = r"'descr':'(?P<descr>[^']{1,16})'|'fortran_order':(?P<fortran>True|False)|'shape':\((?P<shape>[\dL,]*)\)"
_ENTRIES = re.compile(rf"\{{(?:(?:{_ITEM}),?){{3}}\}}")
_DTYPE = re.compile(r"[<>|=]?[biufcSUVO]\d{0,4}")


@dataclass(frozen=True)
class StoredArray:
    """An array of 4 or 5 axes in a file.

    Attributes:
        path: of the file.
        member: of an archive that holds it with its header; None where the file holds nothing else.
        start: where its numbers begin, in bytes.
        shape: of the array.
        dtype: of its numbers.
        fortran: whether its first axis is the one that varies fastest, and not its last.
        state: of the file when it was looked at; see `state_of`.
    """

    path: Path
    member: Member | None
    start: int
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    fortran: bool
    state: tuple[int, ...]


@dataclass(frozen=True)
class _Header:
    size: int
    descr: str
    shape: tuple[int, ...]
    fortran: bool


def map_array(path: Path) -> StoredArray:
    """Find the array of a file.

    Args:
        path: of an .npy, or of an .npz as `np.savez` writes it: uncompressed, with one array of 4 or 5 axes.

    Raises:
        UserError: there is no such array, or the file is shorter or longer than it says; one line that names the file.
    """
    require_file(path)
    try:
        with path.open("rb") as file:
            zipped = path.suffix.lower() == ".npz"
            member, header = _only_video(file, path) if zipped else _whole_file(file, path)
            return _stored(path, member, header, state_of(file), zipped)
    except OSError as error:
        raise UserError(f"{path}: cannot be read as an array ({error.strerror})") from error


def _whole_file(file: BinaryIO, path: Path) -> tuple[Member, _Header]:
    size = path.stat().st_size
    whole = Member(path.name, 0, size, 0)
    header = _header(file, path, whole)
    if header is None:
        raise UserError(f"{path}: cannot be read as an array (no header of an array of numbers)")
    return whole, header


def _only_video(file: BinaryIO, path: Path) -> tuple[Member, _Header]:
    try:
        members = members_of(file, path)
    except zipfile.BadZipFile as error:
        hint = ": write it with np.save or np.savez" if "compressed" in str(error) else ""
        raise UserError(f"{path}: cannot be read as an array ({error}{hint})") from error
    headers = [(member, _header(file, path, member)) for member in members]
    videos = [(member, header) for member, header in headers if header and len(header.shape) in VIDEO_AXES]
    if len(videos) != 1:
        raise UserError(f"{path}: cannot be read as an array ({len(videos)} arrays of 4 or 5 axes, there must be one)")
    return videos[0]


def _header(file: BinaryIO, path: Path, member: Member) -> _Header | None:
    """What the header of an array says; None where there is none, or one that no array of numbers has."""
    start = read_at(file, path, member.start, min(PREFIX + 4, member.size))
    kind = LENGTH.get(tuple(start[len(MAGIC) : PREFIX]))  # type: ignore[arg-type]
    if not start.startswith(MAGIC) or kind is None or len(start) < PREFIX + 4:
        return None
    (length,) = struct.unpack_from(kind, start, PREFIX)
    before = PREFIX + struct.calcsize(kind)
    if length > min(HEADER, member.size - before):
        raise UserError(f"{path}: cannot be read as an array (a header of {length} bytes; allowed: {HEADER})")
    text = read_at(file, path, member.start + before, length).decode("latin1")
    found = _ENTRIES.fullmatch("".join(text.split()).replace('"', "'"))
    if found is None or None in found.groups():
        return None
    shape = [axis for axis in found["shape"].replace("L", "").split(",") if axis]
    if any(len(axis) > 18 for axis in shape):
        raise UserError(f"{path}: cannot be read as an array (an axis of {len(max(shape, key=len))} digits)")
    return _Header(before + length, found["descr"], tuple(map(int, shape)), found["fortran"] == "True")


def _stored(path: Path, member: Member, header: _Header, state: tuple[int, ...], zipped: bool) -> StoredArray:
    try:
        if not _DTYPE.fullmatch(header.descr):
            raise TypeError("unknown")
        dtype = np.dtype(header.descr)
    except (TypeError, ValueError) as error:
        raise UserError(f"{path}: cannot be read as an array (dtype {header.descr})") from error
    if dtype.hasobject:
        raise UserError(f"{path}: cannot be read as an array (of Python objects)")
    claimed, there = math.prod(header.shape) * dtype.itemsize, member.size - header.size
    if claimed != there:
        raise UserError(
            f"{path}: cannot be read as an array (shape {header.shape} of {dtype} takes {claimed} bytes, "
            f"{there} are there)"
        )
    start, of_archive = member.start + header.size, member if zipped else None
    return StoredArray(path, of_archive, start, header.shape, dtype, header.fortran, state)
