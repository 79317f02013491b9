"""Curves and comparisons as CSV: every number in full, and what was not measured an empty cell."""

import csv
import io
import math
from dataclasses import replace

import pytest
from scipy import stats

from tats_exp.report.columns import endpoints
from tats_exp.report.table_formats import comparisons_csv, curves_csv
from tats_exp.report.verdict import compared
from tests.report.made_runs import DIFFERENCE, RATIO, made_group


def read(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def test_curves_are_rows_of_run_and_window() -> None:
    zero = made_group({"padding": "zero"}, {"a/last": [1.0, 2.0]})
    curves = [{"a": [1.0, 1 / 3, math.nan]}, {"a": [2.0, 3.0], "b": [4.0, 5.0]}]
    runs = [replace(run, curves=own) for run, own in zip(zero.runs, curves, strict=True)]
    rows = read(curves_csv([replace(zero, runs=runs)]))
    assert [(row["choices"], row["seed"], row["window"]) for row in rows] == [
        ("padding=zero", seed, window) for seed, window in (("0", "0"), ("0", "1"), ("0", "2"), ("1", "0"), ("1", "1"))
    ]
    assert [row["a"] for row in rows] == ["1.0", repr(1 / 3), "", "2.0", "3.0"]
    assert [row["b"] for row in rows] == ["", "", "", "4.0", "5.0"]


def test_every_comparison_can_be_worked_out_again() -> None:
    high, low = (
        {"a/last": [5.0, 6.0, 8.0], "b/last": [8.0, 9.0, 11.0]},
        {"a/last": [1.0, 2.0, 2.5], "b/last": [1.0, 2.0, 3.0]},
    )
    names = {"endpoint": DIFFERENCE.key, "secondary": [RATIO.key]}
    groups = [made_group({"padding": "zero"}, high, **names), made_group({"padding": "real"}, low, **names)]
    asked = endpoints([run for group in groups for run in group.runs])
    assert asked is not None
    primary, secondary = read(comparisons_csv(*compared(asked, groups)))
    assert (primary["endpoint"], primary["higher"], primary["lower"]) == ("primary", "padding=zero", "padding=real")
    assert (primary["scale"], secondary["scale"], primary["test"], primary["n"]) == (
        "difference",
        "log",
        "welch",
        "3 3",
    )
    for row, key, take in ((primary, "a/last", float), (secondary, "b/last", math.log)):
        sides = [[take(value) for value in values[key]] for values in (high, low)]
        test = stats.ttest_ind(*sides, equal_var=False)
        interval = test.confidence_interval(0.95)
        told = [float(row[name]) for name in ("low", "high", "p")]
        assert told == pytest.approx([interval.low, interval.high, test.pvalue], rel=1e-6)
