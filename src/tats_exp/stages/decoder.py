"""Codes to frames, for the stages that look at videos.

Axes: N videos, t h w latent grid, f frames of a chunk, H W C pixels.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from jaxtyping import Int64, UInt8
from torch import Tensor

from tats_exp.sampling.decoding import decode_videos
from tats_exp.vqgan.vqgan import VQGAN


@dataclass(frozen=True)
class FrameDecoder:
    """Streams the frames of videos, chunk after chunk, to the CPU.

    Attributes:
        vqgan: in eval mode, on the device.
        chunk: latent frames decoded at a time.
        device: where the VQGAN is.
    """

    vqgan: VQGAN
    chunk: int
    device: torch.device

    def __call__(self, codes: Int64[Tensor, "N t h w"], has_margin: bool) -> Iterator[UInt8[Tensor, "N f H W C"]]:
        """Frames of codes, of the code margins at their ends none where there are margins."""
        chunks = decode_videos(self.vqgan, codes.to(self.device), self.chunk, has_margin)
        return (chunk.cpu() for chunk in chunks)
