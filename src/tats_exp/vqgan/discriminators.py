"""The adversaries of the VQGAN: PatchGANs that judge frames (2D) and clips (3D), patch by patch.

Axes: B C T H W pixels, N = `layers`. Blocks 0..N-1 are convolutions of stride 2, blocks N and N+1 of stride 1; all have
kernel 4 and pad 2 zeros a side, so that any size goes in. All but the last end in a leaky ReLU, whose output is the
block's feature; the last gives the logits. Widths double per block, up to 512.
"""

from itertools import pairwise
from typing import Literal, get_args

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from tats_exp.vqgan.groups import groups

PatchNorm = Literal["batch", "group"]
WIDEST = 512
CONV: dict[int, type[nn.Conv2d] | type[nn.Conv3d]] = {2: nn.Conv2d, 3: nn.Conv3d}
MOST_LAYERS = 32
"""Blocks of stride 2, each of which halves what is judged."""
BATCH_NORM: dict[int, type[nn.BatchNorm2d] | type[nn.BatchNorm3d]] = {2: nn.BatchNorm2d, 3: nn.BatchNorm3d}


class PatchGAN(nn.Module):
    """What the two discriminators share: `layers` + 2 blocks over `axes` axes.

    Source: official `NLayerDiscriminator` and `NLayerDiscriminator3D` (Isola et al. 2017), which also count the logits
    among the features.
    """

    def __init__(self, axes: Literal[2, 3], width: int, layers: int, norm: PatchNorm, image_channels: int) -> None:
        """Make the discriminator.

        Args:
            axes: 2 for frames, 3 for clips.
            width: channels of the first block.
            layers: N, blocks of stride 2.
            norm: of all blocks but the first and the last: `batch`, or `group` (min(32, channels) groups), which
                judges every clip alone.
            image_channels: channels of the video.

        Raises:
            ValueError: a size below 1, an unknown `norm`, or `group` and a width without equal groups.
        """
        super().__init__()
        for name, value in (("width", width), ("layers", layers)):
            if value < 1:
                raise ValueError(f"discriminator: {name}={value} must be at least 1")
        if layers > MOST_LAYERS:
            raise ValueError(f"discriminator: layers={layers} must be at most {MOST_LAYERS}")
        if norm not in get_args(PatchNorm):
            raise ValueError(f"discriminator: norm={norm!r} is unknown; allowed: {', '.join(get_args(PatchNorm))}")
        self.width, self.layers, self.norm = width, layers, norm
        channels = [image_channels, *(min(width * 2**i, max(width, WIDEST)) for i in range(layers + 1)), 1]
        self.blocks = nn.ModuleList()
        for i, (before, after) in enumerate(pairwise(channels)):
            block = nn.Sequential(CONV[axes](before, after, 4, stride=2 if i < layers else 1, padding=2))
            if 0 < i <= layers and norm == "batch":
                block.append(BATCH_NORM[axes](after))
            elif 0 < i <= layers:
                block.append(nn.GroupNorm(groups(after, "discriminator: width"), after))
            if i <= layers:
                block.append(nn.LeakyReLU(0.2, inplace=True))
            self.blocks.append(block)

    def _judge(self, x: Tensor) -> tuple[Tensor, list[Tensor]]:
        features = []
        for block in self.blocks:
            x = block(x)
            features.append(x)
        return x, features[:-1]


class SpatialDiscriminator(PatchGAN):
    """Judges frames."""

    def __init__(self, width: int = 64, layers: int = 3, norm: PatchNorm = "batch", image_channels: int = 3) -> None:
        """Make the discriminator; arguments as in `PatchGAN`, the defaults are the paper's."""
        super().__init__(2, width, layers, norm, image_channels)

    def forward(self, frames: Float[Tensor, "B C H W"]) -> tuple[Float[Tensor, "B 1 _ _"], list[Tensor]]:
        """Judge frames in [-0.5, 0.5].

        Args:
            frames: (B, C, H, W).

        Returns:
            Logits of every patch, above 0 for real, and the features of all blocks before, (B, channels, h, w) each.
        """
        return self._judge(frames)


class TemporalDiscriminator(PatchGAN):
    """Judges clips."""

    def __init__(self, width: int = 64, layers: int = 3, norm: PatchNorm = "batch", image_channels: int = 3) -> None:
        """Make the discriminator; arguments as in `PatchGAN`, the defaults are the paper's."""
        super().__init__(3, width, layers, norm, image_channels)

    def forward(self, video: Float[Tensor, "B C T H W"]) -> tuple[Float[Tensor, "B 1 _ _ _"], list[Tensor]]:
        """Judge clips in [-0.5, 0.5].

        Args:
            video: (B, C, T, H, W).

        Returns:
            Logits of every patch, above 0 for real, and the features of all blocks before, (B, channels, t, h, w) each.
        """
        return self._judge(video)


def pick_frames(video: Float[Tensor, "B C T H W"], index: Int64[Tensor, " B"]) -> Float[Tensor, "B C H W"]:
    """One frame of every clip, for the spatial discriminator; the same index serves a clip and its reconstruction.

    Args:
        video: (B, C, T, H, W).
        index: which frame of each clip, 0..T-1.

    Returns:
        (B, C, H, W).

    Source: Ge et al. 2022, section 3.1: one random frame per clip.
    """
    return video[torch.arange(len(index), device=index.device), :, index]
