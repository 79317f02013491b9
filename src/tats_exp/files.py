"""Files that are whole or not there, tensors among them; locks between processes; where the cache of the user lies."""

import fcntl
import json
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from tats_exp import UserError

if TYPE_CHECKING:
    import torch

Inputs = TypeVar("Inputs")
Result = TypeVar("Result")


@dataclass(frozen=True)
class Stage(Generic[Inputs, Result]):
    """One step of a run: from declared inputs to files in a folder of the store.

    Attributes:
        name: of its folder in the store, and in logs.
        version: raised by hand when the meaning of the stage changes, so that what the store holds of it is made again.
        inputs: takes the `RunContext` of stages/context.py and returns all that the result depends on, as a dataclass;
            the key in the store follows from its fields alone.
        make: takes the inputs and a `Work`, and fills the folder of the work. The folder may hold what a killed attempt
            left.
        read: takes the config of the run and the finished folder, and returns what lies in it.
        trained: whether the trainer's processes make it together; its losses are logged.
    """

    name: str
    version: int
    inputs: Callable[..., Inputs]
    make: Callable[..., None]
    read: Callable[..., Result]
    trained: bool = False


def cache_folder() -> Path:
    """What is fetched or found out once is kept in `TATS_EXP_CACHE`, else in `tats_exp` in the user's cache folder."""
    if own := os.environ.get("TATS_EXP_CACHE"):
        return Path(own).expanduser()
    if base := os.environ.get("XDG_CACHE_HOME"):
        return Path(base) / "tats_exp"
    try:
        return Path.home() / ".cache" / "tats_exp"
    except RuntimeError:  # a user without a name, as in some containers
        raise UserError("there is no home folder to keep things in: name a folder in TATS_EXP_CACHE") from None


@contextmanager
def lock(path: Path) -> Iterator[None]:
    """Hold an exclusive lock on a file; it falls when the process ends, however it ends."""
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


@contextmanager
def atomic(path: Path) -> Iterator[Path]:
    """Give a temporary name beside `path` to write to; it becomes `path` only once the block is through."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.{threading.get_ident()}.tmp")
    try:
        yield temporary
        with temporary.open("rb") as file:
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def write_json(path: Path, value: Any) -> None:
    """Write JSON so that a reader finds the old file or the new one, never a part."""
    with atomic(path) as temporary:
        temporary.write_text(json.dumps(value, indent=2, sort_keys=True) + "\n")


def read_tensors(path: Path) -> "dict[str, torch.Tensor]":
    """Tensors of a stage on the CPU, as they were written.

    Raises:
        UserError: the file is damaged.
    """
    from safetensors.torch import load_file  # not before it is needed: some who use this file do without torch

    try:
        return load_file(path)
    except Exception as error:  # safetensors raises an error class of its own
        raise UserError(f"{path} cannot be read ({error}); delete its folder to make it again") from None


def load_tensors(path: Path) -> "dict[str, torch.Tensor]":
    """Tensors of a stage on the CPU; codes and labels, which are stored narrow, come back as int64.

    Raises:
        UserError: the file is damaged.
    """
    import torch

    tensors = read_tensors(path)
    narrow = (torch.int16, torch.int32)
    return {name: value.long() if value.dtype in narrow else value for name, value in tensors.items()}


def save_tensors(path: Path, tensors: "dict[str, torch.Tensor]") -> None:
    """Write tensors so that the file is whole or absent; int64 is narrowed to int16, or int32 where it must be."""
    from safetensors.torch import save

    narrow = {name: _narrowed(value).contiguous().cpu() for name, value in tensors.items()}
    with atomic(path) as temporary:
        temporary.write_bytes(save(narrow))


def _narrowed(value: "torch.Tensor") -> "torch.Tensor":
    import torch

    if value.dtype != torch.int64:
        return value
    limits = torch.iinfo(torch.int16)
    fits = not value.numel() or (int(value.min()) >= limits.min and int(value.max()) <= limits.max)
    return value.to(torch.int16 if fits else torch.int32)
