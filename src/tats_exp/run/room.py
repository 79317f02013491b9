"""What a run cannot do without, in memory and on disk, held against what there is before anything is made.

All sizes are lower bounds: what is refused could not work, what is accepted may still be too large. Bytes.
"""

import os
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import torch
from torch import nn

from tats_exp import UserError
from tats_exp.config.models import (
    build_adversaries,
    build_vqgan,
    condition_codes,
    condition_of,
    transformer_of,
    without_memory,
)
from tats_exp.config.schema import Config, ModelName
from tats_exp.config.sections import Training
from tats_exp.metrics.layout import NUMBERS
from tats_exp.metrics.window_statistics import PIXELS
from tats_exp.run.amounts import sampled_latents, sampled_windows
from tats_exp.transformer.conditions import Condition
from tats_exp.transformer.transformer import Transformer, tokens_read

FLOAT, CODE, COLOURS = 4, 8, 3
CGROUP_LIMITS = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")


class NoRoomError(UserError):
    """What a run needs is more than there is."""


@dataclass(frozen=True)
class Grows:
    """A key that a size grows with: with its value, or a power of that.

    Attributes:
        key: of the config.
        value: of it.
        power: the size is proportional to `value ** power`.
        step: allowed values are multiples of it.
    """

    key: str
    value: int
    power: int = 1
    step: int = 1

    def factor(self, value: int) -> float:
        """What a size is multiplied by where the key has another value."""
        return (value / self.value) ** self.power


@dataclass(frozen=True)
class Need:
    """Something that a stage holds in memory, or leaves on disk.

    Attributes:
        stage: its name.
        what: in words.
        size: bytes, at least.
        grows: what makes it larger.
    """

    stage: str
    what: str
    size: int
    grows: tuple[Grows, ...]

    def size_with(self, key: str, value: int) -> float:
        """Bytes where a key has another value."""
        return self.size * next((one.factor(value) for one in self.grows if one.key == key), 1.0)


def check_memory(config: Config) -> None:
    """Refuse a run one of whose stages needs more memory than this machine has.

    Raises:
        NoRoomError: in one line, with the largest values that would fit.
    """
    stages: dict[str, list[Need]] = {}
    for need in _needs(config):
        stages.setdefault(need.stage, []).append(need)
    for stage, needs in stages.items():
        trains = stage in ("vqgan", "transformer", "interpolation")
        refuse(needs, *(_memory_of(config) if trains else ("memory", main_memory())))


def refuse(needs: Sequence[Need], where: str, room: int) -> None:
    """Refuse what does not fit together.

    Args:
        needs: that are there at one time.
        where: they are, in words.
        room: bytes that there are.

    Raises:
        NoRoomError: their sizes exceed the room; it tells of the largest of them.
    """
    total = sum(need.size for need in needs)
    if total <= room:
        return
    most = max(needs, key=lambda need: need.size)
    given = ", ".join(f"{one.key}={one.value}" for one in most.grows)
    fitting = [f"{one.key}={largest}" for one in most.grows if (largest := _largest(one, needs, room)) > 0]
    allowed = f"at most {' or '.join(fitting)}" if fitting else "smaller ones of several keys"
    raise NoRoomError(
        f"{given}: {most.what} of the stage {most.stage} take {in_bytes(most.size)}, the {where} has {in_bytes(room)}; "
        f"allowed: {allowed}"
    )


def _largest(one: Grows, needs: Sequence[Need], room: int) -> int:
    """The largest value of a key with which all fits; 0 where there is none. Bisected: sizes grow with the value."""
    fits, too_large = 0, one.value // one.step + 1
    while too_large - fits > 1:
        middle = (fits + too_large) // 2
        if sum(need.size_with(one.key, middle * one.step) for need in needs) <= room:
            fits = middle
        else:
            too_large = middle
    return fits * one.step


def in_bytes(size: int) -> str:
    """A size in the largest unit that leaves a number of 1 or more."""
    units = ("bytes", "kB", "MB", "GB", "TB", "PB")
    place = min(len(units) - 1, max(0, (len(str(size)) - 1) // 3))
    return f"{size / 1000**place:,.3g} {units[place]}" if place else f"{size} bytes"


@cache
def main_memory() -> int:
    """Bytes of memory that this process may use: of the machine, or of its container."""
    limits = [os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")]
    for path in map(Path, CGROUP_LIMITS):
        try:
            limits.append(int(path.read_text()))
        except (OSError, ValueError):  # there is none
            continue
    return min(limits)


def free_disk(folder: Path) -> int:
    """Bytes that are free where a folder is, or will be."""
    there = next(place for place in (folder.absolute(), *folder.absolute().parents) if place.exists())
    return shutil.disk_usage(there).free


def _memory_of(config: Config) -> tuple[str, int]:
    """What the models of a run are trained in."""
    if torch.cuda.is_available() and config.trainer["accelerator"] != "cpu":
        return "memory of the GPU", torch.cuda.get_device_properties(0).total_memory
    return "memory", main_memory()


def _needs(config: Config) -> Iterator[Need]:
    """Everything of some size that the stages of a run hold in memory."""
    if config.vqgan.checkpoint is None:
        yield from _vqgan(config)
    names: tuple[ModelName, ...] = ("transformer", "interpolation") if config.interpolates else ("transformer",)
    for name in names:
        if name not in config.checkpoints:
            yield from _transformer(config, name)
    yield from _videos(config)


def _vqgan(config: Config) -> Iterator[Need]:
    """Weights with their gradients, and clips with their reconstructions."""
    training, sizes = config.vqgan.training, config.vqgan.sizes
    with without_memory():
        vqgan = build_vqgan(config.vqgan.model, config.padding.halves)
        adversaries = build_adversaries(training)
    codebook = _bytes(vqgan.codebook)
    codes = (Grows("vqgan.sizes.codes", sizes.codes), Grows("vqgan.sizes.code_width", sizes.code_width))
    yield Need("vqgan", "codes", codebook, codes)
    width = Grows("vqgan.model.n_hiddens", vqgan.n_hiddens, power=2)
    yield Need("vqgan", "weights", 2 * (_bytes(vqgan) - codebook), (width,))
    if adversaries is not None:
        width = Grows("vqgan.sizes.disc_width", sizes.disc_width, power=2)
        yield Need("vqgan", "weights of the discriminators", 2 * _bytes(adversaries), (width,))
    grows = (_batch(config, "vqgan"), _resolution(config), Grows("frames", config.frames, step=vqgan.time_stride))
    yield Need("vqgan", "clips", 2 * _share(config, training) * _clip(config) * FLOAT, grows)


def _transformer(config: Config, name: ModelName) -> Iterator[Need]:
    """Weights with their gradients, and logits with theirs."""
    training: Training = getattr(config, name).training
    condition: Condition = condition_of(config)
    conditioned = (max(1, condition_codes(config, name, condition, classes=1)), condition.length)
    with without_memory():
        model: Transformer = transformer_of(config, name, *conditioned)
    width = Grows(f"{name}.model.width", model.head.in_features, step=model.heads)
    embedded = _bytes(model.tok_emb) + _bytes(model.head)
    codes = Grows("vqgan.sizes.codes", config.codebook_size)
    yield Need(name, "embeddings of the codes", 2 * embedded, (codes, width))
    layers = Grows(f"{name}.model.layers", len(model.blocks))
    squared = Grows(width.key, width.value, power=2, step=width.step)
    yield Need(name, "layers", 2 * _bytes(model.blocks), (layers, squared))
    tokens = tokens_read(model.condition_length, model.window)
    longer = Grows("sampler.key_every" if name == "interpolation" else "transformer.window", model.window[0])
    yield Need(name, "positions", 2 * FLOAT * tokens * width.value, (longer, width))
    logits = 2 * FLOAT * _share(config, training) * tokens * model.vocabulary
    yield Need(name, "logits", logits, (_batch(config, name), codes, longer))


def _videos(config: Config) -> Iterator[Need]:
    """Codes of all sampled videos, what is kept of each of their windows, and frames that are decoded side by side."""
    metrics, sampled = config.metrics, config.sampled_videos
    key = "eval_videos" if metrics.videos == config.eval_videos else "metrics.videos"
    grows = (Grows("long_frames", config.long_frames, step=config.frames), Grows(key, metrics.videos))
    _, height, width = config.latent_grid
    yield Need("samples", "codes of sampled videos", CODE * sampled * sampled_latents(config) * height * width, grows)
    kept = sampled * sampled_windows(config) * (NUMBERS + len(PIXELS)) * FLOAT
    yield Need("metrics", "what is kept of the windows of sampled videos", kept, grows)
    batch = min(metrics.batch_size, sampled)
    latents = min(config.sampling.decode_chunk, config.sampled_frames // config.vqgan.model["downsample"][0])
    frames = latents * int(config.vqgan.model["downsample"][0])
    decoded = batch * frames * COLOURS * config.resolution**2 * FLOAT
    chunk = Grows("sampling.decode_chunk", latents)
    yield Need("metrics", "decoded frames", decoded, (Grows("metrics.batch_size", batch), chunk, _resolution(config)))


def _bytes(module: nn.Module) -> int:
    return sum(value.numel() * value.element_size() for value in module.state_dict().values())


def _clip(config: Config) -> int:
    """Numbers of a clip."""
    return config.frames * COLOURS * config.resolution**2


def _share(config: Config, training: Training) -> int:
    """Items of a batch that one process has."""
    return training.batch_size // int(config.trainer["devices"])


def _batch(config: Config, name: ModelName) -> Grows:
    training: Training = getattr(config, name).training
    return Grows(f"{name}.training.batch_size", training.batch_size, step=int(config.trainer["devices"]))


def _resolution(config: Config) -> Grows:
    height = int(config.vqgan.model["downsample"][1])
    return Grows("resolution", config.resolution, power=2, step=height)
