"""Benchmarks that cannot be run in full here: that what they would run on a GPU still runs, small, on the CPU."""

import re
import subprocess
import sys
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


def test_missing_packages_are_named_first_and_the_card_is_measured(capsys, monkeypatch) -> None:
    monkeypatch.setattr(gpu, "missing", lambda: ["einops", "hydra-core"])
    assert gpu.main(["quick", "device=cpu", "card", "steps"]) == 0
    out = capsys.readouterr().out
    assert out.startswith(
        "missing packages, without which steps cannot run: pip install einops hydra-core\n1 of 1: card"
    )
    assert "| product of matrices, fp32, TFLOP/s |" in out


def test_nothing_is_missing_here() -> None:
    assert gpu.missing() == []


@pytest.mark.parametrize(
    "program, ended, shown",
    [
        ("print('| a |', flush=True); import time; time.sleep(60)", "cut off after 3 s", "| a |"),
        ("print('here'); raise SystemExit(3)", "failed with 3", "```\nhere\n```"),
        ("print('all of it')", "done", "all of it"),
    ],
)
def test_what_a_part_has_said_counts_however_it_ended(tmp_path: Path, program: str, ended: str, shown: str) -> None:
    said, how = gpu.run(gpu.Part("One", ("-c", program), 3), tmp_path)
    assert said == shown and how.startswith(ended)


def test_the_parts_take_no_more_than_nine_minutes() -> None:
    assert sum(part.limit for part in gpu.parts(False, "cuda", Path("x")).values()) <= 540
