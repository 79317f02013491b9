"""Files that are whole or not there, locks between processes, and where the user's cache lies."""

import fcntl
import json
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tats_exp import UserError


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
