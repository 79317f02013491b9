"""Small whole jobs for the campaign, as a user types them, and what they leave."""

import hashlib
import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

SMALL = ("scale=smoke", "logger=csv", "trainer=cpu", "threads=1")
JOBS = {
    "run": SMALL,
    "sweep": (*SMALL, "-m", "padding=replicate,zero", "hydra.launcher.n_jobs=2"),
    "hierarchical": (*SMALL, "sampler=hierarchical", "long_frames=64"),
}
NUMBERS = ("curves.csv", "losses.csv", "code_histogram.csv", "mask.json")
HANGS = 600.0
"""Seconds after which a job counts as hanging."""


@dataclass(frozen=True)
class Left:
    """What a job left: the same for two jobs that did the same.

    Attributes:
        numbers: of every run, by the name of its folder and the file.
        weights: SHA-256 of every file of weights, codes and samples in the store, by its place there.
    """

    numbers: dict[str, str]
    weights: dict[str, str]


def left_in(folder: Path) -> Left:
    """What the finished runs of a job left in the folder in which it was started, those of its last start first."""
    numbers = {}
    for status in sorted(folder.glob("runs/*/**/status.json")):  # folders have dates for names
        if json.loads(status.read_text())["state"] == "finished":
            run = status.parent.name if "=" in status.parent.name else ""
            metrics = json.loads((status.parent / "metrics.json").read_text())
            numbers[f"{run}/values"] = json.dumps([metrics["values"], metrics.get("floors")], sort_keys=True)
            for file in NUMBERS:
                if (status.parent / file).is_file():
                    numbers[f"{run}/{file}"] = (status.parent / file).read_text()
    store = folder / "runs" / "store"
    weights = {
        path.relative_to(store).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(store.glob("*/*/*.safetensors"))
        if "." not in path.parent.name
    }
    return Left(numbers, weights)


def environment(folder: Path) -> dict[str, str]:
    """Of a job in a folder: temporary files stay in it, too, so that what is left over is seen."""
    (folder / "tmp").mkdir(parents=True, exist_ok=True)
    return {**os.environ, "OMP_NUM_THREADS": "1", "WANDB_MODE": "offline", "TMPDIR": str(folder / "tmp")}


def command(job: str) -> list[str]:
    """What is typed."""
    return [sys.executable, "-m", "tats_exp", *JOBS[job]]


WITHOUT_REPORT = "from tats_exp import __main__ as it; it._report = lambda *_: 0; it.main()"


def run(job: str, folder: Path, report: bool = True) -> subprocess.CompletedProcess:
    """Run a job to its end; without its report, whose figures take longer than to look stages up, where told so."""
    typed = command(job) if report else [sys.executable, "-c", WITHOUT_REPORT, *JOBS[job]]
    where = environment(folder)
    return subprocess.run(typed, cwd=folder, env=where, capture_output=True, text=True, timeout=HANGS)


def processes_below(folder: Path) -> list[int]:
    """Processes that work in a folder."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                if (entry / "cwd").readlink().is_relative_to(folder) and int(entry.name) != os.getpid():
                    found.append(int(entry.name))
            except OSError:  # it has ended, or is another user's
                continue
    return found


def wait_for_silence(folder: Path, seconds: float = 5.0) -> list[int]:
    """Processes that still work in a folder after some seconds, of which one is the time they are given to end."""
    until = time.monotonic() + seconds
    while (there := processes_below(folder)) and time.monotonic() < until:
        time.sleep(0.1)
    return there


def leftovers(folder: Path) -> list[str]:
    """Temporary files, and folders of joblib and of the estimate, that nobody will use again."""
    patterns = ("**/.*.tmp", "**/joblib_memmapping_folder_*", "tmp/tats_exp_timing_*", "runs/store/*/*.partial")
    return [str(path.relative_to(folder)) for pattern in patterns for path in folder.glob(pattern)]
