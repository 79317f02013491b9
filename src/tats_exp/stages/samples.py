"""The samples stage: the codes of the videos that are measured, a batch of videos at a time, each kept when it is made.

Axes: N videos, t h w latent grid, g given latent frames.
"""

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from hydra.utils import instantiate
from jaxtyping import Int64
from torch import Tensor

from tats_exp import UserError
from tats_exp.columns import Column
from tats_exp.files import load_tensors, save_tensors, write_json
from tats_exp.sampling.sampler import Progress, Sampler
from tats_exp.stages.parts import Parts
from tats_exp.stages.stages import CODES

SAMPLES = "samples.safetensors"
TOLD = "samples.json"
SPEED = "speed/seconds_per_1024_frames"
# Runs share a machine with one another: their times are shown, never compared.
SPEED_COLUMN = Column(
    SPEED,
    ("sampling, s", "1,024 frames"),
    "Wall seconds of the sampler for 1,024 frames, videos side by side; decoding not included.",
    unit="s",
    phrase="sampling time",
    in_table=True,
)


@dataclass(frozen=True)
class Samples:
    """What the stage left.

    Attributes:
        codes: of whole videos, with the code margin at both ends where there is one, and what was given.
        labels: the class that each video was asked for, or that of the video it goes on from.
        has_margin: whether the code margin is there.
        given: g, latent frames behind the margin that were not sampled.
        first_anchor: which latent frame behind those given is the first anchor; None without key frames.
    """

    codes: Int64[Tensor, "N t h w"]
    labels: Int64[Tensor, " N"]
    has_margin: bool
    given: int
    first_anchor: int | None

    def first(self, count: int) -> "Samples":
        """The same for the first `count` videos."""
        return Samples(self.codes[:count], self.labels[:count], self.has_margin, self.given, self.first_anchor)


def make_samples(parts: Parts, folder: Path, found: Mapping[str, Path]) -> None:
    """Sample the codes of the videos that are measured.

    A decoder that wants true latent neighbours gets `code_margin` more latent frames at both ends where the sampler
    can make them; before frames that were given the first of them is repeated.

    Args:
        parts: of the run.
        folder: gets the codes and what is told about them, and on the way a file for every batch, so that what was
            sampled before the stage was stopped is not sampled again.
        found: folders of earlier stages by name.

    Raises:
        UserError: fewer held-out windows than videos that are to go on from one.
    """
    if not (folder / TOLD).exists():
        _sample(parts, folder, found)
    for path in folder.glob(_part(folder, "*").name):
        path.unlink()


def _sample(parts: Parts, folder: Path, found: Mapping[str, Path]) -> None:
    config, stride = parts.config, int(parts.config.vqgan.model["downsample"][0])
    precision = {"fp32": torch.float32, "bf16": torch.bfloat16}[config.sampling.precision]
    transformer = parts.transformer(found["transformer"]).to(precision)
    sampler: Sampler = instantiate(config.sampler, _convert_="all")
    margin = parts.vqgan(found["vqgan"]).code_margin if sampler.long else 0
    interpolation = parts.interpolation(found["interpolation"]).to(precision) if config.interpolates else None
    seeds, labels, given = _beginnings(parts, found)
    condition = parts.condition.codes(labels).to(parts.device)
    known = config.given_latents
    length = (known or margin) + config.sampled_frames // stride + margin

    def sample(batch: slice, progress: Progress) -> Int64[Tensor, "B t h w"]:
        beginning = None if given is None else given[batch].to(parts.device)
        return sampler(
            transformer,
            condition[batch],
            length,
            seeds[batch],
            progress,
            beginning,
            interpolation=interpolation,
            gaps_at_once=config.sampling.gaps_at_once,
        )

    codes, seconds = _in_batches(parts, folder, sample)
    if known:
        codes = torch.cat([codes[:, :1].expand(-1, margin, -1, -1), codes], dim=1)
    save_tensors(folder / SAMPLES, {"codes": codes, "labels": labels})
    told = {"code_margin": margin, "given": known, "first_anchor": None}
    if config.interpolates:
        told["first_anchor"] = -(known or margin) % config.key_every
    write_json(folder / TOLD, {**told, SPEED: 1024 * seconds / (config.sampled_videos * (length - known) * stride)})


def _beginnings(
    parts: Parts, found: Mapping[str, Path]
) -> tuple[list[int], Int64[Tensor, " N"], Int64[Tensor, "N g h w"] | None]:
    """What each video starts from: a random stream of its own, a label, and frames of a held-out window if asked.

    Labels are drawn as often as the training data has them; a video that goes on from a window has the window's.
    """
    config = parts.config
    rng = np.random.default_rng([config.seed, 1])
    seeds = rng.integers(2**62, size=config.sampled_videos).tolist()
    if not config.given_latents:
        train_labels = load_tensors(found[config.learned_from] / CODES)["train_labels"]
        return seeds, torch.from_numpy(rng.choice(train_labels.numpy(), config.sampled_videos)), None
    windows = load_tensors(found["codes"] / CODES)
    count = len(windows["held_out"])
    if count < config.sampled_videos:
        told = f"sampling.given_frames={config.sampling.given_frames}: the test split has {count} windows"
        raise UserError(f"{told}; allowed: one for each of the {config.sampled_videos} sampled videos")
    mine = slice(config.sampled_videos)
    return seeds, windows["held_out_labels"][mine], windows["held_out"][mine, : config.given_latents]


def _in_batches(
    parts: Parts, folder: Path, sample: Callable[[slice, Progress], Int64[Tensor, "B t h w"]]
) -> tuple[Int64[Tensor, "N t h w"], float]:
    """Codes of all videos, those that a stopped attempt left included, and the seconds that sampling them took.

    The batch size may be another than that of the stopped attempt: a video does not depend on it.
    """
    total, size = parts.config.sampled_videos, parts.config.sampling.batch_size
    codes: list[Tensor] = []
    seconds, start = 0.0, 0
    while start < total:
        path = _part(folder, start)
        if not path.exists():
            batch = slice(start, min(start + size, total))

            def advance(made: int, wanted: int, batch: slice = batch) -> None:
                parts.progress("samples", batch.start + (batch.stop - batch.start) * made // wanted, total)

            begun = time.perf_counter()
            with torch.inference_mode():
                made = sample(batch, advance).cpu()
            taken = torch.tensor(time.perf_counter() - begun, dtype=torch.float64)
            save_tensors(path, {"codes": made, "seconds": taken})
        part = load_tensors(path)
        codes.append(part["codes"])
        seconds += float(part["seconds"])
        start += len(part["codes"])
    return torch.cat(codes), seconds


def _part(folder: Path, start: int | str) -> Path:
    """File of the batch that begins with video `start`."""
    return folder / f"part_{start}.safetensors"


def read_samples(folder: Path) -> Samples:
    """What the stage left in `folder`."""
    told, tensors = json.loads((folder / TOLD).read_text()), load_tensors(folder / SAMPLES)
    return Samples(tensors["codes"], tensors["labels"], bool(told["code_margin"]), told["given"], told["first_anchor"])


def sampling_speed(folder: Path) -> dict[str, float]:
    """Wall seconds of the sampler for 1,024 frames, videos side by side as they were sampled; codes, not decoding."""
    return {SPEED: json.loads((folder / TOLD).read_text())[SPEED]}
