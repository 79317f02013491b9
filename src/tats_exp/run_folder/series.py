"""The CSV files of a run folder: columns of numbers, and the losses of its training stages."""

import csv
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from tats_exp import UserError
from tats_exp.files import atomic

CURVES = "curves.csv"
CODE_HISTOGRAM = "code_histogram.csv"
LOSSES = "losses.csv"

Columns = dict[str, list[float]]
"""Column -> one number per row; nan where there is none."""
Series = tuple[list[float], list[float]]
"""Steps and values."""
Losses = dict[tuple[str, str], Series]
"""(stage, key) -> its steps and values."""


def write_table(path: Path, rows: Sequence[Mapping[str, int | float]]) -> None:
    """Write rows that share their keys as CSV: curves, or the histogram of codes."""
    with atomic(path) as temporary, temporary.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def read_columns(path: Path) -> Columns:
    """Read curves or the histogram of codes; {} where the file is not there.

    Raises:
        UserError: it holds what is no number; one line.
    """
    rows = _rows(path)
    return {key: [_number(path, row[key] or "nan") for row in rows] for key in (rows[0] if rows else ())}


def write_losses(folder: Path, stages: Mapping[str, Iterable[tuple[int, str, float]]]) -> None:
    """Write the losses of all training stages: stage -> rows of step, key, value."""
    with atomic(folder / LOSSES) as temporary, temporary.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("stage", "step", "key", "value"))
        for stage, rows in stages.items():
            writer.writerows((stage, *row) for row in rows)


def read_losses(folder: Path) -> Losses:
    """Read the losses of all training stages; {} where the file is not there.

    Raises:
        UserError: it holds what is no number; one line.
    """
    losses: Losses = {}
    path = folder / LOSSES
    for row in _rows(path):
        steps, values = losses.setdefault((row["stage"], row["key"]), ([], []))
        steps.append(_number(path, row["step"]))
        values.append(_number(path, row["value"]))
    return losses


def _rows(path: Path) -> list[dict[str, str]]:
    if not path.is_file():
        return []
    with path.open(newline="", encoding="utf-8") as file:
        try:
            return list(csv.DictReader(file))
        except csv.Error as error:
            raise UserError(f"{path.name}: damaged ({error})") from None


def _number(path: Path, text: str | None) -> float:
    try:
        return float(text or "")
    except ValueError as error:
        raise UserError(f"{path.name}: {text!r} is no number") from error
