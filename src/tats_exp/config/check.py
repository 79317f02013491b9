"""The check that every run passes before the first one starts. What does not fit is one line of `UserError`.

Sections without `_target_` are the models of `schema.py`; those with one are held against it by `targets.py`.
"""

from typing import Literal

from omegaconf import DictConfig
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from tats_exp import UserError
from tats_exp.cli import path_of
from tats_exp.config.build import blamed_on, build
from tats_exp.config.endpoints import check_endpoints
from tats_exp.config.measures import build_measures
from tats_exp.config.models import (
    build_adversaries,
    build_paddings,
    build_pixel_loss,
    build_vqgan,
    transformer_of,
    without_memory,
)
from tats_exp.config.optimizers import check_optimizer
from tats_exp.config.padding import with_halves
from tats_exp.config.schema import Config, Metrics, allowed, validated
from tats_exp.config.sections import Node, Training
from tats_exp.config.targets import INSTANTIATE_KEYS, check_target
from tats_exp.config.trainer import lightning_trainer, trains_on_cpu
from tats_exp.config.transformer_checkpoint import filled_from_checkpoint as filled_transformer
from tats_exp.config.vqgan_checkpoint import filled_from_checkpoint as filled_vqgan
from tats_exp.data.videos import VideoSource
from tats_exp.features.perceptual import Perceptual
from tats_exp.features.video_network import VideoClassifier, VideoNetwork
from tats_exp.sampling.sampler import Sampler
from tats_exp.transformer.conditions import Condition
from tats_exp.transformer.transformer import Transformer
from tats_exp.vqgan.discriminators import PatchGAN
from tats_exp.vqgan.padding import TimePadding
from tats_exp.vqgan.reconstruction import PixelLoss
from tats_exp.vqgan.vqgan import VQGAN

COMPUTED = {"condition_codes", "condition_length", "video_codes", "window", "mask", "null"}
"""Parameters of the transformers that follow from the rest of the config; `mask` of the autoregressive one alone."""
READ_OF_VQGAN = ("codebook", "downsample", "decoder_blocks", "norm")
"""Parameters of the VQGAN that the rest of a run follows from: they are written out also where they have a default."""
TRAINER_KEYS = {"accelerator", "devices", "precision", "strategy", "benchmark", "deterministic", "sync_batchnorm"}
"""What a trainer section may set: where and how to compute. Budgets are `training` sections, which the store hashes."""

TRANSFORMERS: tuple[Literal["transformer", "interpolation"], ...] = ("transformer", "interpolation")
WITH_IDLE_WEIGHTS = "ddp_find_unused_parameters_true"
PRECISIONS = ("32-true", "16-mixed", "bf16-mixed")
"""Those that leave weights, codebook and losses in float32."""


def check(cfg: DictConfig) -> Config:
    """Check one composed run.

    Args:
        cfg: the composed root config, `hydra` left out.

    Returns:
        The same values, typed; those of models that are read from checkpoints as they are there.

    Raises:
        UserError: in one line, naming the key, what was given and what is allowed.
    """
    config = validated(with_halves(cfg), Config)
    _check_paddings(config)  # what a checkpoint is held against is built
    check_endpoints(config)
    if config.vqgan.checkpoint is not None:
        with path_of("vqgan.checkpoint", config.vqgan.checkpoint):
            config = config.model_copy(update={"vqgan": filled_vqgan(config.vqgan, config.padding)})
    check_targets(config)
    build_paddings(config.padding.halves)
    for key in READ_OF_VQGAN:
        if key not in config.vqgan.model:
            raise UserError(f"vqgan.model.{key} is missing")
    config = _with_transformers_of_checkpoints(config)
    _check_together(config)
    return config


def _with_transformers_of_checkpoints(config: Config) -> Config:
    """The config with the sections of transformers that are read from files as they would have to be to build them."""
    for name, path in config.checkpoints.items():
        if name == "vqgan":
            continue
        if config.vqgan.checkpoint is None:
            raise UserError(
                f"{name}.checkpoint={path}: it speaks the codes of the VQGAN it was trained with; give that, too, as "
                "vqgan.checkpoint"
            )
        sizes = (config.window_of(name), config.codebook_size, config.resolution, config.key_every)
        with path_of(f"{name}.checkpoint", path):
            filled = filled_transformer(name, getattr(config, name), *sizes)
        config = config.model_copy(update={name: filled})
    return config


def _check_paddings(config: Config) -> None:
    for half in (config.padding.halves.encoder, config.padding.halves.decoder):
        check_target("padding", half, TimePadding)


def check_targets(config: Config) -> None:
    """Hold every section with a target against that: whether it is of the right kind, and takes what is given.

    Raises:
        UserError: it is not; in one line, and nothing has been called.
    """
    check_target("data", config.data, VideoSource)
    check_target("condition", config.condition, Condition)
    _check_paddings(config)
    check_target("vqgan.model", config.vqgan.model, VQGAN, ("encoder_padding", "decoder_padding"))
    check_target("transformer.model", config.transformer.model, Transformer, COMPUTED)
    check_target("interpolation.model", config.interpolation.model, Transformer, COMPUTED - {"mask"})
    check_target("sampler", config.sampler, Sampler)
    check_metrics(config.metrics)
    if not trains_on_cpu(config.trainer):
        check_target("trainer", config.trainer, lightning_trainer(), partial=True)
    check_target("vqgan.training.reconstruction", config.vqgan.training.reconstruction, PixelLoss)
    for kind, node in config.vqgan.training.discriminators.nodes().items():
        check_target(f"vqgan.training.discriminators.{kind}", node, PatchGAN)
    if config.vqgan.training.perceptual is not None:
        check_target("vqgan.training.perceptual", config.vqgan.training.perceptual, Perceptual)
    for name, training in _trainings(config).items():
        check_target(f"{name}.training.optimizer", training.optimizer, Optimizer, ("params",), partial=True)
        if training.scheduler is not None:
            check_target(f"{name}.training.scheduler", training.scheduler, LRScheduler, ("optimizer",), partial=True)


def _trainings(config: Config) -> dict[str, Training]:
    sections = (config.vqgan, config.transformer, config.interpolation)
    return dict(zip(("vqgan", "transformer", "interpolation"), (s.training for s in sections), strict=True))


def check_metrics(metrics: Metrics) -> None:
    """Hold the networks and measures of an evaluation against the parameters of what builds them.

    Raises:
        UserError: in one line.
    """
    check_target("metrics.network", metrics.network, VideoNetwork)
    if metrics.classifier is not None:
        check_target("metrics.classifier", metrics.classifier, VideoClassifier)
    build_measures(metrics.measures)


def _check_together(config: Config) -> None:
    """What no section can tell alone; the models are built without memory, on the meta device."""
    _check_trainer(config.trainer)
    build_measures(config.metrics.measures)
    if int(config.data.get("seed", 0)) < 0:
        raise UserError(f"data.seed={config.data['seed']} must be 0 or more")
    training = config.vqgan.training
    if config.vqgan.checkpoint is None:
        training.check()
    _check_processes(config)
    if config.compile and training.adversarial.adaptive and training.discriminators.nodes():
        raise UserError(
            "vqgan.training.adversarial.adaptive=true needs gradients at a layer inside what compile=true makes "
            "one piece; allowed: one of the two"
        )
    build_pixel_loss(training)
    with without_memory():
        build_adversaries(config.vqgan.training)
        vqgan = build_vqgan(config.vqgan.model, config.padding.halves)
        with blamed_on(""):  # it names frames and resolution, which lie at the root
            vqgan.check_clip(config.frames, config.resolution)
        if config.frames < 2 * vqgan.time_stride:
            raise UserError(f"frames={config.frames}: a window needs two latent frames or more")
        with blamed_on(""):
            vqgan.check_clip(config.sampled_frames, config.resolution)
        _check_drops(config)
        transformer_of(config, "transformer", 2, 1)
    for name, section in _trainings(config).items():
        check_optimizer(name, section)
    sampler = _checked_sampler(config)
    if config.interpolates:
        with without_memory():
            interpolation = transformer_of(config, "interpolation", 2, 1)
        if interpolation.mask == "causal":
            raise UserError("interpolation.model.mask=causal has no anchors; allowed: a, b, c")
    _check_given(config, sampler.long)
    if config.sampling.story is not None and not sampler.tells_stories:
        raise UserError("sampling.story: the sampler takes no condition that changes; allowed: sliding, hierarchical")
    if config.sampled_frames % config.frames:
        raise UserError(f"long_frames={config.long_frames} must be a multiple of frames={config.frames}")


def _check_drops(config: Config) -> None:
    """Refuse to drop a condition that is none."""
    for name in TRANSFORMERS:
        drop = config.condition_drop(name)
        if drop and not build(config.condition, "condition").vocabulary(1):
            raise UserError(f"{name}.condition_drop={drop}: there is no condition to drop; allowed: 0, or a condition")


def _checked_sampler(config: Config) -> Sampler:
    """The sampler; what it refuses begins with the name of one of its keys."""
    sampler, window = config.built_sampler, config.window_of("transformer")[0]
    if window < config.latent_grid[0]:
        raise UserError(
            f"transformer.window={window}: shorter than a clip; allowed: {config.latent_grid[0]} latent frames or "
            "more, or null for those of a clip"
        )
    with blamed_on("sampler", config.sampler):
        sampler.check(window, config.codebook_size)
    for name in TRANSFORMERS[: 1 + sampler.interpolates]:
        if getattr(sampler, "guidance", 1.0) != 1 and not config.condition_drop(name):
            raise UserError(
                f"sampler.guidance={config.sampler['guidance']}: {name} never learns without its condition; "
                f"allowed: 1, or {name}.condition_drop above 0"
            )
    return sampler


def _check_given(config: Config, long: bool) -> None:
    """Refuse frames to start from that are no whole latent frames, or that the held-out windows do not have."""
    given, stride = config.sampling.given_frames, config.vqgan.model["downsample"][0]
    if given % stride or given > config.frames:
        raise UserError(f"sampling.given_frames={given} must be a multiple of {stride}, at most {config.frames}")
    if given and not long:
        raise UserError(f"sampling.given_frames={given} needs a sampler of long videos: sliding or hierarchical")
    if given and config.codes.held_out_windows < config.sampled_videos:
        raise UserError(
            f"codes.held_out_windows={config.codes.held_out_windows}: sampling.given_frames={given} wants one window "
            f"for each of the {config.sampled_videos} sampled videos"
        )


def _check_trainer(trainer: Node) -> None:
    """Refuse what would change a training behind the store's back, and devices that are not there."""
    for key in trainer:
        if key not in TRAINER_KEYS | INSTANTIATE_KEYS:
            raise UserError(f"trainer.{key}: not to be set here; {allowed(key, sorted(TRAINER_KEYS))}")
    for key in ("accelerator", "devices", "precision"):
        if key not in trainer:
            raise UserError(f"trainer.{key} is missing")
    if trainer["precision"] not in PRECISIONS:
        raise UserError(f"trainer.precision={trainer['precision']}: allowed: {', '.join(PRECISIONS)}")
    devices, by = trainer["devices"], str(trainer.get("strategy", "auto"))
    if type(devices) is not int or devices < 1 or (devices > 1) != by.startswith("ddp"):
        raise UserError(f"trainer.devices={devices} with strategy={by}: allowed: 1, or a number with trainer=ddp")
    if trains_on_cpu(trainer):
        return
    make_trainer = build(trainer, "trainer")
    with blamed_on("trainer", trainer):  # Lightning has an error class of its own, and raises others, too
        make_trainer(logger=False, enable_model_summary=False, enable_checkpointing=False)


def _check_processes(config: Config) -> None:
    """Refuse several processes that would each train something else, or cannot share their work evenly."""
    processes = config.trainer["devices"]
    for name, training in _trainings(config).items():
        if training.batch_size % processes:
            raise UserError(
                f"{name}.training.batch_size={training.batch_size} must be a multiple of trainer.devices={processes}"
            )
    adversarial, by = config.vqgan.training.adversarial, str(config.trainer.get("strategy", "auto"))
    idle = adversarial.start_step - adversarial.warmup_steps if config.vqgan.training.discriminators.nodes() else 0
    if processes > 1 and idle and by != WITH_IDLE_WEIGHTS:
        raise UserError(
            f"trainer.strategy={by}: the discriminators take no part in the first {idle} steps; allowed: "
            f"{WITH_IDLE_WEIGHTS}, or vqgan.training.adversarial.warmup_steps={adversarial.start_step}"
        )
    norms = [
        config.vqgan.model["norm"],
        *(n.get("norm", "batch") for n in config.vqgan.training.discriminators.nodes().values()),
    ]
    synchronised = bool(config.trainer.get("sync_batchnorm", False))
    if processes > 1 and "batch" in norms and not synchronised:
        raise UserError(
            "trainer.sync_batchnorm=false: every process would normalise by statistics of its own; allowed: true, or "
            "norm=frame_group, and norm: group in the discriminators"
        )
    if synchronised and config.trainer["accelerator"] != "cuda":
        raise UserError(
            f"trainer.sync_batchnorm=true: there is none for accelerator={config.trainer['accelerator']}; allowed: cuda"
        )
