"""Both sides of the adversarial training in one backward: each gets its own gradient, to the last bit, and no other."""

import pytest
import torch
from torch import Tensor

from tats_exp.vqgan.adversarial import adaptive_weight, discriminator_loss, feature_matching, generator_loss
from tats_exp.vqgan.adversaries import Adversaries, Schedule, random_frames
from tats_exp.vqgan.discriminators import SpatialDiscriminator, TemporalDiscriminator, pick_frames
from tests.vqgan.models import noise_video

FRAME = torch.tensor([3, 0])


def adversaries(**options: object) -> Adversaries:
    torch.manual_seed(0)
    both = {"spatial": SpatialDiscriminator(4, 2), "temporal": TemporalDiscriminator(4, 2)}
    return Adversaries(both, {"spatial": 1.0, "temporal": 0.5}, **options)


def clips() -> tuple[Tensor, Tensor, torch.nn.Parameter]:
    """A clip, a reconstruction made with one weight, and that weight."""
    x, weight = noise_video(4, batch=2), torch.nn.Parameter(torch.tensor(0.7))
    return x, weight * x.roll(1, dims=3) + 0.1 * weight**2, weight


def gradients(module: torch.nn.Module) -> list[Tensor]:
    return [parameter.grad.clone() for parameter in module.parameters()]


@pytest.mark.parametrize("loss", ["hinge", "log"])
def test_one_backward_gives_each_side_the_gradient_of_a_pass_of_its_own(loss: str) -> None:
    joint = adversaries(loss=loss)
    x, x_hat, weight = clips()
    verdict = joint(x, x_hat, FRAME)
    terms = joint.generator_terms(verdict, 0, x_hat.mean(), weight)
    (terms["adversarial"] + terms["matching"] + joint.discriminator_loss(verdict)).backward()

    apart = adversaries(loss=loss)
    x, x_hat, own = clips()
    generator = x_hat.new_zeros(())
    for kind, scale in (("spatial", 1.0), ("temporal", 0.5)):
        discriminator = apart.discriminators[kind].requires_grad_(False)
        real, fake = (pick_frames(v, FRAME) if kind == "spatial" else v for v in (x, x_hat))
        logits, features = discriminator(fake)
        matching = feature_matching(discriminator(real)[1], features)
        generator = generator + scale * generator_loss(logits) + 4 * matching
    generator.backward()
    torch.testing.assert_close(weight.grad, own.grad, rtol=1e-6, atol=0)

    for kind, discriminator in apart.discriminators.items():
        discriminator.requires_grad_(True)
        real, fake = (pick_frames(v, FRAME) if kind == "spatial" else v for v in (x, x_hat.detach()))
        discriminator_loss(discriminator(real)[0], discriminator(fake)[0], loss).backward()
    for one, other in zip(gradients(joint), gradients(apart), strict=True):
        assert torch.equal(one, other)


def test_terms_of_the_vqgan_leave_the_discriminators_alone_and_the_other_way_round() -> None:
    judges = adversaries(lecam_weight=1.0)
    x, x_hat, weight = clips()
    verdict = judges(x, x_hat, FRAME)
    judges.discriminator_loss(verdict).backward(retain_graph=True)
    assert weight.grad is None
    judges.zero_grad()
    terms = judges.generator_terms(verdict, 0, x_hat.mean(), weight)
    (terms["adversarial"] + terms["matching"]).backward()
    assert weight.grad != 0
    assert all(parameter.grad is None for parameter in judges.parameters())


def test_statistics_move_once_for_the_real_and_once_for_the_reconstructed_clips() -> None:
    judges, alone = adversaries(), adversaries()
    x, x_hat, _ = clips()
    judges(x, x_hat, FRAME)
    for seen in (x, x_hat):
        alone.discriminators["temporal"](seen)
    expected = dict(alone.discriminators["temporal"].named_buffers())
    assert expected
    for name, buffer in judges.discriminators["temporal"].named_buffers():
        assert torch.equal(buffer, expected[name]), name


def test_the_vqgan_is_judged_by_the_weights_of_the_moment() -> None:
    judges = adversaries()
    x, x_hat, _ = clips()
    verdict = judges(x, x_hat, FRAME)
    for kind, (_, fake) in verdict.logits.items():
        torch.testing.assert_close(verdict.adversarial[kind], -fake)


def test_in_the_warm_up_nothing_reaches_the_vqgan() -> None:
    judges = adversaries()
    x, x_hat, weight = clips()
    verdict = judges(x, x_hat, FRAME, counts=False)
    assert not verdict.adversarial and not verdict.matching
    judges.discriminator_loss(verdict).backward()
    assert weight.grad is None and all(parameter.grad is not None for parameter in judges.parameters())


def test_schedule_warms_up_starts_and_ramps() -> None:
    schedule = Schedule(start_step=10, ramp_steps=4, warmup_steps=3)
    assert [schedule.learning(step) for step in (6, 7)] == [False, True]
    assert [schedule.weight(step) for step in (9, 10, 11, 12, 13, 99)] == [0, 0.25, 0.5, 0.75, 1, 1]
    assert [Schedule(10).weight(step) for step in (9, 10)] == [0, 1]


def test_the_ramp_weighs_both_terms() -> None:
    judges = adversaries(schedule=Schedule(0, ramp_steps=4))
    x, x_hat, weight = clips()
    verdict = judges(x, x_hat, FRAME)
    first, whole = (judges.generator_terms(verdict, step, x_hat.mean(), weight) for step in (0, 50))
    for name, term in first.items():
        torch.testing.assert_close(4 * term, whole[name])


def test_the_adaptive_weight_balances_each_discriminator_apart() -> None:
    judges = adversaries(adaptive=True)
    x, x_hat, weight = clips()
    verdict, reconstruction = judges(x, x_hat, FRAME), (x - x_hat).abs().mean()
    found = judges.generator_terms(verdict, 0, reconstruction, weight)["adversarial"]
    parts = [
        scale * adaptive_weight(reconstruction, verdict.adversarial[kind], weight) * verdict.adversarial[kind]
        for kind, scale in (("spatial", 1.0), ("temporal", 0.5))
    ]
    torch.testing.assert_close(found, sum(parts))
    (gradient,) = torch.autograd.grad(parts[0], weight, retain_graph=True)
    (wanted,) = torch.autograd.grad(reconstruction, weight)
    torch.testing.assert_close(gradient.abs(), wanted.abs(), rtol=5e-2, atol=0)  # the bound's delta is in it


def test_lecam_follows_the_logits_and_outlives_a_restart() -> None:
    judges = adversaries(lecam_weight=0.5)
    x, x_hat, _ = clips()
    first = judges(x, x_hat, FRAME)
    expected = 0.01 * torch.stack(list(first.logits.values()))
    torch.testing.assert_close(judges.averages, expected)
    again = adversaries(lecam_weight=0.5)
    again.load_state_dict(judges.state_dict())
    second, same = judges(x, x_hat, FRAME), again(x, x_hat, FRAME)
    for kind, term in second.lecam.items():
        assert torch.equal(term, same.lecam[kind]) and not torch.equal(term, first.lecam[kind])
    own = sum(second.discriminator.values()) + 0.5 * sum(second.lecam.values())
    torch.testing.assert_close(judges.discriminator_loss(second), own)


def test_frames_are_a_function_of_seed_batch_and_place() -> None:
    batch = torch.tensor(5)
    drawn = random_frames(4096, 16, 1, batch)
    assert torch.equal(drawn, random_frames(4096, 16, 1, torch.tensor(5)))
    for other in (random_frames(4096, 16, 2, batch), random_frames(4096, 16, 1, torch.tensor(6))):
        assert 0.9 < (drawn != other).float().mean() < 0.97  # 15/16 of independent draws differ
    counts = torch.bincount(drawn, minlength=16)
    assert counts.min() > 200 and counts.max() < 312  # 256 expected, standard deviation 15.5


@pytest.mark.parametrize(
    "options, said",
    [
        ({"matching_layers": [1.0, 2.0]}, r"matching_layers=\[1.0, 2.0\]: 2 given, the spatial .* has 3"),
        ({"loss": "wgan"}, "wgan"),
    ],
)
def test_what_does_not_fit_is_refused(options: dict, said: str) -> None:
    with pytest.raises(Exception, match=said):
        adversaries(**options)


def test_no_or_an_unknown_discriminator_is_refused() -> None:
    for given in ({}, {"spectral": SpatialDiscriminator(4, 2)}):
        with pytest.raises(ValueError, match="allowed: one or more of spatial, temporal"):
            Adversaries(given, {"spectral": 1.0})


def test_a_warm_up_before_the_first_step_is_refused() -> None:
    with pytest.raises(ValueError, match="warmup_steps=3 must be at most start_step=2"):
        Schedule(start_step=2, warmup_steps=3)
