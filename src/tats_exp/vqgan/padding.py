"""How frames are padded in time, and how many true neighbours a model without time padding needs.

Every convolution of the official layout is a "same" convolution: kernel k, stride s, k-s frames of padding in all, the
larger half first. What those frames hold is the ablation. `real` pads nothing: the caller brings true neighbours, and
this file says how many. Axes: B C T H W pixels or features; an interval [a, b) counts frames of one layer, frame 0
being the first frame of the clip proper, so that a negative start means frames before it.
"""

from collections.abc import Sequence
from typing import get_args

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from tats_exp.names import TimePadding

Interval = tuple[int, int]
Pair = tuple[int, int]

RESAMPLING_KERNEL = 4
BLOCK_KERNEL = 3


def check_padding(name: str, padding: str) -> None:
    """Refuse a padding that does not exist.

    Args:
        name: what the value was given for, as the message shall call it, for example `padding.encoder`.
        padding: the value.

    Raises:
        ValueError: it is none of `TimePadding`.
    """
    if padding not in get_args(TimePadding):
        raise ValueError(f"{name}={padding!r} is unknown; allowed: {', '.join(get_args(TimePadding))}")


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


def pad(x: Float[Tensor, "B C _ _ _"], time: Pair, height: Pair, width: Pair, padding: TimePadding) -> Tensor:
    """Pad features in time as `padding` says, and in space by repeating the edge (`zero_space`: by zeros).

    Args:
        x: (B, C, T, H, W) features.
        time: frames to add before and after; `real` adds none, its neighbours are already there.
        height: rows to add above and below.
        width: columns to add left and right.
        padding: what the added frames hold.

    Returns:
        (B, C, T', H', W'), of the type and device of `x`.
    """
    space = (*width, *height)
    if padding == "zero_space":
        return F.pad(F.pad(x, space), (0, 0, 0, 0, *time), mode="replicate")
    if padding == "replicate":
        return F.pad(x, (*space, *time), mode="replicate")
    x = F.pad(x, (*space, 0, 0), mode="replicate")
    if padding == "real":
        return x
    if padding == "zero":
        return F.pad(x, (0, 0, 0, 0, *time))
    return _borrow_frames(x, time, padding)


def _borrow_frames(x: Tensor, time: Pair, padding: TimePadding) -> Tensor:
    """Pad in time by frames of the clip itself (`loop`, `reflect`), however short it is: one frame stands for all."""
    frames = x.shape[2]
    if padding == "loop":
        source = [i % frames for i in range(-time[0], frames + time[1])]
    else:
        period = max(2 * frames - 2, 1)
        source = [min(i % period, -i % period) for i in range(-time[0], frames + time[1])]
    before, after = source[: time[0]], source[time[0] + frames :]
    return torch.cat([*(x[:, :, i : i + 1] for i in before), x, *(x[:, :, i : i + 1] for i in after)], dim=2)


def level_strides(downsample: Sequence[int]) -> list[tuple[int, int, int]]:
    """Strides (time, height, width) of every level: 2 in the axes that still shrink, 1 in the others.

    Args:
        downsample: how much smaller the latent grid is along time, height and width, each a power of two.

    Returns:
        One triple per level, as many as the axis that shrinks most needs. The decoder uses the same order.

    Raises:
        ValueError: not three powers of two, or all of them 1.

    Source: Ge et al. 2022, Fig. 2, in the layout of the official code.
    """
    if len(downsample) != 3 or any(d < 1 or d & (d - 1) for d in downsample) or max(downsample) == 1:
        raise ValueError(f"downsample={tuple(downsample)} must be three powers of two (time, height, width), not all 1")
    halvings = [d.bit_length() - 1 for d in downsample]
    t, h, w = ([2 if level < n else 1 for level in range(max(halvings))] for n in halvings)
    return list(zip(t, h, w, strict=True))


def conv_needs(out: Interval, kernel: int, stride: int) -> Interval:
    """Input frames from which a "same" convolution makes the output frames `out` without padding.

    Args:
        out: output frames [a, b).
        kernel: kernel size in time.
        stride: stride in time.

    Returns:
        Input frames [a', b').
    """
    before, _ = same_widths(kernel, stride)
    return out[0] * stride - before, (out[1] - 1) * stride - before + kernel


def transposed_needs(out: Interval, kernel: int, stride: int) -> Interval:
    """Input frames that touch the output frames `out` of a "same" transposed convolution.

    Args:
        out: output frames [a, b).
        kernel: kernel size in time.
        stride: stride in time.

    Returns:
        Input frames [a', b').
    """
    before, _ = same_widths(kernel, stride)
    return -(-out[0] // stride) - before, (out[1] + kernel - 2) // stride - before + 1


def transposed_gives(given: Interval, kernel: int, stride: int) -> Interval:
    """Output frames of a "same" transposed convolution that no frame outside `given` touches.

    Args:
        given: input frames [a, b).
        kernel: kernel size in time.
        stride: stride in time.

    Returns:
        Output frames [a', b').
    """
    before, _ = same_widths(kernel, stride)
    return (given[0] + before - 1) * stride + 1, (given[1] + before) * stride - kernel + 1


def encoder_needs(latent_frames: int, strides: Sequence[int]) -> Interval:
    """Frames from which an encoder makes `latent_frames` latent frames without padding in time.

    Args:
        latent_frames: t.
        strides: time stride of every level.

    Returns:
        Frames [a, b), frame 0 being the first one of the first latent frame.
    """
    span = (0, latent_frames)
    for stride in reversed(strides):
        span = _resblock_needs(span)
        span = conv_needs(span, RESAMPLING_KERNEL, stride)
    return conv_needs(span, BLOCK_KERNEL, 1)


def decoder_needs(frames: int, strides: Sequence[int], blocks: int) -> tuple[Interval, list[Pair]]:
    """Latent frames from which a decoder makes `frames` frames without padding in time.

    Args:
        frames: T.
        strides: time stride of every level.
        blocks: ResBlocks per level.

    Returns:
        Latent frames [a, b), and per level how many frames to drop before and after its transposed convolution, whose
        output comes in pairs and so may hold a frame more than is needed.
    """
    span = conv_needs((0, frames), BLOCK_KERNEL, 1)
    surplus: list[Pair] = []
    for stride in reversed(strides):
        for _ in range(blocks):
            span = _resblock_needs(span)
        needed = transposed_needs(span, RESAMPLING_KERNEL, stride)
        given = transposed_gives(needed, RESAMPLING_KERNEL, stride)
        surplus.insert(0, (span[0] - given[0], given[1] - span[1]))
        span = needed
    return span, surplus


def _resblock_needs(span: Interval) -> Interval:
    return conv_needs(conv_needs(span, BLOCK_KERNEL, 1), BLOCK_KERNEL, 1)


def margins(
    downsample: Sequence[int], decoder_blocks: int, encoder_padding: TimePadding, decoder_padding: TimePadding
) -> tuple[int, int]:
    """True neighbours a VQGAN wants on each side of what it encodes and decodes; no model is built.

    Args:
        downsample: (time, height, width), powers of two.
        decoder_blocks: ResBlocks per level of the decoder.
        encoder_padding: time padding of the encoder.
        decoder_padding: time padding of the decoder.

    Returns:
        margin (frames, a multiple of the time stride) and code_margin (latent frames); 0 for a half that is not `real`.

    Raises:
        ValueError: `downsample` is not three powers of two, or a padding is unknown.
    """
    check_padding("padding.encoder", encoder_padding)
    check_padding("padding.decoder", decoder_padding)
    strides = [t for t, _, _ in level_strides(downsample)]
    step = downsample[0]
    first, end = encoder_needs(1, strides)
    margin = -(-max(-first, end - step) // step) * step
    (code_first, code_end), _ = decoder_needs(step, strides, decoder_blocks)
    code_margin = max(-code_first, code_end - 1)
    return margin if encoder_padding == "real" else 0, code_margin if decoder_padding == "real" else 0
