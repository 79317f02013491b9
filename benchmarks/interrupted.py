"""Jobs that are killed, stopped or run out of disk, and are started again."""

import math
import os
import random
import shutil
import signal
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path

from whole_jobs import HANGS, JOBS, Left, command, environment, left_in, leftovers, run, wait_for_silence

SIGNALS = {"SIGKILL": signal.SIGKILL, "SIGTERM": signal.SIGTERM, "Ctrl-C": signal.SIGINT}
LATE = 2.0
"""Seconds before the end of a job that went well, after which a stop came too late to stop anything."""
ENDS = 60.0
"""Seconds within which a job that was stopped is to end."""
ROOM = 2**26
"""Bytes of the disk that is filled up while a job runs."""


@dataclass(frozen=True)
class Baseline:
    """An uninterrupted job: what it left, and the seconds that it took."""

    left: Left
    seconds: float


@dataclass
class Outcome:
    """What became of one case.

    Attributes:
        kind: row of the table.
        survived: the results are those of the uninterrupted job.
        refused: there were none, and one clear line said why.
        early: the job was through before anything happened to it.
        findings: a line for each thing that must never be.
    """

    kind: str
    survived: bool = False
    refused: bool = False
    early: bool = False
    findings: list[str] = field(default_factory=list)


def baselines(folder: Path) -> dict[str, Baseline]:
    """Each job, uninterrupted, in a folder of its own that stays."""
    made = {}
    for job in JOBS:
        begun = time.monotonic()
        ended = run(job, folder / job)
        if ended.returncode:
            raise RuntimeError(f"{job} does not run at all:\n{ended.stderr}")
        made[job] = Baseline(left_in(folder / job), time.monotonic() - begun)
    return made


def interrupt(number: int, seed: int, made: dict[str, Baseline], folder: Path) -> Outcome:
    """Send a job a signal at a random moment, look at what it leaves, and start it again."""
    draw = random.Random(f"{seed} {number}")
    job = list(JOBS)[number % len(JOBS)]
    name = list(SIGNALS)[number // len(JOBS) % len(SIGNALS)]
    outcome = Outcome(f"{name}, {job}")
    process = subprocess.Popen(
        command(job),
        cwd=folder,
        env=environment(folder),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    sent = math.inf
    try:
        process.wait(draw.uniform(0.02, 1.0) * made[job].seconds)
        outcome.early = True
    except subprocess.TimeoutExpired:
        sent = time.monotonic()
        if name == "Ctrl-C":  # a terminal sends it to all of them
            os.killpg(process.pid, SIGNALS[name])
        else:
            process.send_signal(SIGNALS[name])
    try:
        _, said = process.communicate(timeout=ENDS)
    except subprocess.TimeoutExpired:
        outcome.findings.append(f"did not end within {ENDS:.0f} s")
        os.killpg(process.pid, signal.SIGKILL)
        _, said = process.communicate()
    late = process.returncode == 0 and "Traceback" not in said and time.monotonic() - sent < LATE
    outcome.early = outcome.early or late
    if there := wait_for_silence(folder):
        outcome.findings.append(f"processes left: {there}")
        for pid in there:
            os.kill(pid, signal.SIGKILL)
    if name != "SIGKILL" and not outcome.early:
        _check_end(process.returncode, said, outcome)
    finished = {path: path.stat().st_ctime_ns for path in folder.glob("runs/store/*/*/stage.json") if _whole(path)}
    _go_on(job, folder, made[job], outcome)
    if again := [str(path) for path, time_ in finished.items() if path.stat().st_ctime_ns != time_]:
        outcome.findings.append(f"made again although finished: {again}")
    return outcome


def _whole(record: Path) -> bool:
    return "." not in record.parent.name


def _check_end(code: int, said: str, outcome: Outcome) -> None:
    """One clear line, whatever the job was at."""
    ours = [line for line in said.splitlines() if line.startswith("tats_exp:")]
    if "Traceback" in said or len(ours) != 1 or "stopped" not in ours[0]:
        outcome.findings.append(f"exit code {code} and no clear line: {said[-2000:]}")
    elif code != 1:
        outcome.findings.append(f"exit code {code}")


def _go_on(job: str, folder: Path, wanted: Baseline, outcome: Outcome) -> None:
    """Start a job again: what it leaves is what it would have left at once."""
    again = run(job, folder, report=False)
    if again.returncode:
        outcome.findings.append(f"does not go on: {again.stderr[-2000:]}")
    elif left_in(folder) != wanted.left:
        outcome.findings.append("other results than uninterrupted")
    else:
        outcome.survived = True
    if left_over := leftovers(folder):
        outcome.findings.append(f"left over: {left_over}")


FULL = """
mount -t tmpfs -o size={room} none {folder} || exit 99
cd {folder} && mkdir tmp
{command} >{copy}/said 2>&1 &
job=$!
sleep {seconds}
head -c {room} /dev/zero >filler 2>/dev/null
wait $job
code=$?
rm filler
echo $code >{copy}/code
cp -r {folder}/. {copy}
"""


def fill_the_disk(number: int, seed: int, made: dict[str, Baseline], folder: Path) -> Outcome:
    """Let another program fill the disk while a job runs; then make room and start it again.

    The disk is in memory, in a name space of its own, which needs no rights on most Linux machines.
    """
    draw = random.Random(f"{seed} disk {number}")
    job = list(JOBS)[number % len(JOBS)]
    outcome = Outcome(f"full disk, {job}")
    copy = folder.with_name(f"{folder.name}.after")
    copy.mkdir()
    folder.mkdir(exist_ok=True)
    script = FULL.format(
        room=ROOM,
        folder=folder,
        copy=copy,
        command=" ".join(f"'{word}'" for word in command(job)),
        seconds=draw.uniform(0.02, 1.0) * made[job].seconds,
    )
    where = {**environment(copy), "TMPDIR": str(folder / "tmp")}
    subprocess.run(["unshare", "-rm", "sh", "-c", script], env=where, check=True, timeout=HANGS, cwd="/")
    said, code = (copy / "said").read_text(), int((copy / "code").read_text())
    outcome.early = code == 0
    if "Traceback" in said:
        outcome.findings.append(f"a traceback: {said[-2000:]}")
    elif code not in (0, 1, 2):
        outcome.findings.append(f"exit code {code}: {said[-2000:]}")
    elif code and not any(line.startswith("tats_exp:") for line in said.splitlines()):
        outcome.findings.append(f"no clear line: {said[-2000:]}")
    _go_on(job, copy, made[job], outcome)
    shutil.rmtree(copy)
    return outcome
