"""How far runs are: what each writes down, and what a terminal and a log are shown of it."""

import json
import time
from pathlib import Path

import pytest

from tats_exp.progress import FILE, Progress, ProgressBar, told


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
    state = {"name": "seed=0", "stage": "vqgan", "done": 1200, "total": 5000, "rate": 0.0, "loss": None}
    assert told(state) == "seed=0: vqgan 1,200/5,000"
    assert told(state | {"rate": 38.0, "loss": 0.01234}) == "seed=0: vqgan 1,200/5,000  38/s, 01:40 left  loss 0.01234"


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
    with ProgressBar(tmp_path, 3, side_by_side=2, shown=shown):
        for run in runs[1:]:
            run("vqgan", 50, 100)
        time.sleep(2.5)
    if not shown:
        assert screen.text == ""
    elif is_terminal:
        assert "seed=1: vqgan 50/100" in screen.text and "seed=2: vqgan 50/100" in screen.text
        assert "1 of 3 runs through" in screen.text and " left" in screen.text
    else:
        assert screen.text.splitlines() == [" 56%  seed=1: vqgan", " 56%  seed=2: vqgan"]
