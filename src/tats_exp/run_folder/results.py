"""The table of an experiment as CSV: `report/table.csv`, kept as `experiments/<name>/results.csv`."""

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tats_exp import UserError

HEAD = ("kind", "choices", "seed", "n")
SPREAD = ":std"


@dataclass(frozen=True)
class ResultRow:
    """One row of the table.

    Attributes:
        kind: `seed`, `mean` or `floor`; of a run that does not count its state.
        choices: `padding=zero mask=c`, or the name of a floor.
        seed: of a single run, else "".
        n: runs that went into the row.
        values: by key; infinite where the event never happened, absent where it was not measured.
        std: sample standard deviation over seeds, by the same keys, where there is one.
        reason: why a run does not count; of one that does, which of its values a degenerate model gets for nothing.
    """

    kind: str
    choices: str
    seed: str
    n: int
    values: Mapping[str, float] = field(default_factory=dict)
    std: Mapping[str, float] = field(default_factory=dict)
    reason: str = ""


def results_csv(keys: Sequence[str], rows: Sequence[ResultRow]) -> str:
    """The table as text: kind, choices, seed, n, then each key and its `:std`, then reason.

    Args:
        keys: of the values, in the order of their columns.
        rows: `inf` stands for never, an empty cell for not measured.
    """
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow([*HEAD, *(name for key in keys for name in (key, key + SPREAD)), "reason"])
    for row in rows:
        numbers = [_text(side.get(key)) for key in keys for side in (row.values, row.std)]
        writer.writerow([row.kind, row.choices, row.seed, row.n, *numbers, row.reason])
    return buffer.getvalue()


def read_results(path: Path) -> list[ResultRow]:
    """Read the table back.

    Raises:
        UserError: there is no such file, or it holds another table; one line.
    """
    try:
        with path.open(newline="", encoding="utf-8") as file:
            reader = csv.DictReader(file)
            rows, names = list(reader), list(reader.fieldnames or ())
    except FileNotFoundError as error:
        raise UserError(f"{path}: no such file") from error
    if tuple(names[: len(HEAD)]) != HEAD or names[-1] != "reason":
        raise UserError(f"{path}: no table of results; its columns begin with {', '.join(HEAD)} and end with reason")
    keys = [name for name in names[len(HEAD) : -1] if not name.endswith(SPREAD)]
    try:
        return [
            ResultRow(
                row["kind"],
                row["choices"],
                row["seed"],
                int(row["n"]),
                {key: float(row[key]) for key in keys if row[key]},
                {key: float(row[key + SPREAD]) for key in keys if row.get(key + SPREAD)},
                row["reason"],
            )
            for row in rows
        ]
    except (TypeError, ValueError) as error:
        raise UserError(f"{path}: damaged table ({error})") from None


def _text(number: float | None) -> str:
    return "" if number is None else repr(float(number))
