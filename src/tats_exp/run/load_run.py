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
from tats_exp.config.build import blamed_on
from tats_exp.config.check import check_targets
from tats_exp.config.schema import Config, check_story, validated
from tats_exp.data.sound_file import SoundFile
from tats_exp.data.videos import Videos
from tats_exp.data.windows import Window
from tats_exp.features.clip_batches import exact_float32
from tats_exp.files import Stage
from tats_exp.run.run_sampler import Beginning, RunSampler
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
from tats_exp.sampling import Moving, OverTime, Story, decode_videos
from tats_exp.stages.codes import conditions_along, heard_from
from tats_exp.stages.context import Left, RunContext
from tats_exp.stages.prompts import Prompts, chapters_of
from tats_exp.stages.samples import PRECISIONS, prompts_of
from tats_exp.stages.transformers import INTERPOLATION_STAGE, TRANSFORMER_STAGE, learned_from
from tats_exp.stages.vqgan import VQGAN_STAGE
from tats_exp.transformer.conditions import Prompt
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
        return self._left(VQGAN_STAGE).to(self.device)

    def transformer(self) -> Transformer:
        """The trained autoregressive transformer, in eval mode; of a hierarchy it models key frames.

        Raises:
            UserError: it is no longer in the store, or damaged; one line.
        """
        return self._left(TRANSFORMER_STAGE).to(self.device)

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
        codes, has_margin = self.sample_codes(
            vqgan, videos, frames, condition, seed, given=given, story=story, audio=audio
        )
        chunk, known = self.config.sampling.decode_chunk, 0 if given is None else given.shape[1]
        # One at a time: rounding hangs on how many are decoded together.
        with exact_float32(self.device):
            decoded = [
                torch.cat([part.cpu() for part in decode_videos(vqgan, one[None], chunk, has_margin)], 1)
                for one in codes
            ]
        return torch.cat(decoded)[:, : known + frames]

    def sample_codes(
        self,
        vqgan: VQGAN,
        videos: int,
        frames: int,
        condition: Sequence[Prompt] | None = None,
        seed: int = 0,
        *,
        given: UInt8[Tensor, "B g H W C"] | None = None,
        story: Sequence[tuple[float | int, Prompt]] | None = None,
        audio: str | Path | None = None,
    ) -> tuple[Int64[Tensor, "B t h w"], bool]:
        """The codes of `sample`.

        Args:
            vqgan: of the run; it says how many latent neighbours its decoder wants.
            videos: how many.
            frames: of each; codes are made for whole latent frames.
            condition: as for `sample`.
            seed: as for `sample`.
            given: as for `sample`.
            story: as for `sample`.
            audio: as for `sample`.

        Returns:
            Codes, and whether the decoder's code margin is there at both ends.
        """
        sampler = self.sampler(vqgan)
        sampler.check(frames)
        beginning = self.beginning(sampler, videos, frames, condition, seed, given=given, story=story, audio=audio)
        size = self.config.sampling.batch_size
        batches = [beginning[start : start + size] for start in range(0, videos, size)]
        return torch.cat([torch.cat(list(sampler.stream(one, frames)), 1) for one in batches]), sampler.margin > 0

    def sampler(self, vqgan: VQGAN) -> RunSampler:
        """What samples as the run does, with its models on the device."""
        config, dtype = self._checked, PRECISIONS[self.config.sampling.precision]
        transformer = self.transformer().to(dtype)
        interpolation = self._left(INTERPOLATION_STAGE).to(self.device, dtype) if config.interpolates else None
        return RunSampler(config, vqgan, transformer, interpolation)

    def beginning(
        self,
        sampler: RunSampler,
        videos: int,
        frames: int | None,
        condition: Sequence[Prompt] | None = None,
        seed: int = 0,
        *,
        given: UInt8[Tensor, "B g H W C"] | None = None,
        story: Sequence[tuple[float | int, Prompt]] | None = None,
        audio: str | Path | None = None,
    ) -> Beginning:
        """What `sample` begins with; arguments and errors as there."""
        if videos < 1:
            raise UserError(f"videos={videos}: allowed: 1 or more")
        streams = [np.random.default_rng([seed, number]) for number in range(videos)]
        seeds = [int(stream.integers(2**62)) for stream in streams]
        asked = {"condition": condition, "story": story, "audio": audio}
        if len(several := [name for name, value in asked.items() if value is not None]) > 1:
            raise UserError(f"{' and '.join(several)}: each says what videos are asked for; allowed: one of them")
        start = None
        if given is not None:
            if len(given) != videos:
                raise UserError(f"given: frames of {len(given)} videos for videos={videos}; allowed: of one for each")
            start = sampler.encoded(given, self.device)
        told: Int64[Tensor, "B c"] | OverTime
        heard: tuple[tuple[Videos, Window], ...] = ()
        if story is not None:
            told = self._told(sampler, story, videos, sampler.latents(frames, start))
        elif self.context.condition.moves:
            told, heard = self._along(streams, condition, audio, sampler.latents(frames, start))
        elif audio is not None:
            raise UserError("audio: the run was not trained with sound; allowed: condition=audio")
        else:
            told = self._conditions(streams, condition)
        return Beginning(seeds, told.to(self.device), start, heard)

    @cached_property
    def context(self) -> RunContext:
        """The data and the condition of the run, made when first asked for."""
        stages = self.status.stages.items()
        return RunContext(self._checked, {name: Left(key, self._folder(name)) for name, key in stages})

    @cached_property
    def _prompts(self) -> Prompts:
        """What turns prompts into condition codes."""
        for stage in self.context.condition.stages():
            self._whole(stage.name)
        return prompts_of(self.context)

    def _told(
        self, sampler: RunSampler, story: Sequence[tuple[float | int, Prompt]], videos: int, latents: range | None
    ) -> Story:
        """A story for so many videos of these latent frames."""
        if not sampler.sampler.tells_stories:
            raise UserError("story: the sampler takes no condition that changes; allowed: sliding, hierarchical")
        condition, stride = self.context.condition, int(self.config.vqgan.model["downsample"][0])
        with blamed_on("story"):
            check_story(story)
        chapters = chapters_of(story, "story", condition, self.context.train, stride)
        if latents is not None and chapters[-1][0] >= latents.stop:
            raise UserError(f"story: {story[-1][0]:g} s is behind the end of the video; leave it out")
        return self._prompts.story(chapters, videos)

    def _along(
        self,
        streams: list[np.random.Generator],
        classes: Sequence[Prompt] | None,
        audio: str | Path | None,
        latents: range | None,
    ) -> tuple[Moving, tuple[tuple[Videos, Window], ...]]:
        """For each video a condition that moves along with it, and whose that is: of a file, or of a video."""
        if latents is None:
            raise UserError("frames=inf: the sound of a video has an end; allowed: a number")
        condition, held_out = self.context.condition, self.config.asks_held_out
        stride = int(self.config.vqgan.model["downsample"][0])
        if audio is not None:
            rate = self.context.train.frame_rate()
            if rate is None:
                raise UserError("audio: the data do not tell how many frames make a second")
            videos: Videos = SoundFile(audio, rate, stride * latents.stop)
            begin = [Window(0, 0)] * len(streams)
        else:
            codes = self._left(learned_from(self.config))
            places = self._windows(streams, classes, codes.to_ask_for(held_out)[0])
            videos = self.context.test if held_out else self.context.learned
            frames, before = stride * (latents.stop + latents.start), -stride * latents.start
            begin = [heard_from(videos, video, frames, before) for video in codes.videos_of(held_out)[places].tolist()]
        made = {stage.name: self._whole(stage.name) for stage in condition.stages()}
        moving = Moving(conditions_along(condition, videos, begin, latents, stride, made))
        return moving, tuple((videos, place) for place in begin)

    def _conditions(self, streams: list[np.random.Generator], asked: Sequence[Prompt] | None) -> Int64[Tensor, "B c"]:
        """For each video the condition of a text, or of a window, one of its class where classes are asked for."""
        labels, conditions = self._left(learned_from(self.config)).to_ask_for(self.config.asks_held_out)
        if asked is None or not any(isinstance(one, str) for one in asked):
            return conditions[self._windows(streams, asked, labels)]
        self._check_asked(streams, asked)
        rows = []
        for stream, one in zip(streams, asked, strict=True):
            if isinstance(one, str):
                with blamed_on("condition", kinds=UserError):
                    rows.append(self._prompts.codes(one))
            else:
                rows.append(conditions[self._windows([stream], [one], labels)[0]])
        return torch.stack(rows)

    def _windows(
        self, streams: list[np.random.Generator], classes: Sequence[Prompt] | None, labels: Int64[Tensor, " N"]
    ) -> list[int]:
        """For each video a window, one of its class where classes are asked for."""
        if classes is None:
            return [int(stream.integers(len(labels))) for stream in streams]
        self._check_asked(streams, classes)
        places = []
        for stream, label in zip(streams, classes, strict=True):
            windows = (labels == label).nonzero()[:, 0] if isinstance(label, int) else labels[:0]
            if not len(windows):
                there = ", ".join(str(known) for known in labels.unique().tolist())
                split = "held-out" if self.config.asks_held_out else "training"
                raise UserError(f"condition: no {split} window has class {label}; allowed: {there}")
            places.append(int(windows[int(stream.integers(len(windows)))]))
        return places

    def _check_asked(self, streams: list[np.random.Generator], asked: Sequence[Prompt]) -> None:
        if not self.context.condition.vocabulary(1):
            raise UserError("condition: the run has none; allowed: None")
        if isinstance(asked, str):
            raise UserError(f"condition={asked!r}: allowed: a list, one for each video")
        if len(asked) != len(streams):
            raise UserError(f"condition: {len(asked)} classes for videos={len(streams)}; allowed: one for each")

    def _left(self, stage: Stage[Any, Result]) -> Result:
        """What a stage of the run left in the store."""
        return stage.read(self._checked, self._whole(stage.name))

    def _whole(self, stage: str) -> Path:
        """Where the store has what a stage of the run left, undamaged."""
        key, folder = self.status.stages.get(stage, ""), self._folder(stage)
        again = f"start its command again, with store.redo=[{stage}]"
        if not key or not folder.is_dir():
            root, place = self.config.store.root, f"{stage}/{key}"
            missing = f"store.root={root}: the {stage} of {self.folder} is not there ({place})"
            raise UserError(f"{missing}; read the run where it ran, or {again}")
        if (line := damage(folder)) is not None:
            raise UserError(f"{line}; {again}")
        return folder

    def _folder(self, stage: str) -> Path:
        return Path(self.config.store.root) / stage / self.status.stages.get(stage, "")


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
