"""Signs of a VQGAN training that goes wrong, raised while it runs.

Everything that the rules remember lies in buffers, and nothing is read back from the device: a resumed training raises
the alarms that an uninterrupted one would, and no step waits for them.
"""

import logging
from collections.abc import Callable, Mapping
from typing import NamedTuple

import torch
import torch.distributed as dist
from jaxtyping import Bool, Float, Int64
from torch import Tensor, nn

logger = logging.getLogger(__name__)

Scalars = Callable[[int, dict[str, float]], None]
MEMORY, SHORT = 50, 10
"""Batches that an average looks back on, and the fewest to judge by; the short one is for what must be said soon."""
SATURATED_BELOW = 0.05
DEAD_BELOW, DEAD_AFTER = 0.5, 2
WORSE_ABOVE = 1.25
PREFIX = "alarm/"
MEANINGS = {
    "saturated": "a discriminator is almost never wrong and teaches nothing any more: "
    "a lower weight, lecam_weight or a smaller discriminator may help",
    "codes_dead": "more than half of the codes are not used by usage_window batches together: "
    "fewer codes, restart_below or quantizer=fsq may help",
    "reconstruction_worse": "the L1 error has grown since the discriminators count: "
    "a longer ramp_steps or a lower weight may help",
}


def saturated(loss: Float[Tensor, ""], undecided: float) -> Bool[Tensor, ""]:
    """Whether a discriminator hardly errs: its average loss is a small share of what indifference would cost it."""
    return loss < SATURATED_BELOW * undecided


def codes_dead(usage: "Usage") -> Bool[Tensor, ""]:
    """Whether most codes are not used by a whole window of batches, the first of which may be the codebook's beginning.

    Of five toy runs without an adversary each raises it, at step 200 or 300, and all but one until their end: 35 to
    59 % of the 128 codes are used by 100 batches together. With the spatial one half of the runs do, and none until
    its end.
    """
    return (usage.windows >= DEAD_AFTER) & (usage.window < DEAD_BELOW)


def reconstruction_worse(l1: Float[Tensor, ""], lowest: Float[Tensor, ""]) -> Bool[Tensor, ""]:
    """Whether the average L1 error is well above the lowest one from just before the discriminators counted on."""
    return l1 > WORSE_ABOVE * lowest


class MovingAverage(nn.Module):
    """Mean of all values until there are `memory` of them, an exponential average from then on."""

    value: Tensor
    count: Tensor

    def __init__(self, memory: int) -> None:
        """Begin with nothing."""
        super().__init__()
        self.memory = memory
        self.register_buffer("value", torch.zeros(()))
        self.register_buffer("count", torch.tensor(0))

    def update(self, now: Float[Tensor, ""]) -> Float[Tensor, ""]:
        """Take in one more value; returns the average."""
        self.count += 1
        self.value += (now.detach().float() - self.value) / self.count.clamp(max=self.memory)
        return self.value

    def settled(self) -> Bool[Tensor, ""]:
        """Whether there were enough values to judge by."""
        return self.count >= self.memory


class Usage(NamedTuple):
    """How much of the codebook is in use.

    Attributes:
        window: share 0..1 of the last whole window of batches; during the first, of what there is of it.
        windows: whole windows so far.
    """

    window: Float[Tensor, ""]
    windows: Int64[Tensor, ""]


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
    def update(self, codes: Int64[Tensor, "*places"]) -> Usage:
        """Take in the codes of one batch, of all processes."""
        now = torch.zeros_like(self.used)
        now[codes.flatten()] = 1
        if dist.is_initialized():
            dist.all_reduce(now, op=dist.ReduceOp.MAX)
        self.used |= now
        self.batches += 1
        complete = self.batches % self.window == 0
        counts = complete | (self.batches < self.window)
        self.share.copy_(torch.where(counts, self.used.float().mean(), self.share))
        self.used.masked_fill_(complete, 0)
        return Usage(self.share.clone(), self.batches // self.window)


class Alarms(nn.Module):
    """All rules together."""

    lowest: Tensor

    def __init__(self, undecided: Mapping[str, float] | None = None, start_step: int = 0) -> None:
        """Begin with nothing raised.

        Args:
            undecided: for each discriminator the loss of one that cannot tell; None: there is no discriminator.
            start_step: optimiser step at which they begin to count.
        """
        super().__init__()
        self.undecided, self.start_step = dict(undecided or {}), start_step
        self.l1 = MovingAverage(MEMORY)
        self.losses = nn.ModuleDict({kind: MovingAverage(SHORT) for kind in self.undecided})
        self.register_buffer("lowest", torch.tensor(torch.inf))

    @torch.no_grad()
    def update(self, step: int, l1: Tensor, usage: Usage, losses: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Look at one batch.

        Args:
            step: optimiser step, the first being 0.
            l1: mean absolute error of the reconstruction, whatever loss it is trained on.
            usage: what `CodeUsage` says.
            losses: of the discriminators that learn at this step, be it that they do not count yet.

        Returns:
            Per alarm 1 where it is raised, else 0, on the device.
        """
        raised = {"codes_dead": codes_dead(usage)}
        error = self.l1.update(l1)
        if self.undecided:
            lowest = error if step < self.start_step else torch.minimum(self.lowest, error)
            self.lowest.copy_(torch.where(self.l1.settled(), lowest, self.lowest))
            raised["reconstruction_worse"] = reconstruction_worse(error, self.lowest)
        for kind, loss in losses.items():
            average = self.losses[kind]
            assert isinstance(average, MovingAverage)
            low = saturated(average.update(loss), self.undecided[kind])
            raised[f"saturated_{kind}"] = low & average.settled()
        return {name: flag.float() for name, flag in raised.items()}


def warn_once(scalars: Scalars) -> Scalars:
    """Pass scalars on, and write a warning line the first time that each alarm among them is raised."""
    warned: set[str] = set()

    def pass_on(step: int, values: dict[str, float]) -> None:
        for key, value in values.items():
            if key.startswith(PREFIX) and value and key not in warned:
                warned.add(key)
                meaning = next(MEANINGS[name] for name in MEANINGS if key.removeprefix(PREFIX).startswith(name))
                logger.warning("%s at step %d: %s", key, step, meaning)
        scalars(step, values)

    return pass_on
