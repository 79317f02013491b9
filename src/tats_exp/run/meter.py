"""Seconds of each unit of work on this machine, measured when first asked for, and once for all that costs the same.

Axes: N windows, t h w latent grid, c condition codes.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import islice
from typing import TypeVar

import torch

from tats_exp.cli import error_line
from tats_exp.config.models import build_vqgan
from tats_exp.config.schema import Config
from tats_exp.config.sections import Training
from tats_exp.config.vqgan_checkpoint import read_checkpoint
from tats_exp.data.code_shards import CodeShards
from tats_exp.data.windows import draw_windows
from tats_exp.run.amounts import Unit
from tats_exp.run.sampling_time import seconds_a_latent_frame
from tats_exp.run.timing import STEPS, Clock, seconds_of, stage_seconds, warm
from tats_exp.stages.codes import CODES_STAGE, WindowCodes
from tats_exp.stages.context import Chosen, Earlier, RunContext
from tats_exp.stages.decoder import FrameDecoder
from tats_exp.stages.reconstructions import Reconstructor
from tats_exp.stages.transformers import INTERPOLATION_STAGE, TRANSFORMER_STAGE, Name, TransformerInputs
from tats_exp.stages.vqgan import VQGAN_STAGE, VQGANInputs
from tats_exp.transformer.conditions import Unconditional
from tats_exp.vqgan.vqgan import VQGAN

AnyTraining = TypeVar("AnyTraining", bound=Training)

FEW = 4
"""Windows or videos that are timed side by side on a CPU, which gains little from more."""


@dataclass
class Meter:
    """Times units of work.

    Attributes:
        missing: units that could not be timed, and why.
    """

    missing: dict[Unit, str] = field(default_factory=dict)
    _known: dict[str, float] = field(default_factory=dict)

    def seconds(self, unit: Unit, run: RunContext) -> float:
        """Seconds of one unit of the work of a run; 0 where it cannot be timed.

        Args:
            unit: what is timed.
            run: with the keys of its stages; nothing of them need be there.
        """
        key = json.dumps([unit, costs_alike(unit, run.config)], sort_keys=True)
        if key not in self._known:
            try:
                self._known[key] = _TIMED[unit](run)
            except Exception as error:  # models, samplers and data of a user's package raise what they like
                self.missing[unit], self._known[key] = error_line(error)[:120], 0.0
        return self._known[key]


def costs_alike(unit: Unit, config: Config) -> object:
    """What the cost of a unit hangs on, as JSON values: seeds are no part of it, sizes and paddings are."""
    return _without_seeds(_hangs_on(unit, config))


def _without_seeds(value: object) -> object:
    if isinstance(value, dict):
        return {key: _without_seeds(inner) for key, inner in value.items() if key != "seed"}
    return [_without_seeds(inner) for inner in value] if isinstance(value, list | tuple) else value


def _hangs_on(unit: Unit, config: Config) -> list[object]:
    common: list[object] = [config.data, config.trainer, config.frames, config.resolution, config.threads]
    vqgan = [config.vqgan.checkpoint, config.vqgan.model, config.padding.halves.model_dump()]
    transformers = [
        [config.checkpoints.get(name), getattr(config, name).model, config.window_of(name), config.codebook_size]
        for name in ("transformer", "interpolation")
    ]
    conditioned = [*common, config.condition, config.key_every]
    match unit:
        case "vqgan_step" | "judged_vqgan_step":
            terms = {"perceptual", "discriminators", "average_decay", "reconstruction"}
            terms_of_loss = config.vqgan.training.model_dump(include=terms)
            return [*common, vqgan, _of_step(config.vqgan.training), terms_of_loss, config.reserve.training]
        case "transformer_step":
            return [*conditioned, transformers[0], _of_step(config.transformer.training)]
        case "interpolation_step":
            return [*conditioned, transformers[1], _of_step(config.interpolation.training)]
        case "sampled_latent_frame":
            return [*conditioned, transformers, config.sampler, config.sampling.model_dump(), config.sampled_videos]
        case "looked_at_window":
            return [*common, config.metrics.network, config.metrics.classifier]
        case "encoded_window" | "rebuilt_window" | "decoded_window":
            return [*common, vqgan, config.sampling.decode_chunk]


def _of_step(training: Training) -> list[object]:
    return [training.batch_size, training.optimizer["_target_"], training.gradient_clip > 0]


def _vqgan_step(run: RunContext, judged: bool) -> float:
    """A batch of training; a schedule that is far from its beginning, or at it, keeps discriminators out or in."""
    run = _on_one_device(run)
    inputs = VQGAN_STAGE.inputs(run)
    assert isinstance(inputs, VQGANInputs), "one from a file is not trained"
    schedule = {"start_step": 0 if judged else STEPS, "warmup_steps": 0, "ramp_steps": 0}
    adversarial = inputs.training.adversarial.model_copy(update=schedule)
    training = _short(inputs.training, run).model_copy(update={"adversarial": adversarial})
    return stage_seconds(VQGAN_STAGE, replace(inputs, training=training), run)


def _transformer_step(run: RunContext, name: Name) -> float:
    """A batch of training on codes at random."""
    stage = TRANSFORMER_STAGE if name == "transformer" else INTERPOLATION_STAGE
    run = _on_one_device(run)
    inputs = stage.inputs(run)
    assert isinstance(inputs, TransformerInputs), "one from a file is not trained"
    section = inputs.section.model_copy(update={"training": _short(inputs.section.training, run)})
    codes = _random_codes(run, section.training.batch_size)
    return stage_seconds(stage, replace(inputs, section=section, codes=Earlier("", lambda: codes)), run)


def _short(training: AnyTraining, run: RunContext) -> AnyTraining:
    """A training of a few batches, those of one of the processes."""
    processes = int(run.config.trainer["devices"])
    batch_size = max(1, training.batch_size // processes)
    few = {"steps": STEPS, "batch_size": batch_size, "accumulate": 1, "checkpoint_every": STEPS + 1}
    return training.model_copy(update=few)


def _on_one_device(run: RunContext) -> RunContext:
    """The run as one of its processes."""
    if int(run.config.trainer["devices"]) == 1:
        return run
    trainer = {**run.config.trainer, "strategy": "auto"}
    alone = RunContext(run.config.model_copy(update={"trainer": trainer}), run.left)
    alone.source, alone.train, alone.test, alone.perceptual = run.source, run.train, run.test, run.perceptual
    alone.make_trainer = partial(alone.make_trainer, devices=1)
    return alone


def _random_codes(run: RunContext, count: int) -> WindowCodes:
    config = run.config
    latents = config.learned_frames // config.vqgan.model["downsample"][0]
    train = torch.randint(config.codebook_size, (count, latents, *config.latent_grid[1:]))
    condition, zeros = (
        torch.zeros(count, run.condition.length, dtype=torch.int64),
        torch.zeros(count, dtype=torch.int64),
    )
    held_out = (train[:1, None], condition[:1], zeros[:1], zeros[:1])
    no_shift = torch.zeros(0, dtype=torch.float64)
    return WindowCodes(CodeShards([train]), condition, zeros, torch.arange(count), *held_out, no_shift)


def _encoded_window(run: RunContext) -> float:
    """A window of a clip's length, read and encoded by the stage of the codes."""
    vqgan, few = _vqgan(run), _few(run, run.config.codes.batch_size)
    inputs = replace(
        CODES_STAGE.inputs(run),
        vqgan=Earlier("", lambda: vqgan),
        condition=Chosen(Unconditional(), None),
        condition_stages={},
        train_windows=2 * few,
        held_out_windows=1,
        shifts=1,
        batch_size=few,
    )
    return stage_seconds(CODES_STAGE, inputs, run)


def _rebuilt_window(run: RunContext) -> float:
    """A window that is read, encoded and decoded by itself."""
    config, few = run.config, _few(run, run.config.metrics.batch_size)
    places = draw_windows(run.train, 2 * few, config.frames, seed=0)
    few = max(1, len(places) // 2)
    reconstruct = Reconstructor(_decoder(run), config.frames, few)
    seconds = Clock(run.device).each(reconstruct(run.train, places[: 2 * few], lambda done: None))
    return warm(seconds) / few


def _decoded_window(run: RunContext) -> float:
    """As many frames as a window has, decoded within a video: most of its pieces have neighbours on both sides."""
    config, decoder, few = run.config, _decoder(run), _few(run, run.config.metrics.batch_size)
    stride = config.vqgan.model["downsample"][0]
    latents = min(config.sampled_frames // stride, 3 * decoder.chunk)
    margin = decoder.vqgan.code_margin
    codes = torch.randint(config.codebook_size, (few, margin + latents + margin, *config.latent_grid[1:]))
    times = 2 if latents <= decoder.chunk else 1
    pieces = (piece for _ in range(times) for piece in islice(decoder(codes, has_margin=margin > 0), 2))
    clock = Clock(run.device)
    timed = [(clock(), piece.shape[1]) for piece in pieces]
    seconds, frames = timed[-1]
    return seconds * config.frames / (few * frames)


def _looked_at_window(run: RunContext) -> float:
    config, few = run.config, _few(run, run.config.metrics.batch_size)
    size = (config.frames, config.resolution, config.resolution, 3)
    windows = torch.randint(0, 256, (few, *size), dtype=torch.uint8)
    return seconds_of(lambda: run.networks.object.statistics(windows), run.device) / few


def _few(run: RunContext, batch_size: int) -> int:
    return min(FEW, batch_size) if run.device.type == "cpu" else batch_size


def _decoder(run: RunContext) -> FrameDecoder:
    return FrameDecoder(_vqgan(run).to(run.device), run.config.sampling.decode_chunk, run.device)


def _vqgan(run: RunContext) -> VQGAN:
    """The VQGAN as it is before training, in eval mode."""
    path = run.config.vqgan.checkpoint
    vqgan = build_vqgan(run.config.vqgan.model, run.config.padding.halves) if path is None else read_checkpoint(path)
    return vqgan.eval()


_TIMED: dict[Unit, Callable[[RunContext], float]] = {
    "vqgan_step": partial(_vqgan_step, judged=False),
    "judged_vqgan_step": partial(_vqgan_step, judged=True),
    "transformer_step": partial(_transformer_step, name="transformer"),
    "interpolation_step": partial(_transformer_step, name="interpolation"),
    "encoded_window": _encoded_window,
    "rebuilt_window": _rebuilt_window,
    "decoded_window": _decoded_window,
    "looked_at_window": _looked_at_window,
    "sampled_latent_frame": seconds_a_latent_frame,
}
