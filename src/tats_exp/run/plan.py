"""The whole sweep, checked before its first run starts.

A mistake in the last of forty runs is told at once; and what must be the same in all of them (the clip index, the
threads) is settled.
"""

import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from omegaconf import DictConfig, OmegaConf

from tats_exp import UserError
from tats_exp.config.build import blamed_on, build
from tats_exp.config.check import check
from tats_exp.config.checkpoints import INSIDE, refuse_training_keys
from tats_exp.config.endpoints import check_columns
from tats_exp.config.measures import build_measures
from tats_exp.config.models import build_paddings
from tats_exp.config.networks import classifier, feature_network
from tats_exp.config.overrides import parse_overrides
from tats_exp.config.schema import Config, allowed
from tats_exp.config.targets import check_target
from tats_exp.config.transformer_checkpoint import check_condition
from tats_exp.data.clips import Clips
from tats_exp.data.videos import Videos
from tats_exp.data.windows import draw_windows
from tats_exp.features.video_network import VideoClassifier, VideoNetwork
from tats_exp.run.cost import cost_line, seconds_per_clip
from tats_exp.run.flags import read_command_line
from tats_exp.run.log import RunLog
from tats_exp.run.sweep import Sweep, compose_sweep
from tats_exp.run.sweep_record import SweepRecord
from tats_exp.stages.context import RunContext
from tats_exp.stages.order import stages_of
from tats_exp.stages.samples import SPEED_COLUMN
from tats_exp.vqgan.receptive_field import margins


@dataclass(frozen=True)
class Alike:
    """Runs that are measured alike, and what looks at their videos.

    Attributes:
        configs: of the runs.
        network: whose features distances are taken in.
        judge: whose opinions are asked for.
        device: of both.
    """

    configs: list[Config]
    network: VideoNetwork
    judge: VideoClassifier
    device: torch.device


@dataclass(frozen=True)
class Plan:
    """What is going to run.

    Attributes:
        name: of the question.
        jobs: number of runs.
        joblib: whether the runs are started by the local launcher, which takes a number of runs side by side.
        record: what every run must know of the sweep.
        side_by_side: runs at a time.
        stores: folders where they keep what their stages made.
        unused: lines about what was set and is not used.
        costs: lines about what the evaluation will cost, where that is worth a word.
        configs: of the runs, with what the sweep settles filled in.
    """

    name: str
    jobs: int
    joblib: bool
    record: SweepRecord
    side_by_side: int
    stores: list[str]
    unused: list[str]
    costs: list[str]
    configs: list[Config]


def make_plan(arguments: list[str]) -> Plan:
    """Compose and check every run that a command line asks for.

    Args:
        arguments: as given to `python -m tats_exp`.

    Raises:
        UserError: one of the runs cannot be composed or does not fit together; one line.
    """
    return plan_of(compose_sweep(read_command_line(arguments)))


def plan_of(sweep: Sweep) -> Plan:
    """Check every run of a sweep, and settle what is the same in all of them.

    Raises:
        UserError: one of the runs does not fit together; one line.
    """
    configs = [_checked(cfg, job) for cfg, job in zip(sweep.runs(), sweep.jobs, strict=True)]
    needs = [_margins(config) for config in configs]
    reserve_training, reserve_encoding = (max(need) for need in zip(*needs, strict=True))
    _check_data(configs, reserve_training, reserve_encoding)
    networks = _check_networks(configs)
    for alike in networks:
        _check_endpoints(alike)
    launcher, chdir = sweep.hydra.launcher, bool(sweep.hydra.job.chdir)
    joblib = sweep.multirun and "joblib" in launcher._target_
    side_by_side = _side_by_side(configs, int(launcher.get("n_jobs", 1)) if joblib else 1)
    record = SweepRecord(
        swept=tuple(sweep.swept),
        asked=sweep.asked,
        reserve_training=reserve_training,
        reserve_encoding=reserve_encoding,
        threads=max(1, (os.cpu_count() or 1) // side_by_side),
        started=time.time(),
    )
    return Plan(
        name=configs[0].name,
        jobs=len(configs),
        joblib=joblib,
        record=record,
        side_by_side=side_by_side,
        stores=sorted({config.store.root for config in configs}),
        unused=[
            *_unused(configs, sweep.said, sweep.swept),
            *_unused_context(configs, sweep.said, sweep.swept),
            *["hydra.job.chdir=true: paths are taken from the folder one starts in, as without"] * chdir,
        ],
        costs=_costs(networks),
        configs=[record.settled(config) for config in configs],
    )


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


def _unused_context(configs: list[Config], said: dict[str, str], swept: list[str]) -> list[str]:
    """Say that `context` meets samplers that do not take it.

    Raises:
        UserError: it is swept and no run takes it: equal runs would stand in the table as choices.
    """
    takes = [not one.interpolates and one.sampler.get("context") == one.context for one in configs]
    if "context" not in said or any(takes):
        return []
    others = " and ".join(sorted({one.sampler["_target_"].rsplit(".", 1)[-1] for one in configs}))
    line = f"is of sampler=sliding, {others} does not take it; allowed: sampler.context=N where there is such a key"
    if "context" in swept:
        raise UserError(f"context: swept, but it {line}")
    return [f"{said['context']}: {line}"]


def _checked(cfg: DictConfig, job: list[str]) -> Config:
    """One run of the sweep, checked."""
    for section in INSIDE:
        if OmegaConf.select(cfg, f"{section}.checkpoint") is not None:
            refuse_training_keys(section, (o.key_or_group for o in parse_overrides(job)))
    config = check(cfg)
    check_target("logger", config.logger, RunLog)
    names = [stage.name for stage in stages_of(config, build(config.condition, "condition"))]
    if unknown := [name for name in config.store.redo if name not in names]:
        raise UserError(f"store.redo=[{unknown[0]}]: no stage of this run; {allowed(unknown[0], names)}")
    return config


def _check_data(configs: list[Config], reserve_training: int, reserve_encoding: int) -> None:
    """Index each data set that the sweep reads, once, and see that its clips fit."""
    seen: list[Any] = []
    for config in configs:
        windows_of = (config.frames, config.learned_frames, config.latent_grid)
        wanted = (config.data, *windows_of, config.codebook_size, config.condition, config.checkpoints)
        if wanted in seen:
            continue
        seen.append(wanted)
        source = build(config.data, "data")
        with blamed_on("data", kinds=OSError):
            train, test = source.split("train"), source.split("test")
        with blamed_on("data"):
            Clips(train, config.frames, reserve=reserve_training)
            # At the last of its shifts a held-out window begins t - 1 latent frames later.
            Clips(test, 2 * config.frames - config.vqgan.model["downsample"][0], reserve=reserve_encoding)
        if config.vqgan.checkpoint is None:
            _check_codebook(config, train)
        if config.learns_long:
            _check_long_windows(config, (train, test), reserve_encoding)
        _check_conditions(config, train)
        windows = len(draw_windows(train, 4, config.frames, seed=0))
        if windows < 4:
            raise UserError(f"data: {windows} windows of {config.frames} frames to compare with; 4 are the least")


def _check_long_windows(config: Config, splits: tuple[Videos, Videos], reserve: int) -> None:
    """Refuse windows of the transformers that no video of a split is long enough for."""
    window = config.transformer.window
    long = f"transformer.window={window}" if window else f"sampler.key_every={config.key_every}"
    with blamed_on(long):
        for videos in splits:
            Clips(videos, config.learned_frames, reserve=reserve)


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
    condition = build(config.condition, "condition")
    with blamed_on("condition", config.condition):
        condition_codes = condition.vocabulary(len(train.label_names))
    for name, path in config.checkpoints.items():
        if name != "vqgan":
            check_condition(name, path, config.window_of(name), condition_codes)


def _check_networks(configs: list[Config]) -> list[Alike]:
    """Load each network that looks at videos, once; a perceptual one looks at a clip of the size that it will see.

    Raises:
        UserError: weights are not there, or a network does not fit: all that there is to mend, in one line.
    """
    alike: dict[str, list[Config]] = {}
    for config in configs:
        alike.setdefault(config.metrics.model_dump_json(), []).append(config)
    faults: list[str] = []
    found: list[Alike] = []
    perceptual = {json.dumps([c.vqgan.training.perceptual, c.resolution, c.frames]): c for c in configs}
    for config in perceptual.values():
        with _gathered(faults):
            _try_perceptual(config)
    for group in alike.values():
        run, judge = RunContext(group[0]), None
        with _gathered(faults):
            judge = classifier(run.config.metrics.classifier, run.device)
        with _gathered(faults):
            network = feature_network(run.config.metrics.network, run.device)
            found.append(Alike(group, network, judge or network, run.device))
    if faults:
        raise UserError("; ".join(dict.fromkeys(faults)))
    return found


def _check_endpoints(alike: Alike) -> None:
    """Refuse endpoints that the measures of runs do not know."""
    measures = build_measures(alike.configs[0].metrics.measures).values()
    columns = [*(column for measure in measures for column in measure.columns), SPEED_COLUMN]
    for config in alike.configs:
        check_columns(config, columns, alike.network.name, alike.judge.name)


@contextmanager
def _gathered(faults: list[str]) -> Iterator[None]:
    """A block whose mistakes of the user are put down, to be told together."""
    try:
        yield
    except UserError as error:
        faults.append(str(error))


def _try_perceptual(config: Config) -> None:
    node, size = config.vqgan.training.perceptual, config.resolution
    if node is not None:
        network = build(node, "vqgan.training.perceptual")
        with blamed_on("vqgan.training.perceptual", node):
            clip = torch.zeros(1, 3, config.frames if network.sees_time else 1, size, size)
            network(clip, clip)


def _costs(networks: list[Alike]) -> list[str]:
    """Tell what looking at the videos of the sweep will cost."""
    lines = []
    for alike in networks:
        network, config = alike.network, alike.configs[0]
        metrics = config.metrics
        windows = config.sampled_frames // config.frames
        looked = min(2, windows) if metrics.windows == "ends" else windows
        once = metrics.repeats * (metrics.videos + metrics.reference_videos) + metrics.videos
        clips = once + len(alike.configs) * config.sampled_videos * (looked + 1)
        size = (config.frames, config.resolution, config.resolution)
        line = cost_line(network.name, clips, seconds_per_clip(network, *size, alike.device))
        lines += [line] if line else []
    return lines


def _margins(config: Config) -> tuple[int, int]:
    """Frames that a run needs on either side of a training clip, and of a window that it only encodes."""
    model = config.vqgan.model
    margin, code_margin = margins(model["downsample"], model["decoder_blocks"], *build_paddings(config.padding.halves))
    reserve = config.reserve
    training = max(margin + model["downsample"][0] * code_margin, reserve.training)
    return training, max(margin, reserve.encoding)


def _side_by_side(configs: list[Config], wanted: int) -> int:
    """Runs at a time: as many as there are cores for on a CPU, one on a GPU, unless the launcher was told a number."""
    if wanted > 0:
        return min(wanted, len(configs))
    on_gpu = torch.cuda.is_available() and configs[0].trainer.get("accelerator") != "cpu"
    return 1 if on_gpu else min(len(configs), max(1, (os.cpu_count() or 1) // (configs[0].threads or 1)))
