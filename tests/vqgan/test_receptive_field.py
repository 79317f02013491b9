"""The receptive-field arithmetic against gradients."""

import numpy as np
import pytest
import torch

from tats_exp.vqgan.conv3d import SamePadConvTranspose3d
from tats_exp.vqgan.padding import Loop, Real, Zero
from tats_exp.vqgan.receptive_field import (
    decoder_needs,
    encoder_needs,
    level_strides,
    margins,
    transposed_gives,
    transposed_needs,
)
from tests.vqgan.models import noise_video, small_vqgan


def test_strides_shrink_each_axis_by_what_was_asked() -> None:
    assert level_strides((4, 8, 8)) == [(2, 2, 2), (2, 2, 2), (1, 2, 2)]
    for downsample in [(1, 2, 4), (8, 4, 2), (2, 2, 2)]:
        assert tuple(np.prod(level_strides(downsample), axis=0)) == downsample


@pytest.mark.parametrize("downsample", [(3, 4, 4), (0, 2, 2), (1, 1, 1), (4, 4)])
def test_downsample_must_be_powers_of_two(downsample) -> None:
    with pytest.raises(ValueError, match="downsample="):
        level_strides(downsample)


def test_margins_of_the_official_layout() -> None:
    assert margins((4, 4, 4), 2, Real(), Real()) == (16, 4)
    assert margins((4, 8, 8), 2, Real(), Real()) == (32, 6)
    assert margins((4, 8, 8), 2, Real(), Zero()) == (32, 0)
    assert margins((4, 8, 8), 2, Loop(), Real()) == (0, 6)


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("start,end", [(0, 1), (-3, 4), (5, 7), (-4, 1)])
def test_transposed_interval_holds_whole_sums_only(stride: int, start: int, end: int) -> None:
    # All-ones weights on an input of ones: an output is k / stride where every tap falls on a frame, less elsewhere.
    needed = transposed_needs((start, end), 4, stride)
    given = transposed_gives(needed, 4, stride)
    assert given[0] <= start and end <= given[1]
    smaller = transposed_gives((needed[0] + 1, needed[1]), 4, stride)
    assert smaller[0] > start, "every frame asked for is needed"
    conv = SamePadConvTranspose3d(1, 1, 4, (stride, 1, 1), Real())
    torch.nn.init.ones_(conv.convt.weight)
    torch.nn.init.zeros_(conv.convt.bias)
    out = conv(torch.ones(1, 1, needed[1] - needed[0], 2, 2)) / 16
    assert out.shape[2] == given[1] - given[0]
    assert torch.allclose(out, torch.full_like(out, 4 / stride))


def frames_with_gradient(output: torch.Tensor, source: torch.Tensor) -> list[int]:
    (gradient,) = torch.autograd.grad(output.square().sum(), source)
    return gradient.abs().sum((0, 1, 3, 4)).nonzero().flatten().tolist()


@pytest.mark.parametrize("downsample", [(4, 4, 4), (2, 4, 4), (4, 2, 2), (1, 2, 2)])
def test_needs_are_exactly_the_frames_a_gradient_reaches(downsample) -> None:
    vqgan = small_vqgan(Real(), Real(), downsample)
    strides = [s[0] for s in level_strides(downsample)]
    video = noise_video(2 * vqgan.margin + vqgan.time_stride, seed=3).requires_grad_()
    first, end = encoder_needs(1, strides)
    assert frames_with_gradient(vqgan.latents(video), video) == list(range(vqgan.margin + first, vqgan.margin + end))
    quantized = torch.randn(1, 4, 2 * vqgan.code_margin + 1, 2, 2, requires_grad=True)
    (first, end), _ = decoder_needs(vqgan.time_stride, strides, blocks=2)
    reached = frames_with_gradient(vqgan.decode_latents(quantized), quantized)
    assert reached == list(range(vqgan.code_margin + first, vqgan.code_margin + end))
