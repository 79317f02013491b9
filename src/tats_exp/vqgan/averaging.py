"""An average of a model's weights over its training, to be used in their place."""

import copy

import torch
from torch import nn


class AverageWeights(nn.Module):
    """A copy of a model whose weights trail the model's; buffers (statistics, the codebook) are always its newest.

    Attributes:
        model: the copy; it takes no gradient.
    """

    def __init__(self, model: nn.Module, decay: float) -> None:
        """Copy the model.

        Args:
            model: what is trained.
            decay: 0 up to but not including 1, per optimiser step; less in the beginning, (1 + n) / (10 + n) at step n,
                or the average would remember weights that were never trained.
        """
        super().__init__()
        self.model = copy.deepcopy(model).requires_grad_(False)
        self.decay = decay

    @torch.no_grad()
    def update(self, model: nn.Module, step: int) -> None:
        """Take in the weights after optimiser step number `step`, the first being 1."""
        decay = min(self.decay, (1 + step) / (10 + step))
        torch._foreach_lerp_(list(self.model.parameters()), list(model.parameters()), 1 - decay)
        for kept, new in zip(self.model.buffers(), model.buffers(), strict=True):
            kept.copy_(new)
