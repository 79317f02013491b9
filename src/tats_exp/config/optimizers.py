"""Optimisers and schedulers, tried on a weight of no substance before anything is trained with them.

The first optimiser that is made has torch load its compiler, most of a second: what is spelt as in the package's own
options, with plain numbers, is known to be sound and is not tried.
"""

import json

import torch
from torch import nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from tats_exp import UserError
from tats_exp.config.build import blamed_on, build
from tats_exp.config.sections import Training

_ADAMS = {"torch.optim.Adam": set(), "torch.optim.AdamW": {"weight_decay"}}
"""What the package's own options take, and the parameters they set besides those of all."""
_ONE_CYCLE = "torch.optim.lr_scheduler.OneCycleLR"
_FEWEST = 10
"""Steps of one cycle, whose phases may be empty with less."""


def check_optimizer(name: str, training: Training) -> None:
    """Build the optimiser and the scheduler of a training, and step both, at the beginning and at the end.

    Those that `_known` knows are not built.

    Args:
        name: of the section.
        training: its `training`.

    Raises:
        UserError: one of them cannot be built or stepped, or a step takes a weight beyond what has a square; one line.
    """
    if _known(training):
        return
    # Of a convolution or a matrix, and of a bias: some optimisers take matrices alone. Two groups, the second without
    # weight decay, as the transformers have them.
    shapes = ((2, 2, 1, 1, 1) if name == "vqgan" else (2, 2), (2,))
    weights = [nn.Parameter(torch.ones(shape)) for shape in shapes]
    groups = [{"params": weights[:1]}, {"params": weights[1:], "weight_decay": 0.0}]
    key = f"{name}.training.optimizer"
    make_optimizer = build(training.optimizer, key)
    with blamed_on(key, training.optimizer):
        optimizer: Optimizer = make_optimizer(weights if name == "vqgan" else groups)
    _step(name, training, optimizer, weights)  # before a scheduler begins with a small rate
    if training.scheduler is None:
        return
    make_scheduler = build(training.scheduler, f"{name}.training.scheduler")
    with blamed_on(f"{name}.training.scheduler", training.scheduler):
        scheduler: LRScheduler = make_scheduler(optimizer)
    _step(name, training, optimizer, weights)  # a scheduler warns of an optimiser that has not stepped
    with blamed_on(f"{name}.training.scheduler", training.scheduler):
        scheduler.step()
        scheduler.last_epoch = training.steps - 1  # as many steps as there will be may be more than it knows
        scheduler.step()


def _step(name: str, training: Training, optimizer: Optimizer, weights: list[nn.Parameter]) -> None:
    """One step along gradients of 1."""

    def loss() -> torch.Tensor:
        optimizer.zero_grad()
        value = torch.stack([weight.sum() for weight in weights]).sum()
        value.backward()
        return value

    key = f"{name}.training.optimizer"
    with torch.enable_grad(), blamed_on(key, training.optimizer):
        optimizer.step(loss)  # type: ignore[arg-type]
    if not all(bool(weight.square().isfinite().all()) for weight in weights):
        given = f"{key}.lr={training.optimizer['lr']}" if "lr" in training.optimizer else key
        raise UserError(f"{given}: a step along a gradient of 1 makes the square of a weight infinite; allowed: less")


def _known(training: Training) -> bool:
    """Whether optimiser and scheduler are those of the package's own options, with numbers that are sound in them."""
    given = training.optimizer
    kind = given.get("_target_")
    if kind not in _ADAMS or given.keys() != {"_target_", "_partial_", "lr", "betas", *_ADAMS[kind]}:
        return False
    betas = given["betas"]
    numbers = (given["lr"], given.get("weight_decay", 0.0), *(betas if isinstance(betas, list) else ()))
    if given["_partial_"] is not True or len(numbers) != 4 or not all(type(number) is float for number in numbers):
        return False
    lr, decay, *averaged = numbers
    if not (1e-12 <= lr <= 0.1 and 0 <= decay <= 1 and all(0 <= beta <= 0.9999 for beta in averaged)):
        return False
    cycle = {"max_lr": lr, "total_steps": training.steps, "cycle_momentum": False}
    one_cycle = {"_target_": _ONE_CYCLE, "_partial_": True, **cycle}
    # As text, since 400.0 and 1 are equal to 400 and True, and no such arguments.
    same = json.dumps(training.scheduler, sort_keys=True, default=str) == json.dumps(one_cycle, sort_keys=True)
    return training.scheduler is None or (same and training.steps >= _FEWEST)
