"""Files that are whole or not there, tensors among them; locks between processes; where the cache of the user lies."""

import errno
import fcntl
import hashlib
import json
import os
import threading
import time
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
def lock(path: Path, wait: bool = True) -> Iterator[None]:
    """Hold an exclusive lock on a file; it falls when the process ends, however it ends.

    The file is made where there is none, and what it holds is left alone.

    Args:
        path: of the file. One that may be read and not be written can be locked, too.
        wait: until nobody else holds it.

    Raises:
        BlockingIOError: somebody else holds it, and there was to be no waiting.
        UserError: a link lies in its place, which is not followed.
        OSError: there is no such file, and it cannot be made.
    """
    while True:
        held = _open_lock(path)
        try:
            fcntl.flock(held, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
            if _is_still(held, path):  # not removed by who held it before
                yield
                return
        finally:
            os.close(held)


def is_locked(path: Path) -> bool:
    """Whether a process holds the lock on a file that is there; True where the file system cannot tell."""
    held = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        fcntl.flock(held, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(held)
    return False


def _open_lock(path: Path) -> int:
    how = os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        return os.open(path, os.O_RDWR | os.O_CREAT | how, 0o666)
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise UserError(f"{path}: a link, and no lock of ours; remove it") from None
        if error.errno not in (errno.EACCES, errno.EPERM, errno.EROFS):
            raise
        try:
            return os.open(path, os.O_RDONLY | how)
        except FileNotFoundError:
            raise error from None


def _is_still(held: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(held), path.lstat())
    except FileNotFoundError:
        return False


@contextmanager
def atomic(path: Path) -> Iterator[Path]:
    """Give a temporary name beside `path` to write to; it becomes `path` only once the block is through."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.{threading.get_ident()}.tmp")
    try:
        temporary.unlink(missing_ok=True)  # a link of that name would be written through
        yield temporary
        with temporary.open("rb") as file:
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


SETTLED = 1.0
"""Seconds after which a file that changes again has another time of change."""
_sums: dict[tuple[int, ...], str] = {}


def sha256(path: Path) -> str:
    """SHA-256 of a file. A process reads a file once for it, unless the file has changed since."""
    with path.open("rb") as file:
        now = os.fstat(file.fileno())
        state = (now.st_dev, now.st_ino, now.st_size, now.st_mtime_ns, now.st_ctime_ns)
        if (known := _sums.get(state)) is not None:
            return known
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    if time.time() - max(now.st_mtime, now.st_ctime) > SETTLED:
        _sums[state] = digest
    return digest


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
    with atomic(path) as temporary:
        temporary.write_bytes(_packed(tensors))


def save_with_sum(path: Path, tensors: "dict[str, torch.Tensor]") -> None:
    """Write tensors that are read again before they have a place in a record, and their SHA-256 beside them."""
    sum_file = _sum_file(path)
    with atomic(sum_file) as note:  # first: a file without a sum is one of an older version, never half a pair
        data = _packed(tensors)
        note.write_text(hashlib.sha256(data).hexdigest())
    with atomic(path) as temporary:
        temporary.write_bytes(data)


def load_with_sum(path: Path) -> "dict[str, torch.Tensor] | None":
    """What `save_with_sum` wrote, as `load_tensors` gives it; None where there is nothing, or it is damaged."""
    sum_file = _sum_file(path)
    if not path.is_file() or (sum_file.is_file() and sum_file.read_bytes() != sha256(path).encode()):
        return None
    return load_tensors(path)


def _sum_file(path: Path) -> Path:
    return path.with_name(f"{path.name}.sha256")


def _packed(tensors: "dict[str, torch.Tensor]") -> bytes:
    from safetensors.torch import save

    return save({name: _narrowed(value).contiguous().cpu() for name, value in tensors.items()})


def _narrowed(value: "torch.Tensor") -> "torch.Tensor":
    import torch

    if value.dtype != torch.int64:
        return value
    limits = torch.iinfo(torch.int16)
    fits = not value.numel() or (int(value.min()) >= limits.min and int(value.max()) <= limits.max)
    return value.to(torch.int16 if fits else torch.int32)
