"""3D convolutions that keep the size of their input (divided or multiplied by the stride), padded as asked in time."""

from jaxtyping import Float
from torch import Tensor, nn

from tats_exp.vqgan.padding import Pair, Replicate, TimePadding, same_widths

Stride = tuple[int, int, int]


class SamePadConv3d(nn.Module):
    """A "same" convolution: T, H and W shrink by the stride exactly.

    Where the padding needs true neighbours, T also loses the frames at its ends, which were neighbours.

    Source: official `SamePadConv3d`, with the time padding set for every convolution and apart from space.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int,
        stride: Stride = (1, 1, 1),
        padding: TimePadding = Replicate(),
    ) -> None:
        """Make the convolution.

        Args:
            in_channels: channels of the input.
            out_channels: channels of the output.
            kernel_size: of all three axes.
            stride: of time, height and width.
            padding: what pads the input.
        """
        super().__init__()
        self.padding = padding
        self.widths: tuple[Pair, Pair, Pair] = tuple(same_widths(kernel_size, s) for s in stride)  # type: ignore[assignment]
        self.pointwise = kernel_size == 1
        self.conv = nn.Conv3d(in_channels, out_channels, kernel_size, stride)

    def forward(self, x: Float[Tensor, "B Cin _ _ _"]) -> Float[Tensor, "B Cout _ _ _"]:
        """Convolve (B, C, T, H, W)."""
        return self.conv(x if self.pointwise else self.padding.pad(x, *self.widths))


class SamePadConvTranspose3d(nn.Module):
    """A "same" transposed convolution: T, H and W grow by the stride exactly.

    The input is padded like that of a "same" convolution; what it would add to the output is cut off again
    (`padding = kernel - 1`). Where true neighbours are needed, time is not padded, and only whole sums
    are kept.

    Source: official `SamePadConvTranspose3d`, with the time padding set apart from space.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int,
        stride: Stride = (1, 1, 1),
        padding: TimePadding = Replicate(),
        surplus: Pair = (0, 0),
    ) -> None:
        """Make the convolution.

        Args:
            in_channels: channels of the input.
            out_channels: channels of the output.
            kernel_size: of all three axes.
            stride: of time, height and width.
            padding: what pads the input.
            surplus: frames to drop at the start and end of the output, which nobody downstream needs; only where the
                padding needs true neighbours.
        """
        super().__init__()
        self.padding = padding
        self.widths: tuple[Pair, Pair, Pair] = tuple(same_widths(kernel_size, s) for s in stride)  # type: ignore[assignment]
        self.surplus = surplus if padding.needs_neighbours else (0, 0)
        cut = kernel_size - 1
        time_cut = kernel_size - stride[0] if padding.needs_neighbours else cut
        self.convt = nn.ConvTranspose3d(in_channels, out_channels, kernel_size, stride, padding=(time_cut, cut, cut))

    def forward(self, x: Float[Tensor, "B Cin _ _ _"]) -> Float[Tensor, "B Cout _ _ _"]:
        """Convolve (B, C, T, H, W)."""
        return crop_time(self.convt(self.padding.pad(x, *self.widths)), *self.surplus)


def crop_time(x: Float[Tensor, "B C _ H W"], before: int, after: int) -> Float[Tensor, "B C _ H W"]:
    """Drop frames at both ends.

    Args:
        x: (B, C, T, H, W).
        before: frames to drop at the start.
        after: frames to drop at the end.

    Returns:
        (B, C, T - before - after, H, W), a view.
    """
    return x[:, :, before : x.shape[2] - after] if before or after else x
