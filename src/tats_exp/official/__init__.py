"""Checkpoints of the official TATS code: read and, for the VQGAN, written.

The modules of this package carry the official names, so that little renaming is left.
"""

from tats_exp.official.reading import SPACE_STRIDE, arguments, load_transformer, load_vqgan
from tats_exp.official.weight_names import official_state_dict, transformer_state_dict, vqgan_state_dict
from tats_exp.official.writing import save_official_vqgan

__all__ = [
    "SPACE_STRIDE",
    "arguments",
    "load_transformer",
    "load_vqgan",
    "official_state_dict",
    "save_official_vqgan",
    "transformer_state_dict",
    "vqgan_state_dict",
]
