"""Commands as a user types them, for tests that run whole jobs."""

import os
import subprocess
import sys
from pathlib import Path

QUICK = ("scale=smoke", "logger=csv", "trainer=cpu", "threads=1")

HANGS = 1800.0  # seconds after which a job counts as hanging: far above what it takes on a machine busy with other work


def asking(question: str) -> list[str]:
    """Arguments that ask a question of the package; those of the paper are asked of data and weights at hand."""
    return [f"+experiment={question}", *(("data=shapes", "metrics=shapes_cnn") if "paper_" in question else ())]


def tats_exp(
    folder: Path, *arguments: str, module: str = "tats_exp", timeout: float = HANGS
) -> subprocess.CompletedProcess:
    """Run `python -m tats_exp` in a folder of its own, quick and without W&B unless told otherwise."""
    return subprocess.run(
        [sys.executable, "-m", module, *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=timeout,
        env={**os.environ, "WANDB_MODE": "offline", "OMP_NUM_THREADS": "1"},
    )


DIES = """
import fnmatch, os, runpy, signal, sys

pattern, sys.argv = sys.argv[1], ["tats_exp", *sys.argv[2:]]


def die(event, arguments):
    if event == "os.rename" and fnmatch.fnmatch(os.fspath(arguments[1]), pattern):
        if os.path.exists(arguments[1]) or "last.ckpt" not in pattern:
            os.kill(os.getpid(), signal.SIGKILL)


sys.addaudithook(die)
runpy.run_module("tats_exp", run_name="__main__", alter_sys=True)
"""


def killed(folder: Path, pattern: str, *arguments: str) -> subprocess.CompletedProcess:
    """Run `python -m tats_exp` until it is about to put a file in its place; a checkpoint, the second time.

    It kills itself there: a test that watches the folder from outside would be too late on a busy machine.
    """
    return subprocess.run(
        [sys.executable, "-c", DIES, pattern, *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=HANGS,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )


def start(folder: Path, *arguments: str) -> subprocess.Popen:
    """Start `python -m tats_exp` and go on."""
    return subprocess.Popen(
        [sys.executable, "-m", "tats_exp", *arguments],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )


def run_folders(folder: Path) -> list[Path]:
    """Run folders below a folder, oldest first."""
    return sorted((path.parent for path in folder.rglob("status.json")), key=lambda path: path.stat().st_mtime)
