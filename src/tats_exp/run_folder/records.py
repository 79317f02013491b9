"""The JSON files of a run folder as typed records, each with the one way to write it and to read it."""

import hashlib
import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Annotated, ClassVar, Literal, TypeVar

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    ValidationError,
    field_serializer,
    field_validator,
    model_serializer,
)

from tats_exp import UserError
from tats_exp.files import is_locked, lock, sha256, write_json
from tats_exp.run_folder.columns import Column
from tats_exp.run_folder.protocol import Protocol

RecordType = TypeVar("RecordType", bound="Record")
Text = Annotated[str, BeforeValidator(str)]
NEVER = "never"
RUNNING = "running.lock"
"""File in the folder of a run that its process holds locked as long as it lives."""


OWN_SUM = "sha256"
"""Key under which a file has the sum of all that stands under its other keys."""


class Record(BaseModel):
    """One JSON file of a run folder, with its own sum; keys that this version does not know are passed over."""

    model_config = ConfigDict(frozen=True, extra="ignore")
    FILE: ClassVar[str]

    @classmethod
    def read(cls: type[RecordType], folder: Path) -> RecordType:
        """Read the record of a folder.

        Raises:
            UserError: it is missing, damaged, or of a version that cannot be read; one line that names the file and,
                where it is known, the commit that wrote it.
        """
        values = _read_object(folder / cls.FILE)
        if values.pop(OWN_SUM, None) not in (None, _sum(values)):  # older versions wrote none
            raise UserError(f"{cls.FILE}: damaged, not what was written")
        try:
            return cls.model_validate(values)
        except ValidationError as error:
            raise UserError(f"{cls.FILE}: {_first_line(error)}{_writer(folder)}") from None

    def write(self, folder: Path) -> None:
        """Write the record so that a reader finds the old file or the new one."""
        values = json.loads(json.dumps(self.model_dump(mode="json")))
        write_json(folder / self.FILE, {**values, OWN_SUM: _sum(values)})


class Published(BaseModel):
    """A number of others that a question is held against.

    Attributes:
        what: was measured, of what.
        value: as it was printed.
        source: the paper and its table.
        protocol: how it was measured, as far as is known: numbers of two protocols do not compare.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    what: str
    value: str
    source: str
    protocol: str


class Status(Record):
    """How a run went.

    Attributes:
        state: of the run; `stopped` by the user or a scheduler. A process that was killed leaves `running` in the file,
            which is read as `killed`.
        error: one line about what went wrong.
        by_user: whether the user can mend it.
        experiment: name of the question.
        description: the question in a sentence.
        record: where the repository keeps what came out of the experiment; None of one that is not the package's.
        endpoint: key of the column that the question is decided by, named before the run; None: none was.
        secondary: keys of the other columns that are compared. `{network}` and `{classifier}` in a key stand for the
            networks of the protocol.
        published: numbers of others that are shown beside.
        choices: what tells the run apart from others of its sweep, the seed included.
        seconds: wall time of each stage that was made now; `total` is that of the run.
        reused: stages that were found in the store.
        stages: key of each stage in the store.
        stage_versions: of each stage, as the code had it; empty where an older version wrote this.
        sums: SHA-256 of the config and the results in the folder, by file.
        speed: how fast it sampled.
        device: type of the device.
        version: of Python and the packages.
        commit: of the checkout that wrote the folder; None when it was installed.
        log: the first refusal of the log, if there was one.
    """

    FILE = "status.json"

    state: Literal["running", "finished", "failed", "stopped", "killed"]
    error: str | None = None
    by_user: bool = False
    experiment: str = ""
    description: str | None = None
    record: str | None = None
    endpoint: str | None = None
    secondary: tuple[str, ...] = ()
    published: tuple[Published, ...] = ()
    choices: dict[str, Text] = {}
    seconds: dict[str, float] = {}
    reused: tuple[str, ...] = ()
    stages: dict[str, str] = {}
    stage_versions: dict[str, int] = {}
    sums: dict[str, str] = {}
    speed: dict[str, float] = {}
    device: str = ""
    version: dict[str, str] = {}
    commit: str | None = None
    log: str | None = None

    @classmethod
    def read(cls, folder: Path) -> "Status":
        """Read the status of a run; one that says `running` although its process is gone was killed.

        Raises:
            UserError: as for every record.
        """
        status, mark = super().read(folder), folder / RUNNING
        gone = status.state == "running" and mark.is_file() and not is_locked(mark)
        return status.model_copy(update={"state": "killed"}) if gone else status

    def require_whole(self, folder: Path) -> None:
        """Hold the files of results against the sums that the run wrote down.

        Raises:
            UserError: one of them is not what the run wrote; one line that names it.
        """
        for name, wanted in self.sums.items():
            if not (folder / name).is_file() or sha256(folder / name) != wanted:
                raise UserError(f"{name}: damaged, not what the run wrote; start its command again")

    @property
    def writer(self) -> str:
        """Who wrote the folder, in words: the commit, or the version that was installed; "" if it does not say."""
        version = self.version.get("tats-exp")
        return f"commit {self.commit}" if self.commit else f"version {version}" if version else ""


@contextmanager
def marked_running(folder: Path) -> Iterator[None]:
    """A block at whose end, also by a kill, a status that says `running` is no longer believed."""
    mark = folder / RUNNING
    with ExitStack() as held:
        with suppress(OSError):  # a network file system that knows no locks
            held.enter_context(lock(mark))
        yield
        mark.unlink(missing_ok=True)


class Metrics(Record):
    """What was measured of a run.

    Attributes:
        values: final values by key; None where one is not defined or was not measured, infinity where the event that a
            value counts never happened: `null` and `"never"` in the file.
        floors: kind (`real`, `reconstruction`, `chance`) -> key -> value.
        notes: what a reader of the values has to know.
        free: keys of values that a degenerate model gets for nothing, and what makes it one; written if there are any.
        protocol: how they were measured; None where nothing was compared.
        columns: what the measures say of their columns, in the order of the table.
    """

    FILE = "metrics.json"

    values: dict[str, float | None]
    floors: dict[str, dict[str, float]] = {}
    notes: tuple[str, ...] = ()
    free: dict[str, str] = {}
    protocol: Annotated[Protocol | None, BeforeValidator(lambda read: _protocol(read))] = None
    columns: tuple[Column, ...]

    @field_validator("values", mode="before")
    @classmethod
    def _measured(cls, values: object) -> object:
        if not isinstance(values, Mapping):
            return values
        read = {key: math.inf if value == NEVER else value for key, value in values.items()}
        return {key: None if isinstance(value, float) and math.isnan(value) else value for key, value in read.items()}

    @model_serializer(mode="wrap")
    def _without_empty(self, write: Callable[["Metrics"], dict[str, object]]) -> dict[str, object]:
        written = write(self)
        return written if self.free else {key: value for key, value in written.items() if key != "free"}

    @field_serializer("values")
    def _written(self, values: dict[str, float | None]) -> dict[str, float | str | None]:
        return {key: NEVER if value == math.inf else value for key, value in values.items()}

    @field_validator("floors", mode="before")
    @classmethod
    def _known(cls, floors: object) -> object:
        if not isinstance(floors, Mapping) or not all(isinstance(floor, Mapping) for floor in floors.values()):
            return floors
        return {kind: {k: v for k, v in floor.items() if v is not None} for kind, floor in floors.items()}


class MaskLeak(Record):
    """The mask of an interpolation transformer, and what leaks through it.

    Attributes:
        mask: which.
        window: latent grid (t, h, w) of its window.
        condition_length: c, codes of the condition.
        visible: (1 + t, 1 + t), share of pairs of positions in which a row may look at a column; condition first.
        leak: (t, t), rows hear of columns that they must not know; None where they may.
    """

    FILE = "mask.json"

    mask: str
    window: tuple[int, int, int]
    condition_length: int
    visible: list[list[float]]
    leak: list[list[float | None]]


class Told(Record):
    """What the sampled videos were asked for.

    Attributes:
        prompts: that all were told on their way: from which frame on each of them holds, 0 first; empty where what they
            were asked for stayed.
        asked: what each of the videos that are shown was asked for from beginning to end; empty where it changed, or
            was nothing.
    """

    FILE = "told.json"

    prompts: tuple[tuple[int, str], ...] = ()
    asked: tuple[str, ...] = ()


def write_metrics(
    folder: Path,
    values: Mapping[str, float | None],
    floors: Mapping[str, Mapping[str, float]],
    notes: Sequence[str],
    protocol: Protocol,
    columns: Sequence[Column],
    free: Mapping[str, str],
) -> None:
    """Write `metrics.json`; what is no number becomes null, and so does infinity where it does not mean never."""
    never = [column.key for column in columns if column.never]
    finite = {
        key: value if value is not None and (math.isfinite(value) or (value > 0 and key in never)) else None
        for key, value in values.items()
    }
    known = {kind: {k: v for k, v in floor.items() if math.isfinite(v)} for kind, floor in floors.items()}
    Metrics(
        values=finite, floors=known, notes=tuple(notes), free=dict(free), protocol=protocol, columns=tuple(columns)
    ).write(folder)


def _sum(values: Mapping[str, object]) -> str:
    """SHA-256 of what stands under all keys but that of the sum, whatever their order and the blanks between them."""
    others = {key: value for key, value in values.items() if key != OWN_SUM}
    return hashlib.sha256(json.dumps(others, sort_keys=True).encode()).hexdigest()


def _protocol(read: object) -> object:
    """A protocol as it is, or from what is written of one."""
    return (Protocol.from_dict(read) if read else None) if isinstance(read, Mapping) else read


def _read_object(path: Path) -> dict[str, object]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise UserError(f"{path.name}: missing") from error
    except ValueError as error:
        raise UserError(f"{path.name}: not JSON ({error})") from error
    except RecursionError:
        raise UserError(f"{path.name}: nested too deep to be read") from None
    except OSError as error:
        raise UserError(f"{path.name}: {error.strerror}") from error
    if not isinstance(content, dict):
        raise UserError(f"{path.name}: holds no JSON object")
    return content


def _first_line(error: ValidationError) -> str:
    """The first finding of pydantic: the key, what it holds, and what is wrong with it."""
    finding = error.errors()[0]
    key = ".".join(map(str, finding["loc"]))
    if finding["type"] == "value_error":
        return str(finding["ctx"]["error"])
    if finding["type"] == "missing":
        return f"{key} is missing"
    return f"{key}={str(finding['input'])[:60]!r}: {finding['msg']}"


def _writer(folder: Path) -> str:
    """The end of a line about a folder that cannot be read: who wrote it, where its status can be read."""
    try:
        status = Status.model_validate(_read_object(folder / Status.FILE))
    except (UserError, ValidationError, OSError):
        return ""
    return f" (written by {status.writer})" if status.writer else ""
