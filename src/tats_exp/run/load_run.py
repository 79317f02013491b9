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

import torch
from jaxtyping import Int64, UInt8
from omegaconf import DictConfig, OmegaConf
from torch import Tensor

from tats_exp import UserError
from tats_exp.cli import one_line
from tats_exp.config.check import check_targets
from tats_exp.config.schema import Config, validated
from tats_exp.features.clip_batches import exact_float32
from tats_exp.run.beginnings import AT_RANDOM, Asked, Beginnings
from tats_exp.run.left_stages import LeftStages
from tats_exp.run.run_sampler import Beginning, RunSampler
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
from tats_exp.sampling import decode_videos
from tats_exp.stages.context import Left, RunContext
from tats_exp.stages.samples import PRECISIONS
from tats_exp.stages.transformers import INTERPOLATION_STAGE, TRANSFORMER_STAGE
from tats_exp.stages.vqgan import VQGAN_STAGE
from tats_exp.transformer.conditions import Prompt
from tats_exp.transformer.transformer import Transformer
from tats_exp.vqgan.vqgan import VQGAN


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
    def _checked(self) -> Config:
        """The config, once every class that it names is known to be of its place's kind: a run folder is data.

        Numbers can be read without it, where a class of the user is not at hand.
        """
        try:
            check_targets(self.config)
        except UserError as error:
            raise UserError(f"{self.folder}: its {CONFIG}: {error}") from error
        return self.config

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
        return self._left.read(VQGAN_STAGE).to(self.device)

    def transformer(self) -> Transformer:
        """The trained autoregressive transformer, in eval mode; of a hierarchy it models key frames.

        Raises:
            UserError: it is no longer in the store, or damaged; one line.
        """
        return self._left.read(TRANSFORMER_STAGE).to(self.device)

    def sample(
        self,
        videos: int,
        frames: int,
        condition: Sequence[Prompt] | None = None,
        seed: int = 0,
        *,
        given: UInt8[Tensor, "B g H W C"] | None = None,
        story: Sequence[tuple[float | int, Prompt]] | None = None,
        audio: str | Path | None = None,
    ) -> UInt8[Tensor, "B T H W C"]:
        """Make new videos as the run does, with its sampler, on the device.

        Each video follows from `seed`, its number and `frames` alone. Nothing is given unless it is said, also where
        the run went on from true frames.

        Args:
            videos: how many.
            frames: of each, behind those given.
            condition: what each video is asked for: a class as a number, of which it gets the condition of a window, or
                a text or the name of a class. None: drawn as often as the training data has them, or the held-out data
                where the run's own videos are asked for captions of these.
            seed: of the videos.
            given: frames that each video goes on from, of the run's resolution; the videos begin with them, rebuilt.
            story: seconds and what all videos are asked for from then on, in place of `condition`.
            audio: of a run with condition=audio: a file whose sound all videos have, in place of that of videos of the
                data; where it ends, silence follows.

        Returns:
            The videos, 0..255, on the CPU.

        Raises:
            UserError: a length that the sampler cannot make, what the condition of the run cannot be asked for, classes
                that these data do not have, or models that are no longer in the store; one line.
        """
        vqgan = self.vqgan()
        asked = Asked(condition, story, audio, given)
        codes, has_margin = self.sample_codes(vqgan, videos, frames, asked, seed)
        chunk, known = self.config.sampling.decode_chunk, 0 if given is None else given.shape[1]
        # One at a time: rounding hangs on how many are decoded together.
        with exact_float32(self.device):
            decoded = [
                torch.cat([part.cpu() for part in decode_videos(vqgan, one[None], chunk, has_margin)], 1)
                for one in codes
            ]
        return torch.cat(decoded)[:, : known + frames]

    def sample_codes(
        self, vqgan: VQGAN, videos: int, frames: int, asked: Asked = AT_RANDOM, seed: int = 0
    ) -> tuple[Int64[Tensor, "B t h w"], bool]:
        """The codes of `sample`, with errors as there.

        Args:
            vqgan: of the run; it says how many latent neighbours its decoder wants.
            videos: how many.
            frames: of each; codes are made for whole latent frames.
            asked: what they are asked for and go on from.
            seed: of the videos.

        Returns:
            Codes, and whether the decoder's code margin is there at both ends.
        """
        sampler = self.sampler(vqgan)
        sampler.check(frames)
        beginning = self.beginning(sampler, videos, frames, asked, seed)
        size = self.config.sampling.batch_size
        batches = [beginning[start : start + size] for start in range(0, videos, size)]
        return torch.cat([torch.cat(list(sampler.stream(one, frames)), 1) for one in batches]), sampler.margin > 0

    def sampler(self, vqgan: VQGAN) -> RunSampler:
        """What samples as the run does, with its models on the device."""
        config, dtype = self._checked, PRECISIONS[self.config.sampling.precision]
        transformer = self.transformer().to(dtype)
        interpolation = self._left.read(INTERPOLATION_STAGE).to(self.device, dtype) if config.interpolates else None
        return RunSampler(config, vqgan, transformer, interpolation)

    def beginning(
        self, sampler: RunSampler, videos: int, frames: int | None, asked: Asked = AT_RANDOM, seed: int = 0
    ) -> Beginning:
        """What videos begin with; arguments and errors as for `Beginnings.make`."""
        return self._beginnings.make(sampler, videos, frames, asked, seed)

    @cached_property
    def _left(self) -> LeftStages:
        return LeftStages(self.folder, self._checked, self.status)

    @cached_property
    def _beginnings(self) -> Beginnings:
        return Beginnings(self.context, self._left, self.device)

    @cached_property
    def context(self) -> RunContext:
        """The data and the condition of the run, made when first asked for."""
        stages = self.status.stages.items()
        return RunContext(self._checked, {name: Left(key, self._left.folder(name)) for name, key in stages})


def _only_run(folder: Path) -> Path:
    """The folder itself if a run lies in it, else that of the one run right below it."""
    if _holds_run(folder):
        return folder
    below = [place for place in sorted(folder.glob("*")) if _holds_run(place)]
    if not below:
        raise UserError(f"{folder}: no run folder, there is no {CONFIG} with a {Status.FILE} in it")
    if len(below) > 1:
        names = ", ".join(place.name for place in below[:6]) + (", ..." if len(below) > 6 else "")
        raise UserError(f"{folder}: {len(below)} runs lie in it; name one of them: {names}")
    return below[0]


def _holds_run(folder: Path) -> bool:
    return (folder / CONFIG).is_file() and (folder / Status.FILE).is_file()


def load_run(folder: str | Path, device: str = "cpu") -> LoadedRun:
    """Read a finished run.

    Args:
        folder: of the run, which holds config.yaml and status.json; or the one around it, if that holds no other run.
        device: where its models are put, such as "cuda".

    Raises:
        UserError: there is no run, it did not finish, what it left is damaged, or another version wrote it, whose
            commit is named; one line.
    """
    folder = _only_run(Path(folder))
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
