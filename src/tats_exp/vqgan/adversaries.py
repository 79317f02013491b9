"""The adversaries of the VQGAN in training: who judges, from which step on, and what their verdicts weigh.

Axes: B C T H W pixels. x is a clip, x_hat its reconstruction; both in [-0.5, 0.5].

Real and reconstructed clips go through a discriminator one after the other, each normalised by its own statistics, as
in the official code. Where that code takes four passes a step, three do: one of x serves both sides; x_hat is judged
once, detached, for the discriminator, and once, by weights that take no gradient, for the VQGAN. So one backward of the
sum of both losses gives each side exactly the gradient that it would have alone.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import cast, get_args

import torch
import torch.distributed as dist
from jaxtyping import Float, Int64
from torch import Tensor, nn
from torch.func import functional_call

from tats_exp.vqgan.adversarial import (
    DiscriminatorLoss,
    adaptive_weight,
    discriminator_loss,
    feature_matching,
    generator_loss,
    lecam,
    lecam_averages,
)
from tats_exp.vqgan.codebook import scramble
from tats_exp.vqgan.discriminators import PatchGAN, pick_frames

KINDS = ("spatial", "temporal")
Terms = dict[str, Tensor]
Judged = tuple[Tensor, list[Tensor]]


@dataclass(frozen=True)
class Schedule:
    """From which optimiser step on the discriminators learn, and how much they count for the VQGAN.

    Attributes:
        start_step: first step at which the adversarial and matching terms count.
        ramp_steps: steps over which their weight rises to the whole; 0: at once.
        warmup_steps: steps before `start_step` from which on the discriminators learn.

    Source: official `discriminator_iter_start` is `start_step`; ramp and warm-up are not in it.
    """

    start_step: int = 0
    ramp_steps: int = 0
    warmup_steps: int = 0

    def __post_init__(self) -> None:
        """Refuse a warm-up that would begin before the training does."""
        if self.warmup_steps > self.start_step:
            raise ValueError(f"warmup_steps={self.warmup_steps} must be at most start_step={self.start_step}")

    def learning(self, step: int) -> bool:
        """Whether the discriminators learn at an optimiser step, the first being 0."""
        return step >= self.start_step - self.warmup_steps

    def weight(self, step: int) -> float:
        """How much they count for the VQGAN at an optimiser step, 0..1."""
        if step < self.start_step:
            return 0.0
        return min(1.0, (step - self.start_step + 1) / max(self.ramp_steps, 1))


@dataclass(frozen=True)
class Verdict:
    """What the discriminators make of one batch; every term a scalar, not weighted.

    Attributes:
        adversarial: per discriminator, what the VQGAN minimises to be taken for real; empty if it was not asked for.
        matching: per discriminator, distance of its features; empty if it was not asked for.
        discriminator: per discriminator, its own loss.
        lecam: per discriminator, its regularisation; empty without one.
        logits: per discriminator, (mean of x, mean of x_hat).
    """

    adversarial: Terms
    matching: Terms
    discriminator: Terms
    lecam: Terms
    logits: Terms

    def named(self) -> Terms:
        """All terms under the names they are logged by, `<term>_<discriminator>`."""
        families = ("adversarial", "matching", "discriminator", "lecam")
        terms = {f"{family}_{kind}": term for family in families for kind, term in getattr(self, family).items()}
        for kind, (real, fake) in self.logits.items():
            terms |= {f"logits_real_{kind}": real, f"logits_fake_{kind}": fake}
        return terms


class Adversaries(nn.Module):
    """The discriminators of a training with their weights.

    Attributes:
        discriminators: by kind.
        schedule: when they learn and count.
        undecided: loss of a discriminator whose logits are all 0.
    """

    averages: Tensor

    def __init__(
        self,
        discriminators: Mapping[str, PatchGAN],
        weights: Mapping[str, float],
        matching_weight: float = 4.0,
        matching_layers: Sequence[float] | None = None,
        loss: str = "hinge",
        lecam_weight: float = 0.0,
        adaptive: bool = False,
        schedule: Schedule | None = None,
    ) -> None:
        """Take the parts.

        Args:
            discriminators: `spatial` (judges one frame of a clip), `temporal` (judges clips) or both.
            weights: of the adversarial term of each.
            matching_weight: of the feature matching of each.
            matching_layers: p_i, one for each block but the last; None: 1 each.
            loss: what the discriminators minimise, a `DiscriminatorLoss`.
            lecam_weight: of LeCam regularisation; 0: none.
            adaptive: multiply each adversarial term so that it has as much say over the last layer as all the terms of
                the reconstruction together.
            schedule: None: they learn and count from the first step on.

        Raises:
            ValueError: no discriminator, an unknown one or an unknown loss, or `matching_layers` that are not one per
                feature.
        """
        super().__init__()
        if not discriminators or not set(discriminators) <= set(KINDS):
            raise ValueError(f"discriminators={sorted(discriminators)}; allowed: one or more of {', '.join(KINDS)}")
        if loss not in get_args(DiscriminatorLoss):
            raise ValueError(f"loss={loss!r} is unknown; allowed: {', '.join(get_args(DiscriminatorLoss))}")
        for kind, discriminator in discriminators.items():
            features = discriminator.layers + 1
            if matching_layers is not None and len(matching_layers) != features:
                raise ValueError(
                    f"matching_layers={list(matching_layers)}: {len(matching_layers)} given, "
                    f"the {kind} discriminator has {features} features"
                )
        self.discriminators = nn.ModuleDict(discriminators)
        self.weights = {kind: float(weights[kind]) for kind in discriminators}
        self.matching_weight, self.matching_layers = matching_weight, matching_layers
        self.loss, self.lecam_weight, self.adaptive = cast(DiscriminatorLoss, loss), lecam_weight, adaptive
        self.schedule = schedule or Schedule()
        nothing = torch.zeros((), device="cpu")
        self.undecided = float(discriminator_loss(nothing, nothing, self.loss))
        self.register_buffer("averages", torch.zeros(len(discriminators), 2))

    def forward(
        self,
        x: Float[Tensor, "B C T H W"],
        x_hat: Float[Tensor, "B C T H W"],
        frame: Int64[Tensor, " B"],
        counts: bool = True,
    ) -> Verdict:
        """Judge a batch.

        Args:
            x: clips.
            x_hat: their reconstructions, with their graph.
            frame: which frame of each clip the spatial discriminator judges.
            counts: whether the terms of the VQGAN are wanted.

        Returns:
            Terms whose gradients stay on their own side: `adversarial` and `matching` reach `x_hat` alone,
            `discriminator` and `lecam` the weights of the discriminators alone.
        """
        verdict = Verdict({}, {}, {}, {}, {})
        for number, (kind, discriminator) in enumerate(self.discriminators.items()):
            seen = (pick_frames(x, frame), pick_frames(x_hat, frame)) if kind == "spatial" else (x, x_hat)
            real_logits, real_features = discriminator(seen[0])
            fake_logits, _ = discriminator(seen[1].detach())
            verdict.discriminator[kind] = discriminator_loss(real_logits, fake_logits, self.loss)
            verdict.logits[kind] = torch.stack([real_logits.mean(), fake_logits.mean()]).detach()
            if self.lecam_weight:
                verdict.lecam[kind] = lecam(real_logits, fake_logits, self.averages[number].clone())
                new = lecam_averages(self.averages[number], real_logits, fake_logits)
                self.averages[number] = _mean_over_processes(new)
            if counts:
                logits, features = _without_weights(discriminator, seen[1])
                verdict.adversarial[kind] = generator_loss(logits)
                verdict.matching[kind] = feature_matching(real_features, features, self.matching_layers)
        return verdict

    def generator_terms(self, verdict: Verdict, step: int, reconstruction_loss: Tensor, last_layer: Tensor) -> Terms:
        """Weighted terms that the VQGAN adds to its loss.

        Args:
            verdict: with the terms of the VQGAN.
            step: optimiser step.
            reconstruction_loss: all that it minimises otherwise.
            last_layer: weight of the decoder's last convolution.

        Returns:
            `adversarial` and `matching`, the sums over the discriminators.
        """
        ramp = self.schedule.weight(step)
        adversarial = [self.weights[kind] * loss for kind, loss in verdict.adversarial.items()]
        if self.adaptive:
            say = [adaptive_weight(reconstruction_loss, loss, last_layer) for loss in verdict.adversarial.values()]
            adversarial = [weight * loss for weight, loss in zip(say, adversarial, strict=True)]
        return {
            "adversarial": ramp * torch.stack(adversarial).sum(),
            "matching": ramp * self.matching_weight * torch.stack(list(verdict.matching.values())).sum(),
        }

    def discriminator_loss(self, verdict: Verdict) -> Float[Tensor, ""]:
        """What the discriminators minimise together."""
        own = torch.stack(list(verdict.discriminator.values())).sum()
        return own + self.lecam_weight * torch.stack(list(verdict.lecam.values())).sum() if verdict.lecam else own


def random_frames(clips: int, frames: int, seed: int, batch: Int64[Tensor, ""]) -> Int64[Tensor, " B"]:
    """A random frame of every clip, a function of its arguments and the clip's place in the batch of all processes.

    Args:
        clips: B, of this process.
        frames: T.
        seed: of the training.
        batch: number of the batch.

    Returns:
        0..T-1, on the device of `batch`.
    """
    rank = dist.get_rank() if dist.is_initialized() else 0
    places = torch.arange(clips, device=batch.device) + rank * clips
    return ((scramble(scramble(batch + (seed << 32)) + places) >> 8) & (2**48 - 1)) % frames


def _without_weights(discriminator: nn.Module, x: Tensor) -> Judged:
    """Judge with weights that take no gradient, and count nothing in the running statistics a second time."""
    weights = {name: weight.detach() for name, weight in discriminator.named_parameters()}
    buffers = {name: buffer.clone() for name, buffer in discriminator.named_buffers()}
    return functional_call(discriminator, {**weights, **buffers}, x)


def _mean_over_processes(x: Tensor) -> Tensor:
    if dist.is_initialized():
        dist.all_reduce(x)
        x /= dist.get_world_size()
    return x
