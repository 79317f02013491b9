"""What users ask for, by the names of texts and classes: as condition codes, and as a story over the time of a video.

Axes: B videos, c condition codes.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from einops import repeat
from jaxtyping import Int64
from torch import Tensor

from tats_exp import UserError
from tats_exp.config.build import blamed_on
from tats_exp.config.schema import Config
from tats_exp.data.videos import Videos
from tats_exp.sampling.story import Story
from tats_exp.transformer.conditions import Condition, Prompt, asked_for

Chapters = tuple[tuple[int, Prompt], ...]
"""From which latent frame on a prompt holds; 0 first."""


@dataclass(frozen=True)
class Prompts:
    """Turns prompts into condition codes.

    Attributes:
        condition: of the run.
        classes: of its data.
        made: folders of the stages that the condition has of its own, by their names.
    """

    condition: Condition
    classes: Sequence[str]
    made: Mapping[str, Path]

    def codes(self, prompt: Prompt) -> Int64[Tensor, " c"]:
        """Condition codes of a prompt.

        Raises:
            UserError: the condition cannot be asked for it.
        """
        return asked_for(self.condition, prompt, self.classes).prompt_codes(prompt, self.classes, self.made)

    def words(self, codes: Int64[Tensor, "B c"]) -> tuple[str, ...]:
        """What videos are asked for, for people; empty where the condition has no words for it."""
        words = tuple(self.condition.words(row, self.classes, self.made) for row in codes)
        return words if any(words) else ()

    def shown(self, prompt: Prompt) -> str:
        """A prompt for people: of a class its name."""
        return self.classes[prompt] if isinstance(prompt, int) else prompt

    def story(self, chapters: Chapters, videos: int) -> Story:
        """The same story for several videos."""
        codes = (repeat(self.codes(prompt), "c -> B c", B=videos) for _, prompt in chapters)
        return Story(tuple(start for start, _ in chapters), tuple(codes))


def sampled_chapters(config: Config, condition: Condition, videos: Videos) -> Chapters:
    """The story that the samples of a run are told; nothing where they are told none. As `chapters_of`."""
    stride = int(config.vqgan.model["downsample"][0])
    return chapters_of(config.sampling.story or (), "sampling.story", condition, videos, stride)


def chapters_of(
    story: Sequence[tuple[float | int, Prompt]], key: str, condition: Condition, videos: Videos, stride: int
) -> Chapters:
    """Which latent frames the prompts of a story hold from: the first that begins at their second or later.

    Args:
        story: seconds and prompts, in order, from 0 on.
        key: of the config, which errors name.
        condition: that is asked.
        videos: of the data, which have the classes and the frame rate.
        stride: frames of a latent frame.

    Raises:
        UserError: a prompt that the condition cannot be asked for, two within one latent frame, or data that do not
            tell their frame rate.
    """
    for _, prompt in story:
        with blamed_on(key):
            asked_for(condition, prompt, videos.label_names)
    rate = videos.frame_rate() if len(story) > 1 else 1.0
    if rate is None:
        raise UserError(f"{key}: the data do not tell how many frames make a second (data.fps of data=frame_folders)")
    starts = [math.ceil(second * rate / stride - 1e-6) for second, _ in story]
    for number in range(1, len(starts)):
        if starts[number] <= starts[number - 1]:
            line = f"{key}: {story[number - 1][0]} s and {story[number][0]} s begin in the same latent frame"
            raise UserError(f"{line}, which lasts {stride / rate:.3g} s; allowed: further apart")
    return tuple((start, prompt) for start, (_, prompt) in zip(starts, story, strict=True))
