"""Zip archives that hold arrays or tensors: every claim is held against the file before memory is taken for it.

Neither numpy nor torch compresses what it saves, so an archive takes no more memory than its file has bytes.
"""

import os
import struct
import zipfile
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import BinaryIO

from tats_exp.data.regular_file import read_at

DIRECTORY = 2**20
"""Bytes that an archive's list of members may take: some 10,000 of them."""
LOCAL_HEADER, END_RECORD = 30, 22
"""Bytes of the record before a member's content, and of the last one of an archive, without comments."""
ENCRYPTED, UTF8 = 0x1, 0x800


@dataclass(frozen=True)
class Member:
    """A member of an archive.

    Attributes:
        name: in the archive.
        start: where its content begins in the file, in bytes.
        size: of its content, in bytes of the file.
        check: CRC-32 that the archive tells of its content, before it was compressed.
    """

    name: str
    start: int
    size: int
    check: int


class _Frugal:
    """What `zipfile` reads the list of members through: never more at once than the list may take."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.seek, self.tell = file.seek, file.tell

    def read(self, size: int = -1) -> bytes:
        content = self._file.read(min(size, DIRECTORY + 1) if size >= 0 else DIRECTORY + 1)
        if len(content) > DIRECTORY:
            raise zipfile.BadZipFile(f"its list of members takes more than {DIRECTORY} bytes")
        return content


def members_of(file: BinaryIO, path: Path, inflated: int = 0) -> list[Member]:
    """List an archive, in the order of the file.

    Args:
        file: opened for reading.
        path: of the file, for the message.
        inflated: bytes that members may take which are compressed.

    Raises:
        BadZipFile: a member is compressed (beyond `inflated`) or encrypted, two share a name or bytes, the list is
            damaged or does not fit the file; the reason alone.
        UserError: it cannot be read, or ends while it is; one line that names it.
    """
    end = os.fstat(file.fileno()).st_size - END_RECORD
    if end < 0 or not read_at(file, path, end, END_RECORD).startswith(b"PK\x05\x06"):
        raise zipfile.BadZipFile("its end is not there, or followed by something")
    try:
        archive = zipfile.ZipFile(_Frugal(file))
    except Exception as error:  # a damaged list of members makes it raise a dozen kinds
        raise zipfile.BadZipFile(str(error)) from error
    listed = sorted(archive.infolist(), key=lambda info: info.header_offset)
    if len({info.filename for info in listed}) < len(listed):
        raise zipfile.BadZipFile("two members of one name in it")
    members = [_member(file, path, info) for info in listed]
    packed = [info for info in listed if info.compress_type != zipfile.ZIP_STORED]
    if packed and sum(info.file_size for info in packed) > inflated:
        raise zipfile.BadZipFile(f"{packed[0].filename} in it is compressed")
    ends = [*(info.header_offset for info in listed), archive.start_dir]
    for member, (_, following) in zip(members, pairwise(ends), strict=True):
        if member.start + member.size > following:
            raise zipfile.BadZipFile(f"{member.name} reaches over what follows it")
    return members


def _member(file: BinaryIO, path: Path, info: zipfile.ZipInfo) -> Member:
    if not 0 <= info.header_offset <= os.fstat(file.fileno()).st_size:
        raise zipfile.BadZipFile(f"{info.filename} lies outside of it")
    header = read_at(file, path, info.header_offset, LOCAL_HEADER)
    magic, flags, method, name, extra = struct.unpack("<4s2xHH16xHH", header)
    if magic != b"PK\x03\x04":
        raise zipfile.BadZipFile(f"{info.filename} does not lie where it says")
    encoding = "utf-8" if info.flag_bits & UTF8 else "cp437"
    if read_at(file, path, info.header_offset + LOCAL_HEADER, name).decode(encoding, "replace") != info.orig_filename:
        raise zipfile.BadZipFile(f"{info.filename} has two names in it")
    if (flags | info.flag_bits) & ENCRYPTED:
        raise zipfile.BadZipFile(f"{info.filename} in it is encrypted")
    if method != info.compress_type or (method == zipfile.ZIP_STORED and info.file_size != info.compress_size):
        raise zipfile.BadZipFile(f"{info.filename} is stored in two ways or sizes")
    start = info.header_offset + LOCAL_HEADER + name + extra
    return Member(info.filename, start, info.compress_size, info.CRC)
