"""Which frames a model without padding in time needs, computed from its layers.

An interval [a, b) counts frames of one layer, frame 0 being the first frame of the clip proper, so that a negative
start means frames before it.
"""

from collections.abc import Sequence

from tats_exp.vqgan.padding import Pair, TimePadding, same_widths

Interval = tuple[int, int]

RESAMPLING_KERNEL = 4
BLOCK_KERNEL = 3


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


def encoder_margin(downsample: Sequence[int]) -> int:
    """Frames on each side of a clip that its latents depend on, padding left aside.

    Args:
        downsample: (time, height, width), powers of two.

    Returns:
        A multiple of the time stride.

    Raises:
        ValueError: `downsample` is not three powers of two.
    """
    strides, step = [t for t, _, _ in level_strides(downsample)], downsample[0]
    first, end = encoder_needs(1, strides)
    return -(-max(-first, end - step) // step) * step


def decoder_margin(downsample: Sequence[int], blocks: int) -> int:
    """Latent frames on each side of a latent frame that its frames depend on, padding left aside.

    Args:
        downsample: (time, height, width), powers of two.
        blocks: ResBlocks per level.

    Raises:
        ValueError: `downsample` is not three powers of two.
    """
    strides = [t for t, _, _ in level_strides(downsample)]
    (first, end), _ = decoder_needs(downsample[0], strides, blocks)
    return max(-first, end - 1)


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
        margin (frames, a multiple of the time stride) and code_margin (latent frames); 0 for a half whose padding
        needs no neighbours.

    Raises:
        ValueError: `downsample` is not three powers of two.
    """
    margin, code_margin = encoder_margin(downsample), decoder_margin(downsample, decoder_blocks)
    return (
        margin if encoder_padding.needs_neighbours else 0,
        code_margin if decoder_padding.needs_neighbours else 0,
    )
