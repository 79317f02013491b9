"""Videos of any length from a transformer with a window of fixed length: the window slides along.

The first window is made whole, from the condition alone: the beginning of a video is what the model can do before it
slides. From then on the window begins with the last `context` latent frames, the transformer makes the next one behind
them, and the window slides by it. Positions restart in every window. Video prediction is the same with the first latent
frames given: what they leave of the first window is made first.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from einops import rearrange
from jaxtyping import Int64
from torch import Tensor

from tats_exp.sampling.next_code import Chooser, RandomStreams, sample_codes
from tats_exp.sampling.sampler import Progress, Sampler, Slots, check_causal, check_given, check_guidance, check_top_k
from tats_exp.sampling.story import OverTime, Story, over_time
from tats_exp.transformer import Transformer


@dataclass(frozen=True)
class SlidingWindow(Sampler):
    """Sample videos of any length.

    Attributes:
        context: latent frames kept when the window slides, 1..t-1.
        top_k: draw from this many likeliest codes; None for all.
        top_p: draw from the smallest set of likeliest codes with this much probability; None for all.
        temperature: divides the logits.
        guidance: how far to go towards the condition and beyond; 1: no guidance.
        stride: latent frames made per slide, 1..t-context.

    Raises:
        ValueError: a value out of its range; when called, one that does not fit the transformer's window.

    Source: Ge et al. 2022, sliding-window attention; the paper keeps 1 or 3 latent frames.
    """

    long: ClassVar[bool] = True
    interpolates: ClassVar[bool] = False
    tells_stories: ClassVar[bool] = True
    endless: ClassVar[bool] = True

    context: int = 1
    top_k: int | None = None
    top_p: float | None = 0.92
    temperature: float = 1.0
    stride: int = 1
    guidance: float = 1.0

    def __post_init__(self) -> None:
        Chooser(self.temperature, self.top_k, self.top_p)
        check_guidance(self.guidance)
        for name, value in {"context": self.context, "stride": self.stride}.items():
            if value < 1:
                raise ValueError(f"{name}={value} must be at least 1 latent frame")

    def check(self, frames: int, video_codes: int) -> None:
        """Refuse context and stride beyond the window, and more likeliest codes than there are codes."""
        check_top_k(self.top_k, video_codes)
        if self.context >= frames:
            raise ValueError(f"context={self.context} must be below the window's {frames} latent frames")
        if self.context + self.stride > frames:
            raise ValueError(f"stride={self.stride} must be at most {frames - self.context}: window minus context")

    def slots(self, latent_frames: int, window: int, given: int = 0) -> list[Slots]:
        """As `Sampler.slots`: the first window from place 0 to its last, then `stride` places from `context` on."""
        drawn: list[Slots] = [()] * given
        for kept, new in self._slides(latent_frames, window, given):
            drawn += [(slot,) for slot in range(kept, kept + new)]
        return drawn

    def _slides(self, latent_frames: int | None, window: int, made: int) -> Iterator[tuple[int, int]]:
        """How many latent frames each window keeps and how many it makes, when the first `made` are there."""
        while latent_frames is None or made < latent_frames:
            first = made < window
            kept = made if first else self.context
            new = window - made if first else self.stride
            if latent_frames is not None:
                new = min(new, latent_frames - made)
            yield kept, new
            made += new

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
        """Sample one video per condition and seed, as long as wanted; tells `progress` of every slide."""
        return torch.cat(list(self.stream(transformer, condition, latent_frames, seeds, progress, given)), dim=1)

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
        """Sample the same slide by slide; no more than a window is remembered."""
        frames, height, width = transformer.window
        check_causal(transformer, latent_frames)
        self.check(frames, transformer.video_codes)
        told, per_frame = over_time(condition), transformer.codes_per_frame
        streams = RandomStreams(seeds, told.first.shape[0])
        recent = told.first.new_empty((told.first.shape[0], 0))
        made = 0
        if given is not None:
            made = check_given(given, transformer, latent_frames)
            recent = given.flatten(1)
            streams.skip(made * per_frame)
            yield given
        for kept, new in self._slides(latent_frames, frames, made):
            recent = recent[:, recent.shape[1] - kept * per_frame :]
            for begin, end in told.parts(made, made + new):
                codes = sample_codes(
                    transformer,
                    told.at(begin, made - kept),
                    (end - begin) * per_frame,
                    prefix=recent,
                    temperature=self.temperature,
                    top_k=self.top_k,
                    top_p=self.top_p,
                    seeds=streams,
                    guidance=self.guidance,
                )
                recent = torch.cat([recent, codes], dim=1)
            made += new
            if progress is not None:
                progress(made, latent_frames or made)
            yield rearrange(recent[:, kept * per_frame :], "B (t h w) -> B t h w", h=height, w=width)


@dataclass(frozen=True)
class ShortClip(Sampler):
    """Sample videos that fit into one window.

    Attributes:
        top_k: draw from this many likeliest codes; None for all.
        top_p: draw from the smallest set of likeliest codes with this much probability; None for all.
        temperature: divides the logits.
        guidance: how far to go towards the condition and beyond; 1: no guidance.

    Raises:
        ValueError: a value out of its range; when called, more latent frames than the window has.
    """

    long: ClassVar[bool] = False
    interpolates: ClassVar[bool] = False

    top_k: int | None = None
    top_p: float | None = 0.92
    temperature: float = 1.0
    guidance: float = 1.0

    def __post_init__(self) -> None:
        Chooser(self.temperature, self.top_k, self.top_p)
        check_guidance(self.guidance)

    def check(self, frames: int, video_codes: int) -> None:
        """Refuse more likeliest codes than there are codes."""
        check_top_k(self.top_k, video_codes)

    def slots(self, latent_frames: int, window: int, given: int = 0) -> list[Slots]:
        """As `Sampler.slots`: a video is the beginning of a window."""
        return [() if frame < given else (frame,) for frame in range(latent_frames)]

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
        """Sample one video per condition and seed, in one window."""
        frames, height, width = transformer.window
        check_causal(transformer, latent_frames)
        if isinstance(condition, Story):
            raise ValueError("a story needs sampler=sliding or hierarchical: sampler=short makes one window")
        if latent_frames > frames:
            raise ValueError(
                f"latent_frames={latent_frames} must be at most {frames}, the window of sampler=short; "
                "longer videos need sampler=sliding or hierarchical"
            )
        first = over_time(condition).first
        codes = first.new_empty((first.shape[0], 0))
        streams = RandomStreams(seeds, first.shape[0])
        if given is not None:
            check_given(given, transformer, latent_frames)
            codes = given.flatten(1)
            streams.skip(codes.shape[1])
        sampled = sample_codes(
            transformer,
            first,
            latent_frames * transformer.codes_per_frame - codes.shape[1],
            prefix=codes,
            temperature=self.temperature,
            top_k=self.top_k,
            top_p=self.top_p,
            seeds=streams,
            guidance=self.guidance,
        )
        if progress is not None:
            progress(latent_frames, latent_frames)
        return rearrange(torch.cat([codes, sampled], dim=1), "B (t h w) -> B t h w", h=height, w=width)
