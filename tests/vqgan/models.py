"""Small VQGANs with weights and statistics that leave no layer idle."""

import torch

from tats_exp.vqgan import VQGAN, EMACodebook, TimePadding
from tats_exp.vqgan.padding import Alpha, Loop, Real, Reflect, Replicate, Zero, ZeroSpace

ENDS_GUESSED = [Zero(), Alpha(0.5), Replicate(), Loop(), Reflect(), ZeroSpace()]
"""Paddings that make up what lies beyond the ends."""
PADDINGS = [*ENDS_GUESSED, Real()]


def small_vqgan(
    encoder: TimePadding = Replicate(),
    decoder: TimePadding = Replicate(),
    downsample=(4, 4, 4),
    norm: str = "batch",
    blocks: int = 2,
) -> VQGAN:
    torch.manual_seed(0)
    vqgan = VQGAN(EMACodebook(32, 4), 4, downsample, blocks, norm, encoder, decoder)
    for module in vqgan.modules():
        if isinstance(module, torch.nn.BatchNorm3d):
            module.running_mean.uniform_(-0.2, 0.2)
            module.running_var.uniform_(0.5, 1.5)
        if isinstance(module, (torch.nn.BatchNorm3d, torch.nn.GroupNorm)):
            torch.nn.init.uniform_(module.bias, 0.1, 0.5)  # the feature of a black frame must not be zero
    vqgan.codebook.embeddings.normal_(std=0.3)
    return vqgan.eval()


def noise_video(frames: int, size: int = 8, seed: int = 1, batch: int = 1) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(batch, 3, frames, size, size, generator=generator) - 0.5
