"""What stages are given: the run they belong to, what earlier stages left, and how they work.

A stage declares its inputs as a dataclass. `meaning` makes of it what the key of the stage is computed from, so that
nothing which changes a result can be left out of the key by hand.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property, partial
from pathlib import Path
from typing import Annotated, Any, Generic, TypeVar, get_type_hints

import torch

from tats_exp.config.build import build
from tats_exp.config.models import condition_of
from tats_exp.config.networks import classifier, clip_of, feature_network, identities
from tats_exp.config.schema import Config
from tats_exp.config.sections import identity
from tats_exp.config.trainer import lightning_trainer, trains_on_cpu
from tats_exp.cores import usable_cores
from tats_exp.data.joined import JoinedVideos
from tats_exp.data.mirrored import MirroredVideos
from tats_exp.data.videos import Videos, VideoSource
from tats_exp.features.clip import CLIP
from tats_exp.features.perceptual import Perceptual
from tats_exp.files import Stage
from tats_exp.metrics.networks import Networks
from tats_exp.training import Scalars, Steps
from tats_exp.transformer.conditions import Condition

Result = TypeVar("Result")
Object = TypeVar("Object")
Json = str | int | float | bool | None | list[Any] | dict[str, Any]


MOST_WORKERS = 8
"""Processes that read clips for one that trains, at most, where nothing was said."""

_NO_MEANING = "no part of the key"
NoMeaning = Annotated[Object, _NO_MEANING]
"""Type of an input that changes how the result of a stage is made, how much at a time say, and not the result."""
_IF_ANY = "part of the key where it is not 0"
IfAny = Annotated[Object, _IF_ANY]
"""Type of an input that is a part of the key only where it is not 0 or empty: what is off leaves no trace."""


@dataclass(frozen=True)
class Left:
    """What a finished stage left: its key and its folder in the store."""

    key: str
    folder: Path


@dataclass(frozen=True)
class Earlier(Generic[Result]):
    """What an earlier stage left, as a later one takes it: known by its key, read when it is needed."""

    key: str
    read: Callable[[], Result]


@dataclass(frozen=True)
class Chosen(Generic[Object]):
    """An object that the config describes, and what of its description changes what it does."""

    object: Object
    identity: Mapping[str, Any] | None


@dataclass(frozen=True)
class Work:
    """Where and how a stage works, and whom it tells. Nothing of it changes what is made.

    Attributes:
        folder: to be filled.
        device: where models run.
        make_trainer: a partial of `lightning.pytorch.Trainer`.
        processes: that make a trained stage together.
        workers: processes that read clips, of each of them.
        compile: whether training steps are compiled.
        progress: called with (done, total).
        losses: called with (step, values) whenever losses are logged.
    """

    folder: Path
    device: torch.device
    make_trainer: Callable[..., Any]
    processes: int
    workers: int
    compile: bool
    progress: Steps
    losses: Scalars


def meaning(inputs: object) -> dict[str, Json]:
    """What the key of a stage is computed from: every field of its inputs that has a meaning, as JSON.

    Args:
        inputs: a dataclass. Earlier stages stand for their keys, videos for their fingerprints, chosen objects for
            their identities, sections of the config for their `meaning`.

    Raises:
        TypeError: a field holds something that cannot say what it means.
    """
    hints = get_type_hints(type(inputs), include_extras=True)
    found: dict[str, Json] = {}
    for name, hint in hints.items():
        marks = getattr(hint, "__metadata__", ())
        if _NO_MEANING not in marks and (_IF_ANY not in marks or getattr(inputs, name)):
            found[name] = _meaning(getattr(inputs, name))
    return found


def _meaning(value: object) -> Json:
    if isinstance(value, Earlier):
        return value.key
    if isinstance(value, Chosen):
        return None if value.identity is None else dict(value.identity)
    if callable(own_meaning := getattr(value, "meaning", None)):
        return own_meaning()
    if callable(fingerprint := getattr(value, "fingerprint", None)):
        return fingerprint()
    if isinstance(value, Mapping):
        return {str(key): _meaning(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_meaning(inner) for inner in value]
    if value is None or isinstance(value, str | int | float | bool):
        return value
    raise TypeError(f"{type(value).__name__} cannot be part of the key of a stage: it has no meaning()")


def earlier_keys(inputs: object) -> set[str]:
    """Keys of the earlier stages that a stage reads.

    Args:
        inputs: a dataclass, as for `meaning`.
    """
    return {key for name in get_type_hints(type(inputs)) for key in _keys(getattr(inputs, name))}


def _keys(value: object) -> set[str]:
    if isinstance(value, Earlier):
        return {value.key}
    parts = value.values() if isinstance(value, Mapping) else value if isinstance(value, list | tuple) else ()
    return {key for part in parts for key in _keys(part)}


@dataclass
class RunContext:
    """A checked run and what its config describes, made when first asked for; stages take their inputs from it.

    Attributes:
        config: of the run.
        left: what finished stages left, by their name.
    """

    config: Config
    left: dict[str, Left] = field(default_factory=dict)

    def earlier(self, stage: Stage[Any, Result]) -> Earlier[Result]:
        """What an earlier stage left."""
        left = self.left[stage.name]
        return Earlier(left.key, partial(stage.read, self.config, left.folder))

    @cached_property
    def source(self) -> VideoSource:
        """The data set."""
        return build(self.config.data, "data")

    @cached_property
    def train(self) -> Videos:
        """Its train split."""
        return self.source.split("train")

    @cached_property
    def test(self) -> Videos:
        """Its test split."""
        return self.source.split("test")

    @cached_property
    def real(self) -> Videos:
        """Where the real windows of the evaluation come from."""
        return self.train if self.config.metrics.split == "train" else JoinedVideos([self.train, self.test])

    @cached_property
    def learned(self) -> Videos:
        """The videos that models learn from: the train split and, if so asked, its mirror images."""
        return MirroredVideos(self.train) if self.config.flip else self.train

    @property
    def data_seed(self) -> int:
        """Seed of the split and of every fixed list of windows, the reference unless that has one of its own."""
        return self.source.seed

    @property
    def reference_seed(self) -> int:
        """Seed of the draw of the reference windows."""
        chosen = self.config.reference_seed
        return self.data_seed if chosen is None else chosen

    @cached_property
    def condition(self) -> Condition:
        """What the transformer is conditioned on."""
        return condition_of(self.config)

    @cached_property
    def networks(self) -> Chosen[Networks]:
        """The networks of the evaluation, in eval mode on the device."""
        metrics = self.config.metrics
        network = feature_network(metrics.network, self.device)
        judge = classifier(metrics.classifier, self.device)
        return Chosen(Networks(network, judge, self.device), identities(metrics, network, judge))

    @cached_property
    def clip(self) -> Chosen[CLIP] | None:
        """The CLIP that reads what videos were asked for, in eval mode on the device; None where none does."""
        clip = clip_of(self.config.metrics.clip, self.device)
        return None if clip is None else Chosen(clip, {"checksum": clip.checksum})

    @cached_property
    def perceptual(self) -> Chosen[Perceptual | None]:
        """The perceptual loss of the VQGAN, on the CPU."""
        node = self.config.vqgan.training.perceptual
        if node is None:
            return Chosen(None, None)
        network: Perceptual = build(node, "vqgan.training.perceptual")
        return Chosen(network, identity(node, network.checksum))

    @cached_property
    def make_trainer(self) -> Callable[..., Any]:
        """A partial of the Lightning trainer."""
        lightning_trainer()
        return build(self.config.trainer, "trainer")

    @cached_property
    def device(self) -> torch.device:
        """Where the trainer trains; everything else runs there, too."""
        if trains_on_cpu(self.config.trainer):
            return torch.device("cpu")
        return self.make_trainer(logger=False, enable_model_summary=False).strategy.root_device

    def work(self, folder: Path, progress: Steps, losses: Scalars) -> Work:
        """How a stage works in a folder."""
        config, processes = self.config, int(self.config.trainer["devices"])
        workers = spare_cores(self.device, config.threads, processes) if config.workers is None else config.workers

        def make_trainer(**arguments: Any) -> Any:  # only what trains has Lightning imported
            return self.make_trainer(**arguments)

        return Work(folder, self.device, make_trainer, processes, workers, config.compile, progress, losses)


def spare_cores(device: torch.device, threads: int | None, processes: int) -> int:
    """Processes that read clips where nothing was said: on a GPU as many as there are cores to spare, on a CPU none.

    Args:
        device: of the training.
        threads: CPU threads of a run; None: all cores.
        processes: that train side by side.
    """
    if device.type == "cpu":
        return 0
    cores = usable_cores()
    return max(0, min(MOST_WORKERS, min(threads or cores, cores) // processes - 1))
