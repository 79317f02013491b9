"""The JSON files of a run folder: written and read back the same, refused in one line that says who wrote them."""

import json
import math
import multiprocessing
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tats_exp import UserError
from tats_exp.run_folder import (
    Column,
    MaskLeak,
    Metrics,
    Protocol,
    Status,
    marked_running,
    sums_of_results,
    write_metrics,
)
from tests.report.sweep import PROTOCOL

STATUS = Status(
    state="finished",
    experiment="padding_ablation",
    choices={"padding": "zero", "seed": "0"},
    seconds={"vqgan": 1.5, "total": 2.0},
    reused=("codes",),
    stages={"vqgan": "ab12"},
    record="experiments/padding_ablation/README.md",
    endpoint="layout/growth",
    secondary=("fvd/{network}/last",),
    version={"tats-exp": "0.1.0"},
    commit="c0ffee",
)


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    mask = MaskLeak(mask="b", window=(3, 2, 2), condition_length=1, visible=[[1.0]], leak=[[None, 0.5], [0.25, None]])
    metrics = Metrics(
        values={"a": 0.1, "b": None, "c": math.inf},
        floors={"real": {"a": 1.7}},
        notes=("one",),
        protocol=Protocol.from_dict(PROTOCOL),
        columns=(Column("a", ("a", ""), "What a is."),),
    )
    for record in (STATUS, metrics, mask):
        record.write(tmp_path)
        assert type(record).read(tmp_path) == record


def test_values_that_are_no_numbers_are_written_as_null(tmp_path: Path) -> None:
    values = {"a": 1.0, "b": float("nan"), "c": float("inf"), "d": None}
    write_metrics(tmp_path, values, {"real": {"a": 1.0, "b": math.nan}}, ["note"], Protocol.from_dict(PROTOCOL), [], {})
    written = json.loads((tmp_path / "metrics.json").read_text())
    assert written["values"] == {"a": 1.0, "b": None, "c": None, "d": None}
    assert written["floors"] == {"real": {"a": 1.0}}
    assert written["protocol"] == {**PROTOCOL, "given_frames": 0}


def test_infinity_is_never_where_a_column_counts_and_null_elsewhere(tmp_path: Path) -> None:
    counts = Column("a", ("a", ""), "Windows until a.", never=True)
    values = {"a": math.inf, "b": math.inf, "c": -math.inf}
    write_metrics(tmp_path, values, {}, [], Protocol.from_dict(PROTOCOL), [counts], {})
    assert json.loads((tmp_path / "metrics.json").read_text())["values"] == {"a": "never", "b": None, "c": None}
    assert Metrics.read(tmp_path).values == {"a": math.inf, "b": None, "c": None}


def test_keys_of_another_version_are_passed_over_and_choices_are_text(tmp_path: Path) -> None:
    (tmp_path / "status.json").write_text('{"state": "finished", "choices": {"seed": 0}, "colour": "red"}')
    assert Status.read(tmp_path) == Status(state="finished", choices={"seed": "0"})


def test_a_file_of_an_older_version_is_refused_with_the_commit_that_wrote_it(tmp_path: Path) -> None:
    STATUS.write(tmp_path)
    old = {key: value for key, value in PROTOCOL.items() if key != "split"}
    (tmp_path / "metrics.json").write_text(json.dumps({"values": {}, "protocol": old}))
    with pytest.raises(UserError, match=r"^metrics\.json: protocol lacks split.*\(written by commit c0ffee\)$"):
        Metrics.read(tmp_path)
    STATUS.model_copy(update={"commit": None}).write(tmp_path)
    with pytest.raises(UserError, match=r"\(written by version 0\.1\.0\)$"):
        Metrics.read(tmp_path)
    (tmp_path / "metrics.json").write_text("{}")
    with pytest.raises(UserError, match=r"^metrics\.json: values is missing"):
        Metrics.read(tmp_path)


def test_records_are_read_without_torch() -> None:
    script = "import sys, tats_exp.run_folder; print([n for n in ('torch', 'hydra', 'matplotlib') if n in sys.modules])"
    assert subprocess.run([sys.executable, "-c", script], capture_output=True, text=True).stdout == "[]\n"


def _runs_on(folder: Path, ready: Any) -> None:
    with marked_running(folder):
        Status(state="running").write(folder)
        ready.set()
        time.sleep(600)


def test_a_run_whose_process_is_gone_was_killed(tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    ready = context.Event()
    process = context.Process(target=_runs_on, args=(tmp_path, ready))
    process.start()
    ready.wait()
    assert Status.read(tmp_path).state == "running"
    process.kill()
    process.join()
    assert Status.read(tmp_path).state == "killed"
    with marked_running(tmp_path):  # it is started again
        assert Status.read(tmp_path).state == "running"
        Status(state="finished").write(tmp_path)
    assert Status.read(tmp_path).state == "finished" and len(list(tmp_path.iterdir())) == 1
    Status(state="running").write(tmp_path)
    assert Status.read(tmp_path).state == "running"  # an older version says no more


def test_a_record_carries_its_own_sum(tmp_path: Path) -> None:
    Status(state="finished", choices={"seed": "0"}).write(tmp_path)
    written = (tmp_path / "status.json").read_text()
    assert Status.read(tmp_path).choices == {"seed": "0"}
    for old, new in (('"seed": "0"', '"seed": "1"'), ('"choices"', '"choice~"'), ("finished", "finishee")):
        (tmp_path / "status.json").write_text(written.replace(old, new))
        with pytest.raises(UserError, match=r"status\.json: damaged"):
            Status.read(tmp_path)
    (tmp_path / "status.json").write_text('{"state": "finished"}')  # of an older version
    assert Status.read(tmp_path).state == "finished"


def test_results_are_held_against_what_the_run_wrote(tmp_path: Path) -> None:
    (tmp_path / "metrics.json").write_text("{}")
    (tmp_path / "curves.csv").write_text("window\n")
    status = Status(state="finished", sums=sums_of_results(tmp_path))
    status.require_whole(tmp_path)
    (tmp_path / "metrics.json").write_text("[]")
    with pytest.raises(UserError, match=r"^metrics.json: damaged"):
        status.require_whole(tmp_path)
    (tmp_path / "metrics.json").unlink()
    with pytest.raises(UserError, match=r"^metrics.json: damaged"):
        status.require_whole(tmp_path)
    Status(state="finished").require_whole(tmp_path)  # of an older version
