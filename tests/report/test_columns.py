"""A report has the columns that its runs declare: those of a measure it has never heard of, too."""

import csv
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from tats_exp.report import make_report
from tats_exp.report.columns import (
    curve_columns,
    curve_of,
    endpoints,
    other_columns,
    table_columns,
    truth_of,
)
from tats_exp.report.runs import load_runs
from tats_exp.run_folder.columns import Column
from tests.report.sweep import write_curves, write_run

MINE = Column(
    key="mine/value",
    title=("my", "value"),
    explanation="Mine.",
    unit="apples",
    better="higher",
    phrase="value of mine",
    in_table=True,
    figure="my_figure",
)
CURVE = Column("mine", ("My curve", ""), "Mine, window by window.", "apples", "one", is_curve=True)


def test_a_column_of_an_unknown_measure_is_in_table_verdict_figures_and_page(tmp_path: Path) -> None:
    for padding, value in (("zero", 1.0), ("real", 5.0)):
        for seed in range(2):
            folder = tmp_path / f"{padding}{seed}"
            choices = {"padding": padding, "seed": str(seed)}
            values = {"mine/value": value + seed, "mine/hidden": 1.0}
            write_run(folder, choices, values, columns=[MINE, CURVE], endpoint="mine/value")
            write_curves(folder, {"mine": [value, 2 * value]})
    report = make_report(tmp_path)
    with (tmp_path / "report" / "table.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [float(row["mine/value"]) for row in rows if row["kind"] == "mean"] == [5.5, 1.5]
    assert "mine/hidden" not in rows[0]
    assert report.verdict[0].startswith("With padding=real, value of mine (higher is better) is 4.0 [1.0, 7.0] higher")
    assert set(report.parts[0].figures) == {"endpoint", "endpoint_narrow", "curves", "my_figure"}
    page = report.page.read_text()
    assert re.search(r"my\s*<span>value ↑</span>", page) and "My figure" in page


def test_columns_without_values_are_left_out_and_the_first_to_declare_a_key_is_believed(tmp_path: Path) -> None:
    write_run(tmp_path / "a", {"seed": "0"}, {"mine/value": 1.0}, columns=[CURVE, MINE])
    write_run(tmp_path / "b", {"seed": "1"}, {"mine/value": 1.0}, columns=[replace(MINE, phrase="other")])
    runs = load_runs(tmp_path)
    assert table_columns(runs) == [MINE] and curve_columns(runs) == []


def runs_of(folder: Path, keys: dict[str, float | None], columns: list[Column], curves: Sequence[str] = (), **status):
    write_run(folder / "a", {"seed": "0"}, keys, columns=columns, **status)
    if curves:
        write_curves(folder / "a", {key: [1.0, 2.0] for key in curves})
    return load_runs(folder)


def test_the_main_table_is_what_was_named_in_that_order_and_the_rest_is_beside_it(tmp_path: Path) -> None:
    columns = [replace(MINE, key=f"k/{n}", in_table=n > 2) for n in range(12)]
    values = {column.key: 1.0 for column in columns} | {"k/4": None}
    named = runs_of(tmp_path / "x", values, columns, endpoint="k/7", secondary=["k/1", "k/4", "k/99"])
    assert [column.key for column in table_columns(named)] == ["k/7", "k/1", "k/4"]
    assert [column.key for column in other_columns(named)] == [f"k/{n}" for n in (0, 2, 3, 5, 6, 8, 9, 10, 11)]
    free = runs_of(tmp_path / "y", values, columns)
    assert [column.key for column in table_columns(free)] == [f"k/{n}" for n in (3, 5, 6, 7, 8, 9, 10, 11)]


def test_endpoints_are_named_for_any_network(tmp_path: Path) -> None:
    columns = [replace(MINE, key="fvd/shapes_cnn/last"), replace(MINE, key="is/shapes_cnn/last")]
    status = {"endpoint": "fvd/{network}/last", "secondary": ["is/{classifier}/last"]}
    named = endpoints(runs_of(tmp_path, {"fvd/shapes_cnn/last": 1.0}, columns, **status))
    assert (named.primary, named.secondary) == (columns[0], [columns[1]])


def test_a_column_of_many_numbers_is_a_column_for_each(tmp_path: Path) -> None:
    slots = replace(MINE, key="gap/slot_*", title=("gap", "slot *"), in_table=False)
    runs = runs_of(tmp_path, {"gap/slot_2": 1.0, "gap/slot_10": 2.0, "gap/slot_x": 3.0}, [slots])
    assert [(c.key, c.title[1]) for c in other_columns(runs)] == [("gap/slot_2", "slot 2"), ("gap/slot_10", "slot 10")]


@pytest.mark.parametrize(
    ("key", "curve", "truth"),
    [
        ("layout/growth", "layout", "truth/layout"),
        ("fvd/net/last", "fvd/net", "truth/fvd/net"),
        ("fvd/net/last/to_real", "fvd/net/to_real", None),
        ("coherence/kappa_last", "coherence/kappa", "truth/kappa"),
        ("codes/unchanged", None, None),
    ],
)
def test_an_endpoint_is_taken_from_the_curve_that_its_key_begins_with(tmp_path: Path, key, curve, truth) -> None:
    keys = ["layout", "fvd/net", "fvd/net/to_real", "coherence/kappa", "truth/layout", "truth/fvd/net", "truth/kappa"]
    runs = runs_of(tmp_path, {}, [replace(CURVE, key=each) for each in keys], keys)
    found = curve_of(replace(MINE, key=key), runs)
    assert (found and found.key) == curve and (truth_of(found, runs) if found else None) == truth
    assert [column.key for column in curve_columns(runs)] == keys[:4]
