"""Damaged videos, judged and read: `python benchmarks/fuzz_videos.py [--mutations N] [--seed N] [--files DIR ...]`.

Every mutant (`mutants.py`) is judged by one child that is kept from file to file, as `judging` keeps its own, and where
it is accepted, read by random windows. A finding is whatever must never be: the process that reads dies, or it or the
child takes more memory than it may, a file takes longer than `PATIENCE` seconds, an exception that is no `UserError`, a
refusal that is not one line with the name of the file, frames of a wrong shape or type, or a frame other than the one
that decoding the file from its start gives at that place. A child that dies over a file is none, it is there for that.

The reading goes on in a process of its own, so that a decoder which takes it down is a finding, too. A finding is told
with its number: `--only NUMBER --keep DIR` with the same seed and files makes that mutant again and leaves it in DIR.
"""

import argparse
import multiprocessing
import os
import resource
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np
from tqdm import tqdm

from frames_from_start import wrong_frames
from mutants import Original, made, mutant, real
from tats_exp import UserError
from tats_exp.data import judging
from tats_exp.data.judge import Verdict
from tats_exp.data.judges import Judge
from tats_exp.data.limits import Limits
from tats_exp.data.video_readers import open_reader

PATIENCE = 10.0
"""Seconds that a file may take to be judged and read."""
DEAD = 120.0
"""Seconds without a word after which the process that reads is ended."""
LIMITS = Limits(frames=2**14, frame_bytes=2**22)
MEMORY = 3 * 2**27
"""Bytes that a process may come to hold beside those that it starts with: a few dozen frames as large as may be."""
WINDOWS, FRAMES = 6, 8
"""Windows that are read of an accepted file, and frames of each."""
SAID = ("accepted", "refused", "refused later", "child crashed")


@dataclass
class Outcome:
    """What became of one mutant.

    Attributes:
        number: in the series.
        kind: of video.
        said: one of `SAID`; "refused later" is when it was read, and "child crashed" a refusal, too.
        findings: a line each.
        seconds: that judging and reading took.
        memory: most bytes that the process that reads, and the child that judges, have held so far.
    """

    number: int
    kind: str
    said: str
    findings: list[str] = field(default_factory=list)
    seconds: float = 0.0
    memory: tuple[int, int] = (0, 0)


class Examiner:
    """Judges and reads one mutant after the other."""

    def __init__(self, originals: list[Original], seed: int, folder: Path) -> None:
        self.originals, self.seed, self.folder = originals, seed, folder
        self.judge = Judge()
        self.memory_before = held_at_most()

    def examine(self, number: int) -> Outcome:
        """Make a mutant, judge it and read it; it is removed afterwards."""
        video = mutant(self.originals, self.seed, number)
        outcome = Outcome(number, video.kind, "accepted")
        with tempfile.TemporaryDirectory(dir=self.folder) as made_in:
            path = video.write(Path(made_in))
            begun = time.perf_counter()
            record = self.judge.ask(path, LIMITS)
            outcome.seconds = time.perf_counter() - begun
            if "refused" in record:
                outcome.said = "refused"
                if path.name not in record["refused"] or "\n" in record["refused"]:
                    outcome.findings.append(f"not one line that names it: {record['refused']}")
                if "its decoder crashed" in record["refused"]:
                    outcome.said = "child crashed"
            else:
                self._read(path, Verdict.from_json(record), outcome)
        if outcome.seconds > PATIENCE:
            outcome.findings.append(f"took {outcome.seconds:.1f} s")
        outcome.memory = (held_at_most(), self._held_by_child())
        if outcome.memory[0] > self.memory_before + MEMORY:
            outcome.findings.append(f"the process that reads held {outcome.memory[0] / 2**20:.0f} MiB")
            self.memory_before = outcome.memory[0]
        if outcome.memory[1] > MEMORY:
            outcome.findings.append(f"the child held {outcome.memory[1] / 2**20:.0f} MiB")
            self.judge.stop()
            self.judge = Judge()
        return outcome

    def _read(self, path: Path, verdict: Verdict, outcome: Outcome) -> None:
        """Read windows of an accepted video, and hold them against decoding it from its start."""
        rng = np.random.default_rng([self.seed, outcome.number, 1])
        index = int(rng.integers(verdict.videos or 1))
        begun = time.perf_counter()
        try:
            kept = open_reader(path, index, LIMITS, verdict)
            windows = [_window(rng, kept.length) for _ in range(WINDOWS)]
            found = [
                (kept if place % 2 else open_reader(path, index, LIMITS, verdict)).read(window)
                for place, window in enumerate(windows)
            ]
        except UserError as error:
            outcome.said = "refused later"
            if path.name not in str(error):
                outcome.findings.append(f"does not name the file: {error}")
            return
        except Exception:
            outcome.findings.append(traceback.format_exc().strip())
            return
        finally:
            outcome.seconds += time.perf_counter() - begun
        try:
            outcome.findings += wrong_frames(path, index, verdict, kept, windows, found)
        except Exception as error:
            outcome.findings.append(f"accepted, but others cannot read it: {error}")

    def _held_by_child(self) -> int:
        """Most bytes of memory that the child has held; 0 where the system does not tell."""
        status = Path(f"/proc/{self.judge._process.pid if self.judge._process else 0}/status")
        lines = status.read_text().splitlines() if status.exists() else []
        return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM")), 0)


def held_at_most() -> int:
    """Most bytes of memory that this process has held; the system counts those of the one that started it, too."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def _window(rng: np.random.Generator, length: int) -> range:
    step = int(rng.integers(1, 4))
    frames = min(FRAMES, (length - 1) // step + 1)
    start = int(rng.integers(length - (frames - 1) * step))
    return range(start, start + (frames - 1) * step + 1, step)


def _work(pipe: Connection, originals: list[Original], seed: int, folder: Path, numbers: list[int]) -> None:
    """Examine mutants, and tell what became of each."""
    examiner = Examiner(originals, seed, folder)
    for number in numbers:
        pipe.send(examiner.examine(number))
    examiner.judge.stop()


def fuzz(originals: list[Original], seed: int, numbers: list[int], folder: Path) -> Iterator[Outcome]:
    """What becomes of mutants, in their order; a process that dies over one is begun anew behind it."""
    context = multiprocessing.get_context("spawn")
    left = list(numbers)
    while left:
        told, pipe = context.Pipe(duplex=False)
        worker = context.Process(target=_work, args=(pipe, originals, seed, folder, left))
        worker.start()
        pipe.close()
        try:
            while left and told.poll(DEAD):
                outcome: Outcome = told.recv()
                left.pop(0)
                yield outcome
            why = "hung" if left else ""
        except EOFError:
            worker.join()
            why = f"died ({worker.exitcode})"
        worker.join(1 if not left else 0)
        worker.kill()
        worker.join()
        if left:
            number = left.pop(0)
            kind = originals[number % len(originals)].kind
            yield Outcome(number, kind, "refused", [f"the process that reads {why}"])


def main() -> int:
    """Print a table of what became of the mutants, and every finding; returns 1 where there was one."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mutations", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--files", type=Path, nargs="*", default=[], help="folders of real videos; small ones count")
    parser.add_argument("--only", type=int, nargs="*", help="numbers of the mutants to examine")
    parser.add_argument("--keep", type=Path, help="folder for the mutants of findings")
    asked = parser.parse_args()
    originals = [*made(), *(video for folder in asked.files for video in real(folder))]
    numbers = list(range(asked.mutations)) if asked.only is None else asked.only
    said: Counter[tuple[str, str]] = Counter()
    findings: list[Outcome] = []
    begun, memory, slowest = time.perf_counter(), (0, 0), 0.0
    with tempfile.TemporaryDirectory() as temporary:
        os.environ[judging.KEPT] = f"{temporary}/verdicts"
        for outcome in tqdm(fuzz(originals, asked.seed, numbers, Path(temporary)), total=len(numbers), unit="mutant"):
            said[outcome.kind, outcome.said] += 1
            slowest = max(slowest, outcome.seconds)
            memory = (max(memory[0], outcome.memory[0]), max(memory[1], outcome.memory[1]))
            if outcome.findings:
                findings.append(outcome)
            if asked.keep and (outcome.findings or asked.only):
                mutant(originals, asked.seed, outcome.number).write(asked.keep / str(outcome.number))
    print(f"| kind | {' | '.join(SAID)} | findings |\n|---|{'---:|' * (len(SAID) + 1)}")
    for kind in dict.fromkeys(original.kind for original in originals):
        counts = [said[kind, how] for how in SAID]
        print(f"| {kind} | {' | '.join(map(str, counts))} | {sum(outcome.kind == kind for outcome in findings)} |")
    spent = time.perf_counter() - begun
    print(
        f"\n{len(numbers)} mutants, {spent:.0f} s, the slowest {slowest:.1f} s; at most {memory[0] / 2**20:.0f} MiB in "
        f"the process that reads, {memory[1] / 2**20:.0f} MiB in the child that judges; {len(findings)} with a finding"
    )
    for outcome in findings:
        print(f"\n--seed {asked.seed} --only {outcome.number}: {outcome.kind}, {outcome.said}")
        print("\n".join(outcome.findings))
    return int(bool(findings))


if __name__ == "__main__":
    sys.exit(main())
