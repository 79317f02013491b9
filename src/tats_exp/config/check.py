"""The check that every run passes before the first one starts.

What a section may hold is written once: a section with `_target_` may hold the parameters of that target, with their
types; the others are the models of `schema.py`. What does not fit is one line of `UserError`.
"""

import inspect
import logging
import typing
from pathlib import Path
from types import UnionType
from typing import Any, Literal

import torch
from hydra.utils import get_object
from omegaconf import DictConfig
from pydantic import TypeAdapter, ValidationError
from torch import nn

from tats_exp import UserError
from tats_exp.cli import error_line, path_of
from tats_exp.config.build import blamed_on, build
from tats_exp.config.measures import build_measures
from tats_exp.config.models import build_adversaries, build_interpolation, build_transformer, build_vqgan
from tats_exp.config.schema import Config, Metrics, allowed, validated
from tats_exp.config.sections import Node, Training
from tats_exp.config.transformer_checkpoint import filled_from_checkpoint as filled_transformer
from tats_exp.config.vqgan_checkpoint import filled_from_checkpoint as filled_vqgan

# Hydra logs in several lines, on the console, what it then raises.
logging.getLogger("hydra.utils").setLevel(logging.CRITICAL)

INSTANTIATE_KEYS = {"_target_", "_partial_", "_recursive_", "_convert_"}
COMPUTED = {"condition_codes", "condition_length", "video_codes", "window", "mask"}
"""Parameters of the transformers that follow from the rest of the config; `mask` of the autoregressive one alone."""
READ_OF_VQGAN = ("codebook", "downsample", "decoder_blocks", "norm", "encoder_padding", "decoder_padding")
"""Parameters of the VQGAN that the rest of a run follows from: they are written out also where they have a default."""
TRAINER_KEYS = {"accelerator", "devices", "precision", "strategy", "benchmark", "deterministic", "sync_batchnorm"}
"""What a trainer section may set: where and how to compute. Budgets are `training` sections, which the store hashes."""

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
    config = validated(cfg, Config)
    if config.vqgan.checkpoint is not None:
        with path_of("vqgan.checkpoint", config.vqgan.checkpoint):
            config = config.model_copy(update={"vqgan": filled_vqgan(config.vqgan)})
    for path, node, supplied in _nodes(config):
        _check_node(path, node, supplied)
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


def _nodes(config: Config) -> list[tuple[str, Node, set[str]]]:
    """Every section with a target: its path, itself, and the parameters that the code supplies."""
    found: list[tuple[str, Node, set[str]]] = [
        ("data", config.data, set()),
        ("condition", config.condition, set()),
        ("vqgan.model", config.vqgan.model, set()),
        ("transformer.model", config.transformer.model, COMPUTED),
        ("interpolation.model", config.interpolation.model, COMPUTED - {"mask"}),
        ("sampler", config.sampler, set()),
        *_metrics_nodes(config.metrics),
        ("trainer", config.trainer, set()),
        ("logger", config.logger, set()),
    ]
    for kind, node in config.vqgan.training.discriminators.nodes().items():
        found.append((f"vqgan.training.discriminators.{kind}", node, set()))
    if config.vqgan.training.perceptual is not None:
        found.append(("vqgan.training.perceptual", config.vqgan.training.perceptual, set()))
    for name, training in _trainings(config).items():
        found.append((f"{name}.training.optimizer", training.optimizer, {"params"}))
        if training.scheduler is not None:
            found.append((f"{name}.training.scheduler", training.scheduler, {"optimizer"}))
    return found


def _trainings(config: Config) -> dict[str, Training]:
    sections = (config.vqgan, config.transformer, config.interpolation)
    return dict(zip(("vqgan", "transformer", "interpolation"), (s.training for s in sections), strict=True))


def check_metrics(metrics: Metrics) -> None:
    """Hold the networks and measures of an evaluation against the parameters of what builds them.

    Raises:
        UserError: in one line.
    """
    for path, node, supplied in _metrics_nodes(metrics):
        _check_node(path, node, supplied)
    build_measures(metrics.measures)


def _metrics_nodes(metrics: Metrics) -> list[tuple[str, Node, set[str]]]:
    """Networks and measures of an evaluation: path, section, and the parameters that the code supplies."""
    nodes = {"network": metrics.network} | ({} if metrics.classifier is None else {"classifier": metrics.classifier})
    nodes |= {f"measures.{name}": node for name, node in metrics.measures.items()}
    return [(f"metrics.{name}", node, set()) for name, node in nodes.items()]


def _check_node(path: str, node: Node, supplied: set[str]) -> None:
    """Hold a section against the parameters of its target, and the sections inside it against theirs."""
    if "_target_" not in node:
        raise UserError(f"{path}._target_ is missing: name the class or function to build")
    try:
        target = get_object(str(node["_target_"]))
    except Exception as error:  # whatever the module raises when it is imported
        raise UserError(f"{path}._target_: cannot import {node['_target_']!r}: {_innermost(error)}") from error
    with blamed_on(f"{path}._target_={node['_target_']}"):
        parameters = inspect.signature(target).parameters
        hints = typing.get_type_hints(target.__init__ if inspect.isclass(target) else target)
    takes = [name for name, p in parameters.items() if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]
    for key, value in node.items():
        if key in INSTANTIATE_KEYS:
            continue
        names = [name for name in takes if name not in supplied]
        if key not in names:
            raise UserError(f"{path}.{key}: unknown key; {allowed(key, names)}")
        if isinstance(value, dict) and "_target_" in value:
            _check_node(f"{path}.{key}", value, set())
        elif key in hints and _is_plain(hints[key]):
            try:
                TypeAdapter(hints[key]).validate_python(value)
            except ValidationError as error:
                raise UserError(f"{path}.{key}={value!r}: {error.errors()[0]['msg']}") from None
        elif value is None and key in hints and not _takes_none(hints[key]):
            raise UserError(f"{path}.{key}=null: it has to be given")
    missing = [n for n in takes if parameters[n].default is inspect.Parameter.empty and n not in {*node, *supplied}]
    if missing:
        raise UserError(f"{path}.{missing[0]} is missing")


def _innermost(error: BaseException) -> str:
    """What is at the bottom of an error that Hydra wrapped."""
    while error.__cause__ is not None:
        error = error.__cause__
    return error_line(error)


def _is_plain(hint: Any) -> bool:
    """Whether a type hint speaks of plain values only, so that a config value can be held against it."""
    origin = typing.get_origin(hint)
    if origin is Literal:
        return True
    if origin in (typing.Union, UnionType, list, tuple) or getattr(origin, "__name__", "") in ("Sequence", "Iterable"):
        return all(arg is Ellipsis or _is_plain(arg) for arg in typing.get_args(hint))
    return hint in (int, float, str, bool, type(None), Path)


def _takes_none(hint: Any) -> bool:
    """Whether a type hint allows None."""
    return hint in (Any, type(None)) or any(_takes_none(arg) for arg in typing.get_args(hint))


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
    with torch.device("meta"):
        build_adversaries(config)
        vqgan: Any = build_vqgan(config)
        with blamed_on(""):  # it names frames and resolution, which lie at the root
            vqgan.check_clip(config.frames, config.resolution)
        if config.frames < 2 * vqgan.time_stride:
            raise UserError(f"frames={config.frames}: a window needs two latent frames or more")
        with blamed_on(""):
            vqgan.check_clip(config.sampled_frames, config.resolution)
        build_transformer(config, condition_codes=1, condition_length=1)
        _check_optimizers(config)
    sampler = _checked_sampler(config)
    if config.interpolates:
        with torch.device("meta"):
            interpolation: Any = build_interpolation(config, condition_codes=1, condition_length=1)
        if interpolation.mask == "causal":
            raise UserError("interpolation.model.mask=causal has no anchors; allowed: a, b, c")
    _check_given(config, sampler.long)
    if config.sampled_frames % config.frames:
        raise UserError(f"long_frames={config.long_frames} must be a multiple of frames={config.frames}")


def _checked_sampler(config: Config) -> Any:
    """The sampler; what it refuses begins with the name of one of its keys."""
    sampler = build(config.sampler, "sampler")
    with blamed_on("sampler", config.sampler):
        sampler.check(config.latent_grid[0], config.codebook_size)
    return sampler


def _check_given(config: Config, long: bool) -> None:
    """Refuse frames to start from that are no whole latent frames, or that the held-out windows do not have."""
    given, stride = config.sampling.given_frames, config.vqgan.model["downsample"][0]
    if given % stride or given > config.frames:
        raise UserError(f"sampling.given_frames={given} must be a multiple of {stride}, at most {config.frames}")
    if given and not long:
        raise UserError(f"sampling.given_frames={given} needs a sampler of long videos: sliding or hierarchical")
    if given and config.codes.held_out_windows < config.sampled_videos:
        told = f"codes.held_out_windows={config.codes.held_out_windows}: sampling.given_frames={given} wants one window"
        raise UserError(f"{told} for each of the {config.sampled_videos} sampled videos")


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
    if not isinstance(devices, int) or devices < 1 or (devices > 1) != by.startswith("ddp"):
        raise UserError(f"trainer.devices={devices} with strategy={by}: allowed: 1, or a number with trainer=ddp")
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


def _check_optimizers(config: Config) -> None:
    """Build both optimisers and schedulers on a weight of no substance."""
    for name, training in _trainings(config).items():
        weight = nn.Parameter(torch.zeros(1))
        make_optimizer = build(training.optimizer, f"{name}.training.optimizer")
        with blamed_on(f"{name}.training.optimizer", training.optimizer):
            optimizer = make_optimizer([weight])
        if training.scheduler is not None:
            make_scheduler = build(training.scheduler, f"{name}.training.scheduler")
            with blamed_on(f"{name}.training.scheduler", training.scheduler):
                make_scheduler(optimizer)
