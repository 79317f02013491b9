"""Signs of a VQGAN training that goes wrong, told while it runs.

Everything that the rules remember lies in buffers, and nothing is read back from the device: a resumed training raises
the alarms that an uninterrupted one would, and no step waits for them.
"""

import logging
from collections.abc import Callable, Mapping

import torch
import torch.distributed as dist
from jaxtyping import Bool, Float, Int64
from torch import Tensor, nn

logger = logging.getLogger(__name__)

Scalars = Callable[[int, dict[str, float]], None]
MEMORY = 50
"""Steps that an average looks back on; before as many there is no alarm."""
SATURATED_BELOW = 0.05
USAGE_BELOW = 0.7
WORSE_ABOVE = 1.25
PREFIX = "alarm/"
MEANINGS = {
    "saturated": "a discriminator is almost never wrong and teaches nothing any more: "
    "a lower weight, lecam_weight or a smaller discriminator may help",
    "usage_fell": "far fewer codes are used than before: "
    "restart_below, a lower learning rate or quantizer=fsq may help",
    "reconstruction_worse": "the L1 error has grown since the discriminators count: "
    "a longer ramp_steps, warmup_steps or a lower weight may help",
}


def saturated(loss: Float[Tensor, ""], undecided: float) -> Bool[Tensor, ""]:
    """Whether a discriminator hardly errs: its average loss is a small share of what indifference would cost it."""
    return loss < SATURATED_BELOW * undecided


def usage_fell(usage: Float[Tensor, ""], best: Float[Tensor, ""]) -> Bool[Tensor, ""]:
    """Whether the share of codes in use has fallen far below what it once was."""
    return usage < USAGE_BELOW * best


def reconstruction_worse(l1: Float[Tensor, ""], before: Float[Tensor, ""]) -> Bool[Tensor, ""]:
    """Whether the average L1 error is well above that of before the discriminators counted."""
    return l1 > WORSE_ABOVE * before


class MovingAverage(nn.Module):
    """Mean of all values until there are `MEMORY` of them, an exponential average from then on."""

    value: Tensor
    count: Tensor

    def __init__(self) -> None:
        """Begin with nothing."""
        super().__init__()
        self.register_buffer("value", torch.zeros(()))
        self.register_buffer("count", torch.tensor(0))

    def update(self, now: Float[Tensor, ""]) -> Float[Tensor, ""]:
        """Take in one more value; returns the average."""
        self.count += 1
        self.value += (now.detach().float() - self.value) / self.count.clamp(max=MEMORY)
        return self.value

    def settled(self) -> Bool[Tensor, ""]:
        """Whether there were enough values to judge by."""
        return self.count >= MEMORY


class CodeUsage(nn.Module):
    """Share of the codebook that is in use, counted over windows of training batches.

    Batches are drawn at random, step by step, so a window of them is what an epoch is elsewhere.
    """

    used: Tensor
    batches: Tensor
    share: Tensor

    def __init__(self, size: int, window: int) -> None:
        """Begin to count.

        Args:
            size: K.
            window: batches.
        """
        super().__init__()
        self.window = window
        self.register_buffer("used", torch.zeros(size, dtype=torch.uint8))
        self.register_buffer("batches", torch.tensor(0))
        self.register_buffer("share", torch.zeros(()))

    @torch.no_grad()
    def update(self, codes: Int64[Tensor, "*places"]) -> Float[Tensor, ""]:
        """Take in the codes of one batch.

        Returns:
            Share 0..1 of the last whole window; during the first, of what there is of it.
        """
        self.used[codes.flatten()] = 1
        if dist.is_initialized():
            dist.all_reduce(self.used, op=dist.ReduceOp.MAX)
        self.batches += 1
        whole = self.batches % self.window == 0
        told = whole | (self.batches < self.window)
        self.share.copy_(torch.where(told, self.used.float().mean(), self.share))
        self.used.masked_fill_(whole, 0)
        return self.share.clone()


class Alarms(nn.Module):
    """All rules together."""

    best_usage: Tensor
    l1_before: Tensor

    def __init__(self, undecided: Mapping[str, float] | None = None, start_step: int = 0) -> None:
        """Begin to watch.

        Args:
            undecided: for each discriminator the loss of one that cannot tell; None: there is no discriminator.
            start_step: optimiser step at which they begin to count.
        """
        super().__init__()
        self.undecided, self.start_step = dict(undecided or {}), start_step
        self.l1 = MovingAverage()
        self.losses = nn.ModuleDict({kind: MovingAverage() for kind in self.undecided})
        self.register_buffer("best_usage", torch.zeros(()))
        self.register_buffer("l1_before", torch.zeros(()))

    @torch.no_grad()
    def update(self, step: int, l1: Tensor, usage: Tensor, losses: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Look at one batch.

        Args:
            step: optimiser step, the first being 0.
            l1: reconstruction error.
            usage: what `CodeUsage` says.
            losses: of the discriminators that learn at this step.

        Returns:
            Per alarm 1 where it is raised, else 0, on the device.
        """
        self.best_usage.copy_(torch.maximum(self.best_usage, usage))
        raised = {"usage_fell": usage_fell(usage, self.best_usage)}
        error = self.l1.update(l1)
        if self.undecided:
            if step < self.start_step:
                self.l1_before.copy_(error)
            known = self.l1.settled() & (self.l1_before > 0)
            raised["reconstruction_worse"] = reconstruction_worse(error, self.l1_before) & known
        for kind, loss in losses.items():
            average = self.losses[kind]
            assert isinstance(average, MovingAverage)
            low = saturated(average.update(loss), self.undecided[kind])
            raised[f"saturated_{kind}"] = low & average.settled()
        return {name: flag.float() for name, flag in raised.items()}


def warn_once(scalars: Scalars) -> Scalars:
    """Pass scalars on, and write a warning line the first time that each alarm among them is raised."""
    told: set[str] = set()

    def pass_on(step: int, values: dict[str, float]) -> None:
        for key, value in values.items():
            if key.startswith(PREFIX) and value and key not in told:
                told.add(key)
                meaning = next(MEANINGS[name] for name in MEANINGS if key.removeprefix(PREFIX).startswith(name))
                logger.warning("%s at step %d: %s", key, step, meaning)
        scalars(step, values)

    return pass_on
