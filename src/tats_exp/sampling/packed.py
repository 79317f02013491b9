"""A transformer whose linear layers hold their weights as oneDNN reads them fastest, to take steps with on a CPU.

For a few rows a product with a wide matrix takes as long as the matrix takes to be read, and torch's own product reads
it slower. Packing makes a second copy of the weights, once for all windows. torch has it for its compiler, under names
of its own, so where they are missing nothing is packed.
"""

import copy
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn

from tats_exp.sampling.captured import LEAST_STEPS, weights_now
from tats_exp.transformer import Transformer

LEAST_WIDTH = 768
"""Width of a model below which packing does not pay: with 8 videos a step is .9 times as fast at 256, 1.1 to 1.3 at 512
(packing takes as long as some fifty steps save), 1.5 at 768 and 1.6 at 1,024 (some five steps)."""
LEAST_ROWS, MOST_ROWS = 4, 64
"""Videos side by side between which it pays: .85 times as fast with one or two, at most 1.1 with more than 64."""

_packed: "WeakKeyDictionary[Transformer, tuple[object, Transformer]]" = WeakKeyDictionary()


class PackedLinear(nn.Module):
    """A linear layer without gradients."""

    def __init__(self, linear: nn.Linear, rows: int) -> None:
        """Pack the weights of a layer for inputs of some rows; others are right, too."""
        super().__init__()
        self.in_features, self.out_features = linear.in_features, linear.out_features
        self._weight = torch.ops.mkldnn._reorder_linear_weight(linear.weight.detach(), rows)
        self._bias = linear.bias

    def forward(self, x: Tensor) -> Tensor:
        """(..., inputs) to (..., outputs)."""
        return torch.ops.mkldnn._linear_pointwise(x, self._weight, self._bias, "none", [], "")


def stepping(transformer: Transformer, rows: int, steps: int) -> Transformer:
    """The model to take steps with: one that shares its weights but those that are packed, or the same one.

    Args:
        transformer: in eval mode.
        rows: videos side by side.
        steps: to be taken.
    """
    kept, packed = _packed.pop(transformer, (None, transformer))  # what does not hold any more is let go first
    if not pays(transformer, rows, steps):
        return transformer
    weights = weights_now(transformer)
    if kept != weights:
        packed = _pack(transformer, rows)
    _packed[transformer] = weights, packed
    return packed


def pays(transformer: Transformer, rows: int, steps: int) -> bool:
    """Whether steps are faster with packed weights, and these can be held against the model's own."""
    weight = transformer.head.weight
    on_cpu = weight.device.type == "cpu" and weight.dtype == torch.float32 and torch.backends.mkldnn.is_available()
    on_cpu = on_cpu and not torch.is_autocast_enabled("cpu")
    if any(parameter.is_inference() for parameter in transformer.parameters()):
        return False  # they do not count their changes
    wide = transformer.head.in_features >= LEAST_WIDTH and LEAST_ROWS <= rows <= MOST_ROWS
    return on_cpu and wide and steps >= LEAST_STEPS and hasattr(torch.ops.mkldnn, "_reorder_linear_weight")


def _pack(transformer: Transformer, rows: int) -> Transformer:
    shared = {id(parameter): parameter for parameter in transformer.parameters()}
    packed = copy.deepcopy(transformer, shared)
    for name, module in list(packed.named_modules()):
        if type(module) is nn.Linear:
            parent, _, own = name.rpartition(".")
            setattr(packed.get_submodule(parent), own, PackedLinear(module, rows))
    return packed
