"""The whole sweep, checked before its first run starts.

A mistake in the last of forty runs is told at once; and what must be the same in all of them (the clip index, the
threads) is settled.
"""

import os
import time
from dataclasses import dataclass

import torch
from omegaconf import DictConfig, OmegaConf

from tats_exp import UserError
from tats_exp.config.check import check
from tats_exp.config.checkpoints import INSIDE, refuse_training_keys
from tats_exp.config.models import build_paddings, condition_of
from tats_exp.config.overrides import parse_overrides
from tats_exp.config.schema import Config, allowed, validated
from tats_exp.config.targets import check_target
from tats_exp.run.data_check import check_data
from tats_exp.run.flags import read_command_line
from tats_exp.run.log import RunLog
from tats_exp.run.network_check import check_endpoints, check_networks, costs_of
from tats_exp.run.room import check_memory
from tats_exp.run.sweep import Sweep, compose_sweep
from tats_exp.run.sweep_record import SweepRecord
from tats_exp.run.unused import unused_settings
from tats_exp.stages.order import stages_of
from tats_exp.vqgan.receptive_field import margins


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
    for config in configs:
        check_memory(config)
    needs = [_margins(config) for config in configs]
    reserve_training, reserve_encoding = (max(need) for need in zip(*needs, strict=True))
    check_data(configs, reserve_training, reserve_encoding)
    networks = check_networks(configs)
    for alike in networks:
        check_endpoints(alike)
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
            *unused_settings(configs, sweep.said, sweep.swept),
            *["hydra.job.chdir=true: paths are taken from the folder one starts in, as without"] * chdir,
        ],
        costs=costs_of(networks),
        configs=[record.settled(config) for config in configs],
    )


def _checked(cfg: DictConfig, job: list[str]) -> Config:
    """One run of the sweep, checked."""
    validated(cfg, Config)  # what leads nowhere is told before a key behind it is asked for
    for section in INSIDE:
        if OmegaConf.select(cfg, f"{section}.checkpoint") is not None:
            refuse_training_keys(section, (o.key_or_group for o in parse_overrides(job)))
    config = check(cfg)
    check_target("logger", config.logger, RunLog)
    names = [stage.name for stage in stages_of(config, condition_of(config))]
    if unknown := [name for name in config.store.redo if name not in names]:
        raise UserError(f"store.redo=[{unknown[0]}]: no stage of this run; {allowed(unknown[0], names)}")
    return config


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
