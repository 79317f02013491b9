"""What a degenerate model gets for nothing stands in the table with a mark, and counts nowhere."""

import json
from pathlib import Path

from tats_exp.report import make_report
from tats_exp.report.runs import group_runs, load_runs
from tats_exp.report.tables import make_table
from tats_exp.run_folder import read_results
from tests.report.sweep import ENDPOINTS, write_run

WHY = "one code in use"


def sweep(folder: Path, free_seeds: tuple[int, ...]) -> None:
    """Four trainings with zeros whose layout grows, four with `real`; some of these are degenerate and do not grow."""
    for padding, start in (("zero", 3.0), ("real", 1.0)):
        for seed in range(4):
            free = padding == "real" and seed in free_seeds
            values = {"layout/growth": 0.0 if free else start + 0.1 * seed, "val/vqgan/psnr": 20.0 + seed}
            run = write_run(folder / f"{padding}{seed}", {"padding": padding, "seed": str(seed)}, values, **ENDPOINTS)
            if free:
                metrics = json.loads((run / "metrics.json").read_text())
                (run / "metrics.json").write_text(json.dumps(metrics | {"free": {"layout/growth": WHY}}))


def test_a_free_value_is_marked_and_enters_no_mean_and_no_interval(tmp_path: Path) -> None:
    sweep(tmp_path, free_seeds=(0,))
    groups = group_runs(load_runs(tmp_path))
    table = make_table(groups)
    place = [column.key for column in table.columns].index("layout/growth")
    cells = {(row.label, row.seed): table.texts(row)[place] for row in table.rows}
    assert cells["padding=real", "0"] == "0.00°" and cells["padding=real", "1"] == "1.10"
    assert cells["padding=real", ""] == "1.20 ± 0.10"  # of 1.1, 1.2, 1.3
    report = make_report(tmp_path)
    (said,) = (line for line in report.verdict if line.startswith("°"))
    assert "padding=real seed=0: one code in use, which gets growth of the layout distance for nothing" in said
    assert "1.95" in report.verdict[0]  # 3.15 - 1.2, the degenerate training left out
    assert "0.00°" in report.text() and "0.00°" in report.page.read_text()
    assert "0.00°" in (tmp_path / "report" / "table.md").read_text()
    rows = read_results(tmp_path / "report" / "table.csv")
    assert [row.reason for row in rows if row.reason] == ["for nothing: layout/growth"]


def test_choices_of_degenerate_models_alone_win_nothing(tmp_path: Path) -> None:
    sweep(tmp_path, free_seeds=(0, 1, 2, 3))
    report = make_report(tmp_path)
    assert "not decided: there is no interval, since a choice has no value of it" in report.verdict[0]
    assert sum(line.startswith("°") for line in report.verdict) == 4


def test_healthy_runs_have_no_mark(tmp_path: Path) -> None:
    sweep(tmp_path, free_seeds=())
    report = make_report(tmp_path)
    assert "°" not in report.text() and "2.00" in report.verdict[0]
