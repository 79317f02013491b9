"""The VQGAN of sound: the picture of a span of sound to a few codes and back, without adversaries.

It has the layout of the VQGAN of videos, in two dimensions, and its codebook. A span is seen alone, so its codes do not
hang on where in a window it stands.

Axes: B pictures, M frequencies, F short-time frames, m f their grid of codes, D width of a code.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch.nn.functional as F
from einops import rearrange
from jaxtyping import Float, Int64, UInt8
from torch import Tensor, nn

from tats_exp import UserError
from tats_exp.vqgan.conv2d import SamePadConv2d, SamePadConvTranspose2d, Stride2d
from tats_exp.vqgan.quantizer import Quantizer
from tats_exp.vqgan.receptive_field import BLOCK_KERNEL, RESAMPLING_KERNEL, level_strides


@dataclass(frozen=True)
class HeardAgain:
    """What a training step needs to know of pictures and their reconstructions.

    Attributes:
        picture: reconstruction, about [-0.5, 0.5].
        codes: of the pictures.
        commitment: weighted commitment loss, scalar.
        perplexity: of the codes, 1..K, scalar.
    """

    picture: Float[Tensor, "B 1 M F"]
    codes: Int64[Tensor, "B codes"]
    commitment: Float[Tensor, ""]
    perplexity: Float[Tensor, ""]


class SpectrogramVQGAN(nn.Module):
    """Encoder, codebook and decoder of pictures of sound.

    Attributes:
        grid: (m, f), codes of a picture along frequency and time.
        codes_per_picture: m f.

    Source: the STFT-VQGAN of Ge et al. 2022, of whose sizes little is told. There is no discriminator, as there.
    """

    def __init__(self, codebook: Quantizer, n_hiddens: int, downsample: Sequence[int], picture: Stride2d) -> None:
        """Make the model.

        Args:
            codebook: quantizer; its `dim` is the width of the latents.
            n_hiddens: width at full resolution, doubled per level.
            downsample: how much smaller the grid of codes is along frequency and time; powers of two.
            picture: (M, F).

        Raises:
            UserError: an argument is out of range.
        """
        super().__init__()
        if n_hiddens < 1:
            raise UserError(f"n_hiddens={n_hiddens} must be at least 1")
        if len(downsample) != 2 or any(size < by or size % by for size, by in zip(picture, downsample, strict=False)):
            wanted = "two powers of two that divide bins and frames"
            raise UserError(
                f"downsample={list(downsample)} of pictures of {picture[0]} x {picture[1]}: allowed: {wanted}"
            )
        strides = [(height, width) for _, height, width in level_strides((1, *downsample))]
        self.grid = (picture[0] // downsample[0], picture[1] // downsample[1])
        self.codes_per_picture = self.grid[0] * self.grid[1]
        widest = n_hiddens * 2 ** len(strides)
        self.encoder = nn.Sequential(SamePadConv2d(1, n_hiddens, BLOCK_KERNEL))
        for level, stride in enumerate(strides):
            width = n_hiddens * 2**level
            down = SamePadConv2d(width, 2 * width, RESAMPLING_KERNEL, stride)
            self.encoder.extend([down, ResBlock2d(2 * width)])
        self.encoder.extend([nn.BatchNorm2d(widest), nn.SiLU(), SamePadConv2d(widest, codebook.dim, 1)])
        self.codebook = codebook
        self.decoder = nn.Sequential(SamePadConv2d(codebook.dim, widest, 1), nn.BatchNorm2d(widest), nn.SiLU())
        width = widest
        for level, stride in enumerate(strides):  # the first keeps the width, as in the decoder of videos
            narrower = widest // 2**level
            up = SamePadConvTranspose2d(width, narrower, RESAMPLING_KERNEL, stride)
            self.decoder.extend([up, ResBlock2d(narrower)])
            width = narrower
        self.decoder.append(SamePadConv2d(width, 1, BLOCK_KERNEL))

    def encode(self, picture: Float[Tensor, "B 1 M F"]) -> Int64[Tensor, "B codes"]:
        """Encode to codes.

        Args:
            picture: in [-0.5, 0.5].

        Returns:
            0..K-1, in the order of time, those of one time from low to high.
        """
        return _in_order_of_time(self.codebook.nearest(self._latents(picture)))

    def decode(self, codes: Int64[Tensor, "B codes"]) -> Float[Tensor, "B 1 M F"]:
        """Decode codes that are ordered as `encode` gives them; returns pictures, about [-0.5, 0.5]."""
        height, width = self.grid
        return self._decoded(self.codebook.lookup(rearrange(codes, "b (w h) -> b 1 h w", h=height, w=width)))

    def forward(self, picture: Float[Tensor, "B 1 M F"]) -> HeardAgain:
        """Encode, quantize and decode; in training mode the codebook learns from it."""
        quantized = self.codebook(self._latents(picture))
        return HeardAgain(
            picture=self._decoded(quantized.quantized),
            codes=_in_order_of_time(quantized.codes),
            commitment=quantized.commitment,
            perplexity=quantized.perplexity,
        )

    def _latents(self, picture: Float[Tensor, "B 1 M F"]) -> Float[Tensor, "B D 1 m f"]:
        """What enters the codebook, which knows three axes."""
        return self.encoder(picture).unsqueeze(2)

    def _decoded(self, quantized: Float[Tensor, "B D 1 m f"]) -> Float[Tensor, "B 1 M F"]:
        return self.decoder(quantized.squeeze(2))


class ResBlock2d(nn.Module):
    """Norm, SiLU, convolution, twice, plus the input."""

    def __init__(self, channels: int) -> None:
        """Make the block, of as many channels at both ends."""
        super().__init__()
        self.norm1, self.norm2 = nn.BatchNorm2d(channels), nn.BatchNorm2d(channels)
        self.conv1 = SamePadConv2d(channels, channels, BLOCK_KERNEL)
        self.conv2 = SamePadConv2d(channels, channels, BLOCK_KERNEL)

    def forward(self, x: Float[Tensor, "B C H W"]) -> Float[Tensor, "B C H W"]:
        """Transform (B, C, H, W)."""
        h = self.conv1(F.silu(self.norm1(x)))
        return x + self.conv2(F.silu(self.norm2(h)))


def picture_to_float(picture: UInt8[Tensor, "B 1 M F"]) -> Float[Tensor, "B 1 M F"]:
    """Turn pictures as they are stored into what the model takes: float32 in [-0.5, 0.5]."""
    return picture.float() / 255 - 0.5


def _in_order_of_time(codes: Int64[Tensor, "B 1 m f"]) -> Int64[Tensor, "B codes"]:
    return rearrange(codes, "b 1 h w -> b (w h)")
