"""`python -m tats_exp.store`: what is damaged is named, and nothing is thrown away that a run may want."""

import json
import os
from pathlib import Path

import pytest

from tats_exp.files import lock
from tats_exp.run.store import Store, lock_of
from tats_exp.run_folder import Status
from tats_exp.store.__main__ import main

LONG_AGO = 1_000_000.0


def stage(root: Path, name: str, number: int, begun_only: bool = False) -> Path:
    """A stage that was last used long ago; its folder."""

    def make(folder: Path) -> None:
        (folder / "weights").write_bytes(bytes(1_000_000))
        if begun_only:
            raise RuntimeError

    store = Store(root)
    try:
        folder = store.stage(name, 1, {"number": number}, make).path
    except RuntimeError:
        (folder,) = (root / name).glob("*.partial")
    for path in (root / name).glob("*.lock"):
        os.utime(path, (LONG_AGO, LONG_AGO))
    return folder


def key(folder: Path) -> str:
    return folder.name.partition(".")[0]


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    """A store with three stages, of which a finished run refers to one and a stopped one to another, half made."""
    root = tmp_path / "runs" / "store"
    kept, begun = stage(root, "vqgan", 0), stage(root, "codes", 0, begun_only=True)
    stage(root, "vqgan", 1)
    for state, folder in (("finished", kept), ("stopped", begun)):
        (tmp_path / "runs" / state).mkdir()
        status = Status.model_validate({"state": state, "stages": {folder.parent.name: key(folder)}})
        status.write(tmp_path / "runs" / state)
    return tmp_path / "runs"


def folders(root: Path) -> set[Path]:
    return {path for path in root.glob("*/*") if path.is_dir()}


def of_vqgan_of(root: Path, run: Path) -> Path:
    """The one of the two VQGANs that a run does not refer to."""
    (found,) = (p for p in folders(root) if p.parent.name == "vqgan" and p.name != Status.read(run).stages["vqgan"])
    return found


def of_vqgan(runs: Path, referred: bool) -> Path:
    """The one of the two VQGANs that the finished run refers to, or the other one."""
    wanted = Status.read(runs / "finished").stages["vqgan"]
    (found,) = (p for p in folders(runs / "store") if p.parent.name == "vqgan" and (p.name == wanted) == referred)
    return found


def test_a_damaged_file_is_named(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", str(runs / "store")]) == 0
    assert capsys.readouterr().out == f"{runs / 'store'}: 1 unfinished, 2 whole\n"
    (whole, damaged) = sorted((runs / "store" / "vqgan").glob("*/weights"))
    damaged.write_bytes(bytes(999_999) + b"x")
    record = json.loads((whole.parent / "stage.json").read_text())
    (whole.parent / "stage.json").write_text(json.dumps({"recipe": record["recipe"]}))
    assert main(["check", str(runs / "store")]) == 1
    first, last = capsys.readouterr().out.splitlines()
    assert first.startswith(f"{damaged} is damaged: its SHA-256")
    assert "1 damaged" in last and "1 of an older version, without sums" in last


def test_sizes_are_told_by_stage(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["size", str(runs / "store")]) == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert [line[:3] + line[-2:] for line in lines[:2]] == [
        ["codes", "1", "unfinished", "1.0", "MB"],
        ["vqgan", "2", "finished", "2.0", "MB"],
    ]
    assert lines[2][-2:] == ["3.0", "MB"]


def test_only_what_no_run_refers_to_is_thrown_away_and_only_when_asked(
    runs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = runs / "store"
    other = of_vqgan(runs, referred=False)
    (root / "vqgan" / "notes").mkdir()  # not ours
    before = folders(root)
    for dry in ([], ["--dry-run"]):
        assert main(["gc", str(root), *dry]) == 0
        out = capsys.readouterr().out
        assert str(other) in out and "1 of " in out and "would be deleted with --delete" in out
        assert folders(root) == before
    assert main(["gc", str(root), "--delete", "--runs", str(runs)]) == 0
    assert folders(root) == before - {other} and not lock_of(other).exists()
    assert f"{other} (finished, 1.0 MB)" in capsys.readouterr().out


def test_runs_behind_a_link_are_found(runs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = folders(runs / "store")
    (runs / "finished").rename(tmp_path / "elsewhere")
    (runs / "linked").symlink_to(tmp_path, target_is_directory=True)  # in circles, too
    other = of_vqgan_of(runs / "store", tmp_path / "elsewhere")
    assert main(["gc", str(runs / "store"), "--delete", "--runs", str(runs)]) == 0
    assert folders(runs / "store") == before - {other}


def test_what_is_locked_or_was_found_just_now_stays(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = runs / "store"
    other = of_vqgan(runs, referred=False)
    with lock(lock_of(other)):
        assert main(["gc", str(root), "--delete"]) == 1
    assert "stays, a run is at it" in capsys.readouterr().out
    assert Store(root).stage("vqgan", 1, {"number": 1}, lambda folder: pytest.fail("made again")).path == other
    assert main(["gc", str(root), "--delete"]) == 1
    assert "stays, used a moment ago" in capsys.readouterr().out and other.is_dir()


def test_what_was_put_aside_is_thrown_away_though_a_run_refers_to_the_stage(runs: Path) -> None:
    root = runs / "store"
    kept = of_vqgan(runs, referred=True)
    (kept / "weights").write_bytes(b"x")
    stage(root, "vqgan", 0)
    aside = kept.with_name(f"{kept.name}.damaged")
    assert aside.is_dir()
    assert main(["gc", str(root), "--delete"]) == 0
    assert kept.is_dir() and not aside.exists() and lock_of(kept).is_file()


@pytest.mark.parametrize(
    "arguments, said",
    [
        (["check", "no/such"], "no/such: no such folder"),
        (["gc", "{root}", "--runs", "no/such"], "--runs no/such: no such folder"),
        (["gc", "{root}", "--runs", "{root}"], "no run lies there"),
    ],
)
def test_what_cannot_be_answered_is_one_line(
    runs: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], said: str
) -> None:
    assert main([text.format(root=runs / "store") for text in arguments]) == 2
    err = capsys.readouterr().err
    assert said in err and len(err.splitlines()) == 1


def test_a_run_that_cannot_be_read_may_refer_to_anything(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (runs / "stopped" / "status.json").write_text("{")
    before = folders(runs / "store")
    assert main(["gc", str(runs / "store"), "--delete"]) == 2
    assert "would be thrown away" in capsys.readouterr().err and folders(runs / "store") == before
