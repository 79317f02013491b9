"""What runs left behind: every run folder under a sweep folder, read back and grouped by what was swept.

A run folder holds `status.json`; a finished one also `metrics.json` and, as far as its stages made them, `curves.csv`,
`losses.csv`, `code_histogram.csv` and `videos/*.mp4`. A run that failed, is unfinished or cannot be read is kept with
the reason, because a table that silently drops runs lies about its spread.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from tats_exp import UserError
from tats_exp.cli import one_line
from tats_exp.report.few_videos import refused_columns
from tats_exp.run_folder import (
    CODE_HISTOGRAM,
    CURVES,
    VIDEOS,
    Column,
    Columns,
    Losses,
    MaskLeak,
    Metrics,
    Protocol,
    Published,
    Status,
    Told,
    read_columns,
    read_losses,
)
from tats_exp.run_folder.columns import TO_REAL, TO_REBUILT

State = Literal["finished", "running", "failed", "stopped", "killed", "unreadable", "superseded"]
REASONS = {
    "running": "not finished: still running, or killed",
    "failed": "failed without a word",
    "stopped": "stopped before its end; start the same command again",
    "killed": "its process is gone; start the same command again",
}
"""What is said of a run that is not finished and says nothing itself."""


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
        stages: key in the store of each stage; runs that share one share what it trained.
        record: where the repository keeps what came out of the experiment, None if it keeps nothing.
        endpoint: key of the column that was named, before the run, to decide the question; None if none was.
        secondary: keys of the others that were named.
        published: numbers of others that are shown beside.
        protocol: how the values were measured; None where nothing was compared.
        values: the final metrics; None where one is not defined, infinity where an event never happened.
        floors: kind ("real", "reconstruction", "chance") -> metric key -> value.
        refused: why values over videos are left out, "" where they are not.
        notes: what a reader of the values has to know.
        free: keys of values that a degenerate model gets for nothing, and what makes it one: they are shown with a
            mark, and enter no mean and no comparison.
        columns: what the measures of the run declared of values and curves.
        curves: metric key -> one value per window (nan where there is none).
        losses: (stage, key) -> (steps, values).
        code_histogram: column ("code", "real", "generated") -> one value per code.
        mask: of an interpolation transformer, with its window and what leaks through it; None without one.
        told: what its sampled videos were asked for.
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
    stages: dict[str, str] = field(default_factory=dict)
    record: str | None = None
    endpoint: str | None = None
    secondary: tuple[str, ...] = ()
    published: tuple[Published, ...] = ()
    device: str = ""
    version: dict[str, str] = field(default_factory=dict)
    protocol: Protocol | None = None
    values: dict[str, float | None] = field(default_factory=dict)
    floors: dict[str, dict[str, float]] = field(default_factory=dict)
    refused: str = ""
    notes: tuple[str, ...] = ()
    free: dict[str, str] = field(default_factory=dict)
    columns: tuple[Column, ...] = ()
    curves: Columns = field(default_factory=dict)
    losses: Losses = field(default_factory=dict)
    code_histogram: Columns = field(default_factory=dict)
    mask: MaskLeak | None = None
    told: Told = field(default_factory=Told)

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

    def earned(self, key: str) -> float | None:
        """A value that counts: None where there is none, or a degenerate model gets it for nothing."""
        return None if key in self.free else self.values.get(key)

    def video(self, name: str) -> Path | None:
        """Path of `videos/<name>.mp4`, None if the run made none."""
        path = self.folder / VIDEOS / f"{name}.mp4"
        return path if path.is_file() else None

    def floor(self, kind: str, key: str) -> float | None:
        """The floor of `kind` given for a metric; the first and the last value of a curve have that of the curve."""
        given = self.floors.get(kind, {})
        end = next((end for end in (TO_REAL, TO_REBUILT) if key.endswith(end)), "")
        curve, _, window = key.removesuffix(end).rpartition("/")
        return given.get(key, given.get(curve + end) if window in ("window_0", "last") else None)


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

    def values(self, key: str) -> list[float]:
        """The metric of every run in which it is defined and counts, in the order of `runs`; infinite means never."""
        return [value for run in self.runs if (value := run.earned(key)) is not None]


def natural(text: str) -> list[tuple[int, str]]:
    """Sort key under which `seed=10` follows `seed=9`."""
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in re.split(r"(\d+)", text)]


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
    return (path for path in folder.rglob(Status.FILE) if path.is_file())


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
    return run.experiment, run.protocol, *sorted(run.choices.items())


def _written(run: Run) -> float:
    return (run.folder / Status.FILE).stat().st_mtime


def _load(folder: Path, root: Path) -> Run:
    name = folder.relative_to(root).as_posix() if folder != root else folder.resolve().name
    run = Run(folder, name, "unreadable")
    try:
        status = Status.read(folder)
        run = _with_status(run, status)
        status.require_whole(folder)
        return _with_results(run) if run.state == "finished" else run
    except (OSError, ValueError, TypeError, KeyError) as error:
        return replace(run, state="unreadable", reason=one_line(error))


def _with_status(run: Run, status: Status) -> Run:
    return replace(
        run,
        state=status.state,
        reason=" ".join((status.error or "").split()) or REASONS[status.state] if status.state in REASONS else None,
        experiment=status.experiment,
        description=status.description or "",
        choices=status.choices,
        seconds=status.seconds,
        reused=status.reused,
        stages=status.stages,
        record=status.record,
        endpoint=status.endpoint,
        secondary=status.secondary,
        published=status.published,
        device=status.device,
        version=status.version,
        values={**status.speed},
    )


def _with_results(run: Run) -> Run:
    metrics = Metrics.read(run.folder)
    curves = read_columns(run.folder / CURVES)
    refused, why = refused_columns(metrics)
    return replace(
        run,
        endpoint=_named(run.endpoint, metrics.protocol) if run.endpoint else None,
        secondary=tuple(_named(key, metrics.protocol) for key in run.secondary),
        protocol=metrics.protocol,
        values={key: value for key, value in (run.values | metrics.values).items() if key not in refused},
        floors=metrics.floors,
        refused=why,
        notes=metrics.notes,
        free={key: why for key, why in metrics.free.items() if key not in refused},
        columns=metrics.columns,
        curves={key: column for key, column in curves.items() if key != "window" and key not in refused},
        losses=read_losses(run.folder),
        code_histogram=read_columns(run.folder / CODE_HISTOGRAM),
        mask=MaskLeak.read(run.folder) if (run.folder / MaskLeak.FILE).is_file() else None,
        told=Told.read(run.folder) if (run.folder / Told.FILE).is_file() else Told(),
    )


def _named(key: str, protocol: Protocol | None) -> str:
    """A key with the names of the networks that were asked, as far as the protocol tells them."""
    if protocol is None:
        return key
    classifier = (protocol.classifier.split() or [""])[0]  # its name and its checksum
    return key.replace("{network}", protocol.features).replace("{classifier}", classifier)
