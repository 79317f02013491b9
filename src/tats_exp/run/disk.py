"""Bytes that a sweep will leave: in its store, in the folders of its runs, and in its report."""

from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from torch import nn

from tats_exp.config.models import build_adversaries, build_vqgan, condition_codes, transformer_of, without_memory
from tats_exp.config.schema import Config
from tats_exp.config.sections import Training
from tats_exp.data.video_writer import SHOWN_HEIGHT
from tats_exp.data.windows import count_windows
from tats_exp.metrics.layout import NUMBERS
from tats_exp.run.amounts import Seen, encoded_windows, reference_windows, sampled_latents, sampled_windows
from tats_exp.run.planned import Planned
from tats_exp.run.room import Grows, Need, free_disk, refuse
from tats_exp.stages.context import RunContext
from tats_exp.stages.metrics import SHOWN
from tats_exp.stages.transformers import Name

FLOAT = 4
LOGGED = {"vqgan": 300, "transformer": 50, "interpolation": 50}
"""Bytes that losses.csv grows by whenever losses are logged."""
VIDEO_PIXEL = 0.03
"""Bytes of a pixel in the videos that are shown, which are H.264."""
METRICS, WINDOW_ROW = 75_000, 450
"""Bytes of metrics.json, of a row of curves.csv."""
RUN, REPORT, REPORTED = 60_000, 4_000_000, 2_200_000
"""Bytes of logs and configs of a run, of a report, and of what it shows of each run."""


def bytes_of_sweep(runs: Sequence[Sequence[Planned]], seen: Callable[[RunContext], Seen]) -> int:
    """Bytes of all that is not there yet; a stage that runs share counts once.

    Args:
        runs: what each run walks.
        seen: what its evaluation finds in the data.
    """
    missing = {stage.folder: stage for stages in runs for stage in stages if not stage.held}
    stored = sum(bytes_of_stage(stage.name, stage.run, seen(stage.run)) for stage in missing.values())
    gathered = sum(RUN + REPORTED + _metrics(stages[0].run.config) for stages in runs)
    losses = sum(_losses(stage.run.config, stage.name) for stages in runs for stage in stages)
    return stored + gathered + losses + REPORT


def check_disk(runs: Sequence[Sequence[Planned]], seen: Callable[[RunContext], Seen]) -> None:
    """Refuse a sweep whose stages need more disk than is free where its stores are; arguments as `bytes_of_sweep`.

    Raises:
        NoRoomError: in one line, with the largest values that would fit.
    """
    missing = {stage.folder: stage for stages in runs for stage in stages if not stage.held}
    stores: dict[Path, list[Need]] = {}
    for stage in missing.values():
        config = stage.run.config
        logged = _losses(config, stage.name)
        needs = [
            Need(stage.name, "files", bytes_of_stage(stage.name, stage.run, seen(stage.run)) - logged, _grows(stage))
        ]
        if logged:
            training: Training = getattr(config, stage.name).training
            needs += [Need(stage.name, "losses", logged, (Grows(f"{stage.name}.training.steps", training.steps),))]
        stores.setdefault(stage.folder.parents[1], []).extend(needs)
    for store, all_needs in stores.items():
        refuse(all_needs, f"disk of store.root={store}", free_disk(store))


def _grows(stage: Planned) -> tuple[Grows, ...]:
    """What makes the files of a stage larger."""
    config = stage.run.config
    of_samples = (
        Grows("long_frames", config.long_frames, step=config.frames),
        Grows("eval_videos", config.eval_videos),
    )
    of_reference = (Grows("reference_videos", config.metrics.reference_videos),)
    keys: dict[str, tuple[Grows, ...]] = {
        "codes": (Grows("codes.train_windows", config.codes.train_windows),),
        "samples": of_samples,
        "metrics": of_samples,
        "reference": of_reference,
        "rebuilt": of_reference,
        "vqgan": (Grows("vqgan.sizes.codes", config.vqgan.sizes.codes),),
    }
    keys["long_codes"] = keys["codes"]
    return keys.get(stage.name, ())


def bytes_of_stage(name: str, run: RunContext, seen: Seen) -> int:
    """Bytes that a stage leaves in the store, as float32 and, of codes, int16 or int32.

    Args:
        name: of the stage; nothing is known of one that is not ours.
        run: that it belongs to.
        seen: what the evaluation finds in the data.
    """
    config = run.config
    compared = count_windows(run.real, reference_windows(config), config.frames, overlap=False)
    kept = compared * seen.features * FLOAT
    code = 2 if config.codebook_size <= torch.iinfo(torch.int16).max else 4
    _, height, width = config.latent_grid
    if name in ("codes", "long_codes"):
        windows, latents = encoded_windows(config, long=name == "long_codes")
        shifts = windows - config.codes.train_windows
        frames = latents * int(config.vqgan.model["downsample"][0])
        windows = count_windows(run.learned, config.codes.train_windows, frames)
        windows += count_windows(run.test, shifts, frames)
        return windows * (latents * height * width + run.condition.length + 2) * code
    if name == "samples":
        return config.sampled_videos * sampled_latents(config) * height * width * code
    if name == "rebuilt":
        layouts = compared * config.latent_grid[0] * NUMBERS
        return kept + (seen.pieces * seen.windows * seen.features + layouts) * FLOAT
    if name == "metrics":
        return _metrics(config)
    if name == "reference":
        return kept + config.metrics.videos * seen.features * FLOAT
    return _models(run, name) + _losses(config, name)


def weight_bytes(*modules: nn.Module | None) -> int:
    """Bytes of weights and buffers as they are written."""
    states = [value for module in modules if module is not None for value in module.state_dict().values()]
    return sum(value.numel() * value.element_size() for value in states)


def _models(run: RunContext, name: str) -> int:
    config = run.config
    with without_memory():  # their sizes alone
        if name == "vqgan":
            adversaries = build_adversaries(config.vqgan.training)
            vqgan = build_vqgan(config.vqgan.model, config.padding.halves)
            return weight_bytes(vqgan, None if adversaries is None else adversaries.discriminators)
        names: dict[str, Name] = {"transformer": "transformer", "interpolation": "interpolation"}
        if name not in names:
            return 0
        vocabulary = condition_codes(config, names[name], run.condition, len(run.train.label_names))
        return weight_bytes(transformer_of(config, names[name], vocabulary, run.condition.length))


def _losses(config: Config, name: str) -> int:
    if name not in LOGGED or name in config.checkpoints:
        return 0
    training: Training = getattr(config, name).training
    return LOGGED[name] * training.steps // training.log_every


def _metrics(config: Config) -> int:
    """Bytes of what is measured of a run, and of its videos: sampled and real ones, small ones enlarged."""
    side = config.resolution * max(1, SHOWN_HEIGHT // config.resolution)
    videos = VIDEO_PIXEL * SHOWN * side**2 * 2 * (config.sampled_frames + config.frames)
    return METRICS + WINDOW_ROW * sampled_windows(config) + round(videos)
