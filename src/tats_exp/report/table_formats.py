"""A table as text: CSV with full precision for programs, Markdown for a README, aligned text for a terminal."""

from __future__ import annotations

import csv
import io
import math
import unicodedata

from tats_exp.report.comparisons import Comparison
from tats_exp.report.runs import Group, Run
from tats_exp.report.tables import Row, Table
from tats_exp.run_folder import ResultRow, results_csv

LABEL_WIDTH = 71
"""Letters of a row's label in a terminal."""
TEXT_WIDTH = 150
"""Letters to a line of the table in a terminal."""


def to_csv(table: Table, failed: list[Run]) -> str:
    """The table with full precision; the runs that do not count follow with their reason."""
    keys = [column.key for column in table.columns]
    rows = [_result(row, keys) for row in table.rows]
    for run in failed:
        label = " ".join(f"{key}={value}" for key, value in run.swept) or run.name
        rows.append(ResultRow(run.state, label, run.seed, 0, reason=run.reason or ""))
    return results_csv(keys, rows)


def _result(row: Row, keys: list[str]) -> ResultRow:
    cells = list(zip(keys, row.cells, strict=True))
    values = {key: cell.mean for key, cell in cells if cell.mean is not None}
    std = {key: cell.std for key, cell in cells if cell.std is not None}
    free = [key for key, cell in cells if cell.free]
    reason = f"for nothing: {', '.join(free)}" if free else ""
    return ResultRow(row.kind, row.label, row.seed, row.n, values, std, reason)


def comparisons_csv(primary: list[Comparison], secondary: list[Comparison]) -> str:
    """Every comparison that was made: higher and lower side, difference (of logarithms for a ratio), interval, p."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    head = ("endpoint", "key", "scale", "higher", "lower", "over", "effect", "test", "n", "value", "low", "high", "p")
    writer.writerow(head)
    for kind, comparisons in (("primary", primary), ("secondary", secondary)):
        for one in comparisons:
            of, estimate = one.contrast, one.estimate
            test = "paired" if one.is_paired else "welch"
            numbers = (estimate.value, estimate.low, estimate.high, one.p)
            scale = "log" if one.column.ratio else "difference"
            about = (kind, one.column.key, scale, *of.sides, of.over, " to ".join(of.effect or ()), test)
            writer.writerow([*about, " ".join(map(str, one.trainings)), *map(repr, numbers)])
    return buffer.getvalue()


def curves_csv(groups: list[Group]) -> str:
    """The curves of all runs: choices, seed, window, then a column per curve; an empty cell was not measured."""
    runs = [(group.label, run) for group in groups for run in group.runs]
    keys = list(dict.fromkeys(key for _, run in runs for key in run.curves))
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(["choices", "seed", "window", *keys])
    for label, run in runs:
        for window in range(max(map(len, run.curves.values()), default=0)):
            values = [run.curves[key][window] if key in run.curves else math.nan for key in keys]
            writer.writerow([label, run.seed, window, *("" if math.isnan(v) else repr(v) for v in values)])
    return buffer.getvalue()


def to_markdown(table: Table) -> str:
    """The table as GitHub renders it, means in bold."""
    heads = ["run", *(" ".join((*column.title, column.arrow)).strip() for column in table.columns)]
    lines = ["| " + " | ".join(heads) + " |", "|---|" + "---:|" * len(table.columns)]
    for row in table.rows:
        cells = [_row_label(row), *table.texts(row)]
        cells = [cell.replace("|", "\\|") for cell in cells]
        lines.append("| " + " | ".join(f"**{cell}**" if row.kind == "mean" else cell for cell in cells) + " |")
    return "\n".join(lines) + "\n"


def to_text(table: Table) -> str:
    """The table aligned for a terminal, numbers right, a rule between groups; no line ends in spaces.

    What is wider than `TEXT_WIDTH` goes on below, with the labels again.
    """
    heads = [["", *(column.title[0] for column in table.columns)]]
    heads.append(["", *(f"{column.title[1]} {column.arrow}".strip() for column in table.columns)])
    body = [[_without_middle(_row_label(row)), *table.texts(row)] for row in table.rows]
    widths = [max(_width(line[place]) for line in heads + body) for place in range(len(heads[0]))]
    parts: list[list[int]] = []
    left = 0
    for column in range(1, len(widths)):
        if left < widths[column] + 2:
            parts.append([0])
            left = TEXT_WIDTH - widths[0]
        parts[-1].append(column)
        left -= widths[column] + 2
    return "\n".join(_text_part(table, heads, body, widths, columns) for columns in parts)


def _text_part(
    table: Table, heads: list[list[str]], body: list[list[str]], all_widths: list[int], columns: list[int]
) -> str:
    heads, body = ([[line[column] for column in columns] for line in lines] for lines in (heads, body))
    widths = [all_widths[column] for column in columns]
    rule = "─" * (sum(widths) + 2 * (len(widths) - 1))
    lines = [_aligned(head, widths) for head in heads]
    previous: int | None = -1
    for row, cells in zip(table.rows, body, strict=True):
        if row.group != previous:
            lines.append(rule)
        previous = row.group
        lines.append(_aligned(cells, widths))
    return "\n".join([*lines, rule]) + "\n"


def _row_label(row: Row) -> str:
    if row.kind == "seed":
        return f"{row.label}, seed {row.seed}" if row.seed else row.label
    return f"{row.label}, mean of {row.n}" if row.kind == "mean" else row.label


def _without_middle(label: str) -> str:
    """A label of at most `LABEL_WIDTH` letters, both ends of a longer one: paths may be swept, too."""
    if len(label) <= LABEL_WIDTH:
        return label
    half = (LABEL_WIDTH - 1) // 2
    return f"{label[:half]}…{label[-half:]}"


def _width(text: str) -> int:
    return sum(not unicodedata.combining(character) for character in text)


def _aligned(cells: list[str], widths: list[int]) -> str:
    first, *rest = cells
    padded = [first + " " * (widths[0] - _width(first))]
    padded += [" " * (width - _width(cell)) + cell for cell, width in zip(rest, widths[1:], strict=True)]
    return "  ".join(padded).rstrip()
