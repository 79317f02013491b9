"""What a transformer is conditioned on: the codes that precede those of a window.

Axes: N windows, c condition codes.
"""

import difflib
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Int64
from torch import Tensor

from tats_exp import UserError
from tats_exp.data.videos import Videos
from tats_exp.data.windows import Window
from tats_exp.files import Stage

Prompt = str | int
"""What a user asks for: a text, or the name or number of a class."""
LISTED = 8
"""Classes that one line lists; of more it says how many there are."""


class Condition(ABC):
    """What the group `condition` makes. The codes of windows are stored with their video codes, and read from there.

    Attributes:
        length: c, codes of one condition.
        takes_text: whether what it is asked for is a text.
        asks_for_class: whether a video is asked for the class of the window whose condition it has.
        drop: with what probability a condition is dropped in training, unless `condition_drop` of a transformer says
            otherwise; above 0 videos can be sampled with guidance.
        asks_held_out: whether sampled videos are asked for conditions of held-out windows, which no model learned; else
            for those of training windows.
        moves: whether it moves along with the window, as sound does: then each part of a window that is modelled as a
            window of its own, a gap between key frames say, has that of its own time, and so has each window of a
            sampled video.
        unasked: what is told whoever asks for something; of a `Prompted` it is not.
    """

    length: int
    drop: float = 0.0
    asks_for_class: bool = False
    takes_text: bool = False
    asks_held_out: bool = False
    moves: bool = False
    unasked: str = "the run has no condition that can be asked for; allowed: label, text"

    def for_windows(self, latents: int, time_stride: int) -> "Condition":
        """The condition of windows of some length; itself unless that changes its codes.

        Args:
            latents: latent frames from the first to the last of a window that the transformers learn.
            time_stride: clip frames of a latent frame.
        """
        return self

    def stages(self) -> tuple[Stage[Any, Any], ...]:
        """Stages of its own, a tokenizer say, that are walked before any window is encoded; none unless it says so."""
        return ()

    @abstractmethod
    def vocabulary(self, classes: int) -> int:
        """C, the number of condition codes; 0 for none of its own.

        Args:
            classes: of the data.
        """

    @abstractmethod
    def codes(self, videos: Videos, windows: Sequence[Window], made: Mapping[str, Path]) -> Int64[Tensor, "N c"]:
        """Condition codes of windows, 0..C-1.

        Args:
            videos: where the windows lie.
            windows: the places.
            made: folders of its own stages by their names.
        """

    def check_videos(self, videos: Videos) -> None:
        """Refuse videos that have not what it is taken from, as far as a look tells; none unless it says otherwise.

        Args:
            videos: of a split.

        Raises:
            UserError: in one line, what is missing.
        """
        return  # what a condition needs that says nothing is there

    def words(self, codes: Int64[Tensor, " c"], classes: Sequence[str], made: Mapping[str, Path]) -> str:
        """What condition codes ask for, for people; nothing unless it says otherwise.

        Args:
            codes: of one video, 0..C-1.
            classes: names of the classes of the data.
            made: folders of its own stages by their names.
        """
        return ""


class Prompted(Condition):
    """A condition that users can ask for, by a text or a class."""

    @abstractmethod
    def check_prompt(self, prompt: Prompt, classes: Sequence[str]) -> None:
        """Refuse what it cannot be asked for.

        Args:
            prompt: what a user asks for.
            classes: names of the classes of the data.

        Raises:
            UserError: in one line, what was given and what is allowed.
        """

    @abstractmethod
    def prompt_codes(self, prompt: Prompt, classes: Sequence[str], made: Mapping[str, Path]) -> Int64[Tensor, " c"]:
        """Condition codes of a prompt, 0..C-1.

        Args:
            prompt: that `check_prompt` accepts.
            classes: names of the classes of the data.
            made: folders of its own stages by their names.
        """


def asked_for(condition: Condition, prompt: Prompt, classes: Sequence[str]) -> Prompted:
    """The condition, if it can be asked for a prompt.

    Raises:
        UserError: it cannot; in one line, what was given and what is allowed.
    """
    if not isinstance(condition, Prompted):
        raise UserError(f"{prompt!r}: {condition.unasked}")
    condition.check_prompt(prompt, classes)
    return condition


class Unconditional(Condition):
    """No condition: one start code 0, which belongs to no vocabulary of its own (the official way)."""

    length = 1

    def vocabulary(self, classes: int) -> int:
        """C = 0."""
        return 0

    def codes(self, videos: Videos, windows: Sequence[Window], made: Mapping[str, Path]) -> Int64[Tensor, "N c"]:
        """Zeros (N, 1)."""
        return torch.zeros(len(windows), 1, dtype=torch.int64)


class Label(Prompted):
    """The class of the video as one code."""

    length = 1
    asks_for_class = True

    def vocabulary(self, classes: int) -> int:
        """C: the classes."""
        return classes

    def codes(self, videos: Videos, windows: Sequence[Window], made: Mapping[str, Path]) -> Int64[Tensor, "N c"]:
        """Indices of the classes (N, 1)."""
        return torch.tensor([[videos.labels[window.video]] for window in windows])

    def check_prompt(self, prompt: Prompt, classes: Sequence[str]) -> None:
        """Refuse what is no class."""
        class_of(prompt, classes)

    def prompt_codes(self, prompt: Prompt, classes: Sequence[str], made: Mapping[str, Path]) -> Int64[Tensor, " c"]:
        """Index of the class (1,)."""
        return torch.tensor([class_of(prompt, classes)])

    def words(self, codes: Int64[Tensor, " c"], classes: Sequence[str], made: Mapping[str, Path]) -> str:
        """Name of the class."""
        return classes[int(codes[0])]


def class_of(asked: Prompt, classes: Sequence[str]) -> int:
    """Index of a class.

    Args:
        asked: its name, or its number.
        classes: names of the classes.

    Raises:
        UserError: there is no such class; in one line, the nearest ones.
    """
    if asked in classes:
        return classes.index(str(asked))
    number = str(asked)
    if number.isdecimal() and int(number) < len(classes):
        return int(number)
    near = difflib.get_close_matches(number, classes, n=3)
    meant = f"did you mean {' or '.join(map(repr, near))}? " if near else ""
    names = f", or {', '.join(classes)}" if len(classes) <= LISTED else " and their names"
    raise UserError(f"{asked!r}: no class of the data; {meant}allowed: 0 to {len(classes) - 1}{names}")
