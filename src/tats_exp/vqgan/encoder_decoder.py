"""Encoder and decoder of the VQGAN in the official layout, with their normalisation. Axes: B C T H W, t h w latent.

The names of the submodules are those of the official state dicts.
"""

from collections.abc import Sequence
from typing import Literal, get_args

import torch.nn.functional as F
from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn

from tats_exp.vqgan.conv3d import SamePadConv3d, SamePadConvTranspose3d, crop_time
from tats_exp.vqgan.groups import groups
from tats_exp.vqgan.padding import Replicate, TimePadding
from tats_exp.vqgan.receptive_field import (
    BLOCK_KERNEL,
    RESAMPLING_KERNEL,
    decoder_margin,
    decoder_needs,
    encoder_margin,
    encoder_needs,
    level_strides,
)

Norm = Literal["batch", "group", "frame_group"]


class FrameGroupNorm(nn.GroupNorm):
    """GroupNorm over (C, H, W) of every frame alone, so that no frame sees another."""

    def forward(self, x: Float[Tensor, "B C T H W"]) -> Float[Tensor, "B C T H W"]:
        """Normalise every frame of (B, C, T, H, W) by its own statistics."""
        frames = super().forward(rearrange(x, "b c t h w -> (b t) c h w"))
        return rearrange(frames, "(b t) c h w -> b c t h w", b=x.shape[0])


def normalize(norm: Norm, channels: int) -> nn.Module:
    """Make the normalisation of one layer.

    Args:
        norm: `batch` (the paper's choice), `group` (over time too: frames see each other) or `frame_group`.
        channels: channels of the features.

    Returns:
        A module that keeps the shape (B, C, T, H, W).

    Raises:
        ValueError: `norm` is unknown, or the channels have no equal groups.

    Source: official `Normalize`; `group` takes min(32, channels) groups where the official code takes 32.
    """
    if norm == "batch":
        return nn.BatchNorm3d(channels)
    if norm == "group":
        return nn.GroupNorm(groups(channels, "n_hiddens"), channels, eps=1e-6)
    if norm == "frame_group":
        return FrameGroupNorm(groups(channels, "n_hiddens"), channels, eps=1e-6)
    raise ValueError(f"norm={norm!r} is unknown; allowed: {', '.join(get_args(Norm))}")


class ResBlock(nn.Module):
    """Norm, SiLU, convolution, twice, plus the input, or its middle where true neighbours are used up."""

    def __init__(self, channels: int, norm: Norm, padding: TimePadding) -> None:
        """Make the block.

        Args:
            channels: of input and output.
            norm: normalisation.
            padding: time padding of both convolutions.
        """
        super().__init__()
        self.norm1 = normalize(norm, channels)
        self.conv1 = SamePadConv3d(channels, channels, BLOCK_KERNEL, padding=padding)
        self.norm2 = normalize(norm, channels)
        self.conv2 = SamePadConv3d(channels, channels, BLOCK_KERNEL, padding=padding)
        self.lost = 2 * (BLOCK_KERNEL // 2) if padding.needs_neighbours else 0

    def forward(self, x: Float[Tensor, "B C _ H W"]) -> Float[Tensor, "B C _ H W"]:
        """Transform (B, C, T, H, W)."""
        h = self.conv1(F.silu(self.norm1(x)))
        h = self.conv2(F.silu(self.norm2(h)))
        return crop_time(x, self.lost, self.lost) + h


class EncoderLevel(nn.Module):
    """A strided convolution and a ResBlock."""

    def __init__(
        self, in_channels: int, out_channels: int, stride: tuple[int, int, int], norm: Norm, padding: TimePadding
    ) -> None:
        """Make the level.

        Args:
            in_channels: channels of the input.
            out_channels: channels of the output.
            stride: time, height, width; 1 or 2 each.
            norm: normalisation.
            padding: time padding.
        """
        super().__init__()
        self.down = SamePadConv3d(in_channels, out_channels, RESAMPLING_KERNEL, stride, padding)
        self.res = ResBlock(out_channels, norm, padding)

    def forward(self, x: Float[Tensor, "B Cin _ _ _"]) -> Float[Tensor, "B Cout _ _ _"]:
        """Shrink (B, C, T, H, W)."""
        return self.res(self.down(x))


class Encoder(nn.Module):
    """Video to features on the latent grid; attribute `out_channels` = n_hiddens * 2**levels.

    Source: official `Encoder`; every convolution follows `padding` here.
    """

    def __init__(
        self,
        n_hiddens: int,
        downsample: Sequence[int],
        norm: Norm = "batch",
        padding: TimePadding = Replicate(),
        image_channels: int = 3,
    ) -> None:
        """Make the encoder.

        Args:
            n_hiddens: width before the first level; it doubles per level.
            downsample: (time, height, width), powers of two.
            norm: normalisation.
            padding: time padding of every convolution.
            image_channels: channels of the video.
        """
        super().__init__()
        strides = level_strides(downsample)
        self.conv_first = SamePadConv3d(image_channels, n_hiddens, BLOCK_KERNEL, padding=padding)
        self.conv_blocks = nn.ModuleList(
            EncoderLevel(n_hiddens * 2**i, n_hiddens * 2 ** (i + 1), stride, norm, padding)
            for i, stride in enumerate(strides)
        )
        self.out_channels = n_hiddens * 2 ** len(strides)
        self.final_block = nn.Sequential(normalize(norm, self.out_channels), nn.SiLU())
        margin = encoder_margin(downsample)
        first, end = encoder_needs(1, [s[0] for s in strides])
        # The margin is symmetric and a multiple of the stride; the layers need it to the frame, or they drift apart.
        unneeded = margin + first, margin - (end - downsample[0])
        self.unneeded = unneeded if padding.needs_neighbours else (0, 0)

    def forward(self, video: Float[Tensor, "B Cin _ H W"]) -> Float[Tensor, "B Cout _ _ _"]:
        """Encode (B, C, margin + T + margin, H, W) to (B, out_channels, t, h, w)."""
        x = self.conv_first(crop_time(video, *self.unneeded))
        for level in self.conv_blocks:
            x = level(x)
        return self.final_block(x)


class DecoderLevel(nn.Module):
    """A transposed convolution and ResBlocks `res1`, `res2`, ... (the official code has two)."""

    def __init__(
        self, up: SamePadConvTranspose3d, channels: int, blocks: int, norm: Norm, padding: TimePadding
    ) -> None:
        """Make the level.

        Args:
            up: the transposed convolution that leads in.
            channels: channels that `up` returns.
            blocks: number of ResBlocks.
            norm: normalisation.
            padding: time padding.
        """
        super().__init__()
        self.up = up
        self.res_names = [f"res{i + 1}" for i in range(blocks)]
        for name in self.res_names:
            self.add_module(name, ResBlock(channels, norm, padding))

    def forward(self, x: Float[Tensor, "B Cin _ _ _"]) -> Float[Tensor, "B Cout _ _ _"]:
        """Grow (B, C, T, H, W)."""
        x = self.up(x)
        for name in self.res_names:
            x = self.get_submodule(name)(x)
        return x


class Decoder(nn.Module):
    """Features on the latent grid to video: the encoder backwards, its first level keeping the width.

    Source: official `Decoder`; every convolution follows `padding` here, and `blocks` may be lowered from 2.
    """

    def __init__(
        self,
        n_hiddens: int,
        downsample: Sequence[int],
        blocks: int = 2,
        norm: Norm = "batch",
        padding: TimePadding = Replicate(),
        image_channels: int = 3,
    ) -> None:
        """Make the decoder.

        Args:
            n_hiddens: half the width after the last level.
            downsample: (time, height, width), powers of two.
            blocks: ResBlocks per level.
            norm: normalisation.
            padding: time padding of every convolution.
            image_channels: channels of the video.
        """
        super().__init__()
        strides = level_strides(downsample)
        time_strides = [s[0] for s in strides]
        code_margin = decoder_margin(downsample, blocks)
        (first, end), surplus = decoder_needs(downsample[0], time_strides, blocks)
        self.unneeded = (code_margin + first, code_margin - (end - 1)) if padding.needs_neighbours else (0, 0)
        channels = n_hiddens * 2 ** len(strides)
        self.final_block = nn.Sequential(normalize(norm, channels), nn.SiLU())
        self.conv_blocks = nn.ModuleList()
        for i, stride in enumerate(strides):
            width = n_hiddens * 2 ** (len(strides) - i)
            up = SamePadConvTranspose3d(channels, width, RESAMPLING_KERNEL, stride, padding, surplus[i])
            self.conv_blocks.append(DecoderLevel(up, width, blocks, norm, padding))
            channels = width
        self.conv_last = SamePadConv3d(channels, image_channels, BLOCK_KERNEL, padding=padding)

    def forward(self, features: Float[Tensor, "B Cin _ _ _"]) -> Float[Tensor, "B Cout _ _ _"]:
        """Decode (B, C, code_margin + t + code_margin, h, w) to (B, image_channels, T, H, W)."""
        x = self.final_block(crop_time(features, *self.unneeded))
        for level in self.conv_blocks:
            x = level(x)
        return self.conv_last(x)
