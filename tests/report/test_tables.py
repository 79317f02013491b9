import csv
import io
import math
import statistics
from dataclasses import replace
from pathlib import Path

import pytest

from tats_exp.report.columns import MOST
from tats_exp.report.runs import group_runs, load_runs
from tats_exp.report.table_formats import TEXT_WIDTH, to_csv, to_markdown, to_text
from tats_exp.report.tables import Table, beside, make_other_table, make_table
from tests.report.made_runs import DIFFERENCE
from tests.report.sweep import PROTOCOL, write_run

FVD = "fvd/shapes_cnn/last"


def sweep(folder: Path, values: dict[str, list[float | None]], key: str = FVD) -> Table:
    for padding, seeds in values.items():
        for seed, value in enumerate(seeds):
            write_run(folder / f"{padding}-{seed}", {"padding": padding, "seed": str(seed)}, {key: value})
    return make_table(group_runs(load_runs(folder)))


def rows_of(table: Table) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(to_csv(table, []))))


def test_every_seed_is_a_row_and_means_use_the_sample_deviation(tmp_path: Path) -> None:
    values = {"real": [2.0, 3.5, 2.75], "zero": [9.0, 11.0]}
    rows = rows_of(sweep(tmp_path, values))
    for padding, expected in values.items():
        mine = [row for row in rows if row["choices"] == f"padding={padding}"]
        assert [float(row[FVD]) for row in mine if row["kind"] == "seed"] == expected
        (mean,) = [row for row in mine if row["kind"] == "mean"]
        assert float(mean[FVD]) == pytest.approx(statistics.mean(expected))
        assert float(mean[f"{FVD}:std"]) == pytest.approx(statistics.stdev(expected))
        assert int(mean["n"]) == len(expected)


def test_one_seed_has_no_spread(tmp_path: Path) -> None:
    table = sweep(tmp_path, {"real": [2.0]})
    assert [row.kind for row in table.rows] == ["seed", "floor", "floor"]
    assert "±" not in to_text(table) and "mean of" not in to_text(table)


def test_both_floors_are_rows(tmp_path: Path) -> None:
    rows = {
        row["choices"]: row[FVD] for row in rows_of(sweep(tmp_path, {"real": [2.0, 3.0]})) if row["kind"] == "floor"
    }
    assert rows == {"floor: real vs other real": "1.7", "floor: rebuilt vs real": "2.1"}


def test_never_is_said_and_never_averaged(tmp_path: Path) -> None:
    never = math.inf
    values = {"a": [never, never], "b": [4.0, never], "c": [4.0, 5.0], "d": [None, never], "e": [None, None]}
    table = sweep(tmp_path, values, "drift/collapse_window")
    means = [table.texts(row)[0] for row in table.rows if row.kind == "mean"]
    assert means == ["never", "1/2 never", "4.5 ± 0.7", "never", "–"]
    rows = rows_of(table)
    assert [row["drift/collapse_window"] for row in rows if row["choices"] == "padding=b"] == ["4.0", "inf", "inf"]


def test_a_metric_that_a_run_lacks_is_a_gap_and_not_a_zero(tmp_path: Path) -> None:
    write_run(tmp_path / "a", {"seed": "0"}, {FVD: 4.0, "codes/unchanged": 1.0})
    write_run(tmp_path / "b", {"seed": "1"}, {FVD: None, "codes/unchanged": 0.5})
    table = make_table(group_runs(load_runs(tmp_path)))
    place = [column.key for column in table.columns].index(FVD)
    mean = next(row for row in table.rows if row.kind == "mean").cells[place]
    assert (mean.mean, mean.n) == (4.0, 1)
    assert "–" in to_text(table)


def test_distances_always_carry_their_network(tmp_path: Path) -> None:
    write_run(tmp_path / "a", {"seed": "0"}, {"fvd/i3d/last": 3.0, "fvd/shapes_cnn/last": 4.0})
    table = make_table(group_runs(load_runs(tmp_path)))
    assert [" ".join(column.title) for column in table.columns] == ["FVD i3d last window", "FVD shapes_cnn last window"]


def test_mixed_protocols_in_one_column_are_refused_by_field(tmp_path: Path) -> None:
    write_run(tmp_path / "a", {"seed": "0"}, {FVD: 1.0})
    write_run(tmp_path / "b", {"seed": "1"}, {FVD: 1.0}, protocol=PROTOCOL | {"n_real": 64})
    with pytest.raises(ValueError, match=r"fvd/shapes_cnn/last.*n_real") as error:
        make_table(group_runs(load_runs(tmp_path)))
    assert "\n" not in str(error.value) and "resolution" not in str(error.value)


def test_different_protocols_in_different_columns_are_fine(tmp_path: Path) -> None:
    write_run(tmp_path / "a", {"metrics": "shapes_cnn"}, {FVD: 1.0})
    write_run(tmp_path / "b", {"metrics": "i3d"}, {"fvd/i3d/last": 90.0}, protocol=PROTOCOL | {"features": "i3d"})
    assert len(make_table(group_runs(load_runs(tmp_path))).columns) == 2


def test_text_columns_line_up(tmp_path: Path) -> None:
    lines = to_text(sweep(tmp_path, {"real": [2.0, 3.0], "zero_space": [120.0, 7.0]})).splitlines()
    body = [line for line in lines if line and "─" not in line]
    assert len({len(line) for line in body}) == 1
    assert not any(line.endswith(" ") for line in lines)


def test_markdown_has_one_cell_per_column(tmp_path: Path) -> None:
    table = sweep(tmp_path, {"a|b": [2.0, 3.0]})
    lines = to_markdown(table).splitlines()
    assert {line.replace("\\|", "").count("|") for line in lines} == {len(table.columns) + 2}
    assert "**2.50 ± 0.71**" in to_markdown(table)


def test_failed_runs_stand_in_the_csv_with_their_reason(tmp_path: Path) -> None:
    write_run(tmp_path / "a", {"padding": "zero", "seed": "3"}, state="failed", error="disk full, twice")
    runs = load_runs(tmp_path)
    (row,) = csv.DictReader(io.StringIO(to_csv(make_table([]), runs)))
    assert (row["kind"], row["choices"], row["seed"], row["reason"]) == (
        "failed",
        "padding=zero",
        "3",
        "disk full, twice",
    )


def test_a_table_wider_than_a_terminal_goes_on_below_with_every_column_once(tmp_path: Path) -> None:
    values = {f"fvd/network_number_{n}/last": float(n) for n in range(12)}
    write_run(tmp_path / "a", {"padding": "zero", "seed": "0"}, values, floors={})
    table = make_table(group_runs(load_runs(tmp_path)))
    lines = to_text(table).splitlines()
    assert max(map(len, lines)) <= TEXT_WIDTH
    assert sum(line.count("network_number_") for line in lines) == MOST
    assert sum("seed 0" in line for line in lines) == sum("last window" in line for line in lines) > 1


def test_a_run_without_a_seed_is_one_row(tmp_path: Path) -> None:
    write_run(tmp_path / "a", {"generated": "here"}, {FVD: 1.0}, floors={})
    table = make_table(group_runs(load_runs(tmp_path)))
    assert [row.kind for row in table.rows] == ["seed"]
    assert "generated=here  " in to_text(table) and "seed" not in to_text(table)


def test_what_all_choices_share_is_read_last(tmp_path: Path) -> None:
    for place, mask in enumerate("ab"):
        columns = [replace(DIFFERENCE, key=key) for key in ("of_vqgan", "of_samples", "of_codes")]
        values = {"of_vqgan": 0.5, "of_samples": place / 2, "of_codes": 0.3}
        write_run(tmp_path / mask, {"mask": mask, "seed": "0"}, values, columns=columns)
    columns = [column.key for column in make_table(group_runs(load_runs(tmp_path))).columns]
    assert columns == ["of_samples", "of_vqgan", "of_codes"]


def test_both_tables_together_hold_every_value_once(tmp_path: Path) -> None:
    values = {FVD: 4.0, "codes/unchanged": 0.5, "codes/usage/train": 0.25, "fvd/shapes_cnn/slope": None}
    floors = {"real": {FVD: 1.0}, "chance": {"codes/unchanged": 0.125}}
    for seed in range(2):
        choices = {"padding": "zero", "seed": str(seed)}
        write_run(tmp_path / f"{seed}", choices, values, floors=floors, endpoint=FVD)
    groups = group_runs(load_runs(tmp_path))
    one, other = make_table(groups), make_other_table(groups)
    assert [column.key for column in one.columns] == [FVD]
    rows = rows_of(beside(one, other))
    assert [row["kind"] for row in rows] == ["seed", "seed", "mean", "floor", "floor"]
    keys = [FVD, "codes/unchanged", "codes/usage/train"]
    assert [rows[0][key] for key in keys] == ["4.0", "0.5", "0.25"] and "fvd/shapes_cnn/slope" not in rows[0]
    assert {row["choices"]: [row[key] for key in keys] for row in rows[3:]} == {
        "floor: real vs other real": ["1.0", "", ""],
        "chance": ["", "0.125", ""],
    }


@pytest.mark.parametrize("second, labels", [(0.251, ["chance"]), (0.5, ["chance, padding=a", "chance, padding=b"])])
def test_chance_that_differs_between_choices_has_a_row_for_each(
    tmp_path: Path, second: float, labels: list[str]
) -> None:
    for name, chance in (("a", 0.25), ("b", second)):
        floors = {"real": {FVD: 1.0}, "chance": {FVD: chance}}
        write_run(tmp_path / name, {"padding": name, "seed": "0"}, {FVD: 5.0}, floors=floors)
    rows = {row["choices"]: row[FVD] for row in rows_of(make_table(group_runs(load_runs(tmp_path)))) if not row["seed"]}
    assert list(rows) == ["floor: real vs other real", *labels]
    assert [rows[label] for label in labels] == (["0.2505"] if len(labels) == 1 else ["0.25", "0.5"])


def test_the_floor_of_a_vqgan_that_choices_share_is_counted_once(tmp_path: Path) -> None:
    for mask in "ab":
        for seed, floor in enumerate((1.0, 2.0, 4.0)):
            floors = {"reconstruction": {"fvd/shapes_cnn": floor}}
            write_run(tmp_path / f"{mask}{seed}", {"mask": mask, "seed": str(seed)}, {FVD: 5.0}, floors=floors)
    (row,) = [row for row in make_table(group_runs(load_runs(tmp_path))).rows if row.kind == "floor"]
    assert row.cells[0].std == pytest.approx(statistics.stdev([1.0, 2.0, 4.0]))


def test_a_path_that_was_swept_does_not_make_the_text_wide(tmp_path: Path) -> None:
    path = "/clips/" + "/".join(["a folder with a long name"] * 10) + "/end"
    write_run(tmp_path / "a", {"data.root": path, "seed": "0"}, {FVD: 2.0})
    text = to_text(make_table(group_runs(load_runs(tmp_path))))
    assert max(map(len, text.splitlines())) <= TEXT_WIDTH and "/end" in text and "data.root=/clips" in text
