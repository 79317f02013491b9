"""What new videos of a finished run begin with: what they are asked for as codes, and the frames that they go on from.

Axes: B videos, g given frames, H W C pixels, c condition codes, N windows.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Int64, UInt8
from torch import Tensor

from tats_exp import UserError
from tats_exp.config.build import blamed_on
from tats_exp.config.schema import check_story
from tats_exp.data.sound_file import SoundFile
from tats_exp.data.videos import Videos
from tats_exp.data.windows import Window
from tats_exp.run.left_stages import LeftStages
from tats_exp.run.run_sampler import Beginning, RunSampler
from tats_exp.sampling import Moving, OverTime, Story
from tats_exp.stages.codes import conditions_along, heard_from
from tats_exp.stages.context import RunContext
from tats_exp.stages.prompts import Prompts, chapters_of
from tats_exp.stages.samples import prompts_of
from tats_exp.stages.transformers import learned_from
from tats_exp.transformer.conditions import Prompt


@dataclass(frozen=True)
class Asked:
    """What videos are asked for, by one of the first three at most, and what they go on from.

    Attributes:
        condition: of each video, a class as a number, of which it gets the condition of a window, or a text or the name
            of a class. None: drawn as often as the training data has them, or the held-out data where the run's own
            videos are asked for captions of these.
        story: seconds and what all videos are asked for from then on.
        audio: of a run with condition=audio: a file whose sound all videos have, in place of that of videos of the
            data; where it ends, silence follows.
        given: frames that each video goes on from, of the run's resolution.

    Raises:
        UserError: more than one of the first three.
    """

    condition: Sequence[Prompt] | None = None
    story: Sequence[tuple[float | int, Prompt]] | None = None
    audio: str | Path | None = None
    given: UInt8[Tensor, "B g H W C"] | None = None

    def __post_init__(self) -> None:
        asked = {"condition": self.condition, "story": self.story, "audio": self.audio}
        if len(several := [name for name, value in asked.items() if value is not None]) > 1:
            raise UserError(f"{' and '.join(several)}: each says what videos are asked for; allowed: one of them")


AT_RANDOM = Asked()


class Beginnings:
    """Makes what videos begin with from what a run left."""

    def __init__(self, context: RunContext, left: LeftStages, device: torch.device) -> None:
        """Take the data and the condition of the run, what its stages left, and where its models are."""
        self._context, self._left, self._device = context, left, device

    def make(self, sampler: RunSampler, videos: int, frames: int | None, asked: Asked, seed: int) -> Beginning:
        """What some videos begin with; each follows from `seed`, its number and `frames` alone.

        Args:
            sampler: of the run.
            videos: how many, 1 or more.
            frames: of each, behind those given; None: no end is known.
            asked: for each of them.
            seed: of the videos.

        Raises:
            UserError: what the condition of the run cannot be asked for, classes that its data do not have, or stages
                that are no longer in the store; one line.
        """
        if videos < 1:
            raise UserError(f"videos={videos}: allowed: 1 or more")
        streams = [np.random.default_rng([seed, number]) for number in range(videos)]
        seeds = [int(stream.integers(2**62)) for stream in streams]
        start = None
        if asked.given is not None:
            if len(asked.given) != videos:
                there = f"frames of {len(asked.given)} videos for videos={videos}"
                raise UserError(f"given: {there}; allowed: of one for each")
            start = sampler.encoded(asked.given, self._device)
        told: Int64[Tensor, "B c"] | OverTime
        heard: tuple[tuple[Videos, Window], ...] = ()
        if asked.story is not None:
            told = self._told(sampler, asked.story, videos, sampler.latents(frames, start))
        elif self._context.condition.moves:
            told, heard = self._along(streams, asked.condition, asked.audio, sampler.latents(frames, start))
        elif asked.audio is not None:
            raise UserError("audio: the run was not trained with sound; allowed: condition=audio")
        else:
            told = self._conditions(streams, asked.condition)
        return Beginning(seeds, told.to(self._device), start, heard)

    @cached_property
    def _prompts(self) -> Prompts:
        """What turns prompts into condition codes."""
        for stage in self._context.condition.stages():
            self._left.whole(stage.name)
        return prompts_of(self._context)

    def _told(
        self, sampler: RunSampler, story: Sequence[tuple[float | int, Prompt]], videos: int, latents: range | None
    ) -> Story:
        """A story for so many videos of these latent frames."""
        if not sampler.sampler.tells_stories:
            raise UserError("story: the sampler takes no condition that changes; allowed: sliding, hierarchical")
        condition, stride = self._context.condition, int(self._context.config.vqgan.model["downsample"][0])
        with blamed_on("story"):
            check_story(story)
        chapters = chapters_of(story, "story", condition, self._context.train, stride)
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
        condition, held_out = self._context.condition, self._context.config.asks_held_out
        stride = int(self._context.config.vqgan.model["downsample"][0])
        if audio is not None:
            rate = self._context.train.frame_rate()
            if rate is None:
                raise UserError("audio: the data do not tell how many frames make a second")
            videos: Videos = SoundFile(audio, rate, stride * latents.stop)
            begin = [Window(0, 0)] * len(streams)
        else:
            codes = self._left.read(learned_from(self._context.config))
            places = self._windows(streams, classes, codes.to_ask_for(held_out)[0])
            videos = self._context.test if held_out else self._context.learned
            frames, before = stride * (latents.stop + latents.start), -stride * latents.start
            begin = [heard_from(videos, video, frames, before) for video in codes.videos_of(held_out)[places].tolist()]
        made = {stage.name: self._left.whole(stage.name) for stage in condition.stages()}
        moving = Moving(conditions_along(condition, videos, begin, latents, stride, made))
        return moving, tuple((videos, place) for place in begin)

    def _conditions(self, streams: list[np.random.Generator], asked: Sequence[Prompt] | None) -> Int64[Tensor, "B c"]:
        """For each video the condition of a text, or of a window, one of its class where classes are asked for."""
        config = self._context.config
        labels, conditions = self._left.read(learned_from(config)).to_ask_for(config.asks_held_out)
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
                split = "held-out" if self._context.config.asks_held_out else "training"
                raise UserError(f"condition: no {split} window has class {label}; allowed: {there}")
            places.append(int(windows[int(stream.integers(len(windows)))]))
        return places

    def _check_asked(self, streams: list[np.random.Generator], asked: Sequence[Prompt]) -> None:
        if not self._context.condition.vocabulary(1):
            raise UserError("condition: the run has none; allowed: None")
        if isinstance(asked, str):
            raise UserError(f"condition={asked!r}: allowed: a list, one for each video")
        if len(asked) != len(streams):
            raise UserError(f"condition: {len(asked)} classes for videos={len(streams)}; allowed: one for each")
