"""The models that a config describes, freshly initialised, on the default device."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn
from torch.overrides import TorchFunctionMode

from tats_exp.config.build import blamed_on, build
from tats_exp.config.schema import Config, Halves, ModelName
from tats_exp.config.sections import Node, TransformerSection, VQGANTrainingSection
from tats_exp.transformer.conditions import Condition
from tats_exp.transformer.transformer import Transformer
from tats_exp.vqgan.adversaries import Adversaries, Schedule
from tats_exp.vqgan.padding import TimePadding
from tats_exp.vqgan.reconstruction import PixelLoss
from tats_exp.vqgan.vqgan import VQGAN


class _Undrawn(TorchFunctionMode):
    """What `torch.nn.init.normal_` would fill on the meta device stays as it is."""

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        if func is nn.init.normal_ and (tensor := args[0] if args else (kwargs or {})["tensor"]).is_meta:
            return tensor
        return func(*args, **(kwargs or {}))


@contextmanager
def without_memory() -> Iterator[None]:
    """A block in which models are built for their shapes alone, on the meta device.

    `normal_` draws nothing: where there is nothing to fill, torch would load its compiler first, half a second.
    """
    with torch.device("meta"), _Undrawn():
        yield


def build_paddings(halves: Halves) -> tuple[TimePadding, TimePadding]:
    """What pads the encoder and the decoder of a VQGAN."""
    return build(halves.encoder, "padding"), build(halves.decoder, "padding")


def build_vqgan(model: Node, halves: Halves) -> VQGAN:
    """A VQGAN, freshly initialised, on the default device.

    Args:
        model: section of the config.
        halves: sections of what pads its encoder and its decoder.
    """
    return build(model, "vqgan.model", encoder_padding=halves.encoder, decoder_padding=halves.decoder)


def build_pixel_loss(training: VQGANTrainingSection) -> PixelLoss:
    """What compares clips and reconstructions of a VQGAN pixel by pixel.

    Args:
        training: section of the config.
    """
    return build(training.reconstruction, "vqgan.training.reconstruction")


def build_adversaries(training: VQGANTrainingSection) -> Adversaries | None:
    """The discriminators of a VQGAN, freshly initialised, on the default device; None where there are none.

    Args:
        training: section of the config.
    """
    nodes = training.discriminators.nodes()
    if not nodes:
        return None
    adversarial = training.adversarial.model_dump()
    judges = {kind: build(node, f"vqgan.training.discriminators.{kind}") for kind, node in nodes.items()}
    with blamed_on("vqgan.training.adversarial", list(adversarial)):
        schedule = Schedule(**{key: adversarial.pop(key) for key in ("start_step", "ramp_steps", "warmup_steps")})
        return Adversaries(
            judges,
            training.discriminators.weights(),
            training.discriminators.matching_weight,
            schedule=schedule,
            **adversarial,
        )


def build_transformer(
    name: ModelName,
    model: Node,
    condition_codes: int,
    condition_length: int,
    video_codes: int,
    window: tuple[int, int, int],
    null: bool = False,
) -> Transformer:
    """A transformer, freshly initialised, on the default device.

    Args:
        name: `transformer`, which is causal, or `interpolation`, whose section has a mask.
        model: section of the config.
        condition_codes: C.
        condition_length: c.
        video_codes: K.
        window: latent grid (t, h, w).
        null: whether the last condition code stands for a condition that was dropped.
    """
    computed: dict[str, Any] = {"mask": "causal"} if name == "transformer" else {}
    if null:
        computed["null"] = True
    return build(
        model,
        f"{name}.model",
        condition_codes=condition_codes,
        condition_length=condition_length,
        video_codes=video_codes,
        window=window,
        **computed,
    )


def transformer_of(config: Config, name: ModelName, condition_codes: int, condition_length: int) -> Transformer:
    """A transformer of a run's sizes, freshly initialised, for a condition of C codes and length c.

    C is as `condition_codes` gives it.
    """
    section: TransformerSection = getattr(config, name)
    sizes = (condition_codes, condition_length, config.codebook_size, config.window_of(name))
    return build_transformer(name, section.model, *sizes, null=config.condition_drop(name) > 0)


def condition_of(config: Config) -> Condition:
    """What the transformers are conditioned on, for windows of the length that they learn."""
    condition: Condition = build(config.condition, "condition")
    stride = int(config.vqgan.model["downsample"][0])
    return condition.for_windows(config.learned_frames // stride, stride)


def condition_codes(config: Config, name: ModelName, condition: Condition, classes: int) -> int:
    """C of a transformer: the vocabulary of its condition and, where that is dropped at times, a code for nothing."""
    return condition.vocabulary(classes) + (config.condition_drop(name) > 0)
