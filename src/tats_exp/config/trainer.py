"""The trainer section. Lightning takes a second to be imported, and need not be asked about a plain one."""

import logging

import torch

from tats_exp.config.sections import Node

_PLAIN = {
    "_target_": ("lightning.pytorch.Trainer",),
    "_partial_": (True,),
    "accelerator": ("cpu", "auto"),
    "devices": (1,),
    "precision": ("32-true", "bf16-mixed"),
}


def trains_on_cpu(trainer: Node) -> bool:
    """Whether a section says, in the words of the package's own options, what comes out as one process on the CPU.

    Such a section is right as it stands. Of any other one, and wherever there is something to choose from, Lightning
    knows whether it is right and what it means.
    """
    if trainer.keys() != _PLAIN.keys() or (torch.accelerator.is_available() and trainer["accelerator"] != "cpu"):
        return False
    return all(type(trainer[key]) is type(values[0]) and trainer[key] in values for key, values in _PLAIN.items())


def lightning_trainer() -> type:
    """Lightning's trainer, which announces hardware and products whenever one is made; only errors come through."""
    from lightning.pytorch import Trainer

    for name in ("lightning.pytorch", "lightning.fabric"):  # the import sets their levels
        logging.getLogger(name).setLevel(logging.ERROR)
    return Trainer
