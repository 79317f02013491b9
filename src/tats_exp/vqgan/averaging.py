"""An average of a model's weights over its training, to be used in their place."""

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

Tensors = tuple[Tensor, ...] | list[Tensor]


def moving_average(model: nn.Module, decay: float) -> AveragedModel:
    """A copy of a model whose weights trail the model's; buffers (statistics, the codebook) are always its newest.

    Args:
        model: what is trained; its weights at this moment are the first that the average remembers.
        decay: 0 up to but not including 1, per optimiser step; less in the beginning, (1 + n) / (10 + n) at step n, or
            the average would remember weights that were never trained.

    Returns:
        `update_parameters(model)` takes in the weights after a step; `module` is the copy, which takes no gradient.
    """

    @torch.no_grad()
    def update(averages: Tensors, weights: Tensors, step: Tensor | int) -> None:
        number = int(step)
        torch._foreach_lerp_(averages, weights, 1 - min(decay, (1 + number) / (10 + number)))

    average = AveragedModel(model, multi_avg_fn=update).requires_grad_(False)
    average.n_averaged.fill_(1)  # the copy; at 0 the first step would replace it
    return average
