"""The whole sweep, composed and checked before its first run starts.

The runs that the launcher will start are composed here with the same pieces of Hydra, so that a mistake in the last of
forty is told at once; and what must be the same in all of them (the clip index, the threads) is settled.
"""

import argparse
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from hydra import initialize_config_dir
from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra._internal.utils import get_args_parser
from hydra.core.override_parser.types import Override
from hydra.errors import HydraException
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf

from tats_exp import UserError
from tats_exp.check import check
from tats_exp.checkpoints import INSIDE, refuse_training_keys
from tats_exp.compose import compose_run, parse_overrides
from tats_exp.config import Config, conf_dir
from tats_exp.cost import seconds_per_clip, told_cost
from tats_exp.data.clips import Clips, Videos, draw_windows
from tats_exp.parts import Parts
from tats_exp.progress import Progress
from tats_exp.training_sections import build
from tats_exp.transformer_checkpoint import check_condition
from tats_exp.vqgan.padding import margins

TOLD = {"swept", "threads", "reserve.training", "reserve.encoding", "store.redo_before"}
"""Keys that the plan settles and every run is told."""
SWEPT_BY_HYDRA = "hydra._internal.core_plugins.basic_sweeper.BasicSweeper"


@dataclass(frozen=True)
class Plan:
    """What is going to run.

    Attributes:
        name: of the question.
        jobs: number of runs.
        multirun: whether Hydra sweeps.
        joblib: whether the launcher is the local one, which takes a number of runs side by side.
        swept: keys whose values differ between the runs.
        fixed: keys that are overridden alike in all runs.
        reserve_training: frames that every run keeps free on either side of a training clip.
        reserve_encoding: the same for windows that are only encoded.
        side_by_side: runs at a time.
        threads: CPU threads of each.
        unused: lines about what was set and is not used.
        costs: lines about what the evaluation will cost, where that is worth a word.
    """

    name: str
    jobs: int
    multirun: bool
    joblib: bool
    swept: list[str]
    fixed: list[str]
    reserve_training: int
    reserve_encoding: int
    side_by_side: int
    threads: int
    unused: list[str]
    costs: list[str]


def make_plan(arguments: list[str]) -> Plan:
    """Compose and check every run that a command line asks for.

    Args:
        arguments: as given to `python -m tats_exp`.

    Raises:
        UserError: one of the runs cannot be composed or does not fit together; one line.
    """
    parser = get_args_parser()
    parser.exit_on_error = False
    try:
        given, unknown = parser.parse_known_args(arguments)
    except (argparse.ArgumentError, SystemExit) as error:
        raise UserError(str(error)) from None
    if given.config_name or given.config_path or given.config_dir:
        raise UserError("the configuration is the one that ships with tats_exp: --config-... is not taken")
    if unknown:
        raise UserError(f"unknown flag {unknown[0]}; see --help")
    with initialize_config_dir(str(conf_dir()), version_base="1.3"):
        overrides = parse_overrides(given.overrides)
        whole = compose_run([o.input_line or "" for o in overrides if not o.is_sweep_override()], with_hydra=True)
        multirun = given.multirun or str(whole.hydra.mode).endswith("MULTIRUN")
        jobs: list[list[str]] = [given.overrides]
        swept: list[str] = []
        said = {o.key_or_group: o.input_line or "" for o in overrides}
        if multirun:
            jobs, swept = _expand(whole, overrides)
            params = whole.hydra.sweeper.get("params") or {}
            said = {key: f"{key}={value}" for key, value in params.items()} | said
        elif any(o.is_sweep_override() for o in overrides):
            raise UserError("several values for a key need a sweep: add -m")
        configs = [_checked(job) for job in jobs]
    needs = [_margins(config) for config in configs]
    reserve_training, reserve_encoding = (max(need) for need in zip(*needs, strict=True))
    _check_data(configs, reserve_training, reserve_encoding)
    _check_perceptual(configs)
    joblib = "joblib" in whole.hydra.launcher._target_
    side_by_side = _side_by_side(configs, int(whole.hydra.launcher.get("n_jobs", 1)) if multirun and joblib else 1)
    threads = configs[0].threads or max(1, (os.cpu_count() or 1) // side_by_side)
    return Plan(
        name=configs[0].name,
        jobs=len(jobs),
        multirun=multirun,
        joblib=joblib,
        swept=swept,
        fixed=sorted({o.key_or_group for o in overrides} - set(swept) | TOLD),
        reserve_training=reserve_training,
        reserve_encoding=reserve_encoding,
        side_by_side=side_by_side,
        threads=threads,
        unused=_unused(configs, said, swept),
        costs=_costs(configs),
    )


def _expand(whole: DictConfig, overrides: list[Override]) -> tuple[list[list[str]], list[str]]:
    """The overrides of every run of a sweep, and the keys that differ between them."""
    params = whole.hydra.sweeper.get("params") or {}
    parsed = parse_overrides([f"{key}={value}" for key, value in params.items()]) + overrides
    if whole.hydra.sweeper._target_ != SWEPT_BY_HYDRA:  # it chooses the values as it goes: check the fixed part
        return [[o.input_line or "" for o in parsed if not o.is_sweep_override()]], []
    try:
        jobs = BasicSweeper.split_arguments(parsed, None)[0]
    except (HydraException, AssertionError) as error:
        raise UserError(f"cannot sweep: {error}") from None
    last = {o.key_or_group: o for o in parsed}
    swept = [key for key, o in last.items() if o.is_sweep_override() or key in params]
    return [list(job) for job in jobs], swept


def _unused(configs: list[Config], said: dict[str, str], swept: list[str]) -> list[str]:
    """Say which settings of the interpolation transformer, by key, meet a sampler that has none.

    Raises:
        UserError: such a key is swept and no run interpolates: equal runs would stand in the table as a choice.
    """
    without = sorted({config.sampler["_target_"].rsplit(".", 1)[-1] for config in configs if not config.interpolates})
    about = {
        key: line
        for key, line in said.items()
        if key in ("mask", "sampling.gaps_at_once") or key.split(".")[0] == "interpolation"
    }
    if not without or not about:
        return []
    if idle := [key for key in about if key in swept and not any(config.interpolates for config in configs)]:
        raise UserError(
            f"{idle[0]}: swept, but {' and '.join(without)} does not interpolate and all its runs would be the same; "
            "allowed: sampler=hierarchical"
        )
    return [f"{', '.join(about.values())}: not used with {' and '.join(without)}; sampler=hierarchical interpolates"]


def _checked(job: list[str]) -> Config:
    """One run of the sweep, composed and checked."""
    cfg = compose_run(job)
    for section in INSIDE:
        if cfg[section].checkpoint is not None:
            try:
                refuse_training_keys(section, (o.key_or_group for o in parse_overrides(job)))
            except ValueError as error:
                raise UserError(str(error)) from None
    return check(_with_defaults(cfg))


def _with_defaults(cfg: DictConfig) -> DictConfig:
    """Fill in, for the check alone, what is settled for the whole sweep afterwards."""
    filled = {key: cfg.reserve[key] or 0 for key in ("training", "encoding")}
    return OmegaConf.merge(cfg, {"reserve": filled})  # type: ignore[return-value]


def _check_data(configs: list[Config], reserve_training: int, reserve_encoding: int) -> None:
    """Index each data set that the sweep reads, once, and see that its clips fit."""
    seen: list[Any] = []
    for config in configs:
        windows_of = (config.frames, config.long_window_frames, config.latent_grid)
        wanted = (config.data, *windows_of, config.codebook_size, config.condition, config.checkpoints)
        if wanted in seen:
            continue
        seen.append(wanted)
        try:
            source = instantiate(config.data, _convert_="all")
            train, test = source.split("train"), source.split("test")
            Clips(train, config.frames, reserve=reserve_training)
            Clips(test, config.frames, reserve=reserve_encoding + config.vqgan.model["downsample"][0])
            if config.vqgan.checkpoint is None:
                _check_codebook(config, train)
            if config.interpolates:
                _check_long_windows(config, [train, test], reserve_encoding)
            _check_conditions(config, train)
            windows = len(draw_windows(train, 4, config.frames, seed=0))
            if windows < 4:
                raise UserError(f"data: {windows} windows of {config.frames} frames to compare with; 4 are the least")
        except Exception as error:
            cause = error.__cause__ or error
            if isinstance(cause, ValueError | OSError):
                raise UserError(str(cause)) from None
            raise


def _check_long_windows(config: Config, splits: list[Videos], reserve: int) -> None:
    """Refuse key frames so far apart that no video holds a window of them."""
    try:
        for videos in splits:
            Clips(videos, config.long_window_frames, reserve=reserve)
    except ValueError as error:
        raise UserError(f"sampler.key_every={config.key_every}: {error}") from None


def _check_codebook(config: Config, train: Videos) -> None:
    """Refuse a codebook with more codes than the training videos have latents."""
    time, height, width = config.vqgan.model["downsample"]
    frames = sum((length - 1) // train.frame_stride + 1 for length in train.lengths)
    latents = frames // time * (config.resolution // height) * (config.resolution // width)
    if config.codebook_size > latents:
        raise UserError(
            f"codebook of {config.codebook_size} codes: the training videos have {latents} latents; allowed: at most "
            "as many codes (vqgan.sizes.codes or fsq_levels)"
        )


def _check_conditions(config: Config, train: Videos) -> None:
    """Refuse transformers of checkpoints that were trained with another condition than the data have."""
    condition_codes = instantiate(config.condition).vocabulary(len(train.label_names))
    for name, path in config.checkpoints.items():
        if name != "vqgan":
            check_condition(name, path, config.window_of(name), condition_codes)


def _check_perceptual(configs: list[Config]) -> None:
    """Load each perceptual network of the sweep, once, and have it look at a clip of the size that it will see."""
    seen: list[Any] = []
    for config in configs:
        wanted = (config.vqgan.training.perceptual, config.resolution)
        if wanted[0] is None or wanted in seen:
            continue
        seen.append(wanted)
        try:
            network = build(wanted[0])
            clip = torch.zeros(1, 3, config.frames if network.sees_time else 1, config.resolution, config.resolution)
            network(clip, clip)
        except (ValueError, OSError) as error:
            raise UserError(f"vqgan.training.perceptual: {error}") from None


def _costs(configs: list[Config]) -> list[str]:
    """Load the feature networks that the sweep asks, and tell what they will cost.

    Raises:
        UserError: the weights of one of them are not there, or are not what they should be.
    """
    alike: dict[str, list[Config]] = {}
    for config in configs:
        alike.setdefault(config.metrics.model_dump_json(), []).append(config)
    lines = []
    for group in alike.values():
        parts = Parts(group[0], Progress(Path(), ""))
        try:
            network, _ = parts.network, parts.classifier
        except (ValueError, OSError) as error:
            raise UserError(str(error)) from None
        metrics, config = group[0].metrics, group[0]
        windows = config.sampled_frames // config.frames
        looked = min(2, windows) if metrics.windows == "ends" else windows
        once = metrics.repeats * (metrics.videos + metrics.reference_videos) + metrics.videos
        clips = once + len(group) * config.sampled_videos * (looked + 1)
        size = (config.frames, config.resolution, config.resolution)
        told = told_cost(network.name, clips, seconds_per_clip(network, *size, parts.device))
        lines += [told] if told else []
    return lines


def _margins(config: Config) -> tuple[int, int]:
    """Frames that a run needs on either side of a training clip, and of a window that it only encodes."""
    model = config.vqgan.model
    margin, code_margin = margins(
        model["downsample"], model["decoder_blocks"], model["encoder_padding"], model["decoder_padding"]
    )
    reserve = config.reserve
    training = max(margin + model["downsample"][0] * code_margin, reserve.training)
    return training, max(margin, reserve.encoding)


def _side_by_side(configs: list[Config], wanted: int) -> int:
    """Runs at a time: as many as there are cores for on a CPU, one on a GPU, unless the launcher was told a number."""
    if wanted > 0:
        return min(wanted, len(configs))
    on_gpu = torch.cuda.is_available() and configs[0].trainer.get("accelerator") != "cpu"
    return 1 if on_gpu else min(len(configs), max(1, (os.cpu_count() or 1) // (configs[0].threads or 1)))
