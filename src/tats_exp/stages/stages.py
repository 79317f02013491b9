"""What each stage of a run does: from what earlier stages left to files in the folder it is given.

Stages exchange files only, so that each can be found in the store and redone alone. Tensors are safetensors.
Axes: N windows, T frames, t h w latent grid, K codebook size, D features.
"""

import logging
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal, cast

import torch
from hydra.utils import instantiate
from jaxtyping import Int64
from lightning.pytorch.utilities import rank_zero_only
from safetensors.torch import save
from torch import Tensor

from tats_exp.config.models import build_adversaries, build_vqgan
from tats_exp.config.schema import Config
from tats_exp.config.sections import Training
from tats_exp.config.transformer_checkpoint import read_transformer as transformer_of
from tats_exp.config.vqgan_checkpoint import read_checkpoint
from tats_exp.data.clips import Clips, Videos, Window, draw_windows, read_windows, to_float
from tats_exp.data.codes import gaps, key_frames
from tats_exp.files import atomic, load_tensors, save_tensors
from tats_exp.fit import CHECKPOINT, Budget, Scalars, fit
from tats_exp.metrics.networks import Networks, statistics_of_windows
from tats_exp.metrics.real_windows import RealWindows, draw_real, places_of
from tats_exp.metrics.window_statistics import WindowStatistics
from tats_exp.stages.parts import DISCRIMINATORS, MODEL, Parts
from tats_exp.transformer.training import CodeWindows, TransformerTraining
from tats_exp.vqgan.alarms import warn_once
from tats_exp.vqgan.codebook import EMACodebook
from tats_exp.vqgan.training import VQGANTraining
from tats_exp.vqgan.vqgan import VQGAN

logger = logging.getLogger(__name__)

REFERENCE = "reference.safetensors"
CODES = "codes.safetensors"
SHOWN = 4  # videos of each kind that are written as mp4


def make_reference(parts: Parts, folder: Path) -> None:
    """Draw the real windows that a run is measured against, and look at them once.

    Leaves what was seen of them, the windows of the floor, and features of as many windows of the test split.
    """
    config, metrics = parts.config, parts.config.metrics
    wanted = (metrics.reference_videos, metrics.videos)
    drawn, count = draw_real(parts.real, *wanted, config.frames, metrics.repeats, parts.data_seed)
    if len(drawn[0]) < sum(wanted):
        logger.warning("reference: %d windows without overlap instead of %d", len(drawn[0]), sum(wanted))
    held_out = draw_windows(parts.test, count, config.frames, parts.data_seed)
    windows = [window for repeat in drawn for window in repeat]
    total = len(windows) + len(held_out)

    networks = Networks(parts.network, parts.classifier, parts.device)

    def statistics(videos: Videos, places: list[Window], before: int) -> WindowStatistics:
        def progress(done: int) -> None:
            parts.progress("reference", before + done, total)

        return statistics_of_windows(networks, videos, places, config.frames, metrics.batch_size, progress)

    real = RealWindows.of(statistics(parts.real, windows, 0), metrics.repeats, count)
    features = statistics(parts.test, held_out, len(windows)).features
    places = places_of([window for repeat in drawn for window in repeat[:count]])
    replace(real, held_out=features, floor_windows=places).save(folder / REFERENCE)


def make_vqgan(parts: Parts, folder: Path, scalars: Scalars) -> None:
    """Train the VQGAN on random clips; leaves its weights, those of its discriminators, and losses."""
    if (folder / MODEL).exists():  # killed between its last write and the end of the stage
        return
    config, perceptual = parts.config, parts.perceptual
    torch.manual_seed(config.seed)
    vqgan = cast(VQGAN, build_vqgan(config))
    adversaries = build_adversaries(config)
    clips = Clips(parts.train, config.frames, vqgan.training_margin, config.reserve.training)
    training = config.vqgan.training
    _warn_of_few_latents(config, vqgan)
    if config.compile:
        vqgan.compile()
    module = VQGANTraining(
        vqgan,
        *_optimization(training),
        l1_weight=training.l1_weight,
        perceptual=perceptual,
        perceptual_weight=training.perceptual_weight,
        adversaries=adversaries,
        average_decay=training.average_decay,
        usage_window=training.usage_window,
        seed=config.seed,
    )
    budget, steps = _budget(config, training), _steps(parts, "vqgan")
    fit(module, clips, budget, folder, parts.make_trainer, config.seed, warn_once(scalars), steps)
    if adversaries is not None:
        _write_weights(adversaries.discriminators, folder / DISCRIMINATORS)
    _keep(module.result, folder)


def read_vqgan(parts: Parts, folder: Path) -> None:
    """Take the VQGAN and its discriminators from a checkpoint of the official code, in place of training one."""
    vqgan = read_checkpoint(parts.config.checkpoints["vqgan"])
    if vqgan.discriminators:
        _write_weights(torch.nn.ModuleDict(vqgan.discriminators), folder / DISCRIMINATORS)
    _keep(vqgan, folder)


def make_codes(parts: Parts, folder: Path, vqgan_folder: Path) -> None:
    """Encode a fixed list of windows once, the held-out ones also one latent frame later."""
    config, vqgan = parts.config, parts.vqgan(vqgan_folder)
    train, held_out = _windows_of_codes(parts, config.frames, vqgan.time_stride)
    encode = _Encoder(parts, vqgan, "codes", config.frames, len(train) + 2 * len(held_out))
    tensors = {
        "train": encode(parts.train, train),
        "train_labels": torch.tensor([parts.train.labels[w.video] for w in train]),
        "held_out": encode(parts.test, held_out),
        "held_out_shifted": encode(parts.test, held_out, vqgan.time_stride),
        "held_out_labels": torch.tensor([parts.test.labels[w.video] for w in held_out]),
        "held_out_videos": torch.tensor([w.video for w in held_out]),
    }
    save_tensors(folder / CODES, tensors)


def make_long_codes(parts: Parts, folder: Path, vqgan_folder: Path) -> None:
    """Encode windows so long that their key frames fill the window of the autoregressive transformer.

    Both transformers of a hierarchy learn from them: one from the key frames, the other from the gaps between.
    """
    config, vqgan = parts.config, parts.vqgan(vqgan_folder)
    train, held_out = _windows_of_codes(parts, config.long_window_frames)
    encode = _Encoder(parts, vqgan, "long_codes", config.long_window_frames, len(train) + len(held_out))
    tensors = {
        "train": encode(parts.train, train),
        "train_labels": torch.tensor([parts.train.labels[w.video] for w in train]),
        "held_out": encode(parts.test, held_out),
        "held_out_labels": torch.tensor([parts.test.labels[w.video] for w in held_out]),
    }
    save_tensors(folder / CODES, tensors)


def _windows_of_codes(parts: Parts, frames: int, after: int = 0) -> tuple[list[Window], list[Window]]:
    """Windows of both splits that are encoded; `after`: frames that must follow the held-out ones."""
    codes, reserve, seed = parts.config.codes, parts.config.reserve.encoding, parts.data_seed + 1
    train = draw_windows(parts.train, codes.train_windows, frames, seed, reserve, reserve)
    held_out = draw_windows(parts.test, codes.held_out_windows, frames, seed, reserve, reserve + after)
    for name, windows, wanted in (("train", train, codes.train_windows), ("test", held_out, codes.held_out_windows)):
        if len(windows) < wanted:
            told = "codes: %d windows of %d frames of the %s split instead of %d"
            logger.warning(told, len(windows), frames, name, wanted)
    return train, held_out


class _Encoder:
    """Encodes windows a batch at a time and tells how far it is, of `total` windows in all."""

    def __init__(self, parts: Parts, vqgan: VQGAN, stage: str, frames: int, total: int) -> None:
        self.parts, self.vqgan, self.stage, self.frames, self.total = parts, vqgan, stage, frames, total
        self.done = 0

    @torch.inference_mode()
    def __call__(self, videos: Videos, windows: list[Window], shift: int = 0) -> Int64[Tensor, "N t h w"]:
        """Codes of windows, moved by `shift` frames."""
        codes, size, margin = [], self.parts.config.codes.batch_size, self.vqgan.margin
        for start in range(0, len(windows), size):
            batch = windows[start : start + size]
            frames = read_windows(videos, batch, self.frames, margin, margin, shift)
            codes.append(self.vqgan.encode(to_float(frames.to(self.parts.device))).cpu())
            self.done += len(batch)
            self.parts.progress(self.stage, self.done, self.total)
        return torch.cat(codes)


def make_transformer(parts: Parts, folder: Path, codes_folder: Path, scalars: Scalars) -> None:
    """Train the autoregressive transformer on the kept codes, of a hierarchy on their key frames."""
    codes = load_tensors(codes_folder / CODES)
    windows = key_frames(codes["train"], parts.config.key_every)
    training = parts.config.transformer.training
    torch.manual_seed(parts.config.seed)
    module = TransformerTraining(parts.new_transformer(), *_optimization(training))
    _train(parts, folder, module, training, windows, codes["train_labels"], scalars)


def make_interpolation(parts: Parts, folder: Path, codes_folder: Path, scalars: Scalars) -> None:
    """Train the interpolation transformer on the gaps between key frames."""
    codes = load_tensors(codes_folder / CODES)
    windows = gaps(codes["train"], parts.config.key_every)
    section = parts.config.interpolation
    torch.manual_seed(parts.config.seed)
    optimization = _optimization(section.training)
    module = TransformerTraining(
        parts.new_interpolation(), *optimization, name="interpolation", anchors_in_loss=section.anchors_in_loss
    )
    labels = codes["train_labels"].repeat_interleave(windows.shape[1])
    _train(parts, folder, module, section.training, windows.flatten(0, 1), labels, scalars)


def read_transformer(name: Literal["transformer", "interpolation"], parts: Parts, folder: Path) -> None:
    """Take a transformer from a checkpoint of the official code, in place of training one."""
    _keep(transformer_of(name, parts.config.checkpoints[name], parts.config.window_of(name)), folder)


def _train(
    parts: Parts,
    folder: Path,
    module: TransformerTraining,
    training: Training,
    windows: Int64[Tensor, "N t h w"],
    labels: Int64[Tensor, " N"],
    scalars: Scalars,
) -> None:
    """Train a transformer on windows of codes; leaves its weights and losses."""
    if (folder / MODEL).exists():  # killed between its last write and the end of the stage
        return
    config = parts.config
    if config.compile:
        module.transformer.compile()
    dataset = CodeWindows(parts.condition.codes(labels), windows)
    steps = _steps(parts, module.name)
    fit(module, dataset, _budget(config, training), folder, parts.make_trainer, config.seed, scalars, steps)
    _keep(module.transformer, folder)


def _optimization(training: Training) -> tuple[Any, Any]:
    optimizer = instantiate(training.optimizer, _convert_="all")
    return optimizer, None if training.scheduler is None else instantiate(training.scheduler, _convert_="all")


def _budget(config: Config, training: Training) -> Budget:
    return Budget(
        training.steps,
        training.batch_size,
        training.accumulate,
        training.gradient_clip,
        training.log_every,
        training.checkpoint_every,
        config.workers,
    )


def _steps(parts: Parts, stage: str) -> Callable[[int, int], None]:
    return lambda done, total: parts.progress(stage, done, total)


def _warn_of_few_latents(config: Config, vqgan: VQGAN) -> None:
    """A codebook begins from latents of the first batch; where they are too few, the rest are noisy copies."""
    processes = int(config.trainer["devices"])
    latents = config.vqgan.training.batch_size // processes * math.prod(config.latent_grid)
    if isinstance(vqgan.codebook, EMACodebook) and latents < vqgan.codebook.size:
        logger.warning(
            "vqgan: %d codes begin from the %d latents of the first batch and noisy copies of them, which may never be "
            "used; a larger vqgan.training.batch_size or restart_below may help",
            vqgan.codebook.size,
            latents,
        )


@rank_zero_only
def _keep(model: torch.nn.Module, folder: Path) -> None:
    """Write the weights, and only then let go of the checkpoint."""
    _write_weights(model, folder / MODEL)
    (folder / CHECKPOINT).unlink(missing_ok=True)


@rank_zero_only
def _write_weights(model: torch.nn.Module, path: Path) -> None:
    weights = {name: value.detach().cpu().contiguous() for name, value in model.state_dict().items()}
    with atomic(path) as temporary:
        temporary.write_bytes(save(weights))
