"""The time-agnostic VQGAN: a clip becomes a small grid of codes, the same wherever in a clip it stands."""

from tats_exp.vqgan.codebook import EMACodebook
from tats_exp.vqgan.discriminators import SpatialDiscriminator, TemporalDiscriminator
from tats_exp.vqgan.fsq import FSQ
from tats_exp.vqgan.padding import TimePadding
from tats_exp.vqgan.quantizer import Quantized, Quantizer
from tats_exp.vqgan.vqgan import VQGAN, Reconstruction

__all__ = [
    "FSQ",
    "VQGAN",
    "EMACodebook",
    "Quantized",
    "Quantizer",
    "Reconstruction",
    "SpatialDiscriminator",
    "TemporalDiscriminator",
    "TimePadding",
]
