"""The sampler of a finished run with its models: codes of new videos, piece by piece, of any length.

Axes: B videos, t h w latent grid, g given latent frames, c condition codes, T H W C of the frames.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from jaxtyping import Int64, UInt8
from torch import Tensor

from tats_exp import UserError
from tats_exp.config.schema import Config
from tats_exp.data.videos import Videos
from tats_exp.data.windows import Window
from tats_exp.sampling.decoding import ChunkDecoder, can_be_endless
from tats_exp.sampling.sampler import Progress
from tats_exp.sampling.story import OverTime, Story
from tats_exp.stages.encoding import finite_latents
from tats_exp.transformer.transformer import Transformer
from tats_exp.vqgan.vqgan import VQGAN


@dataclass(frozen=True)
class Beginning:
    """What videos follow from.

    Attributes:
        seeds: one per video.
        condition: of each; a story counts from the first frame that is shown.
        given: codes of the latent frames that they go on from; None: of none.
        heard: of a condition that moves: where each video's sound is, and from which frame on.
    """

    seeds: list[int]
    condition: Int64[Tensor, "B c"] | OverTime
    given: Int64[Tensor, "B g h w"] | None
    heard: tuple[tuple[Videos, Window], ...] = ()

    def __getitem__(self, videos: slice) -> "Beginning":
        """The same for some of the videos."""
        given = None if self.given is None else self.given[videos]
        return Beginning(self.seeds[videos], self.condition[videos], given, self.heard[videos])


class RunSampler:
    """Samples as a run does.

    Attributes:
        sampler: of the run.
        time_stride: frames of a latent frame.
        margin: latent frames before and behind those that are shown, for a decoder that wants true neighbours.
    """

    def __init__(
        self, config: Config, vqgan: VQGAN, transformer: Transformer, interpolation: Transformer | None
    ) -> None:
        """Take the models of a run, on their device and in their precision."""
        self.config, self.sampler = config, config.built_sampler
        self._vqgan, self._transformer, self._interpolation = vqgan, transformer, interpolation
        self.time_stride = vqgan.time_stride
        self.margin = vqgan.code_margin if self.sampler.long else 0

    def check(self, frames: int | None) -> None:
        """Refuse a number of frames that the run cannot make; None: without an end.

        Raises:
            UserError: in one line, what was given and what is allowed.
        """
        most = self.config.frames
        if frames is None and not self.sampler.endless:
            raise UserError(f"frames=inf: the run samples with {type(self.sampler).__name__}; allowed: a number")
        if frames is None and not can_be_endless(self._vqgan):
            raise UserError("frames=inf: every frame hangs on the end (padding=loop, norm=group); allowed: a number")
        if frames is not None and (frames < 1 or (frames > most and not self.sampler.long)):
            longest = "" if self.sampler.long else f", frames at most {most}: the sampler makes one window"
            raise UserError(f"frames={frames}: allowed: 1 or more{longest}")

    def check_given(self, frames: int) -> None:
        """Refuse a number of frames to go on from; as `sampling.given_frames`.

        Raises:
            UserError: a sampler of one window, no whole latent frames, or more than a window has; one line.
        """
        most, stride = self.config.frames, self.time_stride
        if not self.sampler.long:
            raise UserError("given: the sampler makes one window; allowed with sampler=sliding or hierarchical")
        if frames % stride or not 0 < frames <= most:
            raise UserError(f"given_frames={frames}: allowed: a multiple of {stride}, at most {most}")

    def encoded(self, given: UInt8[Tensor, "B T H W C"], device: torch.device) -> Int64[Tensor, "B g h w"]:
        """Codes of frames to go on from; an encoder that wants true neighbours gets the end frames repeated.

        Raises:
            UserError: as `check_given`, or frames of another size than the run's.
        """
        config, (count, *size) = self.config, given.shape[1:4]
        self.check_given(count)
        if size != [config.resolution] * 2:
            raise UserError(f"given: frames of {size[0]}x{size[1]}; allowed: {config.resolution} a side")
        margin = self._vqgan.margin
        around = torch.arange(-margin, count + margin).clamp(0, count - 1)
        with torch.inference_mode():
            return self._vqgan.codebook.nearest(finite_latents(self._vqgan, given[:, around], device))

    def stream(
        self, beginning: Beginning, frames: int | None, progress: Progress | None = None
    ) -> Iterator[Int64[Tensor, "B n h w"]]:
        """Sample the codes of videos.

        Args:
            beginning: of the videos.
            frames: sampled behind those given, as whole latent frames; None: without an end.
            progress: of the sampler.

        Yields:
            The next latent frames: the margin, those given, those sampled, the margin.
        """
        given, condition = beginning.given, beginning.condition
        latents = self.latents(frames, given)
        length = None if latents is None else len(latents)
        if given is not None and self.margin:
            yield given[:, :1].expand(-1, self.margin, -1, -1)
        elif isinstance(condition, Story):
            condition = condition.later(self.margin)
        pieces = self.sampler.stream(
            self._transformer,
            condition,
            length,
            beginning.seeds,
            progress,
            given,
            interpolation=self._interpolation,
            gaps_at_once=self.config.sampling.gaps_at_once,
        )
        while True:
            with torch.inference_mode():  # not around a yield, which would hand the mode to the caller
                piece = next(pieces, None)
            if piece is None:
                return
            yield piece

    def decoder(self, beginning: Beginning, frames: int | None) -> ChunkDecoder:
        """What decodes the codes of `stream` as they come; arguments likewise."""
        known = 0 if beginning.given is None else beginning.given.shape[1]
        length = None if frames is None else known + self._latents(frames)
        return ChunkDecoder(self._vqgan, length, self.config.sampling.decode_chunk, self.margin > 0)

    def latents(self, frames: int | None, given: Int64[Tensor, "B g h w"] | None) -> range | None:
        """Latent frames that the sampler makes or is given; 0 is the first that is shown. None: without an end."""
        known = 0 if given is None else given.shape[1]
        if frames is None:
            return None
        return range(0 if known else -self.margin, known + self._latents(frames) + self.margin)

    def _latents(self, frames: int) -> int:
        return -(-frames // self.time_stride)
