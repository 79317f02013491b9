"""Decoded videos as they are measured."""

from collections.abc import Iterator

from jaxtyping import Int64, UInt8
from torch import Tensor

from tats_exp.sampling.decoding import decode_videos
from tats_exp.stages.parts import Parts
from tats_exp.vqgan.vqgan import VQGAN


def decoded(
    parts: Parts, vqgan: VQGAN, codes: Int64[Tensor, "N t h w"], has_margin: bool
) -> Iterator[UInt8[Tensor, "N f H W C"]]:
    """Stream the frames of videos, chunk after chunk, to the CPU."""
    chunks = decode_videos(vqgan, codes.to(parts.device), parts.config.sampling.decode_chunk, has_margin)
    return (chunk.cpu() for chunk in chunks)
