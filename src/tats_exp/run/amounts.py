"""How much of everything the stages of a run will do and leave: arithmetic on its config, nothing is measured here."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

from tats_exp.config.models import build_paddings
from tats_exp.config.schema import Config
from tats_exp.config.sections import Training
from tats_exp.metrics.networks import windows_looked_at
from tats_exp.vqgan.receptive_field import margins

Unit = Literal[
    "vqgan_step",
    "judged_vqgan_step",
    "transformer_step",
    "interpolation_step",
    "encoded_window",
    "rebuilt_window",
    "decoded_window",
    "looked_at_window",
    "sampled_latent_frame",
]
"""What is timed once and done often. A step is a batch; of a judged one the discriminators take part. A rebuilt window
is encoded and decoded by itself, a decoded one within a long video. A latent frame is one of one video."""
Amounts = Mapping[Unit, int | float]


@dataclass(frozen=True)
class Seen:
    """What the evaluation finds in the data and keeps of a window; the config does not say it.

    Attributes:
        pieces: long pieces of real videos that are rebuilt.
        windows: of each of them.
        features: numbers that are kept of a window that the networks look at, in all.
    """

    pieces: int
    windows: int
    features: int


def amounts_of(stage: str, config: Config, seen: Seen) -> Amounts | None:
    """What a stage does that takes time; None for one that a condition brings along and that is not known to be quick.

    Args:
        stage: its name.
        config: of the run.
        seen: what the evaluation finds.
    """
    counted = _COUNTS.get(stage)
    return None if counted is None else counted(config, seen)


def sampled_latents(config: Config) -> int:
    """Latent frames that are sampled of a video, margins included."""
    model, sampler = config.vqgan.model, config.built_sampler
    _, margin = margins(model["downsample"], model["decoder_blocks"], *build_paddings(config.padding.halves))
    given = config.given_latents > 0
    return config.sampled_frames // model["downsample"][0] + (2 - given) * margin * sampler.long


def encoded_windows(config: Config, long: bool) -> tuple[int, int]:
    """Windows that a stage of codes leaves the codes of, and latent frames of each.

    Args:
        config: of the run.
        long: whether it is the stage of long windows.
    """
    latents = (config.learned_frames if long else config.frames) // int(config.vqgan.model["downsample"][0])
    shifts = 1 if long and config.interpolates else latents
    return config.codes.train_windows + shifts * config.codes.held_out_windows, latents


def reference_windows(config: Config) -> int:
    """Real windows that a run is measured against, those of the floors included."""
    return config.metrics.repeats * (config.metrics.reference_videos + config.metrics.videos)


def _looked_at(config: Config, windows: int) -> int:
    return sum(t < windows for t in windows_looked_at(config.metrics.windows, sampled_windows(config)))


def sampled_windows(config: Config) -> int:
    """Windows of a sampled video."""
    return config.sampled_frames // config.frames


def _vqgan(config: Config, _: Seen) -> Amounts:
    training = config.vqgan.training
    if config.vqgan.checkpoint is not None:
        return {}
    plain = training.steps
    if training.discriminators.nodes():
        adversarial = training.adversarial
        plain = min(plain, max(0, adversarial.start_step - adversarial.warmup_steps))
    steps: Amounts = {
        "vqgan_step": plain * training.accumulate,
        "judged_vqgan_step": (training.steps - plain) * training.accumulate,
    }
    return steps


def _transformer(config: Config, _: Seen) -> Amounts:
    return {} if config.transformer.checkpoint else {"transformer_step": _batches(config.transformer.training)}


def _interpolation(config: Config, _: Seen) -> Amounts:
    return {} if config.interpolation.checkpoint else {"interpolation_step": _batches(config.interpolation.training)}


def _batches(training: Training) -> int:
    return training.steps * training.accumulate


def _codes(config: Config, _: Seen) -> Amounts:
    return {"encoded_window": encoded_windows(config, long=False)[0]}


def _long_codes(config: Config, _: Seen) -> Amounts:
    return {"encoded_window": encoded_windows(config, long=True)[0] * config.learned_frames / config.frames}


def _reference(config: Config, _: Seen) -> Amounts:
    return {"looked_at_window": reference_windows(config) + config.metrics.videos}


def _rebuilt(config: Config, seen: Seen) -> Amounts:
    alone, joined = reference_windows(config), seen.pieces * seen.windows
    return {
        "rebuilt_window": alone,
        "encoded_window": joined,
        "decoded_window": joined,
        "looked_at_window": alone + seen.pieces * _looked_at(config, seen.windows),
    }


def _samples(config: Config, _: Seen) -> Amounts:
    return {"sampled_latent_frame": config.sampled_videos * sampled_latents(config)}


def _metrics(config: Config, _: Seen) -> Amounts:
    windows = sampled_windows(config)
    return {
        "rebuilt_window": config.metrics.videos,
        "decoded_window": config.sampled_videos * windows,
        "looked_at_window": config.sampled_videos * _looked_at(config, windows),
    }


_COUNTS: dict[str, Callable[[Config, Seen], Amounts]] = {
    "reference": _reference,
    "tokenizer": lambda _, __: {},  # a moment
    "vqgan": _vqgan,
    "rebuilt": _rebuilt,
    "codes": _codes,
    "long_codes": _long_codes,
    "transformer": _transformer,
    "interpolation": _interpolation,
    "samples": _samples,
    "metrics": _metrics,
}
