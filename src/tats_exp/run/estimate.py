"""What a sweep will cost in time and disk, measured on this machine and told before its first run starts."""

import heapq
import logging
import math
import warnings
from collections.abc import Hashable, Iterator, Sequence
from contextlib import contextmanager

import torch

from tats_exp.cli import error_line
from tats_exp.config.schema import Config
from tats_exp.run.amounts import Seen, amounts_of, sampled_windows
from tats_exp.run.disk import bytes_of_sweep, check_disk
from tats_exp.run.meter import Meter
from tats_exp.run.planned import Planned, planned_stages
from tats_exp.run.room import NoRoomError
from tats_exp.stages.context import RunContext
from tats_exp.stages.rebuilt import long_windows
from tats_exp.training import keep_float32

CROWDED = 1.15
"""How much longer a run takes beside others than alone, as units of work are timed: sweeps with two runs at a time took
1.15 to 1.25 times what was told of them without it."""


def estimate_line(configs: Sequence[Config], side_by_side: int) -> str:
    """One line about what runs will cost that are about to start.

    Args:
        configs: of the runs, in the order in which they start, with what the sweep settles filled in.
        side_by_side: runs at a time.

    Raises:
        NoRoomError: what they will leave is more than the disk has room for.
    """
    runs = f"{len(configs)} run{'s' * (len(configs) > 1)}"
    runs += f", {side_by_side} side by side" * (side_by_side > 1)
    try:
        with _as_in_a_job(configs[0].threads or torch.get_num_threads()):
            return f"{runs}: {_cost(configs, side_by_side)}"
    except NoRoomError:
        raise
    except Exception as error:  # the runs may go through what an estimate stumbles over
        return f"{runs}: cost unknown ({error_line(error)})"


def wall_seconds(runs: Sequence[Sequence[tuple[Hashable, float]]], side_by_side: int) -> float:
    """Seconds until the last run ends, each begun in its turn as soon as another ends.

    Args:
        runs: of each the stages in their order, as what tells a stage apart and its seconds. What an earlier run makes,
            or is about to, is waited for and not made again.
        side_by_side: runs at a time.
    """
    free = [0.0] * side_by_side
    made: dict[Hashable, float] = {}
    for stages in runs:
        now = heapq.heappop(free)
        for stage, seconds in stages:
            now = max(now, made.setdefault(stage, now + seconds))
        heapq.heappush(free, now)
    return max(free)


def in_words(seconds: float) -> str:
    """A duration as one says it: seconds below two minutes, minutes below two hours, hours below two days, days."""
    units = (
        ("seconds", 1.0, 120.0),
        ("minutes", 60.0, 7200.0),
        ("hours", 3600.0, 172800.0),
        ("days", 86400.0, math.inf),
    )
    name, length, _ = next(unit for unit in units if seconds < unit[2])
    count = max(1, round(seconds / length))
    return f"{count} {name if count > 1 else name[:-1]}"


def size_in_words(size: int) -> str:
    """Bytes as one says them: MB below 1000 of them, else GB."""
    return f"{max(1, round(size / 1e6))} MB" if size < 1e9 else f"{size / 1e9:.1f} GB"


def _cost(configs: Sequence[Config], side_by_side: int) -> str:
    planned = planned_stages(configs)
    folders = {stage.folder: stage.held for stages in planned for stage in stages}
    held = sum(folders.values())
    if held == len(folders):
        return f"nothing to make, the store holds all {held} stages"
    found: dict[str, Seen] = {}

    def seen(run: RunContext) -> Seen:
        key = repr((run.config.data, run.config.metrics, run.config.frames, sampled_windows(run.config)))
        if key not in found:
            found[key] = seen_of(run)
        return found[key]

    meter, without = Meter(), dict[str, str]()

    def seconds(stage: Planned) -> float:
        amounts = {} if stage.held else amounts_of(stage.name, stage.run.config, seen(stage.run))
        if amounts is None:
            without[stage.name] = "not timed"
            return 0.0
        return sum((count * meter.seconds(unit, stage.run) for unit, count in amounts.items() if count), 0.0)

    known = {folder: seconds(stage) for folder, stage in {s.folder: s for run in planned for s in run}.items()}
    wall = wall_seconds([[(stage.folder, known[stage.folder]) for stage in run] for run in planned], side_by_side)
    wall *= CROWDED if min(side_by_side, len(configs)) > 1 else 1
    check_disk(planned, seen)
    size = bytes_of_sweep(planned, seen)
    without |= {unit.replace("_", " "): reason for unit, reason in meter.missing.items()}
    left_out = "".join(f", without {name} ({reason})" for name, reason in without.items())
    there = f"the store holds {held} of {len(folders)} stages"
    return f"about {in_words(wall)} and {size_in_words(size)} on this machine{left_out} ({there})"


def seen_of(run: RunContext) -> Seen:
    """What the evaluation of a run finds in the data, and how many numbers it keeps of a window."""
    config = run.config
    clip = torch.zeros(1, config.frames, config.resolution, config.resolution, 3, dtype=torch.uint8)
    kept = sum(value.numel() for value in run.networks.object.statistics(clip).given().values())
    wanted = (config.metrics.videos, config.frames, sampled_windows(config), run.data_seed)
    pieces, windows = long_windows(run.real, *wanted)
    return Seen(len(pieces), windows, kept)


@contextmanager
def _as_in_a_job(threads: int) -> Iterator[None]:
    """Threads and precision of a job, nothing logged; what it changes in this process is as before afterwards."""
    before, level, tf32 = torch.get_num_threads(), logging.root.manager.disable, torch.backends.cudnn.allow_tf32
    devices = list(range(torch.cuda.device_count())) if torch.cuda.is_available() else []
    with warnings.catch_warnings(), torch.random.fork_rng(devices):
        warnings.simplefilter("ignore")
        logging.disable(logging.WARNING)
        torch.set_num_threads(threads)
        keep_float32()
        try:
            yield
        finally:
            torch.set_num_threads(before)
            torch.backends.cudnn.allow_tf32 = tf32
            logging.disable(level)
            if torch.cuda.is_available():
                torch.cuda.empty_cache()
