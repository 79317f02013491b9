"""One run: the stages in their order, each found in the store or made."""

import csv
import json
import logging
import math
import shutil
import time
import traceback
import warnings
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch
from hydra.core.hydra_config import HydraConfig
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf

from tats_exp import UserError
from tats_exp.cli import disk_is_full, error_line
from tats_exp.config.check import check
from tats_exp.config.checkpoints import checksum
from tats_exp.config.networks import identities
from tats_exp.config.overrides import unquoted
from tats_exp.config.schema import STAGES, Config, ModelName, StageName
from tats_exp.files import write_json
from tats_exp.fit import LOSSES, Scalars, by_step, read_losses
from tats_exp.progress import Progress
from tats_exp.run.log import GuardedLog, RunLog, write_losses
from tats_exp.run.processes import train as train_stage
from tats_exp.run.store import Stage, Store, provenance
from tats_exp.run.sweep import TOLD
from tats_exp.stages.metrics import make_metrics
from tats_exp.stages.samples import make_samples, sampling_speed
from tats_exp.stages.stages import (
    Parts,
    make_codes,
    make_interpolation,
    make_long_codes,
    make_reference,
    make_transformer,
    make_vqgan,
    read_transformer,
    read_vqgan,
)

logger = logging.getLogger(__name__)

VERSIONS = {
    "reference": 3,
    "vqgan": 2,
    "codes": 1,
    "long_codes": 1,
    "transformer": 1,
    "interpolation": 1,
    "samples": 2,
    "metrics": 8,
}
"""Raised by hand when the meaning of a stage changes, so that what the store holds of it is made again."""
TRAINED = ("vqgan", "transformer", "interpolation")
NO_CHOICE = {"padding", "seed", "experiment", "name", "store", "logger", "trainer", "workers", "compile", "hydra"} | {
    key.split(".")[0] for key in TOLD
}
"""Overrides that do not tell single runs apart, or that the padding and the seed tell already."""


def run_job(cfg: DictConfig) -> None:
    """Run one job of a sweep, or the only one; whatever goes wrong ends in its status.json, not in the sweep.

    Args:
        cfg: the composed root config.
    """
    folder = Path(HydraConfig.get().runtime.output_dir)
    config = check(cfg)
    torch.set_num_threads(config.threads or torch.get_num_threads())
    warnings.filterwarnings("ignore", module="lightning.*")
    choices = chosen(config)
    name = ",".join(f"{key}={value}" for key, value in choices.items()) or config.name
    status: dict[str, Any] = {
        "state": "running",
        "error": None,
        "experiment": config.name,
        "description": config.question,
        "choices": choices,
    }
    write_json(folder / "status.json", status)
    OmegaConf.save(cfg, folder / "config.yaml", resolve=True)
    log = GuardedLog(lambda: instantiate(config.logger))
    progress = Progress(folder, name, config.stages)
    started = time.time()
    try:
        log.start(folder, name, config.name, [f"{k}={v}" for k, v in choices.items()], config.model_dump())
        values, told = run(config, folder, log, progress)
        status |= {"state": "finished", **told}
    except Exception as error:
        status |= {"state": "failed", **failure(error)}
        (folder / "error.txt").write_text(traceback.format_exc())
        logger.info("%s failed", name, exc_info=True)  # the console gets one line at the end
        values = {}
    status["seconds"] = {**status.get("seconds", {}), "total": round(time.time() - started, 1)}
    write_json(folder / "status.json", status)
    progress.end()
    log.finish(values, failed=status["state"] == "failed")
    if log.refused is not None:
        write_json(folder / "status.json", {**status, "log": log.refused})


def run(config: Config, folder: Path, log: RunLog, progress: Progress) -> tuple[dict[str, Any], dict[str, Any]]:
    """Go through the stages and gather in `folder` what the report reads.

    Returns:
        The final metrics, and what status.json tells about the stages.
    """
    parts = Parts(config, progress)
    store = Store(Path(config.store.root), redo_from(config.store.redo), config.store.redo_before)

    def stage(name: str, inputs: Mapping[str, Any], make: Any) -> Stage:
        made = store.stage(name, VERSIONS[name], dict(inputs), make)
        progress(name, 1, 1)
        return made

    def model(name: ModelName, inputs: Mapping[str, Any], make: Any, read: Any, *folders: Path) -> Stage:
        """A model is trained, or taken as it is from a file."""
        if name in config.checkpoints:
            return stage(name, {"checkpoint": checksum(config.checkpoints[name])}, lambda f: read(parts, f))
        return stage(name, inputs, lambda f: train_stage(make, parts, (f, *folders), _scalars(log, name)))

    train, test = {"train": parts.train.fingerprint()}, {"test": parts.test.fingerprint()}
    drawn_by = {"data_seed": parts.data_seed, "frames": config.frames}
    drawn = {"seed": config.seed, "precision": config.trainer["precision"]}
    asked = config.metrics.model_dump(include={"videos", "reference_videos", "repeats", "split"})
    asked |= identities(config.metrics, parts.network, parts.classifier)
    inputs: dict[str, Any] = {**train, **test, **drawn_by, **asked}
    reference = stage("reference", inputs, lambda f: make_reference(parts, f))

    inputs = {**train, **drawn, "model": config.vqgan.model, "frames": config.frames}
    perceptual = parts.perceptual.checksum if parts.perceptual is not None else ""
    inputs |= {"training": config.vqgan.training.meaning(perceptual), "reserve": config.reserve.training}
    vqgan = model("vqgan", inputs, make_vqgan, read_vqgan)

    windows = {"train": config.codes.train_windows, "held_out": config.codes.held_out_windows}
    inputs = {**train, **test, **drawn_by, "vqgan": vqgan.key, "windows": windows, "reserve": config.reserve.encoding}
    codes = stage("codes", inputs, lambda f: make_codes(parts, f, vqgan.path))
    if config.interpolates:
        inputs = {**inputs, "key_every": config.key_every}
        stage("long_codes", inputs, lambda f: make_long_codes(parts, f, vqgan.path))
    learned = store.used[config.learned_from]

    inputs = {**drawn, "codes": learned.key, "condition": config.condition}
    own, read = config.transformer.meaning(), partial(read_transformer, "transformer")
    transformer = model("transformer", {**inputs, **own}, make_transformer, read, learned.path)
    samples_of: dict[str, Any] = {"transformer": transformer.key, "codes": learned.key, "condition": config.condition}
    if config.interpolates:
        own, read = config.interpolation.meaning(), partial(read_transformer, "interpolation")
        interpolation = model("interpolation", {**inputs, **own}, make_interpolation, read, learned.path)
        samples_of |= {"interpolation": interpolation.key}

    samples_of |= {"sampler": config.sampler, "seed": config.seed, "precision": config.sampling.precision}
    samples_of |= {"frames": config.sampled_frames, "videos": config.sampled_videos}
    if config.given_latents:
        samples_of |= {"given": config.given_latents, "held_out": codes.key}
    found = {name: made.path for name, made in store.used.items()}
    samples = stage("samples", samples_of, lambda f: make_samples(parts, f, found))
    found["samples"] = samples.path

    inputs = {"reference": reference.key, "samples": samples.key, "codes": codes.key}
    inputs |= {"reserve": config.reserve.training}
    inputs |= config.metrics.model_dump(include={"windows", "resamples"})
    inputs |= {"measures": list(config.metrics.measures.values())}  # in their order, which is that of the table
    stage("metrics", inputs, lambda f: make_metrics(parts, f, found))
    return gather(store.used, folder, log, parts.device.type)


def gather(used: Mapping[str, Stage], folder: Path, log: RunLog, device: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Gather in `folder` what the stages left for the report, and tell the log; returns as `run`."""
    files = {name: used[name].path / LOSSES for name in TRAINED if name in used}
    losses = {name: list(read_losses(path)) for name, path in files.items() if path.exists()}
    write_losses(folder / LOSSES, losses)
    shutil.copytree(used["metrics"].path, folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns("stage.json"))
    speed = sampling_speed(used["samples"].path)
    values = tell(log, folder, {name: rows for name, rows in losses.items() if used[name].reused}) | speed
    told = {
        "seconds": {name: round(made.seconds, 1) for name, made in used.items() if not made.reused},
        "reused": [name for name, made in used.items() if made.reused],
        "stages": {name: made.key for name, made in used.items()},
        "speed": speed,
        "device": device,
        "version": provenance()["versions"],
        "commit": provenance()["commit"],
    }
    return values, told


def tell(log: RunLog, folder: Path, reused_losses: Mapping[str, Iterable[tuple[int, str, float]]]) -> dict[str, Any]:
    """Tell the log what the files of a run hold, losses of stages that were not trained just now included."""
    for stage, rows in reused_losses.items():
        for step, values in by_step(rows).items():
            log.losses(stage, step, values)
    with (folder / "curves.csv").open(newline="") as file:
        windows = [{key: float(value) for key, value in row.items()} for row in csv.DictReader(file)]
    log.curves([{key: value for key, value in window.items() if math.isfinite(value)} for window in windows])
    with (folder / "code_histogram.csv").open(newline="") as file:
        shares = list(csv.DictReader(file))
    for column in ("real", "generated"):
        log.histogram(f"codes/histogram_{column}", [round(1e6 * float(row[column])) for row in shares])
    for video in sorted((folder / "videos").glob("*.mp4")):
        log.video(f"videos/{video.stem}", video)
    metrics = json.loads((folder / "metrics.json").read_text())
    log.protocol(metrics["protocol"])
    return metrics["values"]


def failure(error: BaseException) -> dict[str, Any]:
    """One line about what went wrong, and whether the user can mend it (a wrong input) or we must (a bug)."""
    by_user = isinstance(error, UserError)
    line = error_line(error)
    return {"error": line if by_user or disk_is_full(error) else f"{line} (see error.txt)", "by_user": by_user}


def chosen(config: Config) -> dict[str, str]:
    """The choices that tell this run apart: what was swept, or of a single run padding, seed and all it overrides."""
    overrides = dict(item.lstrip("+~").split("=", 1) for item in HydraConfig.get().overrides.task if "=" in item)
    overrides = {key: unquoted(value) for key, value in overrides.items()}
    if config.swept:
        return {**{key: overrides.get(key, "") for key in config.swept}, "seed": str(config.seed)}
    padding = config.padding
    halves = padding.encoder if padding.encoder == padding.decoder else f"{padding.encoder}/{padding.decoder}"
    rest = {key: value for key, value in overrides.items() if key.split(".")[0] not in NO_CHOICE}
    return {"padding": halves, "seed": str(config.seed), **rest}


def redo_from(redo: Sequence[StageName]) -> tuple[str, ...]:
    """The stages to make again: those named, and all that follow the first of them."""
    return STAGES[min(STAGES.index(name) for name in redo) :] if redo else ()


def _scalars(log: RunLog, stage: str) -> Scalars:
    return lambda step, values: log.losses(stage, step, values)
