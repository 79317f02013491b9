"""A bit or more of what a job left is turned over, and the job is started again."""

import os
import random
import shutil
import sys
from pathlib import Path

from interrupted import Baseline, Outcome
from whole_jobs import JOBS, left_in, run

sys.path.append(str(Path(__file__).parents[1] / "tests"))
from runs import killed

JOB = "hierarchical"  # it has stages of all kinds


def stored_files(finished: Path, folder: Path) -> dict[str, Path]:
    """A file of every kind that a store holds, in copies of the folder of a finished job and of jobs that were killed.

    Args:
        finished: folder of a finished job.
        folder: for the others, which are killed when the checkpoint of a training is written for the second time.

    Returns:
        Stage and name -> path.
    """
    kinds = _files_by_kind(finished, "")
    for stage in ("vqgan", "transformer", "interpolation"):
        begun = folder / stage
        begun.mkdir(parents=True)
        killed(begun, f"*/{stage}/*.partial/last.ckpt", *JOBS[JOB])
        kinds |= _files_by_kind(begun, "begun ")
    return kinds


def _files_by_kind(folder: Path, state: str) -> dict[str, Path]:
    """Those of finished stages, or of begun ones."""
    return {
        f"{state}{path.parts[-3]}/{path.name}": path
        for path in sorted(folder.glob("runs/store/*/*/*"))
        if path.is_file() and path.stat().st_size and ("." in path.parts[-2]) == bool(state)
    }


def flip(number: int, seed: int, made: dict[str, Baseline], kinds: dict[str, Path], folder: Path) -> Outcome:
    """Turn over a bit of one to four bytes of a file, leave its time of change as it was, and start the job again."""
    draw = random.Random(f"{seed} flip {number}")
    kind = list(kinds)[number % len(kinds)]
    original = next(parent for parent in kinds[kind].parents if (parent / "runs").is_dir())
    shutil.rmtree(folder)
    shutil.copytree(original, folder)
    path = folder / kinds[kind].relative_to(original)
    before, data = path.stat(), bytearray(path.read_bytes())
    for _ in range(draw.choice((1, 1, 4))):
        data[draw.randrange(len(data))] ^= 1 << draw.randrange(8)
    path.write_bytes(data)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    outcome = Outcome(f"flip in {kind}")
    again = run(JOB, folder, report=False)
    said = again.stdout + again.stderr
    if "Traceback" in said:
        outcome.findings.append(f"a traceback: {said[-2000:]}")
    elif again.returncode:
        outcome.refused = path.name in said and again.returncode == 2
        if not outcome.refused:
            outcome.findings.append(f"exit code {again.returncode}: {said[-2000:]}")
    elif left_in(folder) != made[JOB].left:
        outcome.findings.append(f"other results, with exit code 0: {said[-2000:]}")
    else:
        outcome.survived = True
    return outcome
