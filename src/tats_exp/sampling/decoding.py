"""Decode videos of any length piece by piece: equal to decoding the whole, in memory that does not grow with length.

Every piece is decoded with as many latent frames on each side as its frames depend on, and these are cut off again.
Padding is seen only at the two true ends of the video. Axes: B videos, t latent frames, C H W of the frames.
"""

from collections.abc import Iterator

import torch
from jaxtyping import Float, Int64, UInt8
from torch import Tensor, nn

from tats_exp import NotFiniteError
from tats_exp.data.pixels import to_uint8
from tats_exp.vqgan import VQGAN
from tats_exp.vqgan.receptive_field import decoder_margin


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
    return map(_pixels, decode_chunks(vqgan, codes, chunk, has_margin))


def _pixels(video: Float[Tensor, "B C frames H W"]) -> UInt8[Tensor, "B frames H W C"]:
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
    if vqgan.training:
        raise ValueError("the VQGAN is in training mode; call vqgan.eval() before decoding videos")
    if chunk < 1:
        raise ValueError(f"chunk={chunk} must be at least 1 latent frame")
    length = codes.shape[1] - (2 * vqgan.code_margin if has_margin else 0)
    if length < 1:
        raise ValueError(f"codes holds {codes.shape[1]} latent frames; more than {2 * vqgan.code_margin} are needed")
    return _decode_chunks(vqgan, codes, length, chunk, has_margin)


def _decode_chunks(
    vqgan: VQGAN, codes: Int64[Tensor, "B t h w"], length: int, chunk: int, has_margin: bool
) -> Iterator[Float[Tensor, "B C frames H W"]]:
    """`decode_chunks` behind its checks, which a generator would put off until its first frame is asked for."""
    if _sees_all_frames(vqgan):
        chunk = length
    for start in range(0, length, chunk):
        end = min(start + chunk, length)
        source, cut = _latent_frames_for(vqgan, start, end, length)
        if has_margin:
            source = source + vqgan.code_margin
        elif vqgan.code_margin:
            source = source.clamp(0, length - 1)
        with torch.no_grad():
            video = vqgan.decode(codes[:, source.to(codes.device)])
        first = cut * vqgan.time_stride
        yield video[:, :, first : first + (end - start) * vqgan.time_stride]


def _latent_frames_for(vqgan: VQGAN, start: int, end: int, length: int) -> tuple[Int64[Tensor, " n"], int]:
    """Which latent frames to decode for those from `start` to `end`, and how many of the decoded ones to drop first.

    Those of a decoder that wants true neighbours reach beyond the ends of the video.
    """
    if vqgan.code_margin:
        return torch.arange(start - vqgan.code_margin, end + vqgan.code_margin), 0
    reach = _reach(vqgan)
    if vqgan.decoder_padding.wraps and end - start < length:
        return torch.arange(start - reach, end + reach) % length, reach
    before = min(reach, start)
    return torch.arange(start - before, min(end + reach, length)), before


def _reach(vqgan: VQGAN) -> int:
    """Latent frames on each side that a latent frame's worth of video depends on, padding left aside."""
    return decoder_margin(vqgan.downsample, vqgan.decoder_blocks)


def _sees_all_frames(vqgan: VQGAN) -> bool:
    """Whether a norm of the decoder takes its statistics over time; a norm per frame is a class of its own."""
    return any(type(module) is nn.GroupNorm for module in vqgan.decoder.modules())
