"""The models that a config describes, freshly initialised, on the default device."""

from hydra.utils import instantiate
from torch import nn

from tats_exp.config import Config
from tats_exp.training_sections import build
from tats_exp.vqgan.adversaries import Adversaries, Schedule


def build_vqgan(config: Config) -> nn.Module:
    """The VQGAN of a run, freshly initialised, on the default device."""
    return instantiate(config.vqgan.model, _convert_="all")


def build_adversaries(config: Config) -> Adversaries | None:
    """The discriminators of a run, freshly initialised, on the default device; None where there are none."""
    training = config.vqgan.training
    nodes = training.discriminators.nodes()
    if not nodes:
        return None
    adversarial = training.adversarial.model_dump()
    schedule = Schedule(**{key: adversarial.pop(key) for key in ("start_step", "ramp_steps", "warmup_steps")})
    return Adversaries(
        {kind: build(node) for kind, node in nodes.items()},
        training.discriminators.weights(),
        training.discriminators.matching_weight,
        schedule=schedule,
        **adversarial,
    )


def build_transformer(config: Config, condition_codes: int, condition_length: int) -> nn.Module:
    """The transformer of a run, freshly initialised, on the default device; its window is the VQGAN's latent grid."""
    return instantiate(
        config.transformer.model,
        _convert_="all",
        condition_codes=condition_codes,
        condition_length=condition_length,
        video_codes=config.codebook_size,
        window=config.window_of("transformer"),
        mask="causal",
    )


def build_interpolation(config: Config, condition_codes: int, condition_length: int) -> nn.Module:
    """The interpolation transformer of a run, freshly initialised; its window is a gap with both anchors."""
    return instantiate(
        config.interpolation.model,
        _convert_="all",
        condition_codes=condition_codes,
        condition_length=condition_length,
        video_codes=config.codebook_size,
        window=config.window_of("interpolation"),
    )
