"""The adversarial losses: analytic values, and gradients that go where they should and nowhere else."""

import inspect
import math

import pytest
import torch
from torch import Tensor, tensor

from tats_exp.vqgan.adversarial import (
    adaptive_weight,
    discriminator_loss,
    feature_matching,
    generator_loss,
    lecam,
    lecam_averages,
)
from tats_exp.vqgan.discriminators import SpatialDiscriminator


def logits(seed: int, scale: float = 2.0) -> Tensor:
    return torch.randn(2, 1, 3, 3, generator=torch.Generator().manual_seed(seed)) * scale


@pytest.mark.parametrize("form,at_zero", [("hinge", 1.0), ("log", math.log(2))])
def test_discriminator_loss_at_no_opinion_and_at_certainty(form: str, at_zero: float) -> None:
    zero, sure = torch.zeros(2, 1, 3, 3), torch.full((2, 1, 3, 3), 100.0)
    assert discriminator_loss(zero, zero, form).item() == pytest.approx(at_zero)
    assert discriminator_loss(sure, -sure, form).item() == pytest.approx(0, abs=1e-6)
    assert discriminator_loss(-sure, sure, form).item() == pytest.approx(100, rel=0.02), "linear, not saturated"


def test_discriminator_losses_are_the_formulas() -> None:
    real, fake = logits(0), logits(1)
    log = -(torch.sigmoid(real).log().mean() + (1 - torch.sigmoid(fake)).log().mean()) / 2
    torch.testing.assert_close(discriminator_loss(real, fake, "log"), log)
    hinge = (torch.clamp(1 - real, min=0).mean() + torch.clamp(1 + fake, min=0).mean()) / 2
    torch.testing.assert_close(discriminator_loss(real, fake, "hinge"), hinge)


@pytest.mark.parametrize("form", ["hinge", "log"])
def test_discriminator_pushes_real_up_and_fake_down(form: str) -> None:
    real, fake = logits(0).requires_grad_(), logits(1).requires_grad_()
    up, down = torch.autograd.grad(discriminator_loss(real, fake, form), (real, fake))
    assert up.max() <= 0 and up.min() < 0 and down.min() >= 0 and down.max() > 0
    if form == "hinge":
        assert torch.equal(up == 0, real >= 1) and torch.equal(down == 0, fake <= -1), "beyond the margin all is well"


def test_unknown_discriminator_loss_is_named_with_the_allowed_ones() -> None:
    with pytest.raises(ValueError, match="'wasserstein' is unknown; allowed: hinge, log"):
        inspect.unwrap(discriminator_loss)(logits(0), logits(1), "wasserstein")


def test_generator_pushes_every_patch_alike_however_sure_the_discriminator_is() -> None:
    fake = logits(0, scale=50.0).requires_grad_()
    loss = generator_loss(fake)
    assert loss.item() == pytest.approx(-fake.mean().item())
    (gradient,) = torch.autograd.grad(loss, fake)
    torch.testing.assert_close(gradient, torch.full_like(fake, -1 / fake.numel()))


def test_matching_is_the_weighted_sum_of_mean_differences() -> None:
    real = [torch.zeros(1, 2, 2, 2), torch.zeros(1, 4, 1, 1)]
    fake = [torch.full((1, 2, 2, 2), 0.5), torch.tensor([1.0, -1.0, 3.0, 0.0]).view(1, 4, 1, 1)]
    assert feature_matching(real, fake).item() == pytest.approx(0.5 + 1.25)
    assert feature_matching(real, fake, [2.0, 0.1]).item() == pytest.approx(1.0 + 0.125)
    assert feature_matching(fake, fake).item() == 0


def test_matching_moves_the_reconstruction_towards_the_clip_and_never_the_clip() -> None:
    torch.manual_seed(0)
    discriminator = SpatialDiscriminator(4, 2).eval()
    x, x_hat = (torch.rand(2, 3, 16, 16).requires_grad_() for _ in range(2))
    real, fake = discriminator(x)[1], discriminator(x_hat)[1]
    loss = feature_matching(real, fake)
    of_x, of_x_hat = torch.autograd.grad(loss, (x, x_hat), allow_unused=True, retain_graph=True)
    assert of_x is None and of_x_hat.abs().sum() > 0
    # The discriminator's weights are reached through x_hat alone: as if the features of x were recorded numbers.
    recorded = feature_matching([f.detach().clone() for f in real], fake)
    weights = list(discriminator.blocks[:-1].parameters())
    for own, alone in zip(
        torch.autograd.grad(loss, weights, retain_graph=True), torch.autograd.grad(recorded, weights), strict=True
    ):
        assert torch.equal(own, alone)


def test_matching_names_weights_that_are_not_one_per_layer() -> None:
    feature = [torch.ones(1)] * 3
    with pytest.raises(ValueError, match=r"matching weights \[1.0, 1.0\]: 2 given, the features are 3"):
        feature_matching(feature, feature, [1.0, 1.0])
    with pytest.raises(ValueError):
        feature_matching(feature, feature[:2])


def test_lecam_is_the_squared_distance_from_the_other_side() -> None:
    averages = tensor([0.5, -1.0])  # of real and fake
    assert lecam(tensor([2.0]), tensor([-1.5]), averages).item() == pytest.approx((2 + 1) ** 2 + (0.5 + 1.5) ** 2)
    assert lecam(tensor([-1.0, -2.0]), tensor([0.5, 3.0]), averages).item() == 0, "no better than chance: left alone"


def test_lecam_holds_both_sides_back_and_leaves_the_averages() -> None:
    real, fake, averages = tensor([2.0]).requires_grad_(), tensor([-1.5]).requires_grad_(), torch.zeros(2)
    averages.requires_grad_()
    loss = lecam(real, fake, averages)
    of_real, of_fake, of_averages = torch.autograd.grad(loss, (real, fake, averages), allow_unused=True)
    assert of_real.item() > 0 > of_fake.item() and of_averages is None


def test_lecam_keeps_a_discriminator_from_running_away() -> None:
    def gap_after_training(weight: float) -> float:
        real, fake, averages = torch.zeros(1), torch.zeros(1), torch.zeros(2)
        for _ in range(200):
            real, fake = real.detach().requires_grad_(), fake.detach().requires_grad_()
            loss = discriminator_loss(real, fake, "log") + weight * lecam(real, fake, averages)
            up, down = torch.autograd.grad(loss, (real, fake))
            averages = lecam_averages(averages, real, fake, 0.9)
            real, fake = real - up, fake - down
        return (real - fake).item()

    assert gap_after_training(0.3) < 0.5 * gap_after_training(0.0)


def test_lecam_averages_follow_the_mean_and_are_a_state_of_their_own() -> None:
    real, fake = logits(0).requires_grad_(), logits(1)
    start = torch.zeros(2)
    averages = start
    for step in range(1, 6):
        averages = lecam_averages(averages, real, fake, 0.8)
        expected = torch.stack([real.mean(), fake.mean()]) * (1 - 0.8**step)
        torch.testing.assert_close(averages, expected.detach())
    assert not averages.requires_grad and start.tolist() == [0, 0]
    assert torch.equal(lecam_averages(start, real, fake, 0.0), torch.stack([real.mean(), fake.mean()]).detach())


def decoder(strength: float) -> tuple[torch.nn.Parameter, Tensor, Tensor]:
    """A last layer, and two losses that pull at it with gradients of norm 3 and `strength`."""
    last_layer = torch.nn.Parameter(torch.ones(4))
    out = last_layer * torch.ones(4)
    return last_layer, out.sum() * 1.5, out[0] * strength


@pytest.mark.parametrize("strength,expected", [(1.0, 3 / 1.0001), (-6.0, 3 / 6.0001), (1e-9, 1e4), (0.0, 1e4)])
def test_adaptive_weight_evens_the_pull_on_the_last_layer(strength: float, expected: float) -> None:
    last_layer, reconstruction, adversarial = decoder(strength)
    weight = adaptive_weight(reconstruction, adversarial, last_layer)
    assert weight.item() == pytest.approx(expected, rel=1e-5)


def test_adaptive_weight_is_bounded_constant_and_leaves_no_trace() -> None:
    last_layer, reconstruction, adversarial = decoder(1e-3)
    weight = adaptive_weight(reconstruction, adversarial, last_layer, largest=10.0)
    assert weight.item() == 10 and not weight.requires_grad
    assert last_layer.grad is None
    (reconstruction + weight * adversarial).backward()  # both graphs are still there
    torch.testing.assert_close(last_layer.grad, torch.tensor([1.51, 1.5, 1.5, 1.5]))
