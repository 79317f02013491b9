"""The schema of the root config: what a run may hold, typed. `check.py` holds it against the code that it describes.

A key or a value that does not fit is one line of `UserError`.
"""

import difflib
import inspect
import math
import re
import typing
from collections.abc import Sequence
from functools import cached_property
from importlib import resources
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, Literal

import omegaconf
from hydra.utils import get_object
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    StrictInt,
    StrictStr,
    ValidationError,
    field_validator,
)

from tats_exp import UserError
from tats_exp.config.build import build
from tats_exp.config.overrides import LONGEST_NAME, expanded
from tats_exp.config.sections import (
    AudioSizes,
    AutoregressiveSection,
    InterpolationSection,
    Node,
    Section,
    TransformerSection,
    VQGANSection,
)
from tats_exp.run_folder import Published

if typing.TYPE_CHECKING:
    from tats_exp.sampling.sampler import Sampler

ModelName = Literal["vqgan", "transformer", "interpolation"]
SectionType = typing.TypeVar("SectionType", bound=Section)


class Halves(Section):
    """What pads each half of the VQGAN."""

    encoder: Node
    decoder: Node


class Padding(Section):
    """How frames are padded in time: names of options, and what they are.

    The rest of the composed section, the option chosen as `padding=NAME`, is in `halves`; see `config/padding.py`.
    """

    model_config = ConfigDict(extra="ignore", frozen=True)

    encoder: str
    decoder: str
    halves: Halves


class Reserve(Section):
    """Frames kept free on either side of a clip, at least: of a training clip, of a window that is only encoded."""

    training: int = Field(ge=0)
    encoding: int = Field(ge=0)


class StoreSection(Section):
    """Where stages keep what they made."""

    root: str = Field(min_length=1)
    redo: list[str]


class Codes(Section):
    """The windows that are encoded once and kept."""

    train_windows: int = Field(ge=1)
    held_out_windows: int = Field(ge=1)
    batch_size: int = Field(ge=1)


StoryEntry = tuple[Annotated[float, Field(ge=0)], StrictStr | StrictInt]
"""From which second on a prompt holds: a text, or the name or number of a class."""


def check_story(story: Sequence[tuple[float | int, str | int]]) -> None:
    """Refuse a story that does not begin at 0 and go on in time.

    Raises:
        UserError: in one line.
    """
    if odd := [second for second, _ in story if not math.isfinite(second)]:
        raise UserError(f"{odd[0]} s: allowed: seconds of a video")
    if not story or story[0][0] != 0:
        raise UserError(
            f"begins at {story[0][0]:g} s; allowed: 0" if story else "holds nothing; allowed: null for none"
        )
    for (one, _), (other, _) in pairwise(story):
        if other <= one:
            raise UserError(f"{other:g} s stands behind {one:g} s; allowed: in the order of time, each second once")


class Sampling(Section):
    """What sampling starts from and is told, and how much is sampled and decoded at a time."""

    seed: int | None = Field(ge=0)
    given_frames: int = Field(ge=0)
    story: list[StoryEntry] | None = None
    batch_size: int = Field(ge=1)
    gaps_at_once: int = Field(ge=1)
    precision: Literal["fp32", "bf16"]
    decode_chunk: int = Field(ge=1)

    @field_validator("story")
    @classmethod
    def _in_order(cls, story: list[StoryEntry] | None) -> list[StoryEntry] | None:
        if story is not None:
            check_story(story)
        return story


class Metrics(Section):
    """How videos are measured: the networks that look at them, the measures, counts and repeats."""

    network: Node
    classifier: Node | None
    clip: str | None = None
    measures: dict[str, Node] = Field(min_length=1)
    videos: int = Field(ge=2)
    reference_videos: int = Field(ge=2)
    repeats: int = Field(ge=1)
    split: Literal["train", "all"]
    windows: Literal["all", "ends"]
    resamples: int = Field(ge=0, le=100_000)
    batch_size: int = Field(ge=1)

    @field_validator("clip")
    @classmethod
    def _in_a_folder(cls, clip: str | None) -> str | None:
        if clip is not None and not re.match("local-dir:.", clip):
            raise UserError("allowed: local-dir:FOLDER, with a model as open_clip keeps it, or null")
        return clip

    @field_validator("resamples")
    @classmethod
    def _of_an_interval(cls, resamples: int) -> int:
        if resamples == 1:
            raise UserError("an interval needs 2 or more; allowed: 0 for none, or 2 and more")
        return resamples


class MetricsOfFolders(Metrics):
    """The same for videos that nobody says the texts of."""

    @field_validator("clip")
    @classmethod
    def _without_texts(cls, clip: str | None) -> str | None:
        if clip is not None:
            raise UserError("folders do not tell what their videos were asked for; allowed: null")
        return clip


ColumnKey = Annotated[str, Field(pattern=r"^([\w./-]|\{network\}|\{classifier\})+$")]
"""Key of a column of values; `{network}` and `{classifier}` stand for the networks that are asked."""


class Config(Section):
    """One run, checked. See conf/config.yaml for what each key means."""

    name: str = Field(pattern=r"^\w[\w.-]*$", max_length=LONGEST_NAME)
    question: str | None
    endpoint: ColumnKey | None
    secondary: list[ColumnKey] = Field(max_length=7)
    published: list[Published] = Field([])
    seed: int = Field(ge=0, lt=2**31)  # random frames are drawn from it and a counter, 32 bits each
    frames: int = Field(ge=1)
    resolution: int = Field(ge=1)
    long_frames: int = Field(ge=1)
    longest_frames: int = Field(ge=1)
    context: int = Field(ge=1)
    eval_videos: int = Field(ge=2)
    reference_videos: int = Field(ge=2)
    reference_seed: int | None = Field(ge=0)
    threads: int | None = Field(ge=1, le=4096)
    progress: bool = True
    compile: bool
    workers: int | None = Field(ge=0, le=1024)
    flip: bool
    reserve: Reserve
    store: StoreSection
    padding: Padding
    data: Node
    condition: Node
    vqgan: VQGANSection
    audio: AudioSizes
    codes: Codes
    transformer: AutoregressiveSection
    interpolation: InterpolationSection
    sampling: Sampling
    sampler: Node
    metrics: Metrics
    trainer: Node
    logger: Node

    @property
    def latent_grid(self) -> tuple[int, int, int]:
        """Latent grid `t h w` of one clip."""
        time, height, width = self.vqgan.model["downsample"]
        return self.frames // time, self.resolution // height, self.resolution // width

    @cached_property
    def codebook_size(self) -> int:
        """Number of codes K; of some quantizers it follows from other values, so one is built, without memory."""
        # Not before it is needed: a mistake in the config is told without torch.
        from tats_exp.config.models import without_memory

        with without_memory():
            return int(build(self.vqgan.model["codebook"], "vqgan.model.codebook").size)

    @cached_property
    def built_sampler(self) -> "Sampler":
        """The sampler."""
        return build(self.sampler, "sampler")

    @property
    def sampler_in_keys(self) -> Node:
        """The section of the sampler; guidance that is off leaves no trace in it."""
        return {key: value for key, value in self.sampler.items() if (key, value) != ("guidance", 1.0)}

    @property
    def interpolates(self) -> bool:
        """Whether the sampler needs an interpolation transformer."""
        return bool(self.built_sampler.interpolates)

    @property
    def checkpoints(self) -> dict[ModelName, str]:
        """Files of the models that are read instead of trained, by section; only of those that the run needs."""
        needed: tuple[ModelName, ...] = ("vqgan", "transformer") + (("interpolation",) if self.interpolates else ())
        paths = {name: getattr(self, name).checkpoint for name in needed}
        return {name: path for name, path in paths.items() if path is not None}

    def condition_drop(self, name: ModelName) -> float:
        """With what probability a transformer that is trained learns without its condition."""
        section: TransformerSection = getattr(self, name)
        if name in self.checkpoints:
            return 0.0
        if section.condition_drop is not None:
            return section.condition_drop
        return float(getattr(get_object(str(self.condition["_target_"])), "drop", 0.0))

    @property
    def asks_held_out(self) -> bool:
        """Whether sampled videos are asked for conditions of held-out windows, not of those that were learned."""
        return bool(getattr(get_object(str(self.condition["_target_"])), "asks_held_out", False))

    def window_of(self, name: ModelName) -> tuple[int, int, int]:
        """Latent grid of a transformer's window: of an interpolation transformer a gap with both its anchors."""
        frames, height, width = self.latent_grid
        autoregressive = self.transformer.window or frames
        return (self.key_every + 1 if name == "interpolation" else autoregressive), height, width

    @property
    def key_every(self) -> int:
        """Latent frames from one to the next that the autoregressive transformer models; 1: it models all of them."""
        return self.built_sampler.key_every if self.interpolates else 1

    @property
    def learned_frames(self) -> int:
        """Frames of the windows that the transformers learn: their key frames fill that of the autoregressive one."""
        from tats_exp.data.codes import long_window  # which imports torch

        window = long_window(self.window_of("transformer")[0], self.key_every)
        return window * int(self.vqgan.model["downsample"][0])

    @property
    def learns_long(self) -> bool:
        """Whether these windows are longer than a clip."""
        return self.learned_frames > self.frames

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
        return self.long_frames if self.built_sampler.long else self.frames


def conf_dir() -> Path:
    """Folder of the YAML groups, in a checkout (`conf/` at its top) or in the installed package."""
    shipped = Path(str(resources.files("tats_exp"))) / "conf"
    return shipped if shipped.is_dir() else Path(__file__).resolve().parents[3] / "conf"


def validated(cfg: DictConfig, model: type[SectionType]) -> SectionType:
    """The values of a root config, typed; its sections with `_target_` are not looked into.

    Raises:
        UserError: in one line, naming the key, what was given and what is allowed.
    """
    _check_sections(cfg, model)
    values = expanded(plain(cfg))
    _check_numbers(values)
    try:
        return model.model_validate(values)
    except ValidationError as error:
        raise UserError(_first_line(error, model)) from None


def _check_sections(cfg: DictConfig, model: type[BaseModel], path: str = "") -> None:
    """Refuse a value where a section belongs: what refers to a key below it would be blamed in its place."""
    for name, field in model.model_fields.items():
        kind = field.annotation
        is_section = inspect.isclass(kind) and issubclass(kind, BaseModel)
        given = cfg._get_node(name, validate_access=False)
        if not (is_section or kind == Node) or not isinstance(given, omegaconf.Node) or given._is_interpolation():
            continue
        key = f"{path}{name}"
        if not isinstance(given, DictConfig) or given._is_none():
            text = "null" if given._is_none() else given
            raise UserError(f"{key}={text}: a section of keys belongs here; allowed: {key}.KEY=VALUE")
        if is_section:
            _check_sections(given, typing.cast(type[BaseModel], kind), f"{key}.")


def _check_numbers(values: object, path: str = "") -> None:
    """Refuse numbers that no computer counts with: not finite, or whole ones of more than 64 bits."""
    if isinstance(values, dict | list):
        for name, value in values.items() if isinstance(values, dict) else enumerate(values):
            _check_numbers(value, f"{path}.{name}" if path else str(name))
    elif isinstance(values, float) and not math.isfinite(values):
        raise UserError(f"{path}={values}: no finite number")
    elif isinstance(values, int) and not -(2**63) <= values < 2**63:
        raise UserError(f"{path}={values}: more than 64 bits; allowed: below {2**63}")


def plain(cfg: DictConfig) -> dict[str, Any]:
    """The values of a config, or of a section of one, its interpolations resolved.

    Raises:
        UserError: a value is missing, or an interpolation leads nowhere; one line.
    """
    try:
        return typing.cast(dict[str, Any], OmegaConf.to_container(cfg, resolve=True, throw_on_missing=True))
    except OmegaConfBaseException as error:
        raise UserError(f"{error.full_key}: {str(error).splitlines()[0]}") from None


def allowed(given: str, names: list[str]) -> str:
    """The end of an error line: the nearest allowed name, if one is near, and all of them."""
    close = difflib.get_close_matches(given, names, n=1)
    return (f"did you mean {close[0]!r}? " if close else "") + f"allowed: {', '.join(sorted(names)) or 'none'}"


def _first_line(error: ValidationError, model: type[BaseModel]) -> str:
    """The first finding of pydantic as one line that names the key and what is allowed."""
    finding = error.errors()[0]
    path = ".".join(str(part) for part in finding["loc"])
    if path == "experiment" and finding["type"] == "extra_forbidden":
        return "experiment: its YAML has keys of the root config; its first line must be `# @package _global_`"
    if finding["type"] == "extra_forbidden":
        for part in finding["loc"][:-1]:
            model = typing.cast(type[BaseModel], model.model_fields[str(part)].annotation)
        return f"{path}: unknown key; {allowed(str(finding['loc'][-1]), list(model.model_fields))}"
    if finding["type"] == "missing":
        return f"{path} is missing"
    line = f"{path}={finding['input']!r}: {finding['msg'].removeprefix('Value error, ')}"
    # Hydra reads 12, 1e5 and nan as numbers, also where they are folders.
    number = finding["type"] == "string_type" and isinstance(finding["input"], int | float)
    return f"{line} (a path that looks like a number is written ./NAME)" if number else line
