"""What each pixel loss asks of a reconstruction."""

import pytest
import torch
from torch import Tensor

from tats_exp.vqgan.reconstruction import L1, PixelLoss, SquaredError

LOSSES = [L1(), SquaredError()]


def clip(seed: int) -> Tensor:
    return torch.rand(2, 3, 4, 5, 6, generator=torch.Generator().manual_seed(seed)) - 0.5


@pytest.mark.parametrize("loss", LOSSES)
def test_it_is_nothing_between_equals_alike_both_ways_and_a_mean(loss: PixelLoss) -> None:
    one, other = clip(0), clip(1)
    assert loss(one, one) == 0 < loss(one, other)
    assert loss(one, other) == loss(other, one)
    assert loss(one.repeat(3, 1, 2, 1, 1), other.repeat(3, 1, 2, 1, 1)).item() == pytest.approx(loss(one, other).item())


def best_guess(loss: PixelLoss, seen: Tensor) -> float:
    """The one value that a pixel should show when it was these values as often as one another."""
    guesses = torch.linspace(-0.5, 0.5, 1001)
    losses = [loss(seen.view(-1, 1, 1, 1, 1), guess.expand(len(seen), 1, 1, 1, 1)) for guess in guesses]
    return guesses[torch.stack(losses).argmin()].item()


def test_an_uncertain_pixel_is_the_median_to_one_and_the_mean_to_the_other() -> None:
    """A sprite that is here in one of five frames is gone with L1, and faintly everywhere with squared error."""
    seen = torch.tensor([0.5, -0.5, -0.5, -0.5, -0.5])
    assert best_guess(L1(), seen) == pytest.approx(-0.5, abs=1e-3)
    assert best_guess(SquaredError(), seen) == pytest.approx(-0.3, abs=1e-3)


@pytest.mark.parametrize("loss", LOSSES)
def test_a_step_downhill_brings_every_pixel_nearer_to_the_target(loss: PixelLoss) -> None:
    video = clip(0).requires_grad_()
    loss(clip(1), video).backward()
    assert video.grad is not None
    assert torch.equal(video.grad.sign(), (video.detach() - clip(1)).sign())
