"""What `torch.save` wrote, read without running anything of it and without taking memory on its word.

The structure of a file is read first, every tensor of it held against the bytes that are there, and then only the
tensors that are wanted are read, with plain reads: a mapped file that shrinks would kill the process, and torch opens
by name only what UTF-8 can say.

Both formats are read: zip archives, and (before torch 1.6, as VGG16 and I3D are) pickles with the storages behind them.
"""

import io
import math
import struct
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO

import torch
from torch import Tensor

from tats_exp import UserError
from tats_exp.data.archive import Member, members_of
from tats_exp.data.regular_file import fill_from, read_at, state_of
from tats_exp.features.torch_pickle import LONGEST_NAME, Refused, Storage, StoredTensor, TensorUnpickler

MOST_STRUCTURE = 2**22
"""Bytes of pickle that are read: some 20,000 tensors, several times what a training of the official code leaves."""
MAGIC, PROTOCOL = 0x1950A86A20F9469CFC6C, 1001


class TorchFile:
    """A file of `torch.save`.

    Attributes:
        content: what was saved, with a `StoredTensor` in place of each tensor and None for what is never used.
    """

    def __init__(self, path: Path) -> None:
        """Read the structure of a file; of its tensors none is read.

        Raises:
            UserError: no such file, damaged, of another kind, or something in it could run code; one line that does
                not name the file.
        """
        if not path.is_file():
            raise UserError("no such file")
        self.path = path
        self._start: dict[str, int] = {}
        try:
            with path.open("rb") as file:
                self._state = state_of(file)
                zipped = file.read(4) == b"PK\x03\x04"
                self.content: Any = self._from_archive(file) if zipped else self._from_pickles(file)
        except OSError as error:
            raise UserError(f"cannot be opened ({error.strerror})") from None
        except Refused as error:
            raise UserError(error) from None
        except Exception:  # what a damaged pickle raises can be anything
            raise UserError("damaged, cut off or no checkpoint") from None

    def tensors(self, wanted: Mapping[str, StoredTensor]) -> dict[str, Tensor]:
        """Read tensors, onto the CPU.

        Args:
            wanted: tensors of `content` by their names.

        Raises:
            UserError: they take more bytes than the file has, their numbers do not lie side by side, are of no type
                that weights have, or not finite; one line that does not name the file.
        """
        total = sum(tensor.nbytes for tensor in wanted.values())
        if total > self._state[2]:
            raise UserError(f"its tensors take {total} bytes, more than the {self._state[2]} of the file")
        try:
            with self.path.open("rb") as file:
                if state_of(file) != self._state:
                    raise UserError("has changed since it was opened")
                return {name: self._tensor(file, name, tensor) for name, tensor in wanted.items()}
        except OSError as error:
            raise UserError(f"cannot be opened ({error.strerror})") from None

    def _tensor(self, file: BinaryIO, name: str, stored: StoredTensor) -> Tensor:
        dtype, name = stored.storage.dtype, str(name)[:LONGEST_NAME]
        if dtype is None or not (dtype.is_floating_point or dtype == torch.int64):
            raise UserError(f"{name} is of a type that no weight has")
        if stored.extent != math.prod(stored.shape):
            raise UserError(f"{name} is not stored in one piece")
        numbers = torch.empty(stored.extent, dtype=dtype)
        start = self._start[stored.storage.key] + stored.offset * dtype.itemsize
        fill_from(file, self.path, start, numbers.view(torch.uint8).numpy().data)
        if not bool(numbers.isfinite().all()):
            raise UserError(f"{name} holds values that are not finite")
        return numbers.as_strided(stored.shape, stored.stride)

    def _from_archive(self, file: BinaryIO) -> Any:
        try:
            members = {member.name.partition("/")[2]: member for member in members_of(file, self.path)}
        except zipfile.BadZipFile as error:
            raise Refused(f"damaged, cut off or no checkpoint ({error})") from None
        if "constants.pkl" in members:
            raise Refused("a TorchScript archive, which is a program")
        order = members.get("byteorder")
        if order is not None and read_at(file, self.path, order.start, min(order.size, 6)) != b"little":
            raise Refused("written on a machine with another order of bytes")
        structure = members["data.pkl"]
        if structure.size > MOST_STRUCTURE:
            raise Refused(f"its structure takes {structure.size} bytes; allowed: {MOST_STRUCTURE}")
        unpickler = TensorUnpickler(io.BytesIO(read_at(file, self.path, structure.start, structure.size)))
        content = unpickler.load()
        for storage in unpickler.storages.values():
            self._start[storage.key] = _place(members, storage)
        return content

    def _from_pickles(self, file: BinaryIO) -> Any:
        size = self._state[2]
        head = io.BytesIO(read_at(file, self.path, 0, min(size, MOST_STRUCTURE)))
        magic, protocol, system = (TensorUnpickler(head).load() for _ in range(3))
        if (magic, protocol) != (MAGIC, PROTOCOL) or not system.get("little_endian"):
            raise Refused("damaged, cut off or no checkpoint")
        unpickler = TensorUnpickler(head)
        content, keys = unpickler.load(), TensorUnpickler(head).load()
        at = head.tell()
        for key in keys:
            storage = unpickler.storages[key]
            (numel,) = struct.unpack("<q", read_at(file, self.path, at, 8))
            if storage.dtype is None or numel != storage.numel:
                raise Refused(f"damaged, storage {key} is not what it says")
            self._start[key] = at + 8
            at += 8 + numel * storage.dtype.itemsize
        if at > size or self._start.keys() != unpickler.storages.keys():
            raise Refused("damaged or cut off, it claims more tensors than it has")
        return content


def _place(members: Mapping[str, Member], storage: Storage) -> int:
    member = members.get(f"data/{storage.key}")
    if member is None or storage.numel * (storage.dtype.itemsize if storage.dtype else 0) > member.size:
        there = 0 if member is None else member.size
        raise Refused(f"storage {storage.key} claims {storage.numel} numbers, {there} bytes are there")
    return member.start
