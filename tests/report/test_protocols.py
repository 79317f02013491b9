"""Runs that were not measured alike: a table each, never one column, and words for what differs."""

import re
from dataclasses import fields
from pathlib import Path

import pytest

from tats_exp.report import make_report
from tats_exp.report.__main__ import main
from tats_exp.report.protocols import WORDS, differing, measured_alike
from tats_exp.report.runs import load_runs
from tats_exp.run_folder import Protocol
from tests.report.sweep import PROTOCOL, write_run, write_video
from tests.report.test_page import Balance

FVD = "fvd/shapes_cnn/last"
A, B = ({"data": letter * 64, "n_real": 100 + len(letter) * number} for number, letter in enumerate("ab"))


@pytest.fixture
def sweep(tmp_path: Path) -> Path:
    """Two paddings on two data sets, both seeds; what differs between the data is larger than between paddings."""
    for root, protocol, offset in (("here", A, 0.0), ("there", B, 50.0)):
        for padding, value in (("zero", 19.0), ("real", 11.0)):
            for seed in range(2):
                choices = {"data.root": root, "padding": padding, "seed": str(seed)}
                run = tmp_path / f"{root},{padding},{seed}"
                write_run(run, choices, {FVD: value + offset + seed / 8}, protocol=PROTOCOL | protocol, endpoint=FVD)
    return tmp_path


def test_every_field_of_a_protocol_has_words() -> None:
    assert {field.name for field in fields(Protocol)} <= set(WORDS)


def test_each_protocol_has_its_table_and_verdict_and_nothing_is_compared_across(
    sweep: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([str(sweep)]) == 0
    printed = capsys.readouterr().out
    first, second = printed.split("Table 2 of 2: ")
    assert "What differs: real windows (n_real), data (data)." in first
    assert "Table 1 of 2: real windows 100, data aaaaaaaa" in first
    assert second.startswith("real windows 101, data bbbbbbbb\n")
    for text, root, mean in ((first, "here", "19.1 ± 0.1"), (second, "there", "69.1 ± 0.1")):
        assert mean in text and f"With data.root={root} padding=zero, FVD of the last window" in text
    assert "root=there" not in first and "root=here" not in second
    assert printed.rstrip().endswith("index.html")


def test_the_page_shows_the_tables_one_below_another(sweep: Path) -> None:
    for place, run in enumerate(sorted(path.parent for path in sweep.glob("*/status.json"))):
        write_video(run / "videos" / "samples.mp4", 4, 0.0, place)
    html = make_report(sweep).page.read_text()
    parser = Balance()
    parser.feed(html)
    assert parser.open == []
    assert html.index("Not all runs were measured alike") < html.index('class="answer')
    tables = [match.start() for match in re.finditer('<table class="wide">', html)]
    answers = [match.start() for match in re.finditer('<section class="answer', html)]
    assert len(answers) == len(tables) == 2 and answers[0] < tables[0] < answers[1] < tables[1]
    assert html.count('class="player"') == 2 and html.count("How it was measured") == 2


def test_files_of_each_part_lie_apart_and_none_is_left_of_an_earlier_report(sweep: Path) -> None:
    make_report(sweep)
    report = sweep / "report"
    for number in (1, 2):
        names = {path.name for path in (report / f"protocol_{number}").iterdir()}
        assert names == {"table.csv", "curves.csv", "comparisons.csv", "table.md", "verdict.txt", "figures"}
    assert {path.name for path in report.iterdir()} == {"index.html", "protocol_1", "protocol_2"}
    for path in sweep.glob("there,*/*"):
        path.unlink()
    assert make_report(sweep).differs == ""
    files = {"index.html", "table.csv", "curves.csv", "comparisons.csv", "table.md", "verdict.txt", "figures"}
    assert {path.name for path in report.iterdir()} == files


def test_runs_that_do_not_count_are_told_once(sweep: Path) -> None:
    write_run(sweep / "lost", {"padding": "loop", "seed": "0"}, state="failed", error="disk full")
    report = make_report(sweep)
    assert report.text().count("disk full") == 1 == report.page.read_text().count("disk full")
    tables = [path.read_text() for path in sorted(sweep.glob("report/protocol_*/table.csv"))]
    assert ["disk full" in table for table in tables] == [True, False]


def test_columns_of_different_networks_share_a_table(tmp_path: Path) -> None:
    write_run(tmp_path / "a", {"metrics": "shapes_cnn"}, {FVD: 1.0})
    write_run(tmp_path / "b", {"metrics": "i3d"}, {"fvd/i3d/last": 90.0}, protocol=PROTOCOL | {"features": "i3d"})
    (part,) = measured_alike(load_runs(tmp_path))
    assert len(part.runs) == 2 and part.protocol == ""


def test_what_another_version_wrote_costs_that_run_alone(tmp_path: Path) -> None:
    write_run(tmp_path / "new", {"seed": "0"}, {FVD: 1.0})
    old = {key: value for key, value in PROTOCOL.items() if key != "split"}
    write_run(tmp_path / "old", {"seed": "1"}, {FVD: 1.0}, protocol=old)
    report = make_report(tmp_path)
    assert len(report.parts) == 1 and "measure again" in report.left_out[0] and "seed=1" in report.left_out[0]


def test_a_field_that_was_not_told_yet_is_its_default(tmp_path: Path) -> None:
    write_run(tmp_path / "a", {"seed": "0"}, {FVD: 1.0})
    write_run(tmp_path / "b", {"seed": "1"}, {FVD: 1.0}, protocol=PROTOCOL | {"given_frames": 0})
    assert differing([run.protocol for run in load_runs(tmp_path)]) == []
    assert len(measured_alike(load_runs(tmp_path))) == 1
