"""Each padding against numpy, and `Alpha` between the two that it lies between."""

import pickle

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tats_exp.vqgan import TimePadding
from tats_exp.vqgan.losses import vqgan_losses
from tats_exp.vqgan.padding import Alpha, Loop, Real, Reflect, Replicate, Zero, ZeroSpace, same_widths
from tats_exp.vqgan.reconstruction import L1
from tests.vqgan.models import PADDINGS, noise_video, small_vqgan

NUMPY_MODE = {Zero(): "constant", Replicate(): "edge", Loop(): "wrap", Reflect(): "reflect", ZeroSpace(): "edge"}
WIDTHS = ((2, 1), (1, 1), (2, 1))


@pytest.mark.parametrize("padding", NUMPY_MODE, ids=repr)
@pytest.mark.parametrize("frames", [1, 2, 5])
def test_pad_is_numpys_in_time_and_repeats_the_edge_in_space(padding: TimePadding, frames: int) -> None:
    x = torch.randn(2, 3, frames, 4, 5)
    time, height, width = WIDTHS
    space = "constant" if padding == ZeroSpace() else "edge"
    expected = np.pad(x.numpy(), ((0, 0), (0, 0), (0, 0), height, width), mode=space)
    expected = np.pad(expected, ((0, 0), (0, 0), time, (0, 0), (0, 0)), mode=NUMPY_MODE[padding])
    assert np.array_equal(padding.pad(x, *WIDTHS).numpy(), expected)


def test_real_adds_nothing_in_time() -> None:
    x = torch.randn(1, 2, 3, 4, 4)
    padded = Real().pad(x, (2, 1), (1, 1), (1, 1))
    assert torch.equal(padded[..., 1:-1, 1:-1], x)
    assert torch.equal(padded[..., 0, 1:-1], x[..., 0, :])


@given(alpha=st.floats(0, 1), frames=st.integers(1, 4))
def test_alpha_adds_that_much_of_the_repeated_frames_and_leaves_the_others_alone(alpha: float, frames: int) -> None:
    x = torch.randn(2, 3, frames, 4, 5, generator=torch.Generator().manual_seed(frames))
    padded, whole = (padding.pad(x, *WIDTHS) for padding in (Alpha(alpha), Replicate()))
    inside = slice(2, 2 + frames)
    assert torch.equal(padded[:, :, inside], whole[:, :, inside])
    for end in (slice(0, 2), slice(2 + frames, None)):
        torch.testing.assert_close(padded[:, :, end], alpha * whole[:, :, end], rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("alpha, end", [(0.0, Zero()), (1.0, Replicate())])
def test_alpha_at_its_ends_trains_as_the_padding_that_lies_there_to_the_bit(alpha: float, end: TimePadding) -> None:
    video, steps = noise_video(8, batch=2), []
    for padding in (Alpha(alpha), end):
        vqgan = small_vqgan(padding, padding).train()
        vqgan_losses(vqgan(video), video, L1(), 4.0)["total"].backward()
        steps.append({name: weight.grad for name, weight in vqgan.named_parameters()})
    assert all(torch.equal(steps[0][name], gradient) for name, gradient in steps[1].items())


@pytest.mark.parametrize("alpha", [-0.1, 1.5, float("nan")])
def test_alpha_lies_between_zeros_and_repeated_frames(alpha: float) -> None:
    with pytest.raises(ValueError, match=rf"alpha={alpha} is out of range; allowed: 0"):
        Alpha(alpha)


def test_paddings_are_values() -> None:
    """They travel to other processes, and two are one where class and arguments are."""
    again = pickle.loads(pickle.dumps(PADDINGS))
    assert again == PADDINGS and len({*again, *PADDINGS}) == len(PADDINGS)
    assert Alpha(0.5) != Alpha(0.25) and Alpha(0.0) != Zero()
    assert repr(Alpha(0.5)) == "Alpha(alpha=0.5)" and repr(Zero()) == "Zero()"


def test_same_widths_puts_the_larger_half_first() -> None:
    assert [same_widths(3, 1), same_widths(4, 2), same_widths(4, 1), same_widths(1, 1)] == [
        (1, 1),
        (1, 1),
        (2, 1),
        (0, 0),
    ]
