"""The VQGAN of a run: trained on random clips, or read from a checkpoint of the original code."""

import logging
import math
from dataclasses import dataclass
from pathlib import Path

import torch

from tats_exp.config.models import build_adversaries, build_pixel_loss, build_vqgan
from tats_exp.config.schema import Config, Halves
from tats_exp.config.sections import Node, VQGANTrainingSection
from tats_exp.config.vqgan_checkpoint import read_checkpoint
from tats_exp.data.clips import Clips
from tats_exp.data.videos import Videos
from tats_exp.features.perceptual import Perceptual
from tats_exp.files import Stage
from tats_exp.stages.context import Chosen, RunContext, Work
from tats_exp.stages.trained import (
    MODEL,
    FromFile,
    budget,
    from_file,
    optimization,
    was_trained,
    with_weights,
    write_model,
    write_weights,
)
from tats_exp.vqgan.alarms import warn_once
from tats_exp.vqgan.codebook import EMACodebook
from tats_exp.vqgan.vqgan import VQGAN

logger = logging.getLogger(__name__)

DISCRIMINATORS = "discriminators.safetensors"


@dataclass(frozen=True)
class VQGANInputs:
    """What a trained VQGAN depends on.

    Attributes:
        train: videos that clips are drawn from.
        seed: of initialisation, order and random draws.
        precision: of the training.
        model: section of the config.
        halves: sections of what pads its encoder and its decoder.
        training: section of the config.
        perceptual: the perceptual loss.
        frames: of a clip.
        reserve: frames kept free on either side of a clip.
    """

    train: Videos
    seed: int
    precision: str
    model: Node
    halves: Halves
    training: VQGANTrainingSection
    perceptual: Chosen[Perceptual | None]
    frames: int
    reserve: int


def _inputs(run: RunContext) -> VQGANInputs | FromFile:
    config = run.config
    return from_file(config, "vqgan") or VQGANInputs(
        train=run.learned,
        seed=config.seed,
        precision=config.trainer["precision"],
        model=config.vqgan.model,
        halves=config.padding.halves,
        training=config.vqgan.training,
        perceptual=run.perceptual,
        frames=config.frames,
        reserve=config.reserve.training,
    )


def _make(inputs: VQGANInputs | FromFile, work: Work) -> None:
    """Leaves the weights of the VQGAN, those of its discriminators and, where it was trained, its losses."""
    if isinstance(inputs, FromFile):
        return _copy(read_checkpoint(inputs.path), work.folder)
    if was_trained(work.folder):
        return
    from tats_exp.fit import fit  # Lightning comes with these
    from tats_exp.vqgan.training import VQGANTraining

    torch.manual_seed(inputs.seed)
    vqgan = build_vqgan(inputs.model, inputs.halves)
    training = inputs.training
    adversaries = build_adversaries(training)
    clips = Clips(inputs.train, inputs.frames, vqgan.training_margin, inputs.reserve)
    _warn_of_few_latents(vqgan, training.batch_size // work.processes, clips)
    if work.compile:
        vqgan.compile()
    module = VQGANTraining(
        vqgan,
        *optimization(training),
        pixel_loss=build_pixel_loss(training),
        reconstruction_weight=training.reconstruction_weight,
        perceptual=inputs.perceptual.object,
        perceptual_weight=training.perceptual_weight,
        adversaries=adversaries,
        average_decay=training.average_decay,
        usage_window=training.usage_window,
        seed=inputs.seed,
    )
    time = budget(training, work.workers)
    fit(module, clips, time, work.folder, work.make_trainer, inputs.seed, warn_once(work.losses), work.progress)
    if adversaries is not None:
        write_weights(adversaries.discriminators, work.folder / DISCRIMINATORS)
    write_model(module.result, work.folder)


def _copy(vqgan: VQGAN, folder: Path) -> None:
    if vqgan.discriminators:
        write_weights(torch.nn.ModuleDict(vqgan.discriminators), folder / DISCRIMINATORS)
    write_model(vqgan, folder)


def _warn_of_few_latents(vqgan: VQGAN, batch_size: int, clips: Clips) -> None:
    """A codebook begins from latents of the first batch; where they are too few, the rest are noisy copies."""
    side = clips.videos.resolution
    latents = batch_size * clips.frames * side * side // math.prod(vqgan.downsample)
    if isinstance(vqgan.codebook, EMACodebook) and latents < vqgan.codebook.size:
        logger.warning(
            "vqgan: %d codes begin from the %d latents of the first batch and noisy copies of them, which may never be "
            "used; a larger vqgan.training.batch_size or restart_below may help",
            vqgan.codebook.size,
            latents,
        )


def read_vqgan(config: Config, folder: Path) -> VQGAN:
    """The VQGAN that a finished stage left, with its discriminators, in eval mode on the CPU.

    Args:
        config: of the run.
        folder: of the stage.

    Raises:
        UserError: a file is damaged.
    """
    vqgan = with_weights(build_vqgan(config.vqgan.model, config.padding.halves), folder / MODEL)
    adversaries = build_adversaries(config.vqgan.training)
    if adversaries is not None:
        judges = with_weights(adversaries.discriminators, folder / DISCRIMINATORS)
        vqgan.discriminators = dict(judges.named_children())
    return vqgan


VQGAN_STAGE = Stage("vqgan", 3, _inputs, _make, read_vqgan, trained=True)
