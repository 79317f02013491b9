"""Benchmarks that cannot be run in full here: that what they would run on a GPU still runs, small, on the CPU."""

import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

import gpu

BENCHMARKS = Path(__file__).resolve().parent.parent / "benchmarks"


def benchmark(*arguments: str) -> str:
    command = [sys.executable, *arguments]
    result = subprocess.run(command, cwd=BENCHMARKS, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr[-2000:]
    return result.stdout


def test_steps_at_the_size_of_the_paper_run_small() -> None:
    out = benchmark("paper_steps.py", "device=cpu", "quick", "rounds=1", "vqgan", "transformer", "only=fp32")
    rows = re.findall(r"^\| (\S+), fp32 \| ([\d.]+) \|", out, re.MULTILINE)
    assert [name for name, _ in rows] == ["original", "ours"] * 2
    assert all(float(ms) > 0 for _, ms in rows)


def test_without_a_device_it_says_what_it_skipped(capsys: pytest.CaptureFixture[str], monkeypatch) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    assert gpu.main(["steps", "sweep"]) == 0
    assert capsys.readouterr().out == "no CUDA device; skipped: Steps of a training, Padding at toy scale\n"
    assert gpu.main(["stepps"]) == 2
    assert "no part stepps; allowed: card, steps" in capsys.readouterr().err
    assert gpu.main(["device=tpu"]) == 2


def test_missing_packages_are_named_first_and_the_card_is_measured(capsys, monkeypatch) -> None:
    monkeypatch.setattr(gpu, "missing", lambda: ["einops", "hydra-core"])
    assert gpu.main(["quick", "device=cpu", "card", "steps"]) == 1
    out = capsys.readouterr().out
    assert out.startswith(
        "missing packages: pip install einops hydra-core\n  without them cannot run: steps\n1 of 1: card"
    )
    assert "| product of matrices, fp32, TFLOP/s |" in out
    monkeypatch.setattr(gpu, "missing", lambda: ["torch"])
    assert gpu.main(["card"]) == 1
    assert capsys.readouterr().out == "missing packages: pip install torch\n  without them cannot run: card\n"


def test_nothing_is_missing_here() -> None:
    assert gpu.missing() == []


TABLE = "| a |\n|---|\n| 1 |"


@pytest.mark.parametrize(
    "program, ended, shown",
    [
        (f"print({TABLE!r}, flush=True); import time; time.sleep(60)", "cut off after 3 s", TABLE),
        (f"print({TABLE!r}); raise SystemExit(3)", "failed with 3", f"{TABLE}\n\n```\n{TABLE}\n```"),
        ("print('here'); raise SystemExit(3)", "failed with 3", "```\nhere\n```"),
        ("print('all of it')", "done", "all of it"),
        ("import sys; sys.stdout.buffer.write(b'\\xff')", "done", "\ufffd"),
    ],
)
def test_what_a_part_has_said_counts_however_it_ended(tmp_path: Path, program: str, ended: str, shown: str) -> None:
    said, how = gpu.run(gpu.Part("One", ("-c", program), 3), tmp_path)
    assert said == shown and how.startswith(ended)


CHILD = "import subprocess, sys; p = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)']); "


@pytest.mark.parametrize("signalled", [None, signal.SIGINT, signal.SIGTERM])
def test_a_part_that_is_stopped_leaves_nothing_running(tmp_path: Path, signalled: int | None) -> None:
    """Cut off, and with the command that runs it: what the part has started ends, too."""
    told = tmp_path / "pid"
    program = f"{CHILD} open({str(told)!r}, 'w').write(str(p.pid)); p.wait()"
    limit = 3 if signalled is None else 60
    runner = (
        f"import gpu, signal; from pathlib import Path; signal.signal(signal.SIGTERM, gpu.stop); "
        f"gpu.run(gpu.Part('One', ('-c', {program!r}), {limit}), Path('.'))"
    )
    with subprocess.Popen([sys.executable, "-c", runner], cwd=BENCHMARKS, stderr=subprocess.DEVNULL) as process:
        wait_for(lambda: told.exists() and told.read_text())
        if signalled is not None:
            process.send_signal(signalled)
        process.wait(30)
    pid = int(told.read_text())
    wait_for(lambda: not alive(pid))


def wait_for(condition: Callable[[], object]) -> None:
    end = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)


def alive(pid: int) -> bool:
    """Whether a process is there, and not just waiting to be forgotten."""
    status = Path(f"/proc/{pid}/status")
    return status.exists() and "State:\tZ" not in status.read_text()


def test_a_record_is_whole_or_stands_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Some parts, or a command that is stopped, do not take the place of a record of all of them."""
    monkeypatch.setattr(gpu, "HERE", tmp_path)
    monkeypatch.setattr(gpu, "ROOT", tmp_path)
    monkeypatch.setattr(gpu, "missing", lambda: [])
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    monkeypatch.setattr("torch.cuda.get_device_name", lambda: "Card 1")
    monkeypatch.setattr(gpu, "run", lambda part, folder: (part.title, "done, 1 s"))
    assert gpu.main([]) == 0
    whole, some = tmp_path / "gpu" / "card_1.md", tmp_path / "gpu" / "card_1.part.md"
    text = whole.read_text()
    assert "## Padding at toy scale" in text and not some.exists()
    assert gpu.main(["card"]) == 0
    assert whole.read_text() == text and "## The card" in some.read_text()

    def stopped(part: gpu.Part, folder: Path) -> tuple[str, str]:
        if part.title == "Masks":
            raise KeyboardInterrupt
        return part.title, "cut off after 1 s"

    monkeypatch.setattr(gpu, "run", stopped)
    with pytest.raises(KeyboardInterrupt):
        gpu.main([])
    assert whole.read_text() == text and "## Steps of a training" in some.read_text()
    assert gpu.main(["card"]) == 1


def test_the_parts_take_less_than_nine_minutes() -> None:
    assert sum(part.limit for part in gpu.parts(False, "cuda", Path("x")).values()) < 540


def test_cudnn_stays_on_where_it_may_search() -> None:
    program = "import paper_steps, torch\nwith paper_steps.searched('bf16'): print(torch.backends.cudnn.enabled)"
    assert benchmark("-c", program) == "True\n"


def test_two_checkouts_are_compared_in_turn() -> None:
    row = "K 128, top-p .92, 4 x 128, batch 1: a window of 64"
    here = str(BENCHMARKS.parent)
    lines = benchmark("before_after.py", here, here, row, "--help", "pairs=2").splitlines()[2:]
    assert [line.split(" | ")[0] for line in lines] == [f"| {row}", "| --help"]
    assert lines[0].endswith("| yes |") and lines[1].endswith("|  |")
    ratio, low, high = map(float, re.findall(r"([\d.]+) \[([\d.]+), ([\d.]+)\]", lines[0])[0])
    assert low <= ratio <= high


@pytest.mark.parametrize(
    "words, said",
    [
        (["FOLDER"], "allowed: python"),
        (["FOLDER", "HERE"], "no checkout"),
        (["HERE", "HERE", "pairs=1"], "no interval"),
        (["HERE", "HERE", "threads=two"], "allowed: python"),
        (["HERE", "HERE", "no such row"], "no row 'no such row'; there are: greedy"),
    ],
)
def test_what_cannot_be_compared_is_told_in_a_line(tmp_path: Path, words: list[str], said: str) -> None:
    words = [word.replace("HERE", str(BENCHMARKS.parent)).replace("FOLDER", str(tmp_path)) for word in words]
    ended = subprocess.run([sys.executable, BENCHMARKS / "before_after.py", *words], capture_output=True, text=True)
    assert ended.returncode == 1 and said in ended.stderr and ended.stderr.count("\n") == 1
