"""What runs left behind: every run folder under a sweep folder, read back and grouped by what was swept.

A run folder holds `status.json`; a finished one also `metrics.json` and, as far as its stages made them, `curves.csv`,
`losses.csv`, `code_histogram.csv` and `videos/*.mp4`. A run that failed, is unfinished or cannot be read is kept with
the reason, because a table that silently drops runs lies about its spread.
"""

from __future__ import annotations

import csv
import json
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from tats_exp import UserError

State = Literal["finished", "running", "failed", "unreadable", "superseded"]
Series = tuple[list[float], list[float]]


@dataclass(frozen=True)
class Run:
    """One run folder.

    Attributes:
        folder: where it lies.
        name: its path relative to the sweep folder.
        state: only a `finished` run enters tables, figures and verdicts.
        reason: one line that says why a run is not `finished`; None if it is.
        choices: the swept values, the seed included, e.g. `{"padding": "zero", "seed": "0"}`.
        seconds: wall time of each stage that ran; "total" is that of the run.
        reused: stages taken from the store instead of run.
        protocol: the flat evaluation protocol of the run's metrics.
        values: the final metrics; None where a metric is defined as "never happened".
        floors: kind ("real", "reconstruction", "chance") -> metric key -> value.
        notes: what a reader of the values has to know.
        curves: metric key -> one value per window (nan where there is none).
        losses: (stage, key) -> (steps, values).
        code_histogram: column ("code", "real", "generated") -> one value per code.
        mask: of an interpolation transformer, with its window and what leaks through it; {} without one.
    """

    folder: Path
    name: str
    state: State
    reason: str | None = None
    experiment: str = ""
    description: str = ""
    choices: dict[str, str] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    reused: tuple[str, ...] = ()
    device: str = ""
    version: dict[str, str] = field(default_factory=dict)
    protocol: dict[str, Any] = field(default_factory=dict)
    values: dict[str, float | None] = field(default_factory=dict)
    floors: dict[str, dict[str, float]] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    curves: dict[str, list[float]] = field(default_factory=dict)
    losses: dict[tuple[str, str], Series] = field(default_factory=dict)
    code_histogram: dict[str, list[float]] = field(default_factory=dict)
    mask: dict[str, Any] = field(default_factory=dict)

    @property
    def seed(self) -> str:
        """The seed as it was swept, "" if the run names none."""
        return self.choices.get("seed", "")

    @property
    def swept(self) -> tuple[tuple[str, str], ...]:
        """Everything chosen but the seed: runs that agree here differ by chance only."""
        return tuple((key, value) for key, value in self.choices.items() if key != "seed")

    @property
    def label(self) -> str:
        """What identifies the run to a reader: `padding=zero seed=0`, or its path if it chose nothing."""
        return " ".join(f"{key}={value}" for key, value in self.choices.items()) or self.name

    def video(self, name: str) -> Path | None:
        """Path of `videos/<name>.mp4`, None if the run made none."""
        path = self.folder / "videos" / f"{name}.mp4"
        return path if path.is_file() else None

    def floor(self, kind: str, key: str) -> float | None:
        """The floor of `kind` given for a metric, else the one given for its nearest parent (`a/b` for `a/b/c`)."""
        given = self.floors.get(kind, {})
        parts = key.split("/")
        candidates = ("/".join(parts[:length]) for length in range(len(parts), 0, -1))
        return next((given[name] for name in candidates if name in given), None)


@dataclass(frozen=True)
class Group:
    """The finished runs of one combination of choices, which differ in their seed alone.

    Attributes:
        label: e.g. `padding=zero`, as it stands in tables and sentences.
        short: the values alone (`zero`), for legends.
        choices: the combination itself.
        runs: its runs, ordered by seed.
    """

    label: str
    short: str
    choices: dict[str, str]
    runs: list[Run]

    def values(self, key: str) -> list[float | None]:
        """The metric of every run that measured it, in the order of `runs`."""
        return [run.values[key] for run in self.runs if key in run.values]


def natural(text: str) -> list[tuple[int, str]]:
    """Sort key under which `seed=10` follows `seed=9`."""
    return [(int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"(\d+)", text)]


def load_runs(folder: Path) -> list[Run]:
    """Read every run below a folder, in the natural order of their paths.

    Where two runs made the same choices in the same experiment, the newer one counts and the other is `superseded`:
    counted twice, one seed would look like two. With more than one experiment, the experiment becomes a choice.

    Args:
        folder: a run folder, a sweep folder, or anything above them.

    Raises:
        UserError: the folder does not exist or holds no run.
    """
    if not folder.is_dir():
        raise UserError(f"report: no folder {folder}")
    runs = sorted((_load(path.parent, folder) for path in _status_files(folder)), key=lambda run: natural(run.name))
    if not runs:
        raise UserError(f"report: no runs under {folder} (a run folder holds status.json)")
    if len({run.experiment for run in runs if run.experiment}) > 1:
        runs = [replace(run, choices={"experiment": run.experiment or "?"} | run.choices) for run in runs]
    return _supersede(runs)


def group_runs(runs: list[Run]) -> list[Group]:
    """Group the finished runs by everything they chose but the seed, in order of first appearance."""
    members: dict[tuple[tuple[str, str], ...], list[Run]] = {}
    for run in runs:
        if run.state == "finished":
            members.setdefault(run.swept, []).append(run)
    return [
        Group(
            label=" ".join(f"{key}={value}" for key, value in swept) or group[0].experiment or "all runs",
            short=", ".join(value for _, value in swept) or group[0].experiment or "all runs",
            choices=dict(swept),
            runs=sorted(group, key=lambda run: natural(run.seed)),
        )
        for swept, group in members.items()
    ]


def _status_files(folder: Path) -> Iterator[Path]:
    return (path for path in folder.rglob("status.json") if path.is_file())


def _supersede(runs: list[Run]) -> list[Run]:
    newest: dict[tuple[Any, ...], Run] = {}
    for run in runs:
        key = _alike(run)
        if run.state == "finished" and (key not in newest or _written(run) >= _written(newest[key])):
            newest[key] = run
    result = []
    for run in runs:
        kept = newest.get(_alike(run), run)
        if run is not kept and run.state == "finished":
            run = replace(run, state="superseded", reason=f"same choices as {kept.name}, which is newer")
        result.append(run)
    return result


def _alike(run: Run) -> tuple[Any, ...]:
    """What two runs share of which the newer stands for both: experiment, choices, and how they were measured."""
    return run.experiment, json.dumps(run.protocol, sort_keys=True), *sorted(run.choices.items())


def _written(run: Run) -> float:
    return (run.folder / "status.json").stat().st_mtime


def _load(folder: Path, root: Path) -> Run:
    name = folder.relative_to(root).as_posix() if folder != root else folder.resolve().name
    run = Run(folder, name, "unreadable")
    try:
        run = _with_status(run, _json(folder / "status.json"))
        return _with_results(run) if run.state == "finished" else run
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        return replace(run, state="unreadable", reason=" ".join(str(error).split()) or type(error).__name__)


def _with_status(run: Run, status: dict[str, Any]) -> Run:
    state = status.get("state")
    if state not in ("finished", "running", "failed"):
        raise UserError(f"status.json: state is {state!r}, allowed are finished, running, failed")
    reasons = {"finished": None, "running": "not finished: still running, or killed", "failed": "failed without a word"}
    return replace(
        run,
        state=state,
        reason=(" ".join(str(status.get("error") or "").split()) or reasons[state]) if state != "finished" else None,
        experiment=str(status.get("experiment") or ""),
        description=str(status.get("description") or ""),
        choices={str(key): str(value) for key, value in (status.get("choices") or {}).items()},
        seconds={str(stage): float(value) for stage, value in (status.get("seconds") or {}).items()},
        reused=tuple(str(stage) for stage in status.get("reused") or ()),
        device=str(status.get("device") or ""),
        version={str(key): str(value) for key, value in (status.get("version") or {}).items()},
        values={str(key): float(value) for key, value in (status.get("speed") or {}).items()},
    )


def _with_results(run: Run) -> Run:
    metrics = _json(run.folder / "metrics.json")
    values = {key: None if value is None else float(value) for key, value in metrics["values"].items()}
    return replace(
        run,
        protocol=_protocol(metrics.get("protocol") or {}),
        # A number that is no number was not measured; None stays, for some metrics it means "never".
        values=run.values | {key: value for key, value in values.items() if value is None or math.isfinite(value)},
        floors={
            kind: {key: float(value) for key, value in floor.items() if value is not None}
            for kind, floor in (metrics.get("floors") or {}).items()
        },
        notes=tuple(str(note) for note in metrics.get("notes") or ()),
        curves={key: column for key, column in _columns(run.folder / "curves.csv").items() if key != "window"},
        losses=_losses(run.folder / "losses.csv"),
        code_histogram=_columns(run.folder / "code_histogram.csv"),
        mask=_json(run.folder / "mask.json") if (run.folder / "mask.json").is_file() else {},
    )


def _protocol(told: dict[str, Any]) -> dict[str, Any]:
    """The fields of a protocol, those included that an older version did not know; {} stays {}."""
    if not told:
        return {}
    # Not before it is needed: torch comes with the metrics, and a report of runs that measured nothing does without.
    from tats_exp.metrics.protocol import Protocol

    return dict(Protocol.from_dict(told).as_dict())


def _json(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise UserError(f"{path.name}: missing") from error
    except ValueError as error:
        raise UserError(f"{path.name}: not JSON ({error})") from error
    if not isinstance(content, dict):
        raise UserError(f"{path.name}: holds no JSON object")
    return content


def _rows(path: Path) -> list[dict[str, str]]:
    if not path.is_file():
        return []
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def _columns(path: Path) -> dict[str, list[float]]:
    rows = _rows(path)
    return {key: [_float(path, row[key] or "nan") for row in rows] for key in (rows[0] if rows else ())}


def _losses(path: Path) -> dict[tuple[str, str], Series]:
    losses: dict[tuple[str, str], Series] = {}
    for row in _rows(path):
        steps, values = losses.setdefault((row["stage"], row["key"]), ([], []))
        steps.append(_float(path, row["step"]))
        values.append(_float(path, row["value"]))
    return losses


def _float(path: Path, text: str) -> float:
    try:
        return float(text)
    except (TypeError, ValueError) as error:
        raise UserError(f"{path.name}: {text!r} is no number") from error
