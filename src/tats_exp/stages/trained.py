"""What the stages that train a model share: its budget, its weights on disk, and models that a file brings instead."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import torch
from hydra.utils import instantiate
from safetensors.torch import save

from tats_exp import NotFiniteError
from tats_exp.config.checkpoints import checksum
from tats_exp.config.schema import Config, ModelName
from tats_exp.config.sections import Training
from tats_exp.files import atomic, read_tensors
from tats_exp.stages.context import NoMeaning
from tats_exp.training import CHECKPOINT, DAMAGED, Budget, MakeOptimizer, MakeScheduler, not_finite

MODEL = "model.safetensors"
RANK = "TATS_EXP_RANK"
"""Environment variable with the number of a process among those that train together; set by who starts them."""

Model = TypeVar("Model", bound=torch.nn.Module)


@dataclass(frozen=True)
class FromFile:
    """Inputs of a model that is read from a checkpoint of the original code instead of trained.

    Attributes:
        checkpoint: SHA-256 of the file.
        path: of the file.
    """

    checkpoint: str
    path: NoMeaning[str]


def from_file(config: Config, name: ModelName) -> FromFile | None:
    """The file that a model is read from, None where it is trained."""
    path = config.checkpoints.get(name)
    return None if path is None else FromFile(checksum(path), path)


def optimization(training: Training) -> tuple[MakeOptimizer, MakeScheduler | None]:
    """What makes the optimiser and, where there is one, the scheduler of a training."""
    optimizer = instantiate(training.optimizer, _convert_="all")
    return optimizer, None if training.scheduler is None else instantiate(training.scheduler, _convert_="all")


def budget(training: Training, workers: int) -> Budget:
    """How long and how a stage trains.

    Args:
        training: section of the config.
        workers: processes that read clips.
    """
    return Budget(
        training.steps,
        training.batch_size,
        training.accumulate,
        training.gradient_clip,
        training.log_every,
        training.checkpoint_every,
        workers,
    )


def was_trained(folder: Path) -> bool:
    """Whether a stage was killed between the last write of its training and its end."""
    return (folder / MODEL).exists()


def with_weights(model: Model, weights: Path) -> Model:
    """A model with the weights of a file, in eval mode on the CPU.

    Raises:
        UserError: the file is damaged.
        NotFiniteError: it is of a training that diverged.
    """
    model.load_state_dict(finite_weights(weights))
    return model.eval()


def finite_weights(path: Path) -> dict[str, torch.Tensor]:
    """Weights and buffers that a finished stage left.

    Raises:
        UserError: the file is damaged.
        NotFiniteError: an earlier version wrote it, of a training that had diverged.
    """
    weights = read_tensors(path)
    if (name := not_finite(weights.items())) is not None:
        raise NotFiniteError(f"{path}: {name} is not finite; delete the folder of this file to make it again")
    return weights


def write_model(model: torch.nn.Module, folder: Path) -> None:
    """Write the weights of a trained model, and only then let go of checkpoints; of several processes the first."""
    if not is_first():
        return
    write_weights(model, folder / MODEL)
    for checkpoint in (CHECKPOINT, DAMAGED):
        (folder / checkpoint).unlink(missing_ok=True)


def write_weights(model: torch.nn.Module, path: Path) -> None:
    """Write weights and buffers of a module so that the file is whole or absent; of several processes the first.

    Raises:
        NotFiniteError: one of them is not finite.
    """
    if not is_first():
        return
    weights = {name: value.detach().cpu().contiguous() for name, value in model.state_dict().items()}
    if (name := not_finite(weights.items())) is not None:
        raise NotFiniteError(f"{path.name} is not written: its weight {name} is not finite")
    with atomic(path) as temporary:
        temporary.write_bytes(save(weights))


def is_first() -> bool:
    """Whether this is the only process of a training, or the first of several."""
    return os.environ.get(RANK, "0") == "0"
