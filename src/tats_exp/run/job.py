"""One run: the stages in their order, each found in the store or made."""

import logging
import math
import os
import shutil
import time
import traceback
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from hydra.core.hydra_config import HydraConfig
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf

from tats_exp import UserError
from tats_exp.cli import disk_is_full, end_with, error_line, stoppable
from tats_exp.config.check import check
from tats_exp.config.overrides import unquoted
from tats_exp.config.padding import with_halves
from tats_exp.config.schema import Config, conf_dir
from tats_exp.progress import Progress
from tats_exp.run.log import GuardedLog, RunLog
from tats_exp.run.stage_record import read_record
from tats_exp.run.store import Made, Store, provenance, redo_from
from tats_exp.run.sweep_record import SweepRecord
from tats_exp.run.walk import walk
from tats_exp.run_folder import (
    CODE_HISTOGRAM,
    CONFIG,
    CURVES,
    VIDEOS,
    Metrics,
    Status,
    marked_running,
    read_columns,
    sums_of_results,
    write_losses,
)
from tats_exp.stages.context import RunContext
from tats_exp.stages.order import stages_of
from tats_exp.stages.samples import SPEED, read_samples
from tats_exp.training import LOSSES, by_step, keep_float32, read_losses

logger = logging.getLogger(__name__)

NO_CHOICE = {"seed", "experiment", "name", "store", "logger", "trainer", "workers", "compile", "hydra"}
NO_CHOICE |= {"threads", "reserve", "endpoint", "secondary", "published", "progress"}
"""Overrides that do not tell single runs apart, or that the seed tells already."""
PADDINGS = {"padding", "padding.encoder", "padding.decoder"}
"""Overrides that the names of the paddings tell already; those of arguments are choices."""


HYDRAS_FORMAT = "[%(asctime)s][%(name)s][%(levelname)s] - %(message)s"
"""Of a line on the terminal, unless the user says otherwise."""
COMMAND = "TATS_EXP_COMMAND"
"""Environment variable with the number of the process that has started this one; set by the command itself."""

Values = dict[str, float | None]


@dataclass(frozen=True)
class Outcome:
    """What a run came to.

    Attributes:
        values: the final metrics.
        seconds: wall time of each stage that was made now.
        reused: stages that were found in the store.
        stages: key of each stage in the store.
        speed: how fast it sampled.
        device: type of the device.
        stage_versions: of each stage, as the code had it.
    """

    values: Values
    seconds: dict[str, float]
    reused: tuple[str, ...]
    stages: dict[str, str]
    speed: dict[str, float]
    device: str
    stage_versions: dict[str, int] = field(default_factory=dict)

    def of(self, status: Status) -> Status:
        """The status of the run that came to this."""
        told = ("seconds", "reused", "stages", "speed", "device", "stage_versions")
        outcome = {name: getattr(self, name) for name in told}
        return status.model_copy(update={"state": "finished", **outcome})


def end_with_command() -> None:
    """End this process with the command that started it, where that runs its jobs in processes of this machine."""
    command = int(os.environ.get(COMMAND, os.getpid()))
    if command != os.getpid():
        end_with(command)


def run_job(cfg: DictConfig) -> None:
    """Run one job of a sweep, or the only one; whatever goes wrong ends in its status.json, not in the sweep.

    A stop, by Ctrl-C or SIGTERM, is written there and ends the sweep, too.

    Args:
        cfg: the composed root config.
    """
    end_with_command()
    logging.raiseExceptions = False  # a log that cannot be written, on a full disk, does not fill the terminal
    folder = Path(HydraConfig.get().runtime.output_dir)
    if (folder / Status.FILE).is_file() and Status.read(folder).state == "finished":
        return  # before, and nothing of it has changed: the command let go of all others
    sweep = SweepRecord.of_run(folder)
    cfg = sweep.settle(with_halves(cfg))
    config = check(cfg)
    torch.set_num_threads(config.threads or torch.get_num_threads())
    keep_float32()
    warnings.filterwarnings("ignore", module="lightning.*")
    choices = chosen(config, sweep.swept)
    name = ",".join(f"{key}={value}" for key, value in choices.items()) or config.name
    say_of(name)
    status = Status(
        state="running",
        experiment=config.name,
        description=config.question,
        record=record_of(config.name),
        endpoint=config.endpoint,
        secondary=tuple(config.secondary),
        published=tuple(config.published),
        choices=choices,
        version=provenance()["versions"],
        commit=provenance()["commit"],
    )
    with stoppable(), marked_running(folder):
        status.write(folder)
        try:
            OmegaConf.save(OmegaConf.create(config.model_dump()), folder / CONFIG)
            _work(config, folder, name, status, sweep.started)
        except KeyboardInterrupt:
            if (left := Status.read(folder)).state == "running":
                left.model_copy(update={"state": "stopped"}).write(folder)
            raise


def say_of(name: str) -> None:
    """Have what this process says on the terminal begin with the name of the run, as its progress does.

    Its file has times instead, and a format that the user chose stays.
    """
    for handler in logging.getLogger().handlers:
        if handler.name == "console" and handler.formatter is not None and handler.formatter._fmt == HYDRAS_FORMAT:
            handler.setFormatter(logging.Formatter(f"{name.replace('%', '%%')}: %(levelname)s: %(message)s"))


def _work(config: Config, folder: Path, name: str, status: Status, redo_before: float) -> None:
    """Go through a run that has its status and its config; what it comes to ends in its status."""
    log = GuardedLog(lambda: instantiate(config.logger))
    progress = Progress(folder, name)
    started = time.time()
    values: Values = {}

    def note(stage: str, key: str) -> None:
        nonlocal status
        status = status.model_copy(update={"stages": {**status.stages, stage: key}})
        status.write(folder)

    try:
        tags = [f"{k}={v}" for k, v in status.choices.items()]
        choice = ", ".join(f"{k}={v}" for k, v in status.choices.items() if k != "seed") or config.name
        code = {"commit": status.commit, "versions": status.version}
        log.start(folder, name, config.name, tags, {**config.model_dump(), "choice": choice, "code": code})
        outcome = run(config, folder, log, progress, redo_before, note)
        status, values = outcome.of(status), outcome.values
        status = status.model_copy(update={"sums": sums_of_results(folder)})
    except Exception as error:
        status = status.model_copy(update={"state": "failed", **failure(error)})
        (folder / "error.txt").write_text(traceback.format_exc())
        logger.info("%s failed", name, exc_info=True)  # the console gets one line at the end
    seconds = {**status.seconds, "total": round(time.time() - started, 1)}
    status = status.model_copy(update={"seconds": seconds})
    status.write(folder)
    progress.end()
    log.finish(values, failed=status.state == "failed")
    if log.refused is not None:
        status.model_copy(update={"log": log.refused}).write(folder)


def run(
    config: Config,
    folder: Path,
    log: RunLog,
    progress: Progress,
    redo_before: float | None = None,
    note: Callable[[str, str], None] = lambda stage, key: None,
) -> Outcome:
    """Go through the stages and gather in `folder` what the report reads.

    Args:
        config: of the run.
        folder: of the run.
        log: is told what the files of the run hold.
        progress: is told how far the run is.
        redo_before: stages in `store.redo` that were made before this time (seconds since 1970) are made again; None:
            whenever they were made.
        note: told name and key of each stage that the run comes to.
    """
    context = RunContext(config)
    stages = stages_of(config, context.condition)
    progress.expect([stage.name for stage in stages])
    redo = redo_from(config.store.redo, [stage.name for stage in stages])
    store = Store(Path(config.store.root), redo, redo_before, note=note)
    for stage in stages:
        walk(stage, context, store, progress, log)
    made = gather(store.used, folder, log, context.device.type)
    return replace(made, stage_versions={stage.name: stage.version for stage in stages})


def gather(used: Mapping[str, Made], folder: Path, log: RunLog, device: str) -> Outcome:
    """Gather in `folder` what the stages left for the report, and tell the log."""
    files = {name: made.path / LOSSES for name, made in used.items()}
    losses = {name: list(read_losses(path)) for name, path in files.items() if path.exists()}
    write_losses(folder, losses)
    shutil.copytree(used["metrics"].path, folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns("stage.json"))
    speed = {SPEED: read_samples(None, used["samples"].path).seconds_per_1024_frames}
    values = tell(log, folder, {name: rows for name, rows in losses.items() if used[name].reused}) | speed
    for name, made in used.items():
        earlier = read_record(made.path).made_from
        log.stage(made, name, {stage: other.key for stage, other in used.items() if other.key in earlier})
    return Outcome(
        values=values,
        seconds={name: round(made.seconds, 1) for name, made in used.items() if not made.reused},
        reused=tuple(name for name, made in used.items() if made.reused),
        stages={name: made.key for name, made in used.items()},
        speed=speed,
        device=device,
    )


def tell(log: RunLog, folder: Path, reused_losses: Mapping[str, Iterable[tuple[int, str, float]]]) -> Values:
    """Tell the log what the files of a run hold, losses of stages that were not trained just now included."""
    for stage, rows in reused_losses.items():
        for step, values in by_step(rows).items():
            log.losses(stage, step, values)
    curves = read_columns(folder / CURVES)
    windows = [dict(zip(curves, row, strict=True)) for row in zip(*curves.values(), strict=True)]
    log.curves([{key: value for key, value in window.items() if math.isfinite(value)} for window in windows])
    shares = read_columns(folder / CODE_HISTOGRAM)
    for column in ("real", "generated"):
        log.histogram(f"codes/histogram_{column}", [round(1e6 * share) for share in shares[column]])
    for video in sorted((folder / VIDEOS).glob("*.mp4")):
        log.video(f"videos/{video.stem}", video)
    metrics = Metrics.read(folder)
    if metrics.protocol is not None:
        log.protocol(metrics.protocol.as_dict())
    return metrics.values


def failure(error: BaseException) -> dict[str, Any]:
    """One line about what went wrong, and whether the user can mend it (a wrong input) or we must (a bug)."""
    by_user = isinstance(error, UserError)
    line = error_line(error)
    return {"error": line if by_user or disk_is_full(error) else f"{line} (see error.txt)", "by_user": by_user}


def chosen(config: Config, swept: Sequence[str]) -> dict[str, str]:
    """The choices that tell this run apart: what was swept, or of a single run padding, seed and all it overrides."""
    overrides = dict(item.lstrip("+~").split("=", 1) for item in HydraConfig.get().overrides.task if "=" in item)
    overrides = {key: unquoted(value) for key, value in overrides.items()}
    if swept:
        return {**{key: overrides.get(key, "") for key in swept}, "seed": str(config.seed)}
    padding = config.padding
    halves = padding.encoder if padding.encoder == padding.decoder else f"{padding.encoder}/{padding.decoder}"
    rest = {
        key: value for key, value in overrides.items() if key.split(".")[0] not in NO_CHOICE and key not in PADDINGS
    }
    return {"padding": halves, "seed": str(config.seed), **rest}


def record_of(experiment: str) -> str | None:
    """Where the repository keeps what came out of an experiment of the package; None of another one."""
    is_ours = (conf_dir() / "experiment" / f"{experiment}.yaml").is_file()
    return f"experiments/{experiment}/README.md" if is_ours else None
