import subprocess
import sys
from pathlib import Path

import pytest

from tats_exp.report import make_report
from tats_exp.report.__main__ import main
from tests.report.sweep import write_run

FVD = "fvd/shapes_cnn/last"


def test_table_verdict_and_page_are_printed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for padding, value in (("zero", 9.0), ("real", 4.0)):
        for seed in range(2):
            choices = {"padding": padding, "seed": str(seed)}
            write_run(tmp_path / f"{padding}{seed}", choices, {FVD: value + seed}, endpoint=FVD)
    write_run(tmp_path / "lost", {"padding": "loop", "seed": "0"}, state="failed", error="disk full")
    assert main([str(tmp_path)]) == 0
    out = capsys.readouterr().out
    assert "padding=zero, mean of 2" in out and "9.5 ± 0.7" in out and "floor: real vs other real" in out
    assert "is not decided between padding=zero and padding=real (2.12 times [" in out
    assert "padding=loop seed=0 (failed): disk full" in out
    assert str(tmp_path / "report" / "index.html") in out.splitlines()[-1]


def test_the_answer_is_said_before_a_figure_is_drawn(tmp_path: Path) -> None:
    write_run(tmp_path / "a", {"padding": "zero", "seed": "0"}, {FVD: 2.0})
    code = f"""
import sys
from pathlib import Path
from tats_exp.report import make_report
said = []
def say(answer):
    assert "matplotlib" not in sys.modules and not list(Path({str(tmp_path)!r}).rglob("*.png"))
    assert {{path.name for path in Path({str(tmp_path)!r}, "report").iterdir()}} >= {{"table.csv", "verdict.txt"}}
    said.append(answer)
report = make_report(Path({str(tmp_path)!r}), say=say)
assert len(said) == 1 and "padding=zero" in said[0] and report.page.is_file()
assert report.text() == said[0] + f"\\n\\n  {{report.page}}"
"""
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_page_is_made_for_who_reads_no_line(tmp_path: Path) -> None:
    write_run(tmp_path / "a", {"padding": "zero", "seed": "0"}, {FVD: 2.0})
    closed = subprocess.Popen(
        [sys.executable, "-m", "tats_exp.report", str(tmp_path)], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert closed.stdout is not None and closed.stderr is not None
    closed.stdout.close()
    assert closed.stderr.read() == b"" and closed.wait() == 1
    assert (tmp_path / "report" / "index.html").is_file()


def test_making_the_report_prints_nothing_and_again_changes_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_run(tmp_path / "a", {"seed": "0"}, {FVD: 2.0})
    make_report(tmp_path)
    first = {path: path.read_bytes() for path in (tmp_path / "report").glob("*.*")}
    make_report(tmp_path)
    assert capsys.readouterr().out == ""
    assert {path.name for path in first} == {"index.html", "table.csv", "curves.csv", "table.md", "verdict.txt"}
    assert {path: path.read_bytes() for path in (tmp_path / "report").glob("*.*")} == first


def test_two_reports_of_a_folder_are_made_one_after_the_other(tmp_path: Path) -> None:
    write_run(tmp_path / "a", {"padding": "zero", "seed": "0"}, {FVD: 2.0})
    command = [sys.executable, "-m", "tats_exp.report", str(tmp_path)]
    started = [subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) for _ in range(3)]
    assert [process.communicate()[1] for process in started] == [b""] * 3
    assert sorted(path.name for path in (tmp_path / "report").iterdir() if path.name.startswith(".")) == []


def test_a_sweep_in_which_everything_failed_still_gets_its_page(tmp_path: Path) -> None:
    write_run(tmp_path / "a", {"seed": "0"}, state="failed", error="no readable video")
    report = make_report(tmp_path)
    assert "no readable video" in report.page.read_text() and "no readable video" in report.text()
    assert report.verdict == ["No run finished: no verdict."]


def test_what_cannot_be_reported_is_one_line_and_exit_code_2(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "empty").mkdir()
    for folder, reason in ((tmp_path / "missing", "no folder"), (tmp_path / "empty", "no runs")):
        assert main([str(folder)]) == 2
        captured = capsys.readouterr()
        assert captured.out == "" and captured.err.count("\n") == 1 and reason in captured.err
        assert not (folder / "report").exists()
