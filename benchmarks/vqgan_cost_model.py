"""What the paper's training of the VQGAN should cost on a GPU: `python benchmarks/vqgan_cost_model.py`. A model.

Nothing is measured here, and no GPU is needed. One step of the training of the suite (`scale=paper`: both
discriminators, LPIPS) runs on torch's meta device, which computes shapes and nothing else. Counted are the operations
of convolutions and matrix products (torch's flop counter: 2 for a multiply and add) and the bytes that each operator
reads and writes when none is fused with its neighbours, as in eager mode. Time is the larger of arithmetic and traffic,
each at an assumed share of what the card can do.
"""

from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import FlopCounterMode

from tats_exp.features.perceptual import LPIPS
from tats_exp.features.vgg16 import VGG16
from tats_exp.vqgan import VQGAN, EMACodebook, SpatialDiscriminator, TemporalDiscriminator
from tats_exp.vqgan.adversaries import Adversaries
from tats_exp.vqgan.training import VQGANTraining

CLIPS, FRAMES, SIDE = 2, 16, 128  # of a step of one GPU
GPUS, STEPS, ACCUMULATE = 8, 30_000, 6  # 30,000 optimiser steps, as the names of the released checkpoints say
COMPUTE_SHARE, BANDWIDTH_SHARE = 0.4, 0.7  # assumed, of the peaks below


@dataclass(frozen=True)
class Card:
    """Peaks of a data sheet: dense TFLOP/s in the precision of the matrix units, TB/s of memory."""

    name: str
    precision: str
    teraflops: float
    terabytes: float

    @property
    def width(self) -> float:
        """Bytes of an activation over those of float32, in which they are counted."""
        return 0.5 if self.precision == "bf16" else 1.0


CARDS = (
    Card("V100 SXM2 32GB", "fp32", 15.7, 0.9),
    Card("A100 SXM 80GB", "tf32", 156.0, 2.04),
    Card("A100 SXM 80GB", "bf16", 312.0, 2.04),
    Card("H100 SXM 80GB", "bf16", 989.0, 3.35),
)


class Traffic(TorchDispatchMode):
    """Counts the bytes that operators read and write; views move none."""

    def __init__(self) -> None:
        super().__init__()
        self.bytes = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Run the operator and count."""
        found = func(*args, **(kwargs or {}))
        if not func.is_view:
            tensors = [leaf for leaf in tree_leaves((args, kwargs, found)) if isinstance(leaf, Tensor)]
            self.bytes += sum(tensor.numel() * tensor.element_size() for tensor in tensors)
        return found


class Silent(VQGANTraining):
    """The training of the suite, with nowhere to log to."""

    def _log(self, *_: object) -> None:
        pass


def count() -> dict[str, tuple[float, float]]:
    """FLOPs and bytes (float32) of the pass of one GPU and of its optimiser's step."""
    with torch.device("meta"):
        vqgan = VQGAN(EMACodebook(16384, 256), 32, (4, 8, 8))
        both = {"spatial": SpatialDiscriminator(), "temporal": TemporalDiscriminator()}
        adversaries = Adversaries(both, {"spatial": 1.0, "temporal": 1.0})
        perceptual = LPIPS(VGG16()).requires_grad_(False)
        adam = partial(torch.optim.Adam, lr=9e-5, betas=(0.5, 0.9))
        module = Silent(vqgan, adam, None, 4.0, perceptual, 4.0, adversaries)
        optimizer: Any = module.configure_optimizers()
        video = torch.zeros(CLIPS, FRAMES, SIDE, SIDE, 3, dtype=torch.uint8)

        def one_pass() -> None:
            module.training_step({"video": video, "label": torch.zeros(CLIPS)}, 0).backward()

        one_pass()
        optimizer.step()  # makes its state
        return {name: measured(work) for name, work in (("pass", one_pass), ("optimiser", optimizer.step))}


def measured(work: Any) -> tuple[float, float]:
    """FLOPs and bytes of some work."""
    with FlopCounterMode(display=False) as flops, Traffic() as traffic:
        work()
    return float(flops.get_total_flops()), float(traffic.bytes)


def main() -> None:
    """Print what is counted, and the model's times."""
    counted = count()
    (flops, moved), (_, optimiser) = counted["pass"], counted["optimiser"]
    print(
        f"A pass of {CLIPS} clips of {FRAMES}x{SIDE}x{SIDE}: {flops / 1e12:.2f} TFLOP, {moved / 1e9:.1f} GB in float32"
    )
    print(f"(bf16: half of it); the optimiser, each {ACCUMULATE} passes: {optimiser / 1e9:.1f} GB.")
    print(f"Arithmetic per byte: {flops / moved:.0f} FLOP in float32, {2 * flops / moved:.0f} in bf16.\n")
    print("| card | precision | arithmetic, ms | traffic, ms | bound by | ms a pass | GPU-hours | days on 8 |")
    print("|---|---|---:|---:|---|---:|---:|---:|")
    for card in CARDS:
        compute = flops / (card.teraflops * 1e12 * COMPUTE_SHARE)
        traffic = (moved * card.width + optimiser / ACCUMULATE) / (card.terabytes * 1e12 * BANDWIDTH_SHARE)
        longer = max(compute, traffic)
        hours = GPUS * STEPS * ACCUMULATE * longer / 3600
        bound = "memory" if traffic > compute else "arithmetic"
        told = f"{1e3 * compute:.0f} | {1e3 * traffic:.0f} | {bound} | {1e3 * longer:.0f} | {hours:,.0f}"
        print(f"| {card.name} | {card.precision} | {told} | {hours / GPUS / 24:.2f} |")


if __name__ == "__main__":
    main()
