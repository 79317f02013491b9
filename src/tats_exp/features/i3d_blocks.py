"""The blocks of I3D: convolution with batch norm, Inception block, max pooling.

"SAME" padding is TensorFlow's: as much as this size needs, the odd one behind. Batch norm has the epsilon 1e-5 of the
official torch code, so that an official state dict gives what it gives there; DeepMind's own network has 1e-3, which
the weights that we convert carry in their variances (`i3d_conversion.py`).

What makes them fast on a CPU, in full float32 (benchmarks/README.md): tensors keep their channels last, where torch
pools 15 times faster. A convolution with batch norm is one convolution, and a 1x1x1 convolution is a linear layer.
(`movedim`, not einops: `torch.compile` takes three times as long to trace the latter.)

Axes: B batch, C c channels, t h w time, height and width of an activation, kt kh kw of a kernel.
"""

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

EPSILON = 1e-5
CPU_HAS_BF16 = torch.backends.cpu.get_cpu_capability().startswith("AVX512")
"""Whether this CPU has what torch's bf16 convolutions need; without, they take minutes a clip."""

Axes3 = tuple[int, int, int]


class Unit3D(nn.Module):
    """Convolution without bias, batch norm and ReLU, computed as one convolution with bias."""

    def __init__(self, inputs: int, outputs: int, kernel: Axes3 = (1, 1, 1), stride: Axes3 = (1, 1, 1)) -> None:
        super().__init__()
        self.kernel, self.stride = kernel, stride
        self.conv3d = nn.Conv3d(inputs, outputs, kernel, stride, bias=False)
        self.bn = nn.BatchNorm3d(outputs, eps=EPSILON)

    def forward(self, x: Float[Tensor, "B C t h w"]) -> Float[Tensor, "B c t1 h1 w1"]:
        """(B, inputs, t, h, w) to (B, outputs, t/stride, h/stride, w/stride), rounded up."""
        # Folded anew every time, 1% of the cost: there is no copy of the weights to keep in step with them.
        arithmetic = _arithmetic(x)
        weight, bias = (part.to(x.dtype).to(arithmetic) for part in self.folded())
        return self._convolve(x.to(arithmetic), weight, bias).relu_().to(x.dtype)

    def folded(self) -> tuple[Float[Tensor, "c C kt kh kw"], Float[Tensor, " c"]]:
        """Weight and bias of the convolution that does what convolution and batch norm do."""
        mean, variance = self.bn.get_buffer("running_mean"), self.bn.get_buffer("running_var")
        scale = self.bn.weight * torch.rsqrt(variance + self.bn.eps)
        return self.conv3d.weight * scale.reshape(-1, 1, 1, 1, 1), self.bn.bias - mean * scale

    def _convolve(self, x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        if self.kernel == (1, 1, 1):
            last = functional.linear(x.movedim(1, -1), weight.flatten(1), bias)
            return last.movedim(-1, 1)
        pads = same_padding(x, self.kernel, self.stride)
        if all(before == after for before, after in pads):
            return functional.conv3d(x, weight, bias, self.stride, tuple(before for before, _ in pads))
        padded = functional.pad(x, [size for pair in reversed(pads) for size in pair])
        return functional.conv3d(padded, weight, bias, self.stride)


class Mixed(nn.Module):
    """An Inception block: four branches side by side, joined along the channels."""

    def __init__(self, inputs: int, b0: int, b1a: int, b1b: int, b2a: int, b2b: int, b3b: int) -> None:
        super().__init__()
        self.b0 = Unit3D(inputs, b0)
        self.b1a = Unit3D(inputs, b1a)
        self.b1b = Unit3D(b1a, b1b, (3, 3, 3))
        self.b2a = Unit3D(inputs, b2a)
        self.b2b = Unit3D(b2a, b2b, (3, 3, 3))
        self.b3b = Unit3D(inputs, b3b)

    def forward(self, x: Float[Tensor, "B C t h w"]) -> Float[Tensor, "B c t h w"]:
        """(B, inputs, t, h, w) to (B, b0 + b1b + b2b + b3b, t, h, w)."""
        pooled = max_pool(x, (3, 3, 3), (1, 1, 1))
        return torch.cat([self.b0(x), self.b1b(self.b1a(x)), self.b2b(self.b2a(x)), self.b3b(pooled)], dim=1)


def same_padding(x: Float[Tensor, "B C t h w"], kernel: Axes3, stride: Axes3) -> list[tuple[int, int]]:
    """What TensorFlow's "SAME" adds before and behind t, h and w: ceil(size / stride) outputs, the odd one behind."""
    pads = []
    for size, k, s in zip(x.shape[-3:], kernel, stride, strict=True):
        total = max((-(-size // s) - 1) * s + k - size, 0)
        pads.append((total // 2, total - total // 2))
    return pads


def max_pool(x: Float[Tensor, "B C t h w"], kernel: Axes3, stride: Axes3) -> Float[Tensor, "B C t1 h1 w1"]:
    """Max pooling with "SAME" padding of minus infinity."""
    # What torch adds at both sides is minus infinity; the one more behind is a window that `ceil_mode` lets stick out.
    before = tuple(pair[0] for pair in same_padding(x, kernel, stride))
    return functional.max_pool3d(x, kernel, stride, before, ceil_mode=True)


def _arithmetic(x: Tensor) -> torch.dtype:
    """What to compute in. bf16 without hardware for it: in float32, on rounded values, as hardware sums it up too."""
    emulated = x.dtype == torch.bfloat16 and x.device.type == "cpu" and not CPU_HAS_BF16
    return torch.float32 if emulated else x.dtype
