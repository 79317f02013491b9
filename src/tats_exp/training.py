"""What is known of a training without the trainer: its budget, what it is told and leaves, and when it went wrong.

Lightning takes a second to be imported, which what only reads trainings need not wait for.
"""

import csv
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import torch

from tats_exp import NotFiniteError

CHECKPOINT = "last.ckpt"
DAMAGED = "damaged.ckpt"
LOSSES = "losses.csv"

MakeOptimizer = Callable[..., torch.optim.Optimizer]
MakeScheduler = Callable[..., torch.optim.lr_scheduler.LRScheduler]
Scalars = Callable[[int, dict[str, float]], None]
"""Takes a step and its named values."""
Steps = Callable[[int, int], None]
"""Takes the steps done and the steps in all."""


@dataclass(frozen=True)
class Budget:
    """How long and how a stage trains; `steps` are optimiser steps, a batch is that of all processes together."""

    steps: int
    batch_size: int
    accumulate: int = 1
    gradient_clip: float = 0.0
    log_every: int = 10
    checkpoint_every: int = 100
    workers: int = 0


def not_finite(tensors: Iterable[tuple[str, torch.Tensor]]) -> str | None:
    """The first name whose tensor holds a number that is not finite; None where all are finite.

    A device is waited for once, whatever the number of tensors, and once more where one of them is not finite.
    """
    floating = [(name, value.detach()) for name, value in tensors if value.is_floating_point()]
    if not floating:
        return None
    finite = torch.stack([value.isfinite().all() for _, value in floating])
    return None if finite.all() else floating[finite.tolist().index(False)][0]


def diverged(what: str, step: int, kept: int) -> NotFiniteError:
    """What is said of a training with a number in it that is not finite.

    Args:
        what: is not finite.
        step: at which it was seen.
        kept: step of the last good checkpoint, 0 without one.
    """
    good = f"the checkpoint of step {kept} is kept" if kept else "it has no good checkpoint yet"
    return NotFiniteError(
        f"{what} at step {step}: the training diverged, {good}; a lower learning rate or gradient_clip may help"
    )


def read_losses(path: Path) -> Iterator[tuple[int, str, float]]:
    """Rows (step, key, value) of a loss log; a last line cut short by a killed process is passed over."""
    with path.open(newline="") as file:
        for row in csv.reader(file):
            if len(row) == 3 and row[0].isdecimal():
                yield int(row[0]), row[1], float(row[2])


def by_step(rows: Iterable[tuple[int, str, float]]) -> dict[int, dict[str, float]]:
    """Gather rows (step, key, value) into the values of each step."""
    steps: dict[int, dict[str, float]] = {}
    for step, key, value in rows:
        steps.setdefault(step, {})[key] = value
    return steps


def keep_float32() -> None:
    """Keep cuDNN from rounding float32 to TF32 in this process, which it does unless told.

    `precision=32-true` says float32, and the codes of a window must not hang on the device. In bf16 it changes nothing.
    """
    torch.backends.cudnn.allow_tf32 = False
