"""How far runs are: what each writes down, and what a terminal and a log are shown of it."""

import json
import time
from pathlib import Path

import pytest

from tats_exp.progress import FILE, Progress, ProgressBar, State, told


class Terminal:
    """Standard error that says whether it is a terminal, and keeps what is written to it."""

    def __init__(self, is_terminal: bool) -> None:
        self.is_terminal, self.text = is_terminal, ""

    def isatty(self) -> bool:
        return self.is_terminal

    def write(self, text: str) -> None:
        self.text += text

    def flush(self) -> None:
        pass


def run_at_work(folder: Path, name: str) -> Progress:
    (folder / name).mkdir()
    progress = Progress(folder / name, name)
    progress.expect(["vqgan", "transformer"])
    return progress


def test_a_run_in_a_line() -> None:
    state = State(name="padding=zero,seed=0", fraction=0.1, stage="vqgan", done=1200, total=5000)
    assert told(state, 79) == "padding=zero,seed=0: vqgan 1,200/5,000"
    state = state.model_copy(update={"rate": 38.0, "loss": 0.01234})
    assert told(state, 79) == "padding=zero,seed=0: vqgan 1,200/5,000  38/s, 01:40 left  loss 0.01234"
    assert told(state, 60) == "padding=…: vqgan 1,200/5,000  38/s, 01:40 left  loss 0.01234"


def test_rate_and_loss_are_those_of_the_stage_at_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    progress = run_at_work(tmp_path, "seed=0")

    def state() -> dict:
        return json.loads((tmp_path / "seed=0" / FILE).read_text())

    progress("vqgan", 40, 100)  # goes on from a checkpoint
    assert state()["rate"] == 0 and state()["done"] == 40
    progress.losses({"train/vqgan/l1": 3.0, "train/vqgan/total": 2.0})
    now[0] += 0.5
    progress("vqgan", 45, 100)
    assert state()["done"] == 40  # once a second is enough
    now[0] += 1.5
    progress("vqgan", 60, 100)
    assert (state()["rate"], state()["loss"]) == (10.0, 2.0)
    progress("transformer", 0, 100)
    assert (state()["stage"], state()["rate"], state()["loss"]) == ("transformer", 0, None)
    progress.losses({"train/transformer/nll": 1.5})
    now[0] += 2
    progress("transformer", 50, 100)
    assert state()["loss"] == 1.5
    assert state()["fraction"] == pytest.approx((53 + 13) / 79)
    assert state()["worked"] == pytest.approx((53 * 0.2 + 13) / 79)  # without what the checkpoint held
    progress.end()
    assert (state()["stage"], state()["fraction"]) == ("", 1.0)


@pytest.mark.parametrize("is_terminal, shown", [(False, True), (True, True), (False, False), (True, False)])
def test_a_terminal_sees_all_runs_and_a_log_each_stage_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_terminal: bool, shown: bool
) -> None:
    screen = Terminal(is_terminal)
    monkeypatch.setattr("sys.stderr", screen)
    runs = [run_at_work(tmp_path, f"seed={seed}") for seed in range(3)]
    runs[0].end()  # finished before
    for place, damaged in enumerate(['{"x": 1}', "[1]", "[" * 10**5, '{"name": "", "stage": "", "fraction": NaN}', ""]):
        (tmp_path / str(place)).mkdir()
        (tmp_path / str(place) / FILE).write_text(damaged)
    with ProgressBar(tmp_path, 3, side_by_side=2, shown=shown):
        for run in runs[1:]:
            run("vqgan", 50, 100)
        time.sleep(2.5)
        runs[1].end()
    if not shown:
        assert screen.text == ""
    elif is_terminal:
        assert "seed=1: vqgan 50/100" in screen.text and "seed=2: vqgan 50/100" in screen.text
        assert "1 of 3 runs through" in screen.text and " left" not in screen.text
        assert screen.text.rstrip().endswith("2 of 3 runs through")
    else:
        assert screen.text.splitlines() == [" 56%  seed=1: vqgan", " 56%  seed=2: vqgan"]


def test_time_left_counts_what_was_worked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    bar = ProgressBar(tmp_path, 2, shown=False)
    run = run_at_work(tmp_path, "seed=0")
    run("vqgan", 90, 100)  # goes on from a checkpoint
    now[0] += 1000  # as long as processes take to start
    assert bar._left(bar._states()) == ""
    now[0] += 10
    run("vqgan", 100, 100)
    left = 10 * (2 - 53 / 79) / (5.3 / 79)
    assert bar._left(bar._states()) == f", {left // 60:02.0f}:{left % 60:02.0f} left"
