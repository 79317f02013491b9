"""How the input of a convolution is padded in time: the options of the ablation.

Every convolution of the official layout is a "same" convolution: kernel k, stride s, k-s frames of padding in all, the
larger half first. What those frames hold is what an option says. All of them repeat the edge in space, but for the
control `ZeroSpace`. To add one, derive a class from `TimePadding` and name it in a YAML of the group `padding`.
Axes: B C T H W pixels or features.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

Pair = tuple[int, int]


def same_widths(kernel: int, stride: int) -> Pair:
    """Frames (or pixels) a "same" convolution pads before and after, the larger half first.

    Args:
        kernel: kernel size along one axis.
        stride: stride along that axis.

    Returns:
        (before, after), together `kernel - stride`.
    """
    total = kernel - stride
    return total // 2 + total % 2, total // 2


class TimePadding(ABC):
    """What pads the input of every convolution of an encoder or a decoder. It has no weights.

    Options are frozen dataclasses: equal where class and arguments are, and their `repr` names both.

    Attributes:
        needs_neighbours: whether nothing is padded in time, so that the caller must bring true neighbours.
        wraps: whether the frames before the first are the last ones. Of any other padding, what is added at one end
            hangs on frames near that end alone.
    """

    needs_neighbours: ClassVar[bool] = False
    wraps: ClassVar[bool] = False

    @abstractmethod
    def pad(self, x: Float[Tensor, "B C _ _ _"], time: Pair, height: Pair, width: Pair) -> Float[Tensor, "B C _ _ _"]:
        """Pad features in time and space.

        Args:
            x: (B, C, T, H, W) features.
            time: frames to add before and after; none are added where the padding needs neighbours.
            height: rows to add above and below.
            width: columns to add left and right.

        Returns:
            (B, C, T', H', W'), of the type and device of `x`.
        """


@dataclass(frozen=True)
class Replicate(TimePadding):
    """The first and the last frame are repeated. The paper's choice."""

    def pad(self, x: Float[Tensor, "B C _ _ _"], time: Pair, height: Pair, width: Pair) -> Float[Tensor, "B C _ _ _"]:
        """Repeat the edge in time and space; see `TimePadding.pad`."""
        return F.pad(x, (*width, *height, *time), mode="replicate")


@dataclass(frozen=True)
class Zero(TimePadding):
    """Zeros before the first and after the last frame. The paper's failing case."""

    def pad(self, x: Float[Tensor, "B C _ _ _"], time: Pair, height: Pair, width: Pair) -> Float[Tensor, "B C _ _ _"]:
        """Pad time by zeros; see `TimePadding.pad`."""
        return _zeros_in_time(_replicate_space(x, height, width), time)


@dataclass(frozen=True)
class Alpha(TimePadding):
    """The frames of `Replicate` times a number: between `Zero` and `Replicate`, equal to them at the ends.

    Attributes:
        alpha: the number, 0 to 1.
    """

    alpha: float

    def __post_init__(self) -> None:
        """Refuse what does not lie between zeros and repeated frames."""
        if not 0 <= self.alpha <= 1:
            raise ValueError(f"alpha={self.alpha} is out of range; allowed: 0 (as zero) to 1 (as replicate)")

    def pad(self, x: Float[Tensor, "B C _ _ _"], time: Pair, height: Pair, width: Pair) -> Float[Tensor, "B C _ _ _"]:
        """Pad time by `alpha` times the first and the last frame; see `TimePadding.pad`."""
        # Between two tensors: at 0 and 1 values and gradients are those of one of them, to the bit.
        return torch.lerp(
            Zero().pad(x, time, height, width), Replicate().pad(x, time, height, width), float(self.alpha)
        )


@dataclass(frozen=True)
class Loop(TimePadding):
    """Each convolution sees its input as a cycle: the video played in a loop, the cheap reading of "real frames"."""

    wraps: ClassVar[bool] = True

    def pad(self, x: Float[Tensor, "B C _ _ _"], time: Pair, height: Pair, width: Pair) -> Float[Tensor, "B C _ _ _"]:
        """Pad time by the frames of the other end; see `TimePadding.pad`."""
        frames = x.shape[2]
        source = [i % frames for i in range(-time[0], frames + time[1])]
        return _borrow_frames(_replicate_space(x, height, width), source, time)


@dataclass(frozen=True)
class Reflect(TimePadding):
    """Each convolution mirrors its input at the first and the last frame, which are not repeated."""

    def pad(self, x: Float[Tensor, "B C _ _ _"], time: Pair, height: Pair, width: Pair) -> Float[Tensor, "B C _ _ _"]:
        """Pad time by mirrored frames; see `TimePadding.pad`."""
        frames = x.shape[2]
        period = max(2 * frames - 2, 1)  # of a clip of one frame, which stands for all
        source = [min(i % period, -i % period) for i in range(-time[0], frames + time[1])]
        return _borrow_frames(_replicate_space(x, height, width), source, time)


@dataclass(frozen=True)
class Real(TimePadding):
    """Nothing is padded in time: true neighbours are there, and get fewer from layer to layer."""

    needs_neighbours: ClassVar[bool] = True

    def pad(self, x: Float[Tensor, "B C _ _ _"], time: Pair, height: Pair, width: Pair) -> Float[Tensor, "B C _ _ _"]:
        """Pad space alone; see `TimePadding.pad`."""
        return _replicate_space(x, height, width)


@dataclass(frozen=True)
class ZeroSpace(TimePadding):
    """The control: zeros in space only, time as `Replicate`."""

    def pad(self, x: Float[Tensor, "B C _ _ _"], time: Pair, height: Pair, width: Pair) -> Float[Tensor, "B C _ _ _"]:
        """Pad space by zeros, then repeat the edge in time; see `TimePadding.pad`."""
        return F.pad(F.pad(x, (*width, *height)), (0, 0, 0, 0, *time), mode="replicate")


def _replicate_space(x: Tensor, height: Pair, width: Pair) -> Tensor:
    return F.pad(x, (*width, *height, 0, 0), mode="replicate")


def _zeros_in_time(x: Tensor, time: Pair) -> Tensor:
    return F.pad(x, (0, 0, 0, 0, *time))


def _borrow_frames(x: Tensor, source: Sequence[int], time: Pair) -> Tensor:
    """Pad in time by frames of the clip itself: the frame numbers `source` of all, those of the clip among them."""
    before, after = source[: time[0]], source[time[0] + x.shape[2] :]
    return torch.cat([*(x[:, :, i : i + 1] for i in before), x, *(x[:, :, i : i + 1] for i in after)], dim=2)
