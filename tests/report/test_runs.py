import json
import math
import os
from pathlib import Path

import numpy as np
import pytest

from tats_exp.report.runs import group_runs, load_runs
from tats_exp.run_folder import Status
from tests.report.sweep import PROTOCOL, write_curves, write_histogram, write_losses, write_run


def test_what_a_run_left_is_read_back(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "a", {"padding": "zero", "seed": "0"}, {"codes/unchanged": 0.5}, seconds={"vqgan": 3})
    write_curves(folder, {"fvd/shapes_cnn": [1.0, 2.5]})
    write_losses(folder, {("vqgan", "train/l1"): [0.3, 0.2, 0.1]})
    write_histogram(folder, np.array([3, 1]), np.array([2, 2]))
    (run,) = load_runs(tmp_path)
    assert run.state == "finished" and run.reason is None
    assert run.values == {"codes/unchanged": 0.5} and run.seconds == {"vqgan": 3.0}
    assert run.curves == {"fvd/shapes_cnn": [1.0, 2.5]}
    assert run.losses == {("vqgan", "train/l1"): ([0, 1, 2], [0.3, 0.2, 0.1])}
    assert run.code_histogram == {"code": [0, 1], "real": [3, 1], "generated": [2, 2]}


def test_runs_are_found_at_any_depth_in_natural_order(tmp_path: Path) -> None:
    for seed in (10, 9, 1):
        write_run(tmp_path / "deep" / "deeper" / f"seed={seed}", {"seed": str(seed)})
    assert [run.seed for run in load_runs(tmp_path)] == ["1", "9", "10"]
    assert load_runs(tmp_path / "deep" / "deeper" / "seed=9")[0].name == "seed=9"


def test_a_floor_holds_for_its_key_and_for_the_ends_of_its_curve_to_the_same_reference(tmp_path: Path) -> None:
    floors = {
        "rebuilt": {"fvd/net": 1.0, "fvd/net/last": 2.0},
        "real": {"fvd/net/to_real": 3.0, "fvd/net/rebuilt": 4.0},
    }
    write_run(tmp_path / "a", {}, floors=floors)
    (run,) = load_runs(tmp_path)
    assert run.floor("rebuilt", "fvd/net/window_0") == run.floor("rebuilt", "fvd/net") == 1.0
    assert run.floor("rebuilt", "fvd/net/last") == 2.0
    assert run.floor("real", "fvd/net/last/to_real") == 3.0 and run.floor("real", "fvd/net/rebuilt") == 4.0
    for key in ("fvd/net/growth", "fvd/net/rebuilt", "fvd/net/last/to_real", "fvd/net/last/std", "fvd/network"):
        assert run.floor("rebuilt", key) is None


def test_never_is_infinite_and_null_or_nan_is_not_defined(tmp_path: Path) -> None:
    values = {"drift/first_window": math.inf, "drift/joints": None, "fvd/net/last": float("nan")}
    text = (write_run(tmp_path / "a", {}, values) / "metrics.json").read_text()
    assert "NaN" in text and '"never"' in text
    (run,) = load_runs(tmp_path)
    assert run.values == {"drift/first_window": math.inf, "drift/joints": None, "fvd/net/last": None}


@pytest.mark.parametrize(("generated", "real", "is_shown"), [(8, 8, True), (7, 128, False), (128, 7, False)])
def test_values_over_few_videos_are_refused_and_those_of_codes_are_not(
    tmp_path: Path, generated, real, is_shown
) -> None:
    protocol = PROTOCOL | {"n_generated": generated, "n_real": real}
    folder = write_run(tmp_path / "a", {}, {"kvd/net/last": -60.0, "codes/place_probe": 0.3}, protocol=protocol)
    write_curves(folder, {"kvd/net": [5.4, -60.0], "codes/js_divergence": [0.1, 0.2]})
    (run,) = load_runs(tmp_path)
    assert ("kvd/net/last" in run.values) == ("kvd/net" in run.curves) == (not run.refused) == is_shown
    assert "codes/place_probe" in run.values and "codes/js_divergence" in run.curves


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda run: (run / "metrics.json").unlink(), "metrics.json: missing"),
        (lambda run: (run / "metrics.json").write_text('{"values": {"a": '), "metrics.json: not JSON"),
        (lambda run: (run / "metrics.json").write_text("[]"), "metrics.json: holds no JSON object"),
        (lambda run: (run / "status.json").write_text(""), "status.json: not JSON"),
        (lambda run: (run / "status.json").write_text('{"state": "done"}'), "'done'"),
        (lambda run: (run / "curves.csv").write_text("window,a\n0,1\n1,oops\n"), "curves.csv"),
        (lambda run: (run / "losses.csv").write_text("stage,step,key,value\nvqgan,1,"), "losses.csv"),
    ],
)
def test_a_damaged_run_is_kept_with_one_line_of_reason(tmp_path: Path, damage, said: str) -> None:
    damage(write_run(tmp_path / "a", {"seed": "0"}))
    write_run(tmp_path / "b", {"seed": "1"})
    damaged, whole = load_runs(tmp_path)
    assert damaged.state == "unreadable" and said in damaged.reason and damaged.reason and "\n" not in damaged.reason
    assert whole.state == "finished"
    assert [run.seed for group in group_runs([damaged, whole]) for run in group.runs] == ["1"]


@pytest.mark.parametrize(
    ("status", "said"), [({"commit": "c0ffee"}, "columns is missing (written by commit c0ffee)"), ({}, "is missing")]
)
def test_what_an_older_version_wrote_is_refused_by_its_commit(
    tmp_path: Path, status: dict[str, str], said: str
) -> None:
    folder = write_run(tmp_path / "a", {"seed": "0"}, {"codes/unchanged": 0.5}, **status)
    metrics = json.loads((folder / "metrics.json").read_text())
    del metrics["columns"]
    (folder / "metrics.json").write_text(json.dumps(metrics))
    (run,) = load_runs(tmp_path)
    assert run.state == "unreadable" and said in run.reason and "\n" not in run.reason


def test_failed_and_unfinished_runs_say_so(tmp_path: Path) -> None:
    write_run(tmp_path / "a", {"seed": "0"}, state="failed", error="ValueError:\n  too long")
    write_run(tmp_path / "b", {"seed": "1"}, state="running")
    failed, running = load_runs(tmp_path)
    assert (failed.state, failed.reason) == ("failed", "ValueError: too long")
    assert running.state == "running" and "not finished" in running.reason


def test_stopped_killed_and_damaged_runs_say_so(tmp_path: Path) -> None:
    write_run(tmp_path / "a", {"seed": "0"}, state="running")
    (tmp_path / "a" / "running.lock").touch()  # of a process that is gone
    write_run(tmp_path / "b", {"seed": "1"}, state="stopped")
    finished = write_run(tmp_path / "c", {"seed": "2"})
    Status.read(finished).model_copy(update={"sums": {"metrics.json": "another"}}).write(finished)
    killed, stopped, damaged = load_runs(tmp_path)
    assert killed.state == "killed" and killed.reason.startswith("its process is gone")
    assert stopped.state == "stopped" and "start the same command again" in stopped.reason
    assert damaged.state == "unreadable" and damaged.reason.startswith("metrics.json: damaged")


def test_the_same_choices_twice_count_once_and_the_newer_counts(tmp_path: Path) -> None:
    for name, time in (("a", 2_000_000_000), ("b", 1_000_000_000)):
        folder = write_run(tmp_path / name, {"padding": "zero", "seed": "0"})
        os.utime(folder / "status.json", (time, time))
    newer, older = load_runs(tmp_path)
    assert newer.state == "finished"
    assert older.state == "superseded" and "a" in older.reason


def test_a_run_that_was_measured_otherwise_is_not_superseded(tmp_path: Path) -> None:
    for name, videos in (("a", 4), ("b", 6)):
        write_run(tmp_path / name, {"seed": "0"})
        metrics = json.loads((tmp_path / name / "metrics.json").read_text())
        metrics["protocol"]["n_generated"] = videos
        (tmp_path / name / "metrics.json").write_text(json.dumps(metrics))
    assert [run.state for run in load_runs(tmp_path)] == ["finished", "finished"]


def test_a_failed_repeat_does_not_supersede_a_finished_run(tmp_path: Path) -> None:
    write_run(tmp_path / "a", {"seed": "0"})
    write_run(tmp_path / "b", {"seed": "0"}, state="failed", error="late")
    assert [run.state for run in load_runs(tmp_path)] == ["finished", "failed"]


def test_two_experiments_are_never_averaged(tmp_path: Path) -> None:
    write_run(tmp_path / "a", {"seed": "0"}, experiment="one")
    write_run(tmp_path / "b", {"seed": "1"}, experiment="two")
    assert [group.label for group in group_runs(load_runs(tmp_path))] == ["experiment=one", "experiment=two"]


def test_groups_gather_seeds_in_order(tmp_path: Path) -> None:
    for padding in ("zero", "real"):
        for seed in ("10", "2"):
            write_run(tmp_path / f"{padding}{seed}", {"padding": padding, "mask": "c", "seed": seed})
    groups = group_runs(load_runs(tmp_path))
    assert [group.label for group in groups] == ["padding=real mask=c", "padding=zero mask=c"]
    assert all([run.seed for run in group.runs] == ["2", "10"] for group in groups)


def test_nothing_to_report_on_is_one_line(tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "missing"):
        with pytest.raises(ValueError) as error:
            load_runs(folder)
        assert str(folder) in str(error.value) and "\n" not in str(error.value)


def test_status_without_choices_is_a_run_of_its_own(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "only", {})
    status = json.loads((folder / "status.json").read_text())
    del status["choices"]
    (folder / "status.json").write_text(json.dumps(status))
    (group,) = group_runs(load_runs(tmp_path))
    assert group.label == "padding_ablation" and group.runs[0].label == "only"
