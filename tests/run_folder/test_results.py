"""The table of an experiment: what is kept of the experiments is read, and written again as it was."""

import math
from pathlib import Path

import pytest

from tats_exp import UserError
from tats_exp.run_folder import ResultRow, read_results, results_csv

EXPERIMENTS = Path(__file__).resolve().parents[2] / "experiments"
TABLES = [path for path in sorted(EXPERIMENTS.glob("*/results.csv")) if path.parent.name != "fvd_sanity"]


@pytest.mark.parametrize("path", TABLES, ids=lambda path: path.parent.name)
def test_the_tables_of_the_experiments_are_written_as_they_were_read(path: Path) -> None:
    rows = read_results(path)
    keys = [name for name in path.read_text().splitlines()[0].split(",")[4:-1] if not name.endswith(":std")]
    assert results_csv(keys, rows) == path.read_text() and len(rows) > 2
    assert {row.kind for row in rows} <= {"seed", "mean", "floor", "failed", "superseded"}


def test_never_is_infinite_and_what_was_not_measured_is_absent(tmp_path: Path) -> None:
    row = ResultRow("mean", "padding=a,b", "", 2, {"drift/first_window": math.inf, "fvd": 0.1}, {"fvd": 1 / 3})
    (tmp_path / "table.csv").write_text(results_csv(["fvd", "drift/first_window", "kvd"], [row]))
    assert read_results(tmp_path / "table.csv") == [row]


def test_another_table_is_refused_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no such file"):
        read_results(tmp_path / "none.csv")
    (tmp_path / "other.csv").write_text("seed,fvd\n0,1\n")
    with pytest.raises(UserError, match="no table of results"):
        read_results(tmp_path / "other.csv")
