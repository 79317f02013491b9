"""What passes without Lightning is what Lightning itself takes, and makes one process on the CPU."""

from collections.abc import Mapping

import pytest
import torch
from hydra.utils import instantiate

from tats_exp.config.trainer import lightning_trainer, trains_on_cpu

PLAIN = {
    "_target_": "lightning.pytorch.Trainer",
    "_partial_": True,
    "accelerator": "cpu",
    "devices": 1,
    "precision": "32-true",
}


@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed"])
@pytest.mark.parametrize("accelerator", ["cpu", "auto"])
def test_lightning_agrees(accelerator: str, precision: str, monkeypatch: pytest.MonkeyPatch) -> None:
    lightning_trainer()
    trainer = {**PLAIN, "accelerator": accelerator, "precision": precision}
    if trains_on_cpu(trainer):
        made = instantiate(trainer)(logger=False, enable_model_summary=False, enable_checkpointing=False)
        assert made.strategy.root_device == torch.device("cpu") and made.world_size == 1
    assert trains_on_cpu(trainer) or (torch.accelerator.is_available() and accelerator == "auto")
    monkeypatch.setattr(torch.accelerator, "is_available", lambda: True)
    assert trains_on_cpu(trainer) == (accelerator == "cpu")


@pytest.mark.parametrize(
    "changed",
    [
        {"devices": True},
        {"devices": 1.0},
        {"devices": "1"},
        {"devices": 2},
        {"_partial_": 1},
        {"_partial_": False},
        {"accelerator": "cuda"},
        {"accelerator": "CPU"},
        {"accelerator": None},
        {"precision": "16-mixed"},
        {"strategy": "auto"},
        {"_target_": "lightning.Trainer"},
    ],
    ids=str,
)
def test_of_anything_else_lightning_is_asked(changed: Mapping[str, object]) -> None:
    assert not trains_on_cpu({**PLAIN, **changed})
    for key in PLAIN:
        assert not trains_on_cpu({name: value for name, value in PLAIN.items() if name != key})
