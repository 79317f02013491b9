"""The columns of a report: those that the measures of its runs declared."""

from __future__ import annotations

from tats_exp.report.runs import Run
from tats_exp.run_folder.columns import Column


def table_columns(runs: list[Run]) -> list[Column]:
    """Columns of the main table of which at least one run has a value, in the order of the measures."""
    measured = {key for run in runs for key in run.values}
    return [column for column in _declared(runs) if column.in_table and column.key in measured]


def curve_columns(runs: list[Run]) -> list[Column]:
    """Columns with one value per window of which at least one run has a curve, in the order of the measures."""
    measured = {key for run in runs for key in run.curves}
    return [column for column in _declared(runs) if column.is_curve and column.key in measured]


def _declared(runs: list[Run]) -> list[Column]:
    """All columns of all runs; where two runs declare one key differently, the first one's column stands."""
    columns: dict[str, Column] = {}
    for run in runs:
        for column in run.columns:
            columns.setdefault(column.key, column)
    return list(columns.values())
