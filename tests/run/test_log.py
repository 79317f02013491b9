"""Logs: nothing that one refuses ends a run, and W&B is told only what it takes."""

import inspect
import logging
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from tats_exp.run.log import FilesOnly, GuardedLog, RunLog
from tats_exp.run.store import Made
from tats_exp.run.wandb_log import NAME, TAG, WandbLog, shortened
from tats_exp.run_folder import WANDB_ID

LONG = "data.root=/" + "/".join(["a_rather_long_folder"] * 9)


class Refuses:
    """Takes nothing, be it named or not."""

    def __init__(self, *refused: str) -> None:
        self.refused, self.told = refused, []

    def __getattr__(self, method: str) -> Callable[..., None]:
        def called(*arguments: object, **more: object) -> None:
            self.told.append(method)
            if method in self.refused or not self.refused:
                raise RuntimeError(f"{method}\nwill not do")

        return called


def tell_everything(log: RunLog, folder: Path) -> None:
    log.start(folder, "name", "group", ["seed=0"], {"seed": 0})
    log.losses("vqgan", 0, {"train/vqgan/l1": 1.0})
    log.curves([{"window": 0.0}])
    log.histogram("codes/histogram_real", [1, 2])
    log.video("videos/samples", folder / "samples.mp4")
    log.protocol({"n_real": 512})
    log.stage(Made(folder, "0123", reused=False, seconds=1.0), "vqgan", {})
    log.finish({"fvd/shapes_cnn/last": None}, failed=False)


METHODS = [name for name, _ in inspect.getmembers(RunLog, inspect.isfunction) if not name.startswith("_")]


@pytest.mark.parametrize("refused", [(method,) for method in METHODS] + [()])
def test_nothing_that_a_log_refuses_ends_a_run(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, refused: tuple[str, ...]
) -> None:
    inner = Refuses(*refused)
    log = GuardedLog(lambda: inner)
    with caplog.at_level(logging.WARNING):
        tell_everything(log, tmp_path)
    first = refused[0] if refused else "start"
    (record,) = caplog.records
    assert f"Refuses refused {first}: {first} will not do" in record.message and "\n" not in record.message
    assert log.refused is not None and log.refused.startswith(f"Refuses refused {first}")
    # What cannot be opened is told nothing; in any case it is closed, and what comes after another refusal is told.
    assert inner.told == (["start", "finish"] if first == "start" else METHODS_IN_ORDER)


METHODS_IN_ORDER = ["start", "losses", "curves", "histogram", "video", "protocol", "stage", "finish"]


def test_every_method_of_a_log_is_guarded() -> None:
    assert sorted(METHODS_IN_ORDER) == sorted(METHODS)
    for method in METHODS:
        guarded = inspect.signature(getattr(GuardedLog, method)).parameters
        assert list(guarded) == list(inspect.signature(getattr(RunLog, method)).parameters)


def test_a_log_that_cannot_be_made_is_a_log_that_cannot_be_opened(tmp_path: Path) -> None:
    def fails() -> RunLog:
        raise ImportError("no module named comet")

    log = GuardedLog(fails)
    tell_everything(log, tmp_path)
    assert log.refused == "logger refused start: no module named comet"


def test_a_log_that_takes_everything_is_not_remarked_on(tmp_path: Path) -> None:
    log = GuardedLog(FilesOnly)
    tell_everything(log, tmp_path)
    assert log.refused is None


def test_what_is_shortened_stays_readable_and_itself() -> None:
    assert shortened("seed=0", TAG) == "seed=0" and shortened("a" * TAG, TAG) == "a" * TAG
    short = shortened(LONG, TAG)
    assert len(short) == TAG and short.startswith("data.root=/a_rather")
    assert len({shortened(LONG[:100] + letter + LONG[100:], TAG) for letter in "abc"} | {short}) == 4
    assert len(shortened("data.root=\udce9" + LONG, TAG)) == TAG  # a name that is not UTF-8


def test_wandb_takes_what_a_run_with_a_long_path_tells_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A real W&B run, offline: names and tags beyond its limits, values that are no numbers, a histogram too fine."""
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_SILENT", "true")
    log = GuardedLog(WandbLog)
    log.start(tmp_path, f"{LONG},seed=0", "g" * 200, [LONG, "seed=0"], {"data": {"root": LONG}, "none": None})
    run = log._log.run
    tags, name, group, config = run.tags, run.name, run.group, dict(run.config)
    log.losses("vqgan", 0, {"train/vqgan/l1": float("nan"), "train/vqgan/commitment": float("inf")})
    log.curves([{"window": 0.0}, {"window": 1.0, "fvd/shapes_cnn": 1e308}])
    log.histogram("codes/histogram_real", [0] * 1025)
    log.video("videos/none", tmp_path / "none.mp4")
    log.finish({"a": None, "b": float("nan"), "c": float("-inf")})
    assert log.refused is not None and "none.mp4" in log.refused and "first of" not in log.refused
    assert max(map(len, tags)) == TAG and len(name) == len(group) == NAME and "seed=0" in tags
    assert config["data"] == {"root": LONG} and config["none"] is None
    assert list(tmp_path.glob("wandb/offline-run-*/*.wandb"))


def test_a_log_that_could_not_be_opened_can_be_closed(tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WANDB_MODE", "bogus")
    log = WandbLog()
    with pytest.raises(ValueError, match="mode"):
        log.start(tmp_path, "name", "group", [], {})
    log.finish({}, failed=True)


@pytest.mark.parametrize("mode, kept", [("disabled", True), ("bogus", True), ("offline", False)])
def test_what_was_not_uploaded_is_removed_once_it_is_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mode: str, kept: bool
) -> None:
    monkeypatch.setenv("WANDB_MODE", mode)
    (tmp_path / WANDB_ID).write_text("0a1b2c3d")
    (before := tmp_path / "wandb" / "offline-run-20260101_000000-0a1b2c3d").mkdir(parents=True)
    log = GuardedLog(WandbLog)
    log.start(tmp_path, "name", "group", [], {})
    log.finish({})
    assert before.is_dir() == kept and (log.refused is None) == (mode != "bogus")


def test_the_protocol_is_part_of_the_summary() -> None:
    log = WandbLog()
    log.run = SimpleNamespace(summary={})
    log.protocol({"n_real": 512})
    assert log.run.summary == {"protocol": {"n_real": 512}}


class Server:
    """A stand-in for a W&B run with a server behind it."""

    def __init__(self) -> None:
        self.used: list = []
        self.logged: list = []
        self.use_artifact, self.log_artifact = self.used.append, self.logged.append


def test_models_become_artifacts_if_wanted_those_that_were_found_as_what_the_run_used(tmp_path: Path) -> None:
    import wandb

    (tmp_path / "model.safetensors").write_bytes(b"weights")
    stages = {"reference": True, "vqgan": True, "codes": False, "metrics": False}
    for wanted in (False, True):
        log = WandbLog(artifacts=wanted)
        log.wandb, log.run = wandb, Server()
        for name, reused in stages.items():
            log.stage(Made(tmp_path, f"{name}_key", reused, 1.0), name, {"vqgan": "vqgan_key", "reference": "r"})
        if not wanted:
            assert log.run.used == log.run.logged == []
    ((found,), (made,)) = log.run.used, log.run.logged
    assert (found.type, found.name, list(found.manifest.entries)) == ("vqgan", "vqgan-vqgan_key", ["model.safetensors"])
    assert made.type == "codes" and made.metadata == {"made_from": {"vqgan": "vqgan-vqgan_key"}}


def test_artifacts_of_an_offline_run_are_logged_in_its_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_DATA_DIR", str(tmp_path / "data"))
    stage = tmp_path / "stage"
    stage.mkdir()
    (stage / "model.safetensors").write_bytes(b"weights")
    log = GuardedLog(lambda: WandbLog(artifacts=True))
    log.start(tmp_path, "name", "group", [], {})
    log.stage(Made(stage, "0123", reused=True, seconds=1.0), "vqgan", {})
    log.finish({})
    assert log.refused is None
    (file,) = tmp_path.glob("wandb/offline-run-*/*.wandb")
    read = subprocess.run(
        [Path(sys.executable).with_name("wandb"), "leet", "inspect", "--json", file], capture_output=True, text=True
    )
    assert '"vqgan-0123"' in read.stdout and "model.safetensors" in read.stdout
    assert (stage / "model.safetensors").read_bytes() == b"weights"  # where the store has it
