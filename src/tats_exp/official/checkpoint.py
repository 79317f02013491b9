"""An official checkpoint as a file: its arguments, its tensors, and modules filled with these.

Such a file is a pickled dict of Lightning's: `state_dict` holds the weights, `hyper_parameters["args"]` the command
line as an `argparse.Namespace`. What else is in it (perceptual network, optimizers, callbacks, the first stage inside
a transformer's) is ignored.
"""

from argparse import Namespace
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import torch
from torch import nn

from tats_exp import UserError
from tats_exp.features.torch_file import TorchFile
from tats_exp.features.torch_pickle import LONGEST_NAME, StoredTensor
from tats_exp.official.weight_names import OURS_ALONE, State

Built = TypeVar("Built")
Module = TypeVar("Module", bound=nn.Module)


@dataclass(frozen=True)
class Checkpoint:
    """What is of use in a file: its arguments, and the tensors of its state dict, which are not read yet."""

    file: TorchFile
    args: Namespace
    state: dict[str, StoredTensor]


def build_from(path: Path | str, build: Callable[[Checkpoint], Built]) -> Built:
    """Read a checkpoint and build what is in it.

    Raises:
        UserError: in one line that names the file: it cannot be read, or what `build` raised.
    """
    try:
        return build(_read(Path(path)))
    except ValueError as error:
        raise UserError(f"checkpoint {path}: {error}") from None


def _read(path: Path) -> Checkpoint:
    file = TorchFile(path)
    content = file.content if isinstance(file.content, dict) else {}
    state, hyper = content.get("state_dict"), content.get("hyper_parameters")
    args = hyper.get("args") if isinstance(hyper, dict) else None
    if not isinstance(state, dict) or not isinstance(args, Namespace):
        raise UserError("not of the official code; its checkpoints hold state_dict and hyper_parameters['args']")
    tensors = {str(name): value for name, value in state.items() if isinstance(value, StoredTensor)}
    if (longest := max(map(len, tensors), default=0)) > LONGEST_NAME:
        raise UserError(f"damaged, a weight's name has {longest} characters")
    return Checkpoint(file, args, tensors)


def shapes_of(weights: Mapping[str, StoredTensor]) -> dict[str, tuple[int, ...]]:
    """Shape of every tensor; none is read."""
    return {name: value.shape for name, value in weights.items()}


def filled(
    make: Callable[[], Module],
    file: TorchFile,
    weights: Mapping[str, StoredTensor],
    complete: Callable[[State], State] = dict,
) -> Module:
    """A module with these weights, in eval mode; never initialised at random, which takes time and random numbers.

    Args:
        make: makes the module; what it takes was held against the weights.
        file: that they lie in.
        weights: of the module.
        complete: adds what the module has and the file has not.

    Raises:
        UserError: in one line: weights that are missing, unknown or do not fit.
    """
    try:
        with torch.device("meta"):
            module = make()
    except (RuntimeError, OverflowError):
        raise UserError("its arguments ask for more than any memory holds") from None
    own = {name: value for name, value in module.state_dict().items() if name not in OURS_ALONE}
    for problem, names in (("lacks", own.keys() - weights.keys()), ("has unknown", weights.keys() - own.keys())):
        if names:
            raise UserError(f"{problem} weights, {len(names)} in all: {min(names)}{' ...' if len(names) > 1 else ''}")
    for name, value in own.items():
        stored = weights[name]
        if stored.shape != value.shape:
            raise UserError(f"{name} has shape {stored.shape}, its arguments ask for {tuple(value.shape)}")
        if stored.is_floating_point != value.is_floating_point():
            raise UserError(f"{name} has dtype {stored.storage.dtype}, its like have {value.dtype}")
    module.to_empty(device="cpu").load_state_dict(complete(file.tensors(weights)))
    return module.eval()
