"""Kills, full disks, damaged files, odd configs: `python benchmarks/campaign.py [--kills N] ... [--seed N]`.

Every case has a number, and all that happens in it is drawn from the seed and the number: `--only kills 17` runs one
again, and Ctrl-C tells what has come out so far. A finding is whatever must never be: another result than that of the
uninterrupted job, a finished stage made again, a job that does not go on, a process that lives on, a temporary file
left over, a traceback. By default it takes minutes; the figures of docs/reliability.md took hours.
"""

import argparse
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tqdm import tqdm

import damaged_store
import fuzz_videos
import mutants
import odd_overrides
from interrupted import Baseline, Outcome, baselines, fill_the_disk, interrupt

Case = tuple[str, int, Outcome]
SIDE_BY_SIDE = 2
DEFAULTS = {"kills": 18, "disks": 6, "flips": 30, "mutants": 200, "overrides": 60}


def main() -> int:
    """Print a table of what became of the cases, and every finding; returns 1 where there was one."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for kind, count in DEFAULTS.items():
        parser.add_argument(f"--{kind}", type=int, default=count)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", nargs=2, metavar=("KIND", "NUMBER"), help="one case, whose folder stays")
    parser.add_argument("--files", type=Path, nargs="*", default=[], help="folders of real videos to mutate, too")
    asked = parser.parse_args()
    numbers = {kind: list(range(getattr(asked, kind))) for kind in DEFAULTS}
    if asked.only:
        numbers = {kind: [int(asked.only[1])] * (kind == asked.only[0]) for kind in DEFAULTS}
    signal.signal(signal.SIGINT, signal.default_int_handler)  # jobs would inherit that a shell has it ignored
    begun = time.monotonic()
    folder = Path(tempfile.mkdtemp(prefix="campaign_"))
    outcomes: list[Case] = []
    try:
        for case in _cases(numbers, asked.seed, asked.files, folder):
            outcomes.append(case)
    except KeyboardInterrupt:
        print("stopped; what is through:")
    _show(outcomes, time.monotonic() - begun)
    if not asked.only:
        shutil.rmtree(folder)
    return int(any(outcome.findings for _, _, outcome in outcomes))


def _cases(numbers: dict[str, list[int]], seed: int, files: list[Path], folder: Path) -> Iterator[Case]:
    """All cases, in turn."""
    if numbers["kills"] or numbers["disks"] or numbers["flips"]:
        made = baselines(folder / "baselines")
        yield from _jobs("kills", numbers["kills"], folder, lambda n, at: interrupt(n, seed, made, at))
        yield from _jobs("disks", numbers["disks"], folder, lambda n, at: fill_the_disk(n, seed, made, at))
        yield from _flips(numbers["flips"], seed, made, folder)
    yield from _mutants(numbers["mutants"], seed, files, folder)
    for number, outcome in odd_overrides.examine(numbers["overrides"], seed):
        yield "overrides", number, _said(outcome)


def _jobs(kind: str, numbers: list[int], folder: Path, case: Callable[[int, Path], Outcome]) -> Iterator[Case]:
    """Cases that start jobs, each in a folder of its own, two at a time; the folder of one with a finding stays."""

    def one(number: int) -> Case:
        at = folder / f"{kind}_{number}"
        at.mkdir()
        outcome = case(number, at)
        if not outcome.findings:
            shutil.rmtree(at)
        return kind, number, outcome

    with ThreadPoolExecutor(SIDE_BY_SIDE) as pool:
        yield from tqdm(pool.map(one, numbers), desc=kind, total=len(numbers))


def _flips(numbers: list[int], seed: int, made: dict[str, Baseline], folder: Path) -> Iterator[Case]:
    if not numbers:
        return
    kinds = damaged_store.stored_files(folder / "baselines" / damaged_store.JOB, folder / "begun")
    yield from _jobs("flips", numbers, folder, lambda n, at: damaged_store.flip(n, seed, made, kinds, at))


def _mutants(numbers: list[int], seed: int, files: list[Path], folder: Path) -> Iterator[Case]:
    originals = [*mutants.made(), *(video for place in files for video in mutants.real(place))] if numbers else []
    for outcome in tqdm(fuzz_videos.fuzz(originals, seed, numbers, folder), desc="mutants", total=len(numbers)):
        accepted = outcome.said == "accepted"
        said = Outcome("damaged video", accepted, not accepted, findings=outcome.findings)
        yield "mutants", outcome.number, said


def _said(override: odd_overrides.Outcome) -> Outcome:
    found = [f"{override.line}: {override.finding}"] if override.finding else []
    return Outcome("override", not override.refused, override.refused, findings=found)


def _show(outcomes: list[Case], seconds: float) -> None:
    rows = dict.fromkeys(outcome.kind for _, _, outcome in outcomes)
    columns = ("tried", "through before", "same results", "refused in a line", "findings")
    print(f"| what happened | {' | '.join(columns)} |\n|---|{'---:|' * len(columns)}")
    for row in rows:
        here = [outcome for _, _, outcome in outcomes if outcome.kind == row]
        counts = [[o.early for o in here], [o.survived for o in here], [o.refused for o in here]]
        numbers = [len(here), *map(sum, counts), sum(bool(o.findings) for o in here)]
        print(f"| {row} | {' | '.join(map(str, numbers))} |")
    print(f"\n{len(outcomes)} cases, {seconds / 60:.0f} minutes")
    for kind, number, outcome in outcomes:
        for finding in outcome.findings:
            print(f"\n--only {kind} {number}, {outcome.kind}: {finding}")


if __name__ == "__main__":
    sys.exit(main())
