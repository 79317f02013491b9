"""Whole runs, as a user starts them: killed and started again, side by side, with and without a logger."""

import json
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from runs import HANGS, QUICK, killed, run_folders, start, tats_exp
from tats_exp.run.wandb_log import BY_FRAME
from tats_exp.run_folder import Status

pytestmark = pytest.mark.slow
# Long enough to be killed in the middle, with a checkpoint every few steps.
LONGER = ("vqgan.training.steps=60", "transformer.training.steps=200")
FIRST = ("reference", "vqgan", "rebuilt")  # stages before the codes


def metrics(folder: Path) -> dict:
    return json.loads((run_folders(folder)[-1] / "metrics.json").read_text())


@pytest.fixture(scope="module")
def untouched(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that nobody disturbed."""
    folder = tmp_path_factory.mktemp("untouched")
    result = tats_exp(folder, *QUICK, *LONGER)
    assert result.returncode == 0, result.stderr
    assert all("% " in line for line in result.stderr.splitlines()), result.stderr  # how far it is, and nothing else
    return folder


def test_a_run_leaves_what_the_report_reads(untouched: Path) -> None:
    run = run_folders(untouched)[-1]
    status = json.loads((run / "status.json").read_text())
    assert (
        status["state"] == "finished"
        and status["choices"]["padding"] == "replicate"
        and status["choices"]["seed"] == "0"
    )
    values = json.loads((run / "metrics.json").read_text())["values"]
    assert 0 <= values["codes/unchanged"] <= 1 and values["fvd/shapes_cnn/last"] > 0
    assert len((run / "curves.csv").read_text().splitlines()) == 1 + 48 // 16
    for name in ("samples", "real", "reconstruction"):
        assert (run / "videos" / f"{name}.mp4").stat().st_size > 0
    assert (run.parent / "report" / "index.html").is_file()


def test_a_warning_on_the_terminal_says_of_which_run(tmp_path: Path) -> None:
    few = ("vqgan.model.codebook.size=512", "vqgan.training.batch_size=1", "vqgan.training.steps=2")
    result = tats_exp(tmp_path, *QUICK, *few)
    lines = [line for line in result.stdout.splitlines() if "noisy copies" in line]
    assert lines[0].startswith("padding=replicate,seed=0,") and ": WARNING: vqgan: 512 codes begin" in lines[0]
    (log,) = tmp_path.rglob("tats_exp.log")
    assert "][WARNING] - vqgan: 512 codes begin" in log.read_text()


@pytest.mark.parametrize("stage", ["vqgan", "transformer"])
def test_killed_in_training_and_started_again_is_never_killed(untouched: Path, tmp_path: Path, stage: str) -> None:
    assert killed(tmp_path, f"*/{stage}/*.partial/last.ckpt", *QUICK, *LONGER).returncode == -signal.SIGKILL
    assert len(list(tmp_path.glob(f"runs/store/{stage}/*.partial/last.ckpt"))) == 1
    assert not list(tmp_path.glob(f"runs/store/{stage}/*/model.safetensors"))
    result = tats_exp(tmp_path, *QUICK, *LONGER)
    assert result.returncode == 0, result.stderr
    assert metrics(tmp_path) == metrics(untouched)


def test_a_hierarchy_killed_while_it_samples_and_started_again_is_never_killed(tmp_path: Path) -> None:
    """With two layers mask b leaks; what was sampled before the kill is kept, and the rest is made in other batches."""
    options = ("sampler=hierarchical", "mask=b", "transformer.model.layers=2", "threads=1")
    first, second = tmp_path / "first", tmp_path / "second"
    first.mkdir()
    result = tats_exp(first, *QUICK, *options)
    assert result.returncode == 0, result.stderr
    shutil.copytree(first / "runs/store", second / "runs/store", ignore=shutil.ignore_patterns("samples", "metrics"))
    died = killed(second, "*/samples/*.partial/part_1.safetensors", *QUICK, *options, "sampling.batch_size=1")
    assert died.returncode == -signal.SIGKILL
    assert len(list(second.glob("runs/store/samples/*.partial/part_*.safetensors"))) == 1
    assert not list(second.glob("runs/store/samples/*/samples.json"))
    result = tats_exp(second, *QUICK, *options, "sampling.gaps_at_once=3")
    assert result.returncode == 0, result.stderr
    assert metrics(second) == metrics(first)
    values = metrics(first)["values"]
    assert values["leak/gradient"] > 0 and values["drift/joints"] > 0
    assert values["codes/shift_nll_gap"] is values["codes/sliding_gap"] is None and values["val/interpolation/nll"] > 0
    status = json.loads((run_folders(second)[-1] / "status.json").read_text())
    assert set(status["reused"]) == {*FIRST, "codes", "long_codes", "transformer", "interpolation"}
    assert (run_folders(second)[-1].parent / "report/figures/masks.png").is_file()


def test_two_runs_at_once_share_the_stages(untouched: Path, tmp_path: Path) -> None:
    processes = [start(tmp_path, *QUICK, *LONGER, f"name=run_{i}") for i in range(2)]
    outputs = [process.communicate(timeout=HANGS)[0] for process in processes]
    assert [process.returncode for process in processes] == [0, 0], outputs
    statuses = [json.loads((run / "status.json").read_text()) for run in run_folders(tmp_path)]
    for stage in ("vqgan", "transformer"):
        assert sum(stage in status["reused"] for status in statuses) == 1
    assert statuses[0]["stages"] == statuses[1]["stages"]
    assert metrics(tmp_path) == metrics(untouched)


def test_everything_is_reused_and_one_stage_can_be_redone(untouched: Path) -> None:
    before = metrics(untouched)
    irrelevant = ("sampling.decode_chunk=4", "metrics.batch_size=3", "workers=1", "codes.batch_size=5", "name=again")
    again = tats_exp(untouched, *QUICK, *LONGER, *irrelevant)
    assert again.returncode == 0, again.stderr
    status = json.loads((run_folders(untouched)[-1] / "status.json").read_text())
    assert sorted(status["reused"]) == sorted([*FIRST, "codes", "transformer", "samples", "metrics"])
    redone = tats_exp(untouched, *QUICK, *LONGER, "store.redo=[samples]")
    assert redone.returncode == 0, redone.stderr
    status = json.loads((run_folders(untouched)[-1] / "status.json").read_text())
    assert sorted(status["reused"]) == sorted([*FIRST, "codes", "transformer"])
    assert metrics(untouched) == before


def test_what_only_reads_the_store_loads_nothing_to_train_or_measure_with(untouched: Path) -> None:
    told = """
import atexit, runpy, sys
sys.argv = ["tats_exp", *sys.argv[1:]]
atexit.register(lambda: print("loaded", *sorted({"lightning", "torchmetrics", "scipy.signal"} & set(sys.modules))))
runpy.run_module("tats_exp", run_name="__main__", alter_sys=True)
"""
    command = [sys.executable, "-c", told, *QUICK, *LONGER, "name=found"]
    result = subprocess.run(command, cwd=untouched, capture_output=True, text=True, timeout=HANGS)
    assert result.returncode == 0 and result.stdout.splitlines()[-1] == "loaded", result.stdout
    assert len(json.loads((run_folders(untouched)[-1] / "status.json").read_text())["reused"]) == 7


def test_wandb_changes_no_number_and_leaves_a_readable_run(untouched: Path, tmp_path: Path) -> None:
    result = tats_exp(tmp_path, "scale=smoke", "trainer=cpu", "threads=1", *LONGER)
    assert result.returncode == 0, result.stderr
    assert metrics(tmp_path) == metrics(untouched)
    (folder,) = run_folders(tmp_path)[-1].glob("wandb/offline-run-*")
    (file,) = folder.glob("*.wandb")
    wandb = Path(sys.executable).with_name("wandb")
    read = subprocess.run([wandb, "leet", "inspect", "--json", "--summary", file], capture_output=True, text=True)
    assert read.returncode == 0, read.stderr
    for key, value in metrics(untouched)["values"].items():
        if value is not None:
            by_frame = BY_FRAME.fullmatch(key)  # a table
            assert (key if by_frame is None else f"{by_frame[1]}/by_frame") in read.stdout
    assert len(list(folder.glob("files/media/videos/**/*.mp4"))) == 3


def test_a_sweep_with_a_condition_and_a_failing_run(tmp_path: Path) -> None:
    """A training that diverges fails alone: the others finish, the report names it."""
    options = ("-m", "padding=replicate,real", "condition=label", "name=mixed", "hydra.launcher.n_jobs=2")
    options += ("vqgan.training.optimizer.lr=2e-3,1e18",)
    result = tats_exp(tmp_path, *QUICK, *options)
    assert result.returncode == 2, result.stderr
    states = [json.loads((run / "status.json").read_text())["state"] for run in run_folders(tmp_path)]
    assert sorted(states) == ["failed", "failed", "finished", "finished"]
    page = next(tmp_path.glob("runs/mixed/*/report/index.html")).read_text()
    assert "lr=1e+18" in page and "the training diverged" in page
    again = tats_exp(tmp_path, str(next(tmp_path.glob("runs/mixed/*"))), module="tats_exp.report")
    assert again.returncode == 0 and "padding=real" in again.stdout


def test_a_full_disk_is_one_line_and_loses_nothing(tmp_path: Path) -> None:
    """Files may not grow beyond a limit, which fails in the same calls as a full disk."""
    limit = 60_000
    result = subprocess.run(
        [sys.executable, "-m", "tats_exp", *QUICK],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)),
    )
    assert result.returncode == 1, result.stderr
    lines = [line for line in result.stderr.splitlines() if line.startswith("tats_exp:")]
    assert len(lines) == 1 and "File too large" in lines[0] and "make room" in lines[0]
    assert "Traceback" not in result.stderr
    assert not list(tmp_path.rglob("model.safetensors")) and not list(tmp_path.rglob("*.tmp"))
    assert tats_exp(tmp_path, *QUICK).returncode == 0


def test_the_same_job_on_files_leaves_out_what_it_cannot_use(tmp_path: Path) -> None:
    """The same job on video files that the test writes: two classes, a broken one and a short one left out."""
    import numpy as np

    from tats_exp.data.shapes import Shapes
    from tats_exp.data.video_writer import VideoWriter

    source = Shapes(train_videos=8, test_videos=4, frames=60, resolution=32, seed=0)
    for split in ("train", "test"):
        videos = source.split(split)
        for index in range(len(videos.names)):
            path = tmp_path / "videos" / split / f"class_{index % 2}" / f"{index}.mp4"
            path.parent.mkdir(parents=True, exist_ok=True)
            with VideoWriter(path, 12) as writer:
                writer.write(videos.read(index, 0, 8 if index == 3 else 60))
    (tmp_path / "videos" / "train" / "class_0" / "broken.mp4").write_text("no video")
    options = ("data=video_files", "data.root=videos", "reference_videos=6", "eval_videos=4")
    result = tats_exp(tmp_path, *QUICK, *options)
    assert result.returncode == 0, result.stderr
    assert "broken.mp4" in result.stderr and "1 of 9 videos" in result.stderr
    assert "too short" in result.stderr
    assert np.isfinite(metrics(tmp_path)["values"]["fvd/shapes_cnn/last"])


LONG = ("vqgan.training.checkpoint_every=20", "logger=csv", "hydra.sweep.dir=sweep", "store.root=store")


def wait_for(what: Callable[[], bool], process: subprocess.Popen) -> None:
    """Wait until something has come to pass that a process does; a process that ends before does not."""
    begun = time.monotonic()
    while not what():
        assert process.poll() is None and time.monotonic() - begun < HANGS
        time.sleep(0.2)


def states(folder: Path) -> list[str]:
    return sorted(Status.read(path.parent).state for path in folder.glob("sweep/*/status.json"))


def test_workers_end_with_a_command_that_is_killed(tmp_path: Path) -> None:
    """Killed while both train: nobody goes on, the runs show as killed, and nothing is left in shared memory."""
    options = ("-m", *QUICK, *LONG, "seed=0,1", "hydra.launcher.n_jobs=2", "vqgan.training.steps=1000000")
    process = start(tmp_path, *options)
    wait_for(lambda: len(list(tmp_path.glob("store/vqgan/*.partial/last.ckpt"))) == 2, process)
    assert states(tmp_path) == ["running", "running"]
    process.kill()
    process.communicate()
    begun = time.monotonic()
    while states(tmp_path) != ["killed", "killed"] or list(Path("/dev/shm").glob(f"*[_-]{process.pid}[_-]*")):
        assert time.monotonic() - begun < 60
        time.sleep(0.2)
    result = tats_exp(tmp_path, "sweep", module="tats_exp.report")
    assert "seed=0 (killed): its process is gone" in result.stdout


@pytest.mark.parametrize("side_by_side", [1, 2])
def test_sigterm_is_one_line_and_a_report_of_what_is_finished(tmp_path: Path, side_by_side: int) -> None:
    """In this process, where Lightning trains, and with workers."""
    options = ("-m", *QUICK, *LONG, f"hydra.launcher.n_jobs={side_by_side}", "vqgan.training.steps=4,1000000")
    process = start(tmp_path, *options)

    def trains() -> bool:
        return any(tmp_path.glob("store/vqgan/*.partial/last.ckpt"))

    wait_for(lambda: states(tmp_path) == ["finished", "running"] and trains(), process)
    process.terminate()
    output = process.communicate(timeout=HANGS)[0]
    assert process.returncode == 1 and output.count("tats_exp: stopped; start the same command again") == 1
    assert "Traceback" not in output and states(tmp_path) == ["finished", "stopped"]
    assert "vqgan.training.steps=1000000 (stopped): stopped before its end" in output
    assert (tmp_path / "sweep" / "report" / "index.html").is_file() and not list(tmp_path.rglob("*.tmp"))


def test_flipped_bytes_in_any_stored_file_change_no_number(untouched: Path) -> None:
    """A byte in one file of every stage at once: all are named, made again, and come out as before."""
    before, store = metrics(untouched), untouched / "runs" / "store"
    files = [path for path in store.glob("*/*/*") if path.name not in ("stage.json", "samples.json") and path.is_file()]
    for path in files:
        content = bytearray(path.read_bytes())
        content[len(content) // 2] ^= 1
        path.write_bytes(content)
    result = tats_exp(untouched, *QUICK, *LONGER)
    assert result.returncode == 0, result.stderr
    assert metrics(untouched) == before
    stages = {path.parent for path in files}
    assert len(stages) == 7 and all(stage.with_name(f"{stage.name}.damaged").is_dir() for stage in stages)
    assert result.stderr.count("is damaged") + result.stdout.count("is damaged") == 7
