"""The columns of a report: those that the measures of its runs declared."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace

from tats_exp.report.runs import Run
from tats_exp.run_folder.columns import Column

MOST = 8
"""Columns of the main table."""
TRUTH = "truth/"
"""Before the key of a curve: that of real videos through the VQGAN, without a transformer."""


@dataclass(frozen=True)
class Endpoints:
    """What a question named before its runs.

    Attributes:
        primary: the column that decides it.
        secondary: others that are compared.
    """

    primary: Column
    secondary: list[Column]


def endpoints(runs: list[Run]) -> Endpoints | None:
    """What all runs named alike; None if they named nothing, or not the same. Columns of no measure are left out."""
    if len({(run.endpoint, run.secondary) for run in runs}) != 1:
        return None
    declared = {column.key: column for column in _declared(runs)}
    primary = declared.get(runs[0].endpoint or "")
    if primary is None:
        return None
    return Endpoints(primary, [declared[key] for key in runs[0].secondary if key in declared])


def table_columns(runs: list[Run]) -> list[Column]:
    """Columns of the main table, `MOST` at most: those that were named before the run, else those measures put there.

    Of the latter at least one run has a value.
    """
    named = endpoints(runs)
    if named is not None:
        return [named.primary, *named.secondary][:MOST]
    return [column for column in value_columns(runs) if column.in_table][:MOST]


def other_columns(runs: list[Run]) -> list[Column]:
    """All other columns of one value a run of which at least one run has a value."""
    shown = {column.key for column in table_columns(runs)}
    return [column for column in value_columns(runs) if column.key not in shown]


def value_columns(runs: list[Run]) -> list[Column]:
    """Columns of one value a run of which at least one run has a value, in the order of the measures."""
    measured = {key: None for run in runs for key, value in run.values.items() if value is not None}
    return [each for column in _declared(runs) if not column.is_curve for each in _numbered(column, measured)]


def curve_columns(runs: list[Run]) -> list[Column]:
    """Columns with one value per window of which at least one run has a curve, in the order of the measures."""
    measured = {key for run in runs for key in run.curves}
    columns = [column for column in _declared(runs) if column.is_curve and column.key in measured]
    drawn_along = {_truth_of(column.key, measured) for column in columns}
    return [column for column in columns if column.key not in drawn_along]


def curve_of(endpoint: Column, runs: list[Run]) -> Column | None:
    """The curve that an endpoint is taken from: the longest whose key is what the endpoint's begins with."""
    parts = endpoint.key.split("/")
    fitting = [column for column in curve_columns(runs) if _begin(parts, column.key.split("/"))]
    return max(fitting, key=lambda column: len(column.key), default=None)


def truth_of(curve: Column, runs: list[Run]) -> str | None:
    """Key of the same curve of real videos without a transformer, None if no run has one."""
    return _truth_of(curve.key, {key for run in runs for key in run.curves})


def _truth_of(key: str, measured: set[str]) -> str | None:
    """`truth/layout` of `layout`, `truth/kappa` of `coherence/kappa`."""
    candidates = (TRUTH + key, TRUTH + key.rpartition("/")[2])
    return next((candidate for candidate in candidates if candidate in measured and candidate != key), None)


def _begin(parts: list[str], curve: list[str]) -> bool:
    """Whether the parts of a curve's key are found, in their order, in those of a value: `kappa` in `kappa_last`."""
    rest = iter(parts)
    return all(any(part == each or part.startswith(f"{each}_") for part in rest) for each in curve)


def _numbered(column: Column, measured: Iterable[str]) -> list[Column]:
    """The column if it was measured; for a key with a `*` the column of each number that was."""
    if "*" not in column.key:
        return [column] if column.key in measured else []
    pattern = re.compile(r"(\d+)".join(map(re.escape, column.key.split("*"))))
    found = ((key, pattern.fullmatch(key)) for key in measured)
    return [_with_number(column, key, match[1]) for key, match in found if match]


def _with_number(column: Column, key: str, number: str) -> Column:
    title = (column.title[0].replace("*", number), column.title[1].replace("*", number))
    return replace(column, key=key, title=title)


def _declared(runs: list[Run]) -> list[Column]:
    """All columns of all runs; where two runs declare one key differently, the first one's column stands."""
    columns: dict[str, Column] = {}
    for run in runs:
        for column in run.columns:
            columns.setdefault(column.key, column)
    return list(columns.values())
