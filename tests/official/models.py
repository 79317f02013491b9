"""Models that are written as official checkpoints."""

import torch

from tats_exp.vqgan import VQGAN
from tats_exp.vqgan.discriminators import SpatialDiscriminator, TemporalDiscriminator


def with_discriminators(vqgan: VQGAN, width: int = 4) -> VQGAN:
    vqgan.discriminators = {"spatial": SpatialDiscriminator(width, 2), "temporal": TemporalDiscriminator(4, 2)}
    for module in vqgan.discriminators.values():
        module(torch.rand(2, 3, 8, 8) if module is vqgan.discriminators["spatial"] else torch.rand(2, 3, 4, 8, 8))
    return vqgan
