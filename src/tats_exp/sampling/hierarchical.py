"""Videos of any length, coarse to fine: key frames first, then the latent frames between them.

Every `key_every`-th latent frame is a key frame. An autoregressive transformer, which was trained on such frames, makes
them by sliding window. Two neighbours are the anchors of a gap, and an interpolation transformer fills it. Gaps know
nothing of each other, so all of them, of all videos, are one batch. A condition that changes inside a gap cuts it in
parts, which are filled one after the other.

Axes: B videos, g given latent frames.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from einops import rearrange
from jaxtyping import Int64
from torch import Tensor

from tats_exp.sampling.next_code import RandomStreams, sample_codes
from tats_exp.sampling.sampler import Progress, Sampler, Slots, check_causal, check_given
from tats_exp.sampling.sliding_window import SlidingWindow
from tats_exp.sampling.story import OverTime, over_time
from tats_exp.transformer import Transformer


@dataclass(frozen=True)
class Hierarchical(Sampler):
    """Sample key frames, then all gaps at once.

    Attributes:
        key_every: latent frames from one key frame to the next, 2 or more.
        context: key frames kept when the window slides, 1..t-1.
        top_k: draw from this many likeliest codes; None for all.
        top_p: draw from the smallest set of likeliest codes with this much probability; None for all.
        temperature: divides the logits.
        guidance: how far to go towards the condition and beyond; 1: no guidance.
        stride: key frames made per slide, 1..t-context.

    Raises:
        ValueError: a value out of its range; when called, one that does not fit the transformers.

    Source: Ge et al. 2022, hierarchical sampling; the paper has a key frame every 4 latent frames. The official sampler
    fills the gaps one after the other, and takes their first code from the wrong row; see `sample_codes`.
    """

    long: ClassVar[bool] = True
    interpolates: ClassVar[bool] = True
    tells_stories: ClassVar[bool] = True

    key_every: int
    context: int = 1
    top_k: int | None = None
    top_p: float | None = 0.92
    temperature: float = 1.0
    stride: int = 1
    guidance: float = 1.0

    def __post_init__(self) -> None:
        if self.key_every < 2:
            raise ValueError(
                f"key_every={self.key_every} must be at least 2 latent frames: two anchors need a frame between them"
            )
        self._slide()

    def check(self, frames: int, video_codes: int) -> None:
        """Refuse settings that do not fit the autoregressive transformer; as for `SlidingWindow`."""
        self._slide().check(frames, video_codes)

    def slots(self, latent_frames: int, window: int, given: int = 0) -> list[Slots]:
        """As `Sampler.slots`: a key frame where the sliding window draws it, any other at its place in every gap."""
        every = self.key_every
        keys = self._slide().slots(-(-(latent_frames - 1) // every) + 1, (window - 1) // every + 1, -(-given // every))
        drawn: list[Slots] = [()] * given
        for frame in range(given, latent_frames):
            key, place = divmod(frame, every)
            drawn.append(tuple(range(place, window, every)) if place else tuple(every * slot for slot in keys[key]))
        return drawn

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
        """Sample one video per condition and seed, as long as wanted.

        The window of `interpolation` is one gap with both anchors, key_every + 1 latent frames. Every gap has a random
        stream of its own that follows from the seed of its video. Frames of a gap see the key frame behind it, also one
        that is drawn under what comes next in a story.
        """
        if interpolation is None:
            raise ValueError("interpolation is missing: this sampler fills gaps between key frames with it")
        check_causal(transformer, latent_frames)
        _check_interpolation(transformer, interpolation, self.key_every)
        count = 0 if given is None else check_given(given, transformer, latent_frames)
        gaps = -(-(latent_frames - 1) // self.key_every)

        def tell(done: int, _: int = 0) -> None:
            if progress is not None:
                progress(min(done, latent_frames), latent_frames)

        given_keys = None if given is None else given[:, :: self.key_every]
        told = over_time(condition)
        keys = self._slide()(transformer, told.every(self.key_every), gaps + 1, seeds, tell, given_keys)
        videos = len(keys)
        codes = keys.new_zeros((videos, gaps * self.key_every + 1, transformer.codes_per_frame))
        codes[:, :: self.key_every] = keys.flatten(2)
        if given is not None:
            codes[:, :count] = given.flatten(2)
        made = gaps + 1
        for rows, known, end in self._batches(videos, gaps, count, told, gaps_at_once):
            self._fill(codes, rows, known, end, interpolation, told, seeds)
            made += len(rows) * (end - known) // videos
            tell(made)
        tell(latent_frames)
        height, width = transformer.window[1:]
        return rearrange(codes[:, :latent_frames], "B t (h w) -> B t h w", h=height, w=width)

    def _slide(self) -> SlidingWindow:
        return SlidingWindow(self.context, self.top_k, self.top_p, self.temperature, self.stride, self.guidance)

    def _batches(
        self, videos: int, gaps: int, given: int, told: OverTime, at_once: int | None
    ) -> Iterator[tuple[list[tuple[int, int]], int, int]]:
        """Gaps (video, number) to be filled side by side: from which of their latent frames to which.

        Parts of one gap follow each other, as those that begin later come later.
        """
        between, alike = self.key_every - 1, dict[tuple[int, int], list[int]]()
        for gap in range(gaps):
            first = gap * self.key_every + 1
            known = min(max(given - first, 0), between)
            for begin, end in told.parts(first + known, first + between):
                if begin < end:
                    alike.setdefault((begin - first, end - first), []).append(gap)
        for known, end in sorted(alike):
            rows = [(video, gap) for video in range(videos) for gap in alike[known, end]]
            size = at_once or len(rows)
            for start in range(0, len(rows), size):
                yield rows[start : start + size], known, end

    def _fill(
        self,
        codes: Int64[Tensor, "B latent_frames hw"],
        rows: list[tuple[int, int]],
        known: int,
        end: int,
        interpolation: Transformer,
        told: OverTime,
        seeds: Sequence[int],
    ) -> None:
        """Fill gaps in place up to `end`; `known` latent frames behind the first anchor are there already."""
        video, gap = torch.tensor(rows, device=codes.device).unbind(dim=1)
        first = self.key_every * gap
        begun = first[:, None] + torch.arange(1 + known, device=codes.device)
        missing = first[:, None] + torch.arange(1 + known, 1 + end, device=codes.device)
        begin = [(self.key_every * gap, v) for v, gap in rows]
        condition = torch.stack([told.at(anchor + 1 + known, anchor)[v] for anchor, v in begin])
        streams = RandomStreams([gap_seed(seeds[v], g) for v, g in rows], len(rows))
        streams.skip(known * interpolation.codes_per_frame)
        sampled = sample_codes(
            interpolation,
            condition,
            missing.shape[1] * interpolation.codes_per_frame,
            prefix=codes[video[:, None], begun].flatten(1),
            last_anchor=codes[video, first + self.key_every],
            temperature=self.temperature,
            top_k=self.top_k,
            top_p=self.top_p,
            seeds=streams,
            guidance=self.guidance,
        )
        codes[video[:, None], missing] = sampled.unflatten(1, (missing.shape[1], -1))


def gap_seed(seed: int, gap: int) -> int:
    """Seed of the stream of one gap of a video: another than the video's own, and than that of any other gap."""
    return int(np.random.SeedSequence(seed, spawn_key=(gap,)).generate_state(1, np.uint64)[0])


def _check_interpolation(transformer: Transformer, interpolation: Transformer, key_every: int) -> None:
    """Refuse an interpolation transformer that does not belong to the other one or to the sampler.

    Raises:
        ValueError: in one line, what was given and what is allowed.
    """
    if interpolation.mask == "causal":
        raise ValueError("interpolation has mask='causal'; allowed: a, b, c")
    if interpolation.window[0] != key_every + 1:
        window = f"interpolation has a window of {interpolation.window[0]} latent frames"
        raise ValueError(f"{window}; key_every={key_every} needs {key_every + 1}: a gap and its two anchors")
    for name in ("condition_codes", "condition_length", "video_codes", "codes_per_frame"):
        given, wanted = getattr(interpolation, name), getattr(transformer, name)
        if given != wanted:
            raise ValueError(f"interpolation has {name}={given}, the autoregressive transformer {wanted}")
