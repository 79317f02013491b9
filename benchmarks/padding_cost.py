"""What each time padding costs a training step of the VQGAN: `python benchmarks/padding_cost.py`.

Toy size, one thread. The paddings take turns step by step, so that a machine whose speed drifts treats all alike;
medians are compared.
"""

import statistics
import time

import torch

from tats_exp.vqgan import VQGAN, EMACodebook, TimePadding
from tats_exp.vqgan.losses import vqgan_losses
from tats_exp.vqgan.padding import Alpha, Loop, Real, Reflect, Replicate, Zero, ZeroSpace
from tats_exp.vqgan.reconstruction import L1

ROUNDS = 20
PADDINGS = (Zero(), Replicate(), Alpha(0.5), Real(), Loop(), Reflect(), ZeroSpace())
BATCH, FRAMES, SIDE = 8, 16, 16


def step(vqgan: VQGAN, optimizer: torch.optim.Optimizer, video: torch.Tensor) -> float:
    """Seconds of one training step."""
    started = time.perf_counter()
    losses = vqgan_losses(vqgan(video), vqgan.middle(video), L1(), 4.0)
    optimizer.zero_grad()
    losses["total"].backward()
    optimizer.step()
    return time.perf_counter() - started


def main() -> None:
    """Print a table of medians and ratios."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    runs = {}
    for padding in PADDINGS:
        vqgan = VQGAN(EMACodebook(128, 32), 8, (4, 4, 4), 1, "batch", padding, padding)
        video = torch.rand(BATCH, 3, FRAMES + 2 * vqgan.training_margin, SIDE, SIDE) - 0.5
        runs[padding] = (vqgan, torch.optim.Adam(vqgan.parameters()), video)
    seconds: dict[TimePadding, list[float]] = {padding: [] for padding in runs}
    for turn in range(ROUNDS + 2):
        for padding, parts in runs.items():
            taken = step(*parts)
            if turn >= 2:  # the first are warm-up
                seconds[padding].append(taken)
    medians = {padding: statistics.median(values) for padding, values in seconds.items()}
    print("| padding | frames read | ms a step | times replicate |\n|---|---:|---:|---:|")
    for padding, median in medians.items():
        read = FRAMES + 2 * runs[padding][0].training_margin
        print(f"| {padding} | {read} | {1000 * median:.0f} | {median / medians[Replicate()]:.2f} |")


if __name__ == "__main__":
    main()
