"""One page over all experiments: what came out, what it cost, what is stale; and nothing that is not there."""

import json
import os
from pathlib import Path

import pytest

from tats_exp import UserError
from tats_exp.report import index, make_report
from tats_exp.report.__main__ import main
from tats_exp.report.index import make_index
from tats_exp.run_folder import Status
from tats_exp.stages.order import versions
from tests.report.sweep import demo_sweep, write_run

VERSIONS = {"vqgan": 3, "metrics": 13}
README = """# Does <b>it</b> matter?

**Question.** Does `padding` matter to [video](../video)?
Endpoint: growth.

    python something

**Answer, of five.** Yes: **1.1 [.3, 1.9]**.

**Answer.** Not this one.
"""


def record(folder: Path, text: str = README, **about: object) -> Path:
    folder.mkdir(parents=True)
    (folder / "README.md").write_text(text)
    sitting = {"date": "2026-01-02", "commit": "c0ffee", "minutes": 12.4, "cores": 2}
    content = {"commands": [], "sittings": [sitting, {**sitting, "date": "2026-03-01", "minutes": 30}], **about}
    (folder / "record.json").write_text(json.dumps(content))
    return folder


def test_a_record_is_told_by_its_readme_and_its_sittings(tmp_path: Path) -> None:
    record(tmp_path / "kept" / "one", stages={"vqgan": 3})
    (entry,) = make_index([tmp_path / "kept"], tmp_path / "index.html", VERSIONS)
    assert (
        entry.title == "Does <b>it</b> matter?" and entry.question == "Does padding matter to video? Endpoint: growth."
    )
    assert entry.answer == "Yes: 1.1 [.3, 1.9]." and entry.cost == "42 minutes on 2 cores"
    assert (entry.day, entry.commit, entry.stale) == ("2026-03-01", "c0ffee", "")
    assert entry.links == {"record": "kept/one/README.md"}
    html = (tmp_path / "index.html").read_text()
    assert "Does &lt;b&gt;it&lt;/b&gt; matter?" in html and "<b>it" not in html and 'href="kept/one/README.md"' in html


def test_what_older_code_made_or_a_readme_takes_back_is_stale(tmp_path: Path) -> None:
    record(tmp_path / "old", stages={"vqgan": 2, "metrics": 13, "gone": 1})
    record(tmp_path / "taken_back", README.replace("\n\n", "\n\n> **Superseded.** Recorded long ago.\n\n", 1))
    record(tmp_path / "silent")  # of versions that it did not write down
    entries = make_index([tmp_path], tmp_path / "index.html", VERSIONS)
    assert {e.links["record"].split("/")[0]: e.stale for e in entries} == {
        "old": "older stages: vqgan 2 (now 3)",
        "taken_back": "superseded, as its README says",
        "silent": "",
    }


def test_what_ended_last_comes_first_within_a_day(tmp_path: Path) -> None:
    for name, ended in (("b", 1.0e9), ("c", 1.0e9 + 60), ("a", 1.0e9 + 30)):
        run = write_run(tmp_path / name / "run", {"padding": "zero"}, {"layout/growth": 1.0}, experiment=name)
        (tmp_path / name / "sweep.json").write_text("{}")
        os.utime(run / "status.json", (ended, ended))
    entries = make_index([tmp_path], tmp_path / "index.html", VERSIONS)
    assert [entry.title for entry in entries] == ["c: c", "a: a", "b: b"]


def test_a_sweep_is_told_by_its_runs(tmp_path: Path) -> None:
    demo_sweep(tmp_path / "runs" / "sweep", {"zero": 0.2, "real": 0.02}, seeds=2, windows=4, frames=24)
    (tmp_path / "runs" / "sweep" / "sweep.json").write_text("{}")
    report = make_report(tmp_path / "runs" / "sweep")
    for path in (tmp_path / "runs").rglob("status.json"):
        Status.read(path.parent).model_copy(update={"stage_versions": {"metrics": 12}}).write(path.parent)
    (entry,) = make_index([tmp_path / "runs"], tmp_path / "index.html", VERSIONS)
    assert entry.title.endswith(": sweep") and entry.question and entry.answer
    assert entry.answer == " ".join(s.text for part in report.parts for s in part.verdict if s.kind == "answer")
    assert entry.cost.startswith("4 runs, ") and entry.stale == "older stages: metrics 12 (now 13)"
    assert entry.links == {"page": "runs/sweep/report/index.html"} and entry.picture
    broken = next((tmp_path / "runs").rglob("metrics.json"))
    broken.write_text("{")
    (entry,) = make_index([tmp_path / "runs"], tmp_path / "index.html", VERSIONS)
    assert entry.cost.startswith("3 of 4 runs finished")


def test_what_has_nothing_to_tell_or_is_no_text_does_not_end_the_index(tmp_path: Path) -> None:
    (tmp_path / "stopped").mkdir()
    (tmp_path / "stopped" / "sweep.json").write_text("{}")  # before the first run
    (record(tmp_path / "odd") / "README.md").write_bytes(b"# \xff odd\n")
    (entry,) = make_index([tmp_path], tmp_path / "index.html", VERSIONS)
    assert entry.title == "\ufffd odd" and entry.answer == ""


def test_newer_experiments_stand_first(tmp_path: Path) -> None:
    record(tmp_path / "a")
    demo_sweep(tmp_path / "b", {"real": 0.02}, seeds=1, windows=4, frames=24)
    (tmp_path / "b" / "sweep.json").write_text("{}")
    for day, first in ((1e9, "Does"), (4e9, "padding")):
        for path in (tmp_path / "b").rglob("status.json"):
            os.utime(path, (day, day))
        entries = make_index([tmp_path], tmp_path / "index.html", VERSIONS)
        assert len(entries) == 2 and entries[0].title.startswith(first)


def test_the_command_says_what_it_made_and_refuses_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    record(tmp_path / "one", stages={"vqgan": versions()["vqgan"] - 1})
    page = tmp_path / "page.html"
    assert main(["--index", str(tmp_path), "--out", str(page)]) == 0 and page.is_file()
    assert capsys.readouterr().out == f"{page}: 1 experiments, 1 of them superseded or of older stages\n"
    (tmp_path / "empty").mkdir()
    record(tmp_path / "odd" / "one", sittings=[{}])
    for arguments, said in (
        (["--index", str(tmp_path / "nowhere")], "no folder"),
        (["--index", str(tmp_path / "empty")], "no experiments under"),
        (["--index", str(tmp_path / "odd")], "record.json: no record"),
        (["--index", str(tmp_path / "one"), "--out", str(tmp_path / "no" / "page.html")], "--out="),
        ([str(tmp_path), str(tmp_path)], "2 folders; allowed: one, or several with --index"),
    ):
        assert main(arguments) == 2
        assert (error := capsys.readouterr().err).count("\n") == 1 and said in error
    with pytest.raises(UserError, match="no folder"):
        make_index([tmp_path / "nowhere"], page, VERSIONS)


def test_a_long_answer_ends_behind_a_word() -> None:
    assert index._shortened("short") == "short"
    long = index._shortened("words " * 200)
    assert long.endswith("words …") and len(long) <= index.MOST + 2
