"""What every sampler is: called in one way, whatever it makes of it.

Axes: B videos, g given latent frames, c condition length, h w latent grid.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from typing import ClassVar

from jaxtyping import Int64
from torch import Tensor

from tats_exp.sampling.story import OverTime
from tats_exp.transformer import Transformer

Progress = Callable[[int, int], None]
"""Called with (latent frames made, latent frames wanted)."""
Slots = tuple[int, ...]
"""Places in a window, 0 for its first latent frame."""


class Sampler(ABC):
    """From transformers to the codes of videos.

    Attributes:
        long: whether videos longer than the window can be made.
        interpolates: whether an interpolation transformer is needed, too.
        tells_stories: whether the condition may change within a window.
        endless: whether it makes a video of which no end is known.
        key_every: latent frames from one that the autoregressive transformer models to the next; of a sampler that
            interpolates more than 1.
        context: latent frames that the window of the autoregressive transformer keeps when it slides; None: it does
            not slide.
        stride: latent frames that it makes per slide.
    """

    long: ClassVar[bool] = True
    interpolates: ClassVar[bool] = False
    tells_stories: ClassVar[bool] = False
    endless: ClassVar[bool] = False
    key_every: int = 1
    context: int | None = None
    stride: int = 1

    @abstractmethod
    def check(self, frames: int, video_codes: int) -> None:
        """Refuse settings that do not fit the autoregressive transformer.

        Args:
            frames: t, latent frames of its window.
            video_codes: K.

        Raises:
            ValueError: in one line that begins with the name of a setting.
        """

    def slots(self, latent_frames: int, window: int, given: int = 0) -> list[Slots] | None:
        """Say where in a window each latent frame of a video is drawn; what it is drawn as is what it is held against.

        Args:
            latent_frames: length of the video, those given included.
            window: latent frames of the windows that the transformers learn from: with key frames from the first to
                the last of them.
            given: g, latent frames that the video goes on from.

        Returns:
            For each latent frame the places in such a window that the transformers learn to draw it from; nothing for
            a frame that is given. None: unknown.
        """
        return None

    @abstractmethod
    def __call__(
        self,
        transformer: Transformer,
        condition: Int64[Tensor, "B c"] | OverTime,
        latent_frames: int,
        seeds: Sequence[int],
        progress: Progress | None = None,
        given: Int64[Tensor, "B g h w"] | None = None,
        *,
        interpolation: Transformer | None = None,
        gaps_at_once: int | None = None,
    ) -> Int64[Tensor, "B latent_frames h w"]:
        """Sample one video per condition and seed.

        Args:
            transformer: a causal one; of a sampler that interpolates, one of windows of key frames.
            condition: condition codes, 0..C-1; zeros (B, 1) when unconditional. One that changes over time says itself
                under what each latent frame is drawn; a `Story` only where `tells_stories`.
            latent_frames: length of the videos, those given included.
            seeds: one per video, so that it does not depend on the batch it is made in.
            progress: told how far it is.
            given: codes of the first g latent frames, fewer than `latent_frames`, which the videos go on from.
            interpolation: fills the gaps between key frames; only a sampler that interpolates looks at it.
            gaps_at_once: gaps filled side by side, to fit memory; does not change the videos. None: all.

        Returns:
            Codes 0..K-1, those given first.

        Raises:
            ValueError: transformers, length or given frames that do not fit the sampler; in one line.
        """

    def stream(
        self,
        transformer: Transformer,
        condition: Int64[Tensor, "B c"] | OverTime,
        latent_frames: int | None,
        seeds: Sequence[int],
        progress: Progress | None = None,
        given: Int64[Tensor, "B g h w"] | None = None,
        *,
        interpolation: Transformer | None = None,
        gaps_at_once: int | None = None,
    ) -> Iterator[Int64[Tensor, "B n h w"]]:
        """Sample the same piece by piece, arguments and errors as for a call; unless a sampler can, in one piece.

        Without `latent_frames` there is no end, where the sampler is `endless`.

        Yields:
            Codes of the next latent frames, those given first.
        """
        if latent_frames is None:
            raise ValueError("latent_frames=None: the sampler makes no video without an end")
        how = (transformer, condition, latent_frames, seeds, progress, given)
        yield self(*how, interpolation=interpolation, gaps_at_once=gaps_at_once)


def check_given(given: Int64[Tensor, "B g h w"], transformer: Transformer, latent_frames: int | None) -> int:
    """Refuse given latent frames that do not fit the model or the length.

    Returns:
        g, how many are given.

    Raises:
        ValueError: another latent grid than the model's, or nothing left to sample.
    """
    if given.shape[2:] != transformer.window[1:]:
        grid = "x".join(map(str, transformer.window[1:]))
        raise ValueError(
            f"given holds latent frames of {given.shape[2]}x{given.shape[3]} codes; the model's are {grid}"
        )
    if latent_frames is not None and given.shape[1] >= latent_frames:
        raise ValueError(f"given holds {given.shape[1]} latent frames; allowed: fewer than the {latent_frames} wanted")
    return given.shape[1]


def check_top_k(top_k: int | None, video_codes: int) -> None:
    """Refuse more likeliest codes than there are codes.

    Raises:
        ValueError: in one line, what was given and what is allowed.
    """
    if top_k is not None and top_k > video_codes:
        raise ValueError(f"top_k={top_k} must be at most {video_codes}, the size of the codebook, or null for all")


def check_guidance(guidance: float) -> None:
    """Refuse guidance that is no number of steps towards the condition.

    Raises:
        ValueError: in one line, what was given and what is allowed.
    """
    if not 0 <= guidance < float("inf"):
        raise ValueError(f"guidance={guidance} must be 0 (without the condition) or more; 1 is no guidance")


def check_causal(transformer: Transformer, latent_frames: int | None) -> None:
    """Refuse a transformer that interpolates, and videos without a frame.

    Raises:
        ValueError: in one line, what was given and what is allowed.
    """
    if transformer.mask != "causal":
        raise ValueError(f"mask={transformer.mask!r} interpolates; this sampler needs mask='causal'")
    if latent_frames is not None and latent_frames < 1:
        raise ValueError(f"latent_frames={latent_frames} must be at least 1")
