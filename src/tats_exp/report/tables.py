"""The table: every seed a row, mean and spread per combination of choices, floor rows below.

`table_formats` writes it for programs, READMEs and terminals; the page lays out the same rows itself.
"""

from __future__ import annotations

import math
import statistics
from dataclasses import dataclass, replace
from typing import Literal

from tats_exp import UserError
from tats_exp.report.columns import endpoints, other_columns, table_columns
from tats_exp.report.runs import Group, Run
from tats_exp.run_folder import same_protocol
from tats_exp.run_folder.columns import Column

MISSING = "–"
FREE = "°"
"""Behind a value that a degenerate model gets for nothing."""
FLOORS = {
    "real": "floor: real vs other real",
    "rebuilt": "floor: rebuilt vs other rebuilt",
    "reconstruction": "floor: rebuilt vs real",
    "chance": "chance",
    "ceiling": "ceiling: real video",
}
OF_CHOICE, APART = ("chance", "ceiling"), 0.05
"""Floors that hang on what a choice made, and the share of the largest by which they must differ to be told apart."""


@dataclass(frozen=True)
class Cell:
    """One value of the table.

    Attributes:
        mean: the value, or the mean over seeds; infinite if the event never happened, None if not measured.
        std: sample standard deviation (n - 1) over seeds, None below two finite values.
        n: values that went into it.
        never: how many of them are "never".
        free: whether a degenerate model gets it for nothing.
    """

    mean: float | None
    std: float | None = None
    n: int = 0
    never: int = 0
    free: bool = False

    def text(self, decimals: int) -> str:
        """The cell as people read it: `6.71`, `5.2 ± 0.4`, `never`, `1/2 never`, `–`, `0.00°`."""
        return self._plain(decimals) + FREE * self.free

    def _plain(self, decimals: int) -> str:
        if self.mean is None:
            return MISSING
        if self.never:
            return "never" if self.never == self.n else f"{self.never}/{self.n} never"
        spread = f" ± {self.std:.{decimals}f}" if self.std is not None else ""
        return f"{round(self.mean, decimals) + 0.0:.{decimals}f}{spread}"


@dataclass(frozen=True)
class Row:
    """One line: a training, the mean of a group of two or more, or a floor.

    Attributes:
        kind: what the row is.
        group: place of its group among all groups, None for floors.
        label: choices without the seed, or the name of the floor.
        seed: the seed, "" in other rows.
        n: runs that went into it.
        cells: one per column.
    """

    kind: Literal["seed", "mean", "floor"]
    group: int | None
    label: str
    seed: str
    n: int
    cells: list[Cell]


@dataclass(frozen=True)
class Table:
    """Columns, rows, and how many decimals each column is shown with."""

    columns: list[Column]
    rows: list[Row]
    decimals: list[int]

    def texts(self, row: Row) -> list[str]:
        """The cells of a row as people read them."""
        return [cell.text(decimals) for cell, decimals in zip(row.cells, self.decimals, strict=True)]


def make_table(groups: list[Group]) -> Table:
    """The main table: the columns that were named before the runs, in that order, else those of the measures.

    Args:
        groups: finished runs by combination of choices.

    Raises:
        UserError: values of one column were measured under different protocols; names the fields that differ.
    """
    runs = [run for group in groups for run in group.runs]
    columns = table_columns(runs)
    if endpoints(runs) is None:
        # What all choices share, such as measures of one VQGAN under several samplers, is read last.
        columns = sorted(columns, key=lambda column: shared(column, groups))
    return _table(columns, groups)


def make_other_table(groups: list[Group]) -> Table:
    """All other values; arguments and errors as `make_table`."""
    return _table(other_columns([run for group in groups for run in group.runs]), groups)


def beside(one: Table, other: Table) -> Table:
    """One table of the columns of two over the same groups; a floor that only one of them has keeps its row."""
    floors = {row.label: row for row in [*one.rows, *other.rows] if row.kind == "floor"}
    rows = []
    for row in [*(row for row in one.rows if row.kind != "floor"), *floors.values()]:
        cells = [_cells_like(row, table) for table in (one, other)]
        rows.append(replace(row, cells=[*cells[0], *cells[1]]))
    return Table([*one.columns, *other.columns], rows, [*one.decimals, *other.decimals])


def _cells_like(row: Row, table: Table) -> list[Cell]:
    """The cells of a table in the row that is about the same."""
    about = (row.kind, row.label, row.seed)
    found = (each.cells for each in table.rows if (each.kind, each.label, each.seed) == about)
    return next(found, [Cell(None)] * len(table.columns))


def _table(columns: list[Column], groups: list[Group]) -> Table:
    runs = [run for group in groups for run in group.runs]
    for column in columns:
        _check_protocol(column, runs)
    rows: list[Row] = []
    for place, group in enumerate(groups):
        for run in group.runs:
            cells = [_cell_of(column, run) for column in columns]
            rows.append(Row("seed", place, group.label, run.seed, 1, cells))
        if len(group.runs) > 1:
            rows.append(Row("mean", place, group.label, "", len(group.runs), [_cell(c, group.runs) for c in columns]))
    for kind in dict.fromkeys([*FLOORS, *(kind for run in runs for kind in run.floors)]):
        name = FLOORS.get(kind, f"floor: {kind}")
        apart = any(floors_of_choices(kind, column.key, groups) for column in columns)
        of_rows = {f"{kind}, {group.label}": group.runs for group in groups} if apart else {name: runs}
        for label, of_row in of_rows.items():
            cells = [floor_cell(kind, column.key, of_row) for column in columns]
            if any(cell.mean is not None for cell in cells):
                rows.append(Row("floor", None, label, "", len(of_row), cells))
    decimals = [_decimals(column, [row.cells[place] for row in rows]) for place, column in enumerate(columns)]
    return Table(columns, rows, decimals)


def shared(column: Column, groups: list[Group]) -> bool:
    """Whether all choices with values of a metric, two or more, have the very same ones, in all of their runs."""
    values = [(numbers, len(group.runs)) for group in groups if (numbers := group.values(column.key))]
    return len(values) > 1 and all(numbers == values[0][0] and len(numbers) == runs for numbers, runs in values)


def floor_cell(kind: str, key: str, runs: list[Run]) -> Cell:
    """A floor over runs: one number where all agree (as they should for `real`), else mean and spread.

    Runs that share a VQGAN have the same floor, which is counted once.
    """
    floors = list(dict.fromkeys(floor for run in runs if (floor := run.floor(kind, key)) is not None))
    if not floors:
        return Cell(None)
    same = math.isclose(min(floors), max(floors), rel_tol=1e-9)
    return Cell(statistics.fmean(floors), None if same else statistics.stdev(floors), len(floors))


def floors_of_choices(kind: str, key: str, groups: list[Group]) -> list[float] | None:
    """The floor of every choice, where it is one of its own videos or models and choices differ in it; else None."""
    means = [floor_cell(kind, key, group.runs).mean for group in groups]
    known = [mean for mean in means if mean is not None]
    if kind not in OF_CHOICE or len(known) < len(groups) or max(known) - min(known) <= APART * max(map(abs, known)):
        return None
    return known


def _check_protocol(column: Column, runs: list[Run]) -> None:
    if not column.protocol:
        return
    try:
        same_protocol(run.protocol for run in runs if column.key in run.values and run.protocol)
    except UserError as error:
        raise UserError(f"report: {column.key} cannot stand in one column: {error}") from error


def _cell_of(column: Column, run: Run) -> Cell:
    """The value of one run, marked where it is for nothing."""
    number = run.values.get(column.key)
    return (
        Cell(number, n=1, never=int(math.isinf(number)), free=column.key in run.free)
        if number is not None
        else Cell(None)
    )


def _cell(column: Column, runs: list[Run]) -> Cell:
    """The mean of what counts."""
    numbers = [number for run in runs if (number := run.earned(column.key)) is not None]
    if not numbers:
        return Cell(None)
    never = sum(math.isinf(number) for number in numbers)
    std = statistics.stdev(numbers) if len(numbers) > 1 and not never else None
    return Cell(statistics.fmean(numbers), std, len(numbers), never)


def _decimals(column: Column, cells: list[Cell]) -> int:
    """Three significant digits of a column's largest value, one decimal at least: floors are small beside it."""
    means = [abs(cell.mean) for cell in cells if cell.mean is not None and math.isfinite(cell.mean)]
    if column.never:
        return 0 if all(mean.is_integer() for mean in means) else 1
    if not means or max(means) == 0:
        return 2
    return min(3, max(1, 2 - math.floor(math.log10(max(means)))))
