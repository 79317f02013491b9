"""A report has the columns that its runs declare: those of a measure it has never heard of, too."""

import csv
from dataclasses import replace
from pathlib import Path

from tats_exp.report import make_report
from tats_exp.report.columns import curve_columns, table_columns
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
            write_run(folder, choices, {"mine/value": value + seed, "mine/hidden": 1.0}, columns=[MINE, CURVE])
            write_curves(folder, {"mine": [value, 2 * value]})
    report = make_report(tmp_path)
    with (tmp_path / "report" / "table.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [float(row["mine/value"]) for row in rows if row["kind"] == "mean"] == [5.5, 1.5]
    assert "mine/hidden" not in rows[0]
    assert any("padding=real (5, 6) has a higher (better) value of mine" in sentence for sentence in report.verdict)
    assert set(report.parts[0].figures) == {"curves", "my_figure"}
    page = report.page.read_text()
    assert "my<span>value ↑</span>" in page and "My figure" in page


def test_columns_without_values_are_left_out_and_the_first_to_declare_a_key_is_believed(tmp_path: Path) -> None:
    write_run(tmp_path / "a", {"seed": "0"}, {"mine/value": 1.0}, columns=[CURVE, MINE])
    write_run(tmp_path / "b", {"seed": "1"}, {"mine/value": 1.0}, columns=[replace(MINE, phrase="other")])
    runs = load_runs(tmp_path)
    assert table_columns(runs) == [MINE] and curve_columns(runs) == []
