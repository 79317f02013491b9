"""A command that did not come to its end goes on in its folder, and in its W&B run."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path
from types import SimpleNamespace

import pytest

from runs import QUICK, killed, run_folders, tats_exp
from tats_exp import UserError
from tats_exp.run.flags import read_command_line
from tats_exp.run.folders import folders_kept, own_folder
from tats_exp.run.plan import plan_of
from tats_exp.run.resume import said_before
from tats_exp.run.sweep import compose_sweep
from tats_exp.run.sweep_record import SweepRecord
from tats_exp.run.wandb_log import WandbLog
from tats_exp.run_folder import WANDB_ID, Status

SWEEP = ("-m", "seed=0,1", "hydra.launcher.n_jobs=1", *QUICK)


def inspected(folder: Path) -> list[dict]:
    """Records of a W&B file, as W&B itself reads them."""
    (file,) = folder.glob("wandb/offline-run-*/*.wandb")
    wandb = Path(sys.executable).with_name("wandb")
    read = subprocess.run([wandb, "leet", "inspect", "--json", file], capture_output=True, text=True)
    assert read.returncode == 0, read.stderr
    return [json.loads(line) for line in read.stdout.splitlines() if line.startswith("{")]


@pytest.mark.slow
def test_a_sweep_goes_on_where_it_ended_and_a_finished_one_begins_anew(tmp_path: Path) -> None:
    assert killed(tmp_path, "*seed=1/status.json", *SWEEP).returncode == -9
    (first,) = run_folders(tmp_path)
    as_left = {path.name: path.read_bytes() for path in first.iterdir() if path.is_file() and path.suffix != ".log"}
    assert Status.read(first).state == "finished"
    again = tats_exp(tmp_path, *SWEEP)
    assert again.returncode == 0, again.stderr
    assert "going on where this command ended before, finished runs: 1;" in again.stdout
    assert {path.parent for path in run_folders(tmp_path)} == {first.parent}
    assert {name: (first / name).read_bytes() for name in as_left} == as_left
    states = {folder.name: Status.read(folder).state for folder in run_folders(tmp_path)}
    assert states == {"seed=0": "finished", "seed=1": "finished"}
    elsewhere = tmp_path / "else where, (odd)"
    elsewhere.mkdir()
    whole = tats_exp(elsewhere, f"resume={first.parent}", "+transformer.training.never=1")
    assert whole.returncode == 2 and "transformer.training.never" in whole.stderr
    whole = tats_exp(elsewhere, f"resume={first}")  # the folder of one of its runs
    assert whole.returncode == 0 and "finished runs: 2;" in whole.stdout, whole.stderr
    assert list(elsewhere.iterdir()) == []  # its paths are taken from where it was started first
    shutil.rmtree(tmp_path / "runs" / "store")  # the results stay, whatever became of the models
    again = tats_exp(elsewhere, f"resume={first.parent}")
    assert again.returncode == 0 and "finished runs: 2;" in again.stdout, again.stderr
    assert {name: (first / name).read_bytes() for name in as_left} == as_left
    new = tats_exp(tmp_path, *SWEEP)
    assert new.returncode == 0 and "going on" not in new.stdout, new.stderr
    assert len({path.parent for path in run_folders(tmp_path)}) == 2


@pytest.mark.slow
def test_a_run_that_is_killed_in_training_and_goes_on_is_one_wandb_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import wandb

    wandb.setup()  # as in a notebook: both starts find its service in their environment
    assert "WANDB_SERVICE" in os.environ
    monkeypatch.setenv("WANDB_MODE", "offline")
    run = ("scale=smoke", "trainer=cpu", "threads=1")
    assert killed(tmp_path, "*/transformer/*/last.ckpt", *run).returncode == -9
    (folder,) = run_folders(tmp_path)
    identity = (folder / WANDB_ID).read_text().strip()
    before = [path.name for path in folder.glob("wandb/offline-run-*")]
    assert len(before) == 1 and before[0].endswith(identity)
    again = tats_exp(tmp_path, *run)
    assert again.returncode == 0 and run_folders(tmp_path) == [folder], again.stderr
    assert (folder / WANDB_ID).read_text().strip() == identity
    assert [path.name for path in folder.glob("wandb/offline-run-*")] != before
    records = inspected(folder)
    rows = [record["history"]["item"] for record in records if "history" in record]
    for stage in ("vqgan", "transformer"):
        steps = Counter(row[f"step/{stage}"] for row in rows if f"step/{stage}" in row)
        assert steps == Counter(range(2, 13, 2))  # none is lost, none is there twice
    windows = [row["window"] for row in rows if "layout" in row]
    assert windows == sorted(set(windows)) and windows
    assert len(list(folder.glob("wandb/offline-run-*/files/media/videos/**/*.mp4"))) == 3
    (table,) = folder.glob("wandb/offline-run-*/files/media/table/val/vqgan/l1/by_frame*.json")
    assert [row[0] for row in json.loads(table.read_text())["data"]] == list(range(16))


@pytest.mark.parametrize(
    "made, said",
    [
        (None, "no sweep.json in it; allowed: the folder of a sweep or of a single run"),
        ({"command": ()}, "an older version made it, which did not keep its command: start that again"),
        ({"command": ("seed=0",), "started_in": "/nowhere/at/all"}, "started in '/nowhere/at/all': No such file"),
    ],
)
def test_what_cannot_be_gone_on_with_is_one_line(tmp_path: Path, made: dict | None, said: str) -> None:
    settled = {"reserve_training": 0, "reserve_encoding": 0, "threads": 1, "started": 0.0}
    if made is not None:
        SweepRecord(swept=(), asked=(), **settled, **made).write(tmp_path)
    with pytest.raises(UserError, match=said):
        said_before([f"resume={tmp_path}"])
    assert said_before(["seed=0"]) == ["seed=0"]


@pytest.mark.parametrize(
    "given, said",
    [
        ("resume=~nouser/x", "no sweep.json in it"),
        (f"resume=/{'a' * 400}", "File name too long"),
        ("resume=DIR seed=3", "without seed=3; allowed: compile, endpoint, hydra"),
        ("resume=DIR", "sweep.json: not JSON"),
        ("resume=NUL", "embedded null byte"),
    ],
)
def test_a_folder_that_cannot_be_read_is_one_line(tmp_path: Path, given: str, said: str) -> None:
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "sweep.json").write_text("{")
    settled = {"reserve_training": 0, "reserve_encoding": 0, "threads": 1, "started": 0.0}
    nul = SweepRecord(swept=(), asked=(), command=("seed=0",), started_in="a\0", **settled)
    whole = nul.model_copy(update={"started_in": str(tmp_path)})
    for name, record in (("nul", nul), ("whole", whole)):
        (tmp_path / name).mkdir()
        record.write(tmp_path / name)
    place = "whole" if " " in given else "broken"
    told = given.replace("DIR", str(tmp_path / place)).replace("NUL", str(tmp_path / "nul"))
    with pytest.raises(UserError, match=re.escape(said)) as error:
        said_before(told.split())
    assert str(error.value).startswith("resume=") and "\n" not in str(error.value)


def test_a_run_in_a_folder_of_its_own_inside_goes_on_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    asked = ["seed=3", "hydra.sweep.dir=a", "hydra.run.dir=a/special"]
    sweep = compose_sweep(read_command_line(asked))
    settled = {"reserve_training": 0, "reserve_encoding": 0, "threads": 1, "started": 0.0}
    told = {"command": tuple(asked), "started_in": str(tmp_path), **folders_kept(sweep)}
    record = SweepRecord(swept=(), asked=sweep.asked, **told, **settled)
    for name in ("a", "moved"):
        (tmp_path / name).mkdir()
        record.write(tmp_path / name)
        again = compose_sweep(read_command_line(said_before([f"resume={name}", "workers=1"])))
        assert again.folder == tmp_path / name and again.run_folders == [tmp_path / name / "special"]
        assert again.asked == sweep.asked


def test_a_folder_whose_results_would_be_lost_or_that_is_not_ours_is_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    sweep = compose_sweep(read_command_line(["-m", "seed=0,1", *QUICK]))
    configs = plan_of(sweep).configs
    settled = {"reserve_training": 0, "reserve_encoding": 0, "threads": 1, "started": 0.0}

    def left(name: str, state: str) -> Path:
        run = tmp_path / "runs" / "single_run" / name / "seed=0"
        run.mkdir(parents=True)
        (run / "config.yaml").write_text("seed: 0")  # an experiment that was edited since
        Status(state=state).write(run)
        SweepRecord(swept=("seed",), asked=sweep.asked, **settled).write(run.parent)
        return run

    def taken() -> Path:
        with own_folder(sweep, configs) as own:
            return own.folder

    other = left("other", "finished")
    before = {path: path.read_bytes() for path in other.iterdir()}
    strange = left("strange", "stopped")
    (strange / "status.json").unlink()
    (strange / "status.json").mkdir()
    (new := taken()).rmdir()
    assert new == sweep.folder and before == {path: path.read_bytes() for path in other.iterdir()}
    stopped = left("stopped", "stopped")
    assert taken().absolute() == stopped.parent and not (stopped / "status.json").exists()
    Status(state="stopped").write(stopped)
    monkeypatch.setattr(os, "access", lambda path, mode: Path(path).absolute() != stopped)  # of another user
    assert taken() == sweep.folder and (stopped / "status.json").exists()


def test_what_the_server_has_is_not_told_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A stand-in for W&B with a server: the second start finds the run, with what the first had told."""
    import wandb

    told: list[dict] = []
    started: list[dict] = []

    def init(**options: object) -> SimpleNamespace:
        started.append(options)
        last = {key: value for row in told for key, value in row.items()}
        return SimpleNamespace(
            summary=dict(last), resumed=bool(told), log=told.append, define_metric=lambda *a, **b: None
        )

    monkeypatch.setattr(wandb, "init", init)
    monkeypatch.setenv("WANDB_MODE", "online")
    for last in (4, 8):
        log = WandbLog()
        log.start(tmp_path, "name", "group", [], {})
        for step in range(2, last + 1, 2):
            log.losses("vqgan", step, {"train/vqgan/l1": float(step)})
        log.curves([{"window": float(window), "layout": 1.0} for window in range(last // 4)])
    assert [row["step/vqgan"] for row in told if "step/vqgan" in row] == [2, 4, 6, 8]
    assert [row["window"] for row in told if "window" in row] == [0, 1]
    assert started[0]["id"] == started[1]["id"] and [start["resume"] for start in started] == [None, "allow"]
