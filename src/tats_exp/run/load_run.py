"""A finished run, read back: its config, its numbers, its models, and new videos from them.

    from tats_exp import load_run
    run = load_run("runs/padding_ablation/.../padding=zero,seed=0")
    run.metrics.values["fvd/shapes_cnn/last"]
    run.sample(videos=4, frames=256, seed=1)    # (4, 256, H, W, 3) uint8

Axes: B videos, t h w latent grid, c condition codes, T H W C of the frames.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from jaxtyping import Int64, UInt8
from omegaconf import DictConfig, OmegaConf
from torch import Tensor

from tats_exp import UserError
from tats_exp.cli import one_line
from tats_exp.config.build import build
from tats_exp.config.schema import Config, validated
from tats_exp.data.windows import Window
from tats_exp.features.clip_batches import exact_float32
from tats_exp.files import Stage
from tats_exp.run.stage_record import damage
from tats_exp.run_folder import (
    CONFIG,
    CURVES,
    VIDEOS,
    Columns,
    Losses,
    Metrics,
    Status,
    read_columns,
    read_losses,
)
from tats_exp.sampling import Sampler, decode_videos
from tats_exp.stages.codes import WindowCodes, conditions_along
from tats_exp.stages.context import RunContext
from tats_exp.stages.samples import PRECISIONS
from tats_exp.stages.transformers import INTERPOLATION_STAGE, TRANSFORMER_STAGE, learned_from
from tats_exp.stages.vqgan import VQGAN_STAGE
from tats_exp.transformer.transformer import Transformer
from tats_exp.vqgan.vqgan import VQGAN

Result = TypeVar("Result")


@dataclass(frozen=True)
class LoadedRun:
    """A finished run.

    Attributes:
        folder: of the run.
        config: as it ran.
        status: how the run went.
        device: where models are put.
    """

    folder: Path
    config: Config
    status: Status
    device: torch.device

    @cached_property
    def metrics(self) -> Metrics:
        """What was measured: values, floors, notes, protocol."""
        return Metrics.read(self.folder)

    @cached_property
    def curves(self) -> Columns:
        """Column -> one number per window of the sampled videos."""
        return read_columns(self.folder / CURVES)

    @cached_property
    def losses(self) -> Losses:
        """(stage, key) -> steps and values."""
        return read_losses(self.folder)

    @property
    def videos(self) -> dict[str, Path]:
        """Name -> file: `samples`, `real` and `reconstruction`."""
        return {path.stem: path for path in sorted((self.folder / VIDEOS).glob("*.mp4"))}

    def vqgan(self) -> VQGAN:
        """The trained VQGAN with its discriminators, in eval mode.

        Raises:
            UserError: it is no longer in the store, or damaged; one line.
        """
        return self._left(VQGAN_STAGE).to(self.device)

    def transformer(self) -> Transformer:
        """The trained autoregressive transformer, in eval mode; of a hierarchy it models key frames.

        Raises:
            UserError: it is no longer in the store, or damaged; one line.
        """
        return self._left(TRANSFORMER_STAGE).to(self.device)

    def sample(
        self, videos: int, frames: int, condition: Sequence[int] | None = None, seed: int = 0
    ) -> UInt8[Tensor, "B T H W C"]:
        """Make new videos as the run does, with its sampler, on the device.

        Each video follows from `seed`, its number and `frames` alone. Nothing is given, also where the run went on from
        true frames.

        Args:
            videos: how many.
            frames: of each.
            condition: the class of each video; None: drawn as often as the training data has them.
            seed: of the videos.

        Returns:
            The videos, 0..255, on the CPU.

        Raises:
            UserError: a length that the sampler cannot make, classes that the training data do not have, or models
                that are no longer in the store; one line.
        """
        vqgan = self.vqgan()
        codes, has_margin = self.sample_codes(vqgan, videos, frames, condition, seed)
        chunk = self.config.sampling.decode_chunk
        # One at a time: rounding hangs on how many are decoded together.
        with exact_float32(self.device):
            decoded = [
                torch.cat([part.cpu() for part in decode_videos(vqgan, one[None], chunk, has_margin)], 1)
                for one in codes
            ]
        return torch.cat(decoded)[:, :frames]

    def sample_codes(
        self, vqgan: VQGAN, videos: int, frames: int, condition: Sequence[int] | None = None, seed: int = 0
    ) -> tuple[Int64[Tensor, "B t h w"], bool]:
        """The codes of `sample`.

        Args:
            vqgan: of the run; it says how many latent neighbours its decoder wants.
            videos: how many.
            frames: of each; codes are made for whole latent frames.
            condition: as for `sample`.
            seed: as for `sample`.

        Returns:
            Codes, and whether the decoder's code margin is there at both ends.
        """
        config, dtype = self.config, PRECISIONS[self.config.sampling.precision]
        sampler: Sampler = build(config.sampler, "sampler")
        if videos < 1 or frames < 1 or (frames > config.frames and not sampler.long):
            longest = "" if sampler.long else f", frames at most {config.frames}: the sampler makes one window"
            raise UserError(f"videos={videos}, frames={frames}: allowed: 1 or more{longest}")
        margin = vqgan.code_margin if sampler.long else 0
        streams = [np.random.default_rng([seed, number]) for number in range(videos)]
        seeds = [int(stream.integers(2**62)) for stream in streams]
        transformer = self.transformer().to(dtype)
        if condition is not None and not transformer.condition_codes:
            raise UserError("condition: the run has none; allowed: None")
        length = margin + -(-frames // vqgan.time_stride) + margin
        latents = range(-margin, length - margin)
        drawn = self._conditions(streams, condition, latents, vqgan.time_stride).to(self.device)
        interpolation = self._left(INTERPOLATION_STAGE).to(self.device, dtype) if config.interpolates else None
        batches = []
        with torch.inference_mode():
            for start in range(0, videos, config.sampling.batch_size):
                batch = slice(start, start + config.sampling.batch_size)
                batches.append(
                    sampler(
                        transformer,
                        drawn[batch],
                        length,
                        seeds[batch],
                        interpolation=interpolation,
                        gaps_at_once=config.sampling.gaps_at_once,
                    )
                )
        return torch.cat(batches), margin > 0

    def _conditions(
        self, streams: list[np.random.Generator], classes: Sequence[int] | None, latents: range, time_stride: int
    ) -> Int64[Tensor, "B *windows c"]:
        """For each video the condition of a training window, one of its class where classes are asked for.

        One that moves is that of the whole video that the window is of, from its beginning.
        """
        learned = self._left(learned_from(self.config))
        places = self._places(learned, streams, classes)
        run = RunContext(self.config)
        if not run.condition.moves:
            return learned.train_condition[places]
        begin = [Window(video, 0) for video in learned.train_videos[places].tolist()]
        made = {stage.name: self._whole(stage) for stage in run.condition.stages()}
        return conditions_along(run.condition, run.learned, begin, latents, time_stride, made)

    def _places(
        self, learned: WindowCodes, streams: list[np.random.Generator], classes: Sequence[int] | None
    ) -> list[int]:
        """For each video a training window, one of its class where classes are asked for."""
        if classes is None:
            return [int(stream.integers(len(learned.train_labels))) for stream in streams]
        if len(classes) != len(streams):
            raise UserError(f"condition: {len(classes)} classes for videos={len(streams)}; allowed: one for each")
        places = []
        for stream, label in zip(streams, classes, strict=True):
            windows = (learned.train_labels == label).nonzero()[:, 0]
            if not len(windows):
                there = ", ".join(str(known) for known in learned.train_labels.unique().tolist())
                raise UserError(f"condition: no training window has class {label}; allowed: {there}")
            places.append(int(windows[int(stream.integers(len(windows)))]))
        return places

    def _left(self, stage: Stage[Any, Result]) -> Result:
        """What a stage of the run left in the store."""
        return stage.read(self.config, self._whole(stage))

    def _whole(self, stage: Stage[Any, Any]) -> Path:
        """Its folder, which is there and not damaged."""
        root, key = Path(self.config.store.root), self.status.stages.get(stage.name, "")
        folder = root / stage.name / key
        if not key or not folder.is_dir():
            missing = f"store.root={root}: the {stage.name} of {self.folder} is not there ({stage.name}/{key})"
            raise UserError(f"{missing}; read the run where it ran, or start its command again")
        if (line := damage(folder)) is not None:
            raise UserError(f"{line}; start the command of the run again, which makes the {stage.name} again")
        return folder


def load_run(folder: str | Path, device: str = "cpu") -> LoadedRun:
    """Read a finished run.

    Args:
        folder: of the run: the one that holds config.yaml and status.json.
        device: where its models are put, such as "cuda".

    Raises:
        UserError: there is no run, it did not finish, what it left is damaged, or another version wrote it, whose
            commit is named; one line.
    """
    folder = Path(folder)
    if not (folder / CONFIG).is_file() or not (folder / Status.FILE).is_file():
        raise UserError(f"{folder}: no run folder, there is no {CONFIG} with a {Status.FILE} in it")
    status = Status.read(folder)
    if status.state != "finished":
        reason = f": {status.error}" if status.error else ""
        raise UserError(f"{folder}: the run is {status.state}, not finished{reason}")
    try:
        status.require_whole(folder)
    except UserError as error:
        raise UserError(f"{folder}: {error}") from None
    try:
        cfg = OmegaConf.load(folder / CONFIG)
    except Exception as error:  # whatever YAML raises over what is none
        raise UserError(f"{folder}: {CONFIG} cannot be read: {one_line(error)}") from error
    if not isinstance(cfg, DictConfig):
        raise UserError(f"{folder}: {CONFIG} holds no config")
    try:
        config = validated(cfg, Config)
    except UserError as error:
        writer = f"; written by {status.writer}" if status.writer else ""
        raise UserError(f"{folder}: its {CONFIG} does not fit this version: {error}{writer}") from error
    return LoadedRun(folder, config, status, torch.device(device))
