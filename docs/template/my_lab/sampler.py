"""A sampler: windows one after the other, none of which knows the one before it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from einops import rearrange
from torch import Tensor

from tats_exp.sampling import Sampler, sample_codes
from tats_exp.sampling.next_code import RandomStreams
from tats_exp.sampling.sampler import Progress, check_causal, check_given, check_top_k
from tats_exp.transformer import Transformer


@dataclass(frozen=True)
class IndependentWindows(Sampler):
    """Videos without memory: what sliding is to be held against.

    Attributes:
        top_k: draw from this many likeliest codes; None for all.
        top_p: draw from the smallest set of likeliest codes with this much probability; None for all.
    """

    long: ClassVar[bool] = True
    interpolates: ClassVar[bool] = False

    top_k: int | None = None
    top_p: float | None = 0.92

    def check(self, frames: int, video_codes: int) -> None:
        """Refuse more likeliest codes than there are codes."""
        check_top_k(self.top_k, video_codes)

    def __call__(
        self,
        transformer: Transformer,
        condition: Tensor,
        latent_frames: int,
        seeds: Sequence[int],
        progress: Progress | None = None,
        given: Tensor | None = None,
        *,
        interpolation: Transformer | None = None,
        gaps_at_once: int | None = None,
    ) -> Tensor:
        """Sample (B, latent_frames, h, w) codes; see `Sampler`."""
        check_causal(transformer, latent_frames)
        streams = RandomStreams(seeds, len(condition))
        made = [] if given is None else [given.flatten(1)]
        done = 0 if given is None else check_given(given, transformer, latent_frames)
        while done < latent_frames:
            new = min(transformer.window[0], latent_frames - done)
            steps = new * transformer.codes_per_frame
            made.append(sample_codes(transformer, condition, steps, top_k=self.top_k, top_p=self.top_p, seeds=streams))
            done += new
            if progress is not None:
                progress(done, latent_frames)
        height, width = transformer.window[1:]
        return rearrange(torch.cat(made, dim=1), "b (t h w) -> b t h w", h=height, w=width)
