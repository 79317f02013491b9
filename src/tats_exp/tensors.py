"""Tensors that stages leave to each other, as safetensors files."""

from pathlib import Path

import torch
from safetensors.torch import load_file, save
from torch import Tensor

from tats_exp import UserError
from tats_exp.files import atomic


def read_tensors(path: Path) -> dict[str, Tensor]:
    """Tensors of a stage on the CPU, as they were written.

    Raises:
        UserError: the file is damaged.
    """
    try:
        return load_file(path)
    except Exception as error:  # safetensors raises an error class of its own
        raise UserError(f"{path} cannot be read ({error}); delete its folder to make it again") from None


def load_tensors(path: Path) -> dict[str, Tensor]:
    """Tensors of a stage on the CPU; codes and labels, which are stored narrow, come back as int64.

    Raises:
        UserError: the file is damaged.
    """
    tensors = read_tensors(path)
    return {name: value.long() if value.dtype == torch.int32 else value for name, value in tensors.items()}


def save_tensors(path: Path, tensors: dict[str, Tensor]) -> None:
    """Write tensors so that the file is whole or absent; int64 is narrowed to int32."""
    narrow = {n: (v.int() if v.dtype == torch.int64 else v).contiguous().cpu() for n, v in tensors.items()}
    with atomic(path) as temporary:
        temporary.write_bytes(save(narrow))
