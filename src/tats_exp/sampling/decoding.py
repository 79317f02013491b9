"""Decode videos of any length piece by piece: equal to decoding the whole, in memory that does not grow with length.

Every piece is decoded with as many latent frames on each side as its frames depend on, and these are cut off again.
Padding is seen only at the two true ends of the video. Axes: B videos, t latent frames, C H W of the frames.
"""

from collections.abc import Iterator
from itertools import count
from math import ceil, prod

import torch
from jaxtyping import Float, Int64, UInt8
from torch import Tensor, nn

from tats_exp import NotFiniteError
from tats_exp.data.pixels import to_uint8
from tats_exp.vqgan import VQGAN
from tats_exp.vqgan.receptive_field import decoder_margin

PIXELS_AT_ONCE = 2**17
"""Pixels of frames that a CPU decodes together, more or less, of one video at least: outputs of layers that leave the
cache cost more than they save."""


def decode_stream(
    vqgan: VQGAN, codes: Int64[Tensor, "t h w"], chunk: int = 16, has_margin: bool = False
) -> Iterator[UInt8[Tensor, "frames H W C"]]:
    """Decode one video; arguments and errors as for `decode_chunks`.

    Returns:
        The frames piece after piece, 0..255, as a `VideoWriter` takes them.
    """
    return (video[0] for video in decode_videos(vqgan, codes[None], chunk, has_margin))


def decode_videos(
    vqgan: VQGAN, codes: Int64[Tensor, "B t h w"], chunk: int = 16, has_margin: bool = False
) -> Iterator[UInt8[Tensor, "B frames H W C"]]:
    """Decode videos of equal length side by side; arguments and errors as for `decode_chunks`.

    Returns:
        The frames of all of them piece after piece, 0..255, on the device of the codes.

    Raises:
        NotFiniteError: a frame is not finite.
    """
    return map(finite_pixels, decode_chunks(vqgan, codes, chunk, has_margin))


def finite_pixels(video: Float[Tensor, "B C frames H W"]) -> UInt8[Tensor, "B frames H W C"]:
    """Frames as they are stored; what is not finite would silently become some colour."""
    if not bool(video.isfinite().all()):
        raise NotFiniteError("decoded frames are not finite: the VQGAN diverged in its training")
    return to_uint8(video)


def decode_chunks(
    vqgan: VQGAN, codes: Int64[Tensor, "B t h w"], chunk: int = 16, has_margin: bool = False
) -> Iterator[Float[Tensor, "B C frames H W"]]:
    """Decode videos of equal length in chunks, before rounding to pixels.

    Args:
        vqgan: in eval mode (batch statistics would differ from piece to piece).
        codes: codes of whole videos, 0..K-1.
        chunk: latent frames per piece. A decoder with `norm=group` sees all frames at once and gives one piece.
        has_margin: the codes hold `vqgan.code_margin` more latent frames at both ends, made to be dropped (true
            neighbours for a padding that needs them). Without them its decoder gets the end latents repeated.

    Returns:
        The video piece after piece, `chunk` latent frames' worth of it, fewer at the end; about [-0.5, 0.5].

    Raises:
        ValueError: a model in training mode, a chunk below 1, or no latent frame between the margins.
    """
    length = codes.shape[1] - (2 * vqgan.code_margin if has_margin else 0)
    if length < 1:
        raise ValueError(f"codes holds {codes.shape[1]} latent frames; more than {2 * vqgan.code_margin} are needed")
    return ChunkDecoder(vqgan, length, chunk, has_margin)(codes)


class ChunkDecoder:
    """Decodes videos while their codes come in, and forgets codes that no later piece needs."""

    def __init__(self, vqgan: VQGAN, length: int | None, chunk: int = 16, has_margin: bool = False) -> None:
        """Start a video.

        Args:
            vqgan: as for `decode_chunks`.
            length: latent frames of the videos, margins not counted. None: no end is known. Then nothing that hangs on
                one is decoded: a piece comes out once all that its frames depend on is there.
            chunk: as for `decode_chunks`.
            has_margin: as for `decode_chunks`.

        Raises:
            ValueError: a model in training mode, a chunk below 1, or no end for a decoder that sees it from everywhere.
        """
        if vqgan.training:
            raise ValueError("the VQGAN is in training mode; call vqgan.eval() before decoding videos")
        if chunk < 1:
            raise ValueError(f"chunk={chunk} must be at least 1 latent frame")
        if length is None and not can_be_endless(vqgan):
            raise ValueError("length=None: every frame that this decoder makes hangs on the end of the video")
        self._vqgan, self._length, self._has_margin = vqgan, length, has_margin
        self._chunk = length if length is not None and _sees_all_frames(vqgan) else chunk
        starts = count(0, self._chunk) if length is None else iter(range(0, length, self._chunk))
        self._pieces = map(self._piece, starts)
        self._next = next(self._pieces, None)
        self._codes: Int64[Tensor, "B n h w"] | None = None
        self._first = 0

    @property
    def held(self) -> int:
        """Latent frames that it remembers."""
        return 0 if self._codes is None else self._codes.shape[1]

    def __call__(self, codes: Int64[Tensor, "B n h w"]) -> Iterator[Float[Tensor, "B C frames H W"]]:
        """Take the next latent frames; yields the pieces that can be decoded now, as `decode_chunks` does."""
        self._codes = codes if self._codes is None else torch.cat([self._codes, codes], dim=1)
        while self._next is not None and int(self._next[0].max()) < self._first + self.held:
            source, drop, keep = self._next
            video = self._decode(self._codes[:, (source - self._first).to(codes.device)])
            yield video[:, :, drop : drop + keep]
            self._next = next(self._pieces, None)
            self._forget()

    @torch.no_grad()
    def _decode(self, codes: Int64[Tensor, "B n h w"]) -> Float[Tensor, "B C frames H W"]:
        """Frames of codes; on a CPU of a few videos at a time, which is the same to rounding."""
        pixels = codes.numel() * prod(self._vqgan.downsample)
        parts = max(1, ceil(pixels / PIXELS_AT_ONCE)) if codes.device.type == "cpu" else 1
        if parts == 1:
            return self._vqgan.decode(codes)
        return torch.cat([self._vqgan.decode(part) for part in codes.chunk(parts)])

    def _piece(self, start: int) -> tuple[Int64[Tensor, " n"], int, int]:
        """Latent frames to decode for those from `start` on; frames of the result to drop first, and to keep then."""
        vqgan, length = self._vqgan, self._length
        end = start + self._chunk if length is None else min(start + self._chunk, length)
        source, before = _latent_frames_for(vqgan, start, end, length)
        if self._has_margin:
            source = source + vqgan.code_margin
        elif vqgan.code_margin:
            source = source.clamp(0, None if length is None else length - 1)
        return source, before * vqgan.time_stride, (end - start) * vqgan.time_stride

    def _forget(self) -> None:
        """A cycle needs its beginning to the end; of other videos what lies before the next piece is done with."""
        if self._next is None or self._codes is None or self._vqgan.decoder_padding.wraps:
            return
        first = int(self._next[0].min())
        self._codes, self._first = self._codes[:, max(0, first - self._first) :], max(first, self._first)


def can_be_endless(vqgan: VQGAN) -> bool:
    """Whether frames can be decoded before the end of their video is known."""
    return not vqgan.decoder_padding.wraps and not _sees_all_frames(vqgan)


def _latent_frames_for(vqgan: VQGAN, start: int, end: int, length: int | None) -> tuple[Int64[Tensor, " n"], int]:
    """Which latent frames to decode for those from `start` to `end`, and how many of the decoded ones to drop first.

    Those of a decoder that wants true neighbours reach beyond the ends of the video.
    """
    if vqgan.code_margin:
        return torch.arange(start - vqgan.code_margin, end + vqgan.code_margin), 0
    reach = _reach(vqgan)
    if length is not None and vqgan.decoder_padding.wraps and end - start < length:
        return torch.arange(start - reach, end + reach) % length, reach
    before, after = min(reach, start), end + reach
    return torch.arange(start - before, after if length is None else min(after, length)), before


def _reach(vqgan: VQGAN) -> int:
    """Latent frames on each side that a latent frame's worth of video depends on, padding left aside."""
    return decoder_margin(vqgan.downsample, vqgan.decoder_blocks)


def _sees_all_frames(vqgan: VQGAN) -> bool:
    """Whether a norm of the decoder takes its statistics over time; a norm per frame is a class of its own."""
    return any(type(module) is nn.GroupNorm for module in vqgan.decoder.modules())
