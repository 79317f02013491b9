"""The trainer section, where it is so plain that Lightning, which takes a second to be imported, need not be asked."""

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
