"""2D convolutions that keep the size of their input (divided or multiplied by the stride), edges repeated.

Those of conv3d.py serve pictures, too, as videos of one frame, but at several times the work and the weights.
"""

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from tats_exp.vqgan.padding import same_widths

Stride2d = tuple[int, int]


class SamePadConv2d(nn.Module):
    """A "same" convolution of pictures."""

    def __init__(self, in_channels: int, out_channels: int, kernel_size: int, stride: Stride2d = (1, 1)) -> None:
        """Make the convolution; arguments as `SamePadConv3d`."""
        super().__init__()
        self.widths = _widths(kernel_size, stride)
        self.conv = nn.Conv2d(in_channels, out_channels, kernel_size, stride)

    def forward(self, x: Float[Tensor, "B Cin _ _"]) -> Float[Tensor, "B Cout _ _"]:
        """Convolve (B, C, H, W)."""
        return self.conv(F.pad(x, self.widths, mode="replicate"))


class SamePadConvTranspose2d(nn.Module):
    """A "same" transposed convolution of pictures."""

    def __init__(self, in_channels: int, out_channels: int, kernel_size: int, stride: Stride2d = (1, 1)) -> None:
        """Make the convolution; arguments as `SamePadConvTranspose3d`."""
        super().__init__()
        self.widths = _widths(kernel_size, stride)
        self.convt = nn.ConvTranspose2d(in_channels, out_channels, kernel_size, stride, padding=kernel_size - 1)

    def forward(self, x: Float[Tensor, "B Cin _ _"]) -> Float[Tensor, "B Cout _ _"]:
        """Convolve (B, C, H, W)."""
        return self.convt(F.pad(x, self.widths, mode="replicate"))


def _widths(kernel_size: int, stride: Stride2d) -> list[int]:
    """What is padded left and right, above and below."""
    return [*same_widths(kernel_size, stride[1]), *same_widths(kernel_size, stride[0])]
