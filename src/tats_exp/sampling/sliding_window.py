"""Videos of any length from a transformer with a window of fixed length: the window slides along.

The first `context` latent frames are made from the condition alone. From then on the window begins with the last
`context` latent frames, the transformer makes the next one behind them, and the window slides by it. Positions
restart in every window. Video prediction is the same with the first latent frames given.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar

from einops import rearrange
from jaxtyping import Int64
from torch import Tensor

from tats_exp.sampling.next_code import Chooser, RandomStreams, sample_codes
from tats_exp.transformer import Transformer

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class SlidingWindow:
    """Sample videos of any length.

    Attributes:
        long: whether videos longer than the window can be made.
        interpolates: whether an interpolation transformer is needed, too.
        context: latent frames kept when the window slides, 1..t-1.
        top_k: draw from this many likeliest codes; None for all.
        top_p: draw from the smallest set of likeliest codes with this much probability; None for all.
        temperature: divides the logits.
        stride: latent frames made per slide, 1..t-context.

    Raises:
        ValueError: a value out of its range; when called, one that does not fit the transformer's window.

    Source: Ge et al. 2022, sliding-window attention; the paper keeps 1 or 3 latent frames.
    """

    long: ClassVar[bool] = True
    interpolates: ClassVar[bool] = False

    context: int = 1
    top_k: int | None = None
    top_p: float | None = 0.92
    temperature: float = 1.0
    stride: int = 1

    def __post_init__(self) -> None:
        Chooser(self.temperature, self.top_k, self.top_p)
        for name, value in {"context": self.context, "stride": self.stride}.items():
            if value < 1:
                raise ValueError(f"{name}={value} must be at least 1 latent frame")

    def check(self, frames: int, video_codes: int) -> None:
        """Refuse settings that do not fit a transformer.

        Args:
            frames: t, latent frames of its window.
            video_codes: K.

        Raises:
            ValueError: context and stride beyond the window, or more likeliest codes than there are codes.
        """
        _check_top_k(self.top_k, video_codes)
        if self.context >= frames:
            raise ValueError(f"context={self.context} must be below the window's {frames} latent frames")
        if self.context + self.stride > frames:
            raise ValueError(f"stride={self.stride} must be at most {frames - self.context}: window minus context")

    def __call__(
        self,
        transformer: Transformer,
        condition: Int64[Tensor, "B c"],
        latent_frames: int,
        seeds: Sequence[int],
        progress: Progress | None = None,
        given: Int64[Tensor, "B g h w"] | None = None,
    ) -> Int64[Tensor, "B latent_frames h w"]:
        """Sample one video per condition and seed.

        Args:
            transformer: a causal one.
            condition: condition codes, 0..C-1; zeros (B, 1) when unconditional.
            latent_frames: length of the videos, as long as wanted.
            seeds: one per video.
            progress: called with (latent frames made, latent frames wanted) after every slide.
            given: codes of the first g latent frames, fewer than `latent_frames`, which the videos go on from.

        Returns:
            Codes 0..K-1, those given first.
        """
        frames, height, width = transformer.window
        check_causal(transformer, latent_frames)
        self.check(frames, transformer.video_codes)
        streams = RandomStreams(seeds, condition.shape[0])
        per_frame = transformer.codes_per_frame
        codes = condition.new_empty((condition.shape[0], latent_frames * per_frame))
        made = 0
        if given is not None:
            made = check_given(given, transformer, latent_frames)
            codes[:, : made * per_frame] = given.flatten(1)
            streams.skip(made * per_frame)
        while made < latent_frames:
            kept = min(made, self.context)
            new = min(self.stride if made >= self.context else self.context - made, latent_frames - made)
            codes[:, made * per_frame : (made + new) * per_frame] = sample_codes(
                transformer,
                condition,
                new * per_frame,
                prefix=codes[:, (made - kept) * per_frame : made * per_frame],
                temperature=self.temperature,
                top_k=self.top_k,
                top_p=self.top_p,
                seeds=streams,
            )
            made += new
            if progress is not None:
                progress(made, latent_frames)
        return rearrange(codes, "B (t h w) -> B t h w", h=height, w=width)


@dataclass(frozen=True)
class ShortClip:
    """Sample videos that fit into one window.

    Attributes:
        long: whether videos longer than the window can be made.
        interpolates: whether an interpolation transformer is needed, too.
        top_k: draw from this many likeliest codes; None for all.
        top_p: draw from the smallest set of likeliest codes with this much probability; None for all.
        temperature: divides the logits.

    Raises:
        ValueError: a value out of its range; when called, more latent frames than the window has.
    """

    long: ClassVar[bool] = False
    interpolates: ClassVar[bool] = False

    top_k: int | None = None
    top_p: float | None = 0.92
    temperature: float = 1.0

    def __post_init__(self) -> None:
        Chooser(self.temperature, self.top_k, self.top_p)

    def check(self, frames: int, video_codes: int) -> None:
        """Refuse settings that do not fit a transformer.

        Args:
            frames: t, latent frames of its window.
            video_codes: K.

        Raises:
            ValueError: more likeliest codes than there are codes.
        """
        _check_top_k(self.top_k, video_codes)

    def __call__(
        self,
        transformer: Transformer,
        condition: Int64[Tensor, "B c"],
        latent_frames: int,
        seeds: Sequence[int],
        progress: Progress | None = None,
    ) -> Int64[Tensor, "B latent_frames h w"]:
        """Sample one video per condition and seed; arguments as for `SlidingWindow`."""
        frames, height, width = transformer.window
        check_causal(transformer, latent_frames)
        if latent_frames > frames:
            raise ValueError(
                f"latent_frames={latent_frames} must be at most {frames}, the window of sampler=short; "
                "longer videos need sampler=sliding or hierarchical"
            )
        codes = sample_codes(
            transformer,
            condition,
            latent_frames * transformer.codes_per_frame,
            temperature=self.temperature,
            top_k=self.top_k,
            top_p=self.top_p,
            seeds=seeds,
        )
        if progress is not None:
            progress(latent_frames, latent_frames)
        return rearrange(codes, "B (t h w) -> B t h w", h=height, w=width)


def check_given(given: Int64[Tensor, "B g h w"], transformer: Transformer, latent_frames: int) -> int:
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
    if given.shape[1] >= latent_frames:
        raise ValueError(f"given holds {given.shape[1]} latent frames; allowed: fewer than the {latent_frames} wanted")
    return given.shape[1]


def _check_top_k(top_k: int | None, video_codes: int) -> None:
    if top_k is not None and top_k > video_codes:
        raise ValueError(f"top_k={top_k} must be at most {video_codes}, the size of the codebook, or null for all")


def check_causal(transformer: Transformer, latent_frames: int) -> None:
    """Refuse a transformer that interpolates, and videos without a frame.

    Raises:
        ValueError: in one line, what was given and what is allowed.
    """
    if transformer.mask != "causal":
        raise ValueError(f"mask={transformer.mask!r} interpolates; this sampler needs mask='causal'")
    if latent_frames < 1:
        raise ValueError(f"latent_frames={latent_frames} must be at least 1")
