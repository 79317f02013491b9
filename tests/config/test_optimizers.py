"""Optimisers and schedulers are tried before anything is trained with them, but for those known to be sound."""

import itertools
import warnings
from collections.abc import Mapping
from typing import Any

import pytest

from tats_exp import UserError
from tats_exp.config import optimizers
from tats_exp.config.optimizers import check_optimizer
from tats_exp.config.sections import Training
from tats_exp.run.plan import make_plan

ADAM = {"_target_": "torch.optim.Adam", "_partial_": True, "lr": 0.01, "betas": [0.5, 0.9]}
ONE_CYCLE = {
    "_target_": "torch.optim.lr_scheduler.OneCycleLR",
    "_partial_": True,
    "max_lr": 0.01,
    "total_steps": 100,
    "cycle_momentum": False,
}


def _training(optimizer: Mapping[str, Any], scheduler: Mapping[str, Any] | None = None, steps: int = 100) -> Training:
    given = {"optimizer": dict(optimizer), "scheduler": scheduler and dict(scheduler), "steps": steps}
    budget = {"batch_size": 1, "accumulate": 1, "gradient_clip": 0, "log_every": 1, "checkpoint_every": 1}
    return Training.model_validate({**given, **budget})


@pytest.fixture
def tried(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing passes untried."""
    monkeypatch.setattr(optimizers, "_known", lambda training: False)


@pytest.mark.parametrize("scale", ["toy", "smoke", "paper"])
def test_the_packages_own_options_are_known(scale: str) -> None:
    config = make_plan([f"scale={scale}", "perceptual=none", "long_frames=32"]).configs[0]
    for section in (config.vqgan, config.transformer, config.interpolation):
        assert optimizers._known(section.training)


def test_a_sound_scheduler_is_tried_without_a_warning(tried: None) -> None:
    config = make_plan(["scale=toy"]).configs[0]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_optimizer("vqgan", config.vqgan.training)
        check_optimizer("transformer", config.transformer.training)


@pytest.mark.parametrize("target", ["torch.optim.Adam", "torch.optim.AdamW"])
def test_what_is_known_to_be_sound_is_sound(target: str, monkeypatch: pytest.MonkeyPatch) -> None:
    known = optimizers._known
    monkeypatch.setattr(optimizers, "_known", lambda training: False)
    for lr, beta, decay, steps in itertools.product((1e-12, 0.1), (0.0, 0.9999), (0.0, 1.0), (10, 11, 10**9)):
        optimizer = {**ADAM, "_target_": target, "lr": lr, "betas": [beta, 0.9999 - beta]}
        optimizer |= {"weight_decay": decay} if target.endswith("W") else {}
        training = _training(optimizer, {**ONE_CYCLE, "max_lr": lr, "total_steps": steps}, steps)
        assert known(training)
        check_optimizer("vqgan", training)
        check_optimizer("transformer", training)


@pytest.mark.parametrize(
    "changed",
    [
        {"lr": 0.0},
        {"lr": -0.01},
        {"lr": 1},
        {"lr": 0.11},
        {"lr": float("nan")},
        {"lr": float("inf")},
        {"lr": "0.01"},
        {"lr": None},
        {"betas": [0.5]},
        {"betas": [0.5, 1.0]},
        {"betas": [-0.1, 0.9]},
        {"betas": [0.5, 0.9, 0.9]},
        {"betas": 0.9},
        {"betas": [0, 0.9]},
        {"_partial_": False},
        {"_target_": "torch.optim.SGD"},
        {"_target_": "torch.optim.AdamW"},
        {"weight_decay": 0.01},
        {"eps": 0.0},
    ],
    ids=str,
)
def test_of_any_other_optimiser_it_is_not_known(changed: Mapping[str, object]) -> None:
    assert optimizers._known(_training(ADAM))
    assert not optimizers._known(_training({**ADAM, **changed}))
    for key in ADAM:
        assert not optimizers._known(_training({name: value for name, value in ADAM.items() if name != key}))


@pytest.mark.parametrize(
    "changed",
    [
        {"max_lr": 0.02},
        {"total_steps": 99},
        {"total_steps": 100.0},
        {"_partial_": 1},
        {"cycle_momentum": True},
        {"pct_start": 2.0},
        {"_target_": "my.Cycle"},
    ],
    ids=str,
)
def test_of_any_other_scheduler_it_is_not_known(changed: Mapping[str, object]) -> None:
    assert optimizers._known(_training(ADAM, ONE_CYCLE))
    assert not optimizers._known(_training(ADAM, {**ONE_CYCLE, **changed}))
    assert not optimizers._known(_training(ADAM, {**ONE_CYCLE, "total_steps": 9}, steps=9))


def test_what_is_not_known_is_tried() -> None:
    with pytest.raises(UserError, match=r"vqgan\.training\.optimizer: .*learning rate"):
        check_optimizer("vqgan", _training({**ADAM, "lr": -0.01}))
    with pytest.raises(UserError, match=r"vqgan\.training\.scheduler.*pct_start"):
        check_optimizer("vqgan", _training(ADAM, {**ONE_CYCLE, "pct_start": 2.0}))
