"""The schema of the root config, and the check that every run passes before the first one starts.

What a section may hold is written once: a section with `_target_` may hold the parameters of that target, with their
types; the others are the models below. A key or a value that does not fit is one line of `ConfigError`.
"""

import difflib
import inspect
import typing
from functools import cached_property
from importlib import resources
from pathlib import Path
from types import UnionType
from typing import Any, Literal

import torch
from hydra.errors import InstantiationException
from hydra.utils import get_object, instantiate
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from pydantic import BaseModel, Field, TypeAdapter, ValidationError, field_validator
from torch import nn

from tats_exp.data.codes import long_window
from tats_exp.training_sections import (
    InterpolationSection,
    Node,
    Section,
    Training,
    TransformerSection,
    VQGANSection,
)
from tats_exp.transformer_checkpoint import filled_from_checkpoint as filled_transformer
from tats_exp.vqgan.adversaries import Adversaries, Schedule
from tats_exp.vqgan.padding import TimePadding
from tats_exp.vqgan_checkpoint import filled_from_checkpoint as filled_vqgan

StageName = Literal["reference", "vqgan", "codes", "long_codes", "transformer", "interpolation", "samples", "metrics"]
STAGES: tuple[StageName, ...] = typing.get_args(StageName)
ModelName = Literal["vqgan", "transformer", "interpolation"]
INSTANTIATE_KEYS = {"_target_", "_partial_", "_recursive_", "_convert_"}
COMPUTED = {"condition_codes", "condition_length", "video_codes", "window", "mask"}
"""Parameters of the transformers that follow from the rest of the config; `mask` of the autoregressive one alone."""
TRAINER_KEYS = {"accelerator", "devices", "precision", "strategy", "benchmark", "deterministic", "sync_batchnorm"}
"""What a trainer section may set: where and how to compute. Budgets are `training` sections, which the store hashes."""

# A run folder is named by its choices; a path among them must not become folders.
OmegaConf.register_new_resolver("folder_name", lambda text: str(text).replace("/", "_") or "run", replace=True)


class ConfigError(ValueError):
    """A config that cannot run; the message is one line for the user."""


class Padding(Section):
    """How frames are padded in time, for each half of the VQGAN."""

    encoder: TimePadding
    decoder: TimePadding


class Reserve(Section):
    """Frames kept free on either side of a clip: of a training clip, and of a window that is only encoded."""

    training: int = Field(ge=0)
    encoding: int = Field(ge=0)


class StoreSection(Section):
    """Where stages keep what they made."""

    root: str
    redo: list[StageName]
    redo_before: float | None


class Codes(Section):
    """The windows that are encoded once and kept."""

    train_windows: int = Field(ge=1)
    held_out_windows: int = Field(ge=1)
    batch_size: int = Field(ge=1)


class Sampling(Section):
    """What sampling starts from, and how much is sampled and decoded at a time."""

    given_frames: int = Field(ge=0)
    batch_size: int = Field(ge=1)
    gaps_at_once: int = Field(ge=1)
    precision: Literal["fp32", "bf16"]
    decode_chunk: int = Field(ge=1)


class Metrics(Section):
    """How videos are measured: the networks that look at them, counts and repeats."""

    network: Node
    classifier: Node | None
    videos: int = Field(ge=2)
    reference_videos: int = Field(ge=2)
    repeats: int = Field(ge=1)
    split: Literal["train", "all"]
    windows: Literal["all", "ends"]
    resamples: int = Field(ge=0)
    batch_size: int = Field(ge=1)

    @field_validator("resamples")
    @classmethod
    def _of_an_interval(cls, resamples: int) -> int:
        if resamples == 1:
            raise ValueError("an interval needs 2 or more; allowed: 0 for none, or 2 and more")
        return resamples


class Config(Section):
    """One run, checked. See conf/config.yaml for what each key means."""

    name: str = Field(pattern=r"^\w[\w.-]*$")
    question: str | None
    seed: int = Field(ge=0)
    frames: int = Field(ge=1)
    resolution: int = Field(ge=1)
    long_frames: int = Field(ge=1)
    longest_frames: int = Field(ge=1)
    eval_videos: int = Field(ge=2)
    reference_videos: int = Field(ge=2)
    threads: int | None = Field(ge=1)
    compile: bool
    workers: int = Field(ge=0)
    swept: list[str]
    reserve: Reserve
    store: StoreSection
    padding: Padding
    data: Node
    condition: Node
    vqgan: VQGANSection
    codes: Codes
    transformer: TransformerSection
    interpolation: InterpolationSection
    sampling: Sampling
    sampler: Node
    metrics: Metrics
    trainer: Node
    logger: Node

    @property
    def latent_grid(self) -> tuple[int, int, int]:
        """Latent grid `t h w` of one window."""
        time, height, width = self.vqgan.model["downsample"]
        return self.frames // time, self.resolution // height, self.resolution // width

    @cached_property
    def codebook_size(self) -> int:
        """Number of codes K; of some quantizers it follows from other values, so one is built, without memory."""
        with torch.device("meta"):
            return int(build(self.vqgan.model["codebook"]).size)

    @property
    def interpolates(self) -> bool:
        """Whether the sampler needs an interpolation transformer."""
        return bool(getattr(get_object(self.sampler["_target_"]), "interpolates", False))

    @property
    def stages(self) -> tuple[StageName, ...]:
        """The stages that this run goes through, in their order."""
        return STAGES if self.interpolates else tuple(s for s in STAGES if s not in ("long_codes", "interpolation"))

    @property
    def checkpoints(self) -> dict[ModelName, str]:
        """Files of the models that are read instead of trained, by section; only of those that the run needs."""
        needed: tuple[ModelName, ...] = ("vqgan", "transformer") + (("interpolation",) if self.interpolates else ())
        paths = {name: getattr(self, name).checkpoint for name in needed}
        return {name: path for name, path in paths.items() if path is not None}

    def window_of(self, name: Literal["transformer", "interpolation"]) -> tuple[int, int, int]:
        """Latent grid of a transformer's window: the VQGAN's, or a gap with both its anchors."""
        frames, height, width = self.latent_grid
        return (self.key_every + 1 if name == "interpolation" else frames), height, width

    @property
    def learned_from(self) -> StageName:
        """The stage whose codes the transformers learn from."""
        return "long_codes" if self.interpolates else "codes"

    @property
    def key_every(self) -> int:
        """Latent frames from one to the next that the autoregressive transformer models; 1: it models all of them."""
        return int(self.sampler["key_every"]) if self.interpolates else 1

    @property
    def long_window_frames(self) -> int:
        """Frames of a window whose key frames fill the window of the transformer."""
        return long_window(self.latent_grid[0], self.key_every) * int(self.vqgan.model["downsample"][0])

    @property
    def given_latents(self) -> int:
        """Latent frames that sampling starts from."""
        return self.sampling.given_frames // int(self.vqgan.model["downsample"][0])

    @property
    def sampled_videos(self) -> int:
        """Videos that are sampled: those of every repeat of the evaluation."""
        return self.metrics.videos * self.metrics.repeats

    @property
    def sampled_frames(self) -> int:
        """Frames that are sampled of a video, behind those given: one window where the sampler makes no more."""
        return self.long_frames if getattr(get_object(self.sampler["_target_"]), "long", False) else self.frames


def conf_dir() -> Path:
    """Folder of the YAML groups, in a checkout (`conf/` at its top) or in the installed package."""
    shipped = Path(str(resources.files("tats_exp"))) / "conf"
    return shipped if shipped.is_dir() else Path(__file__).resolve().parents[2] / "conf"


def check(cfg: DictConfig) -> Config:
    """Check one composed run.

    Args:
        cfg: the composed root config, `hydra` left out.

    Returns:
        The same values, typed; those of models that are read from checkpoints as they are there.

    Raises:
        ConfigError: in one line, naming the key, what was given and what is allowed.
    """
    config = validated(cfg, Config)
    try:
        if config.vqgan.checkpoint is not None:
            config = config.model_copy(update={"vqgan": filled_vqgan(config.vqgan)})
        for path, node, supplied in _nodes(config):
            _check_node(path, node, supplied)
        config = _with_transformers_of_checkpoints(config)
    except ConfigError:
        raise
    except ValueError as error:
        raise ConfigError(str(error)) from None
    _check_together(config)
    return config


def _with_transformers_of_checkpoints(config: Config) -> Config:
    """The config with the sections of transformers that are read from files as they would have to be to build them."""
    for name, path in config.checkpoints.items():
        if name == "vqgan":
            continue
        if config.vqgan.checkpoint is None:
            raise ConfigError(
                f"{name}.checkpoint={path}: it speaks the codes of the VQGAN it was trained with; give that, too, as "
                "vqgan.checkpoint"
            )
        filled = filled_transformer(name, getattr(config, name), config.window_of(name), config.codebook_size)
        config = config.model_copy(update={name: filled})
    return config


SectionType = typing.TypeVar("SectionType", bound=Section)


def validated(cfg: DictConfig, model: type[SectionType]) -> SectionType:
    """The values of a root config, typed; its sections with `_target_` are not looked into.

    Raises:
        ConfigError: in one line, naming the key, what was given and what is allowed.
    """
    try:
        values = OmegaConf.to_container(cfg, resolve=True, throw_on_missing=True)
    except OmegaConfBaseException as error:
        raise ConfigError(f"{error.full_key}: {str(error).splitlines()[0]}") from None
    try:
        return model.model_validate(values)
    except ValidationError as error:
        raise ConfigError(_first_line(error, model)) from None


def build(node: Node) -> Any:
    """What a section with `_target_` describes.

    Raises:
        ValueError: of the target itself, not wrapped by Hydra; OSError likewise.
    """
    try:
        return instantiate(node, _convert_="all")
    except InstantiationException as error:
        if isinstance(error.__cause__, ValueError | OSError):
            raise error.__cause__ from None
        raise


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


def _nodes(config: Config) -> list[tuple[str, Node, set[str]]]:
    """Every section with a target: its path, itself, and the parameters that the code supplies."""
    found: list[tuple[str, Node, set[str]]] = [
        ("data", config.data, set()),
        ("condition", config.condition, set()),
        ("vqgan.model", config.vqgan.model, set()),
        ("transformer.model", config.transformer.model, COMPUTED),
        ("interpolation.model", config.interpolation.model, COMPUTED - {"mask"}),
        ("sampler", config.sampler, set()),
        *_network_nodes(config.metrics),
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


def check_networks(metrics: Metrics) -> None:
    """Hold the networks of an evaluation against the parameters of what builds them.

    Raises:
        ConfigError: in one line.
    """
    for path, node, supplied in _network_nodes(metrics):
        _check_node(path, node, supplied)


def _network_nodes(metrics: Metrics) -> list[tuple[str, Node, set[str]]]:
    """The networks of an evaluation: path, section, and the parameters that the code supplies."""
    found: list[tuple[str, Node, set[str]]] = [("metrics.network", metrics.network, set())]
    return found if metrics.classifier is None else [*found, ("metrics.classifier", metrics.classifier, set())]


def _check_node(path: str, node: Node, supplied: set[str]) -> None:
    """Hold a section against the parameters of its target, and the sections inside it against theirs."""
    if "_target_" not in node:
        raise ConfigError(f"{path}._target_ is missing: name the class or function to build")
    try:
        target = get_object(node["_target_"])
    except Exception:
        raise ConfigError(f"{path}._target_: cannot import {node['_target_']!r}") from None
    parameters = inspect.signature(target).parameters
    hints = typing.get_type_hints(target.__init__ if inspect.isclass(target) else target)
    takes = [name for name, p in parameters.items() if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]
    for key, value in node.items():
        if key in INSTANTIATE_KEYS:
            continue
        names = [name for name in takes if name not in supplied]
        if key not in names:
            raise ConfigError(f"{path}.{key}: unknown key; {allowed(key, names)}")
        if isinstance(value, dict) and "_target_" in value:
            _check_node(f"{path}.{key}", value, set())
        elif key in hints and _is_plain(hints[key]):
            try:
                TypeAdapter(hints[key]).validate_python(value)
            except ValidationError as error:
                raise ConfigError(f"{path}.{key}={value!r}: {error.errors()[0]['msg']}") from None
    missing = [n for n in takes if parameters[n].default is inspect.Parameter.empty and n not in {*node, *supplied}]
    if missing:
        raise ConfigError(f"{path}.{missing[0]} is missing")


def _is_plain(hint: Any) -> bool:
    """Whether a type hint speaks of plain values only, so that a config value can be held against it."""
    origin = typing.get_origin(hint)
    if origin is Literal:
        return True
    if origin in (typing.Union, UnionType, list, tuple) or getattr(origin, "__name__", "") in ("Sequence", "Iterable"):
        return all(arg is Ellipsis or _is_plain(arg) for arg in typing.get_args(hint))
    return hint in (int, float, str, bool, type(None), Path)


def _check_together(config: Config) -> None:
    """What no section can tell alone; the models are built without memory, on the meta device."""
    _check_trainer(config.trainer)
    if int(config.data.get("seed", 0)) < 0:
        raise ConfigError(f"data.seed={config.data['seed']} must be 0 or more")
    training = config.vqgan.training
    try:
        training.check()
        _check_processes(config)
        if config.compile and training.adversarial.adaptive and training.discriminators.nodes():
            raise ValueError(
                "vqgan.training.adversarial.adaptive=true needs gradients at a layer inside what compile=true makes "
                "one piece; allowed: one of the two"
            )
        with torch.device("meta"):
            build_adversaries(config)
            vqgan: Any = build_vqgan(config)
            vqgan.check_clip(config.frames, config.resolution)
            if config.frames < 2 * vqgan.time_stride:
                raise ValueError(f"frames={config.frames}: a window needs two latent frames or more")
            vqgan.check_clip(config.sampled_frames, config.resolution)
            build_transformer(config, condition_codes=1, condition_length=1)
            _check_optimizers(config)
        sampler = instantiate(config.sampler, _convert_="all")
        sampler.check(config.latent_grid[0], config.codebook_size)
        if config.interpolates:
            with torch.device("meta"):
                interpolation: Any = build_interpolation(config, condition_codes=1, condition_length=1)
            if interpolation.mask == "causal":
                raise ValueError("interpolation.model.mask=causal has no anchors; allowed: a, b, c")
        _check_given(config, sampler.long)
    except ValueError as error:
        raise ConfigError(str(error)) from None
    except Exception as error:  # instantiate wraps what a constructor raised
        raise ConfigError(str(error.__cause__ or error).splitlines()[0]) from None
    if config.sampled_frames % config.frames:
        raise ConfigError(f"long_frames={config.long_frames} must be a multiple of frames={config.frames}")


def _check_given(config: Config, long: bool) -> None:
    """Refuse frames to start from that are no whole latent frames, or that the held-out windows do not have."""
    given, stride = config.sampling.given_frames, config.vqgan.model["downsample"][0]
    if given % stride or given > config.frames:
        raise ValueError(f"sampling.given_frames={given} must be a multiple of {stride}, at most {config.frames}")
    if given and not long:
        raise ValueError(f"sampling.given_frames={given} needs a sampler of long videos: sliding or hierarchical")
    if given and config.codes.held_out_windows < config.sampled_videos:
        told = f"codes.held_out_windows={config.codes.held_out_windows}: sampling.given_frames={given} wants one window"
        raise ValueError(f"{told} for each of the {config.sampled_videos} sampled videos")


def _check_trainer(trainer: Node) -> None:
    """Refuse what would change a training behind the store's back, and devices that are not there."""
    for key in trainer:
        if key not in TRAINER_KEYS | INSTANTIATE_KEYS:
            raise ConfigError(f"trainer.{key}: not to be set here; {allowed(key, sorted(TRAINER_KEYS))}")
    for key in ("accelerator", "devices", "precision"):
        if key not in trainer:
            raise ConfigError(f"trainer.{key} is missing")
    devices, by = trainer["devices"], str(trainer.get("strategy", "auto"))
    if not isinstance(devices, int) or devices < 1 or (devices > 1) != by.startswith("ddp"):
        raise ConfigError(f"trainer.devices={devices} with strategy={by}: allowed: 1, or a number with trainer=ddp")
    try:
        instantiate(trainer, _convert_="all")(logger=False, enable_model_summary=False, enable_checkpointing=False)
    except Exception as error:  # Lightning has an error class of its own, and raises others, too
        raise ConfigError(f"trainer: {' '.join(str(error.__cause__ or error).split())}") from None


def _check_processes(config: Config) -> None:
    """Refuse several processes that would each train something else, or cannot share their work evenly."""
    processes = config.trainer["devices"]
    for name, training in _trainings(config).items():
        if training.batch_size % processes:
            raise ValueError(
                f"{name}.training.batch_size={training.batch_size} must be a multiple of trainer.devices={processes}"
            )
    norms = [
        config.vqgan.model["norm"],
        *(n.get("norm", "batch") for n in config.vqgan.training.discriminators.nodes().values()),
    ]
    synchronised = bool(config.trainer.get("sync_batchnorm", False))
    if processes > 1 and "batch" in norms and not synchronised:
        raise ValueError(
            "trainer.sync_batchnorm=false: every process would normalise by statistics of its own; allowed: true, or "
            "norm=frame_group, and norm: group in the discriminators"
        )
    if synchronised and config.trainer["accelerator"] != "cuda":
        raise ValueError(
            f"trainer.sync_batchnorm=true: there is none for accelerator={config.trainer['accelerator']}; allowed: cuda"
        )


def _check_optimizers(config: Config) -> None:
    """Build both optimisers and schedulers on a weight of no substance."""
    for name, training in _trainings(config).items():
        weight = nn.Parameter(torch.zeros(1))
        try:
            optimizer = instantiate(training.optimizer, _convert_="all")([weight])
            if training.scheduler is not None:
                instantiate(training.scheduler, _convert_="all")(optimizer)
        except (ValueError, TypeError, IndexError) as error:
            raise ConfigError(f"{name}.training.optimizer: {error}") from None


def allowed(given: str, names: list[str]) -> str:
    """The end of an error line: the nearest allowed name, if one is near, and all of them."""
    close = difflib.get_close_matches(given, names, n=1)
    return (f"did you mean {close[0]!r}? " if close else "") + f"allowed: {', '.join(sorted(names))}"


def _first_line(error: ValidationError, model: type[BaseModel]) -> str:
    """The first finding of pydantic as one line that names the key and what is allowed."""
    finding = error.errors()[0]
    path = ".".join(str(part) for part in finding["loc"])
    if finding["type"] == "extra_forbidden":
        for part in finding["loc"][:-1]:
            model = typing.cast(type[BaseModel], model.model_fields[str(part)].annotation)
        return f"{path}: unknown key; {allowed(str(finding['loc'][-1]), list(model.model_fields))}"
    if finding["type"] == "missing":
        return f"{path} is missing"
    told = f"{path}={finding['input']!r}: {finding['msg']}"
    # Hydra reads 12, 1e5 and nan as numbers, also where they are folders.
    return f"{told} (a path that looks like a number is written ./NAME)" if finding["type"] == "string_type" else told
