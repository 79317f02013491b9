"""`stage.json`: what a finished stage was made from, and size and SHA-256 of every file that it left."""

import hashlib
import json
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from tats_exp import UserError
from tats_exp.cli import one_line
from tats_exp.files import sha256
from tats_exp.run_folder import Record


class FileSum(BaseModel):
    """What a file of a stage was when it was written: its size in bytes, and its SHA-256."""

    model_config = ConfigDict(frozen=True)

    bytes: int
    sha256: str

    @classmethod
    def of(cls, path: Path) -> "FileSum":
        """What a file is now."""
        return cls(bytes=path.stat().st_size, sha256=sha256(path))


class StageRecord(Record):
    """What the store notes of a finished stage.

    Attributes:
        recipe: everything its key is computed from.
        made_from: key -> content of the earlier stages that it read, as far as they have sums.
        files: path in the folder -> what was written there; None where an older version wrote the folder.
        begun: seconds since 1970.
        finished: seconds since 1970.
        commit: of the checkout that made it.
        versions: of Python and the packages.
    """

    FILE = "stage.json"

    recipe: dict[str, Any] = Field(default_factory=dict)
    made_from: dict[str, str] = Field(default_factory=dict)
    files: dict[str, FileSum] | None = None
    begun: float | None = None
    finished: float | None = None
    commit: str | None = None
    versions: dict[str, str] = Field(default_factory=dict)

    @property
    def content(self) -> str | None:
        """What tells the content of the folder from another; None where there are no sums."""
        if self.files is None:
            return None
        sums = {name: file.sha256 for name, file in self.files.items()}
        return hashlib.sha256(json.dumps(sums, sort_keys=True).encode()).hexdigest()[:20]


def sums_of(folder: Path) -> dict[str, FileSum]:
    """What every file of a folder is now, `stage.json` aside."""
    files = (path for path in sorted(folder.rglob("*")) if path.is_file() and path != folder / StageRecord.FILE)
    return {path.relative_to(folder).as_posix(): FileSum.of(path) for path in files}


def read_record(folder: Path) -> StageRecord:
    """What is noted of a finished stage; an empty record where nothing is.

    Raises:
        UserError: it is damaged.
    """
    return StageRecord.read(folder) if (folder / StageRecord.FILE).is_file() else StageRecord()


def damage(folder: Path) -> str | None:
    """Hold the files of a finished stage against their sums; a process reads each of them once for it.

    Every version has left a `stage.json`, so a folder without one is damaged; older ones noted no sums in it.

    Returns:
        One line that names the first file that is not as it was written; None where all are, or nothing is noted.
    """
    try:
        if not (folder / StageRecord.FILE).is_file():
            return f"{folder / StageRecord.FILE} is missing"
        noted = read_record(folder).files or {}
    except (UserError, OSError) as error:
        return f"{folder}: {one_line(error)}"
    for name, wanted in noted.items():
        path = folder / name
        try:
            if path.stat().st_size != wanted.bytes:
                return f"{path} is damaged: {path.stat().st_size} bytes, {wanted.bytes} were written"
            if sha256(path) != wanted.sha256:
                return f"{path} is damaged: its SHA-256 is not the one that was written"
        except FileNotFoundError:
            return f"{path} is missing"
        except OSError as error:
            return f"{path} cannot be read: {error.strerror}"
    return None
