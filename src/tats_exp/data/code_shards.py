"""Codes of many windows in files of a few thousand each: written one after the other, checked, mapped into memory.

A writer that was stopped goes on behind the last whole file. Codes are stored as narrow as they can be.

Axes: N windows, t latent frames, h w codes of a latent frame.
"""

import json
from collections.abc import Sequence
from functools import cached_property
from itertools import accumulate
from pathlib import Path

import torch
from jaxtyping import Int, Int64
from torch import Tensor

from tats_exp import UserError
from tats_exp.files import read_tensors, save_tensors, sha256, write_json

WINDOWS = 4096
"""Windows of a file. Batches that are encoded side by side should divide it."""
INDEX = "shards.json"
CODES = "codes"


class CodeShards:
    """Codes of N windows, in files or in memory.

    Attributes:
        shape: N t h w.
    """

    def __init__(self, shards: Sequence[Int[Tensor, "_ t h w"]]) -> None:
        """Take the codes of one file after the other."""
        self._shards = list(shards)
        self._ends = list(accumulate(len(shard) for shard in self._shards))
        self.shape = torch.Size([self._ends[-1], *self._shards[0].shape[1:]])

    def __len__(self) -> int:
        """N."""
        return self.shape[0]

    def __getitem__(self, window: int) -> Int64[Tensor, "t h w"]:
        """The codes of one window.

        Raises:
            IndexError: there is no such window.
        """
        if not 0 <= window < len(self):
            raise IndexError(f"window {window} of {len(self)}")
        shard = next(number for number, end in enumerate(self._ends) if window < end)
        return self._shards[shard][window - self._ends[shard]].long()

    @cached_property
    def whole(self) -> Int64[Tensor, "N t h w"]:
        """The codes of all windows, in memory."""
        return torch.cat([shard.long() for shard in self._shards])


class ShardWriter:
    """Writes the files of a folder, and goes on where another one was stopped.

    Attributes:
        done: windows in whole files.
    """

    def __init__(self, folder: Path) -> None:
        """Look at what is there; from the first file that is not as it was written, files are written again."""
        self.folder = folder
        self._index: list[dict[str, str | int]] = []
        for entry in _entries(folder):
            if not (folder / str(entry["file"])).is_file() or sha256(folder / str(entry["file"])) != entry["sha256"]:
                break
            self._index.append(entry)
        self.done = sum(int(entry["windows"]) for entry in self._index)

    def write(self, codes: Int64[Tensor, "_ t h w"]) -> None:
        """Write the next file."""
        name = f"train-{len(self._index):05d}.safetensors"
        save_tensors(self.folder / name, {CODES: codes})
        self._index.append({"file": name, "windows": len(codes), "sha256": sha256(self.folder / name)})
        write_json(self.folder / INDEX, self._index)
        self.done += len(codes)


def read_shards(folder: Path) -> CodeShards:
    """The codes that a `ShardWriter` left in a folder; the files are checked, and mapped into memory.

    Raises:
        UserError: one is missing or damaged; one line that names it.
    """
    shards = []
    for entry in _entries(folder):
        path = folder / str(entry["file"])
        if not path.is_file() or sha256(path) != entry["sha256"]:
            raise UserError(f"{path} is missing or damaged; delete its folder to make it again")
        shards.append(read_tensors(path)[CODES])
    if not shards:
        raise UserError(f"{folder / INDEX} names no codes; delete its folder to make them again")
    return CodeShards(shards)


def _entries(folder: Path) -> list[dict[str, str | int]]:
    """What the index of a folder names; nothing where there is none, or a damaged one."""
    try:
        entries = json.loads((folder / INDEX).read_bytes())
        return [{key: entry[key] for key in ("file", "windows", "sha256")} for entry in entries]
    except (OSError, ValueError, KeyError, TypeError):
        return []
