"""The models that a config describes, freshly initialised, on the default device."""

from tats_exp.config.build import blamed_on, build
from tats_exp.config.schema import Config
from tats_exp.transformer.transformer import Transformer
from tats_exp.vqgan.adversaries import Adversaries, Schedule
from tats_exp.vqgan.vqgan import VQGAN


def build_vqgan(config: Config) -> VQGAN:
    """The VQGAN of a run, freshly initialised, on the default device."""
    return build(config.vqgan.model, "vqgan.model")


def build_adversaries(config: Config) -> Adversaries | None:
    """The discriminators of a run, freshly initialised, on the default device; None where there are none."""
    training = config.vqgan.training
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


def build_transformer(config: Config, condition_codes: int, condition_length: int) -> Transformer:
    """The transformer of a run, freshly initialised, on the default device; its window is the VQGAN's latent grid."""
    return build(
        config.transformer.model,
        "transformer.model",
        condition_codes=condition_codes,
        condition_length=condition_length,
        video_codes=config.codebook_size,
        window=config.window_of("transformer"),
        mask="causal",
    )


def build_interpolation(config: Config, condition_codes: int, condition_length: int) -> Transformer:
    """The interpolation transformer of a run, freshly initialised; its window is a gap with both anchors."""
    return build(
        config.interpolation.model,
        "interpolation.model",
        condition_codes=condition_codes,
        condition_length=condition_length,
        video_codes=config.codebook_size,
        window=config.window_of("interpolation"),
    )
