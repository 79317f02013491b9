"""A training step of the VQGAN against the original's: `python benchmarks/vqgan_training.py`.

Both sides start from the same weights and see the same clips and frames; that their losses agree is checked first.
Steps take turns, so that a machine whose speed drifts treats all alike; medians of CPU seconds are compared (of wall
seconds with several threads). bf16 is autocast, only where the CPU has bf16 instructions. Then the codebook alone, each
side in a process of its own: peak memory of one step.
"""

import argparse
import multiprocessing
import statistics
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch
from torch import Tensor

from original_step import DenseCodebook, OriginalVQGAN, original_step
from tats_exp.data.pixels import to_float
from tats_exp.data.shapes import Shapes
from tats_exp.official import official_state_dict
from tats_exp.vqgan import VQGAN, EMACodebook, SpatialDiscriminator, TemporalDiscriminator
from tats_exp.vqgan.adversaries import Adversaries, random_frames
from tats_exp.vqgan.reconstruction import L1
from tats_exp.vqgan.training import VQGANTraining

WIDTH, DOWNSAMPLE, CODES, DIM, JUDGES = 32, (4, 8, 8), 16384, 256, 64
BATCH, FRAMES, SIDE = 4, 16, 32
ROWS = (2048, 8192)  # latents of 2 and of 8 clips of the paper, 1,024 each
ADAM = partial(torch.optim.Adam, lr=3e-5, betas=(0.5, 0.9))


def ours(bf16: bool) -> tuple[VQGANTraining, Callable[[Tensor], dict[str, Tensor]]]:
    """Our training, and its step."""
    torch.manual_seed(0)
    vqgan = VQGAN(EMACodebook(CODES, DIM), WIDTH, DOWNSAMPLE)
    vqgan.codebook.initialised.fill_(True)
    judges = {"spatial": SpatialDiscriminator(JUDGES), "temporal": TemporalDiscriminator(JUDGES)}
    adversaries = Adversaries(judges, {"spatial": 1.0, "temporal": 1.0})
    module = VQGANTraining(vqgan, ADAM, None, L1(), 4.0, adversaries=adversaries)
    optimizer = module.configure_optimizers()
    assert isinstance(optimizer, torch.optim.Optimizer)

    def step(video: Tensor) -> dict[str, Tensor]:
        with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
            total = module.training_step({"video": video, "label": torch.zeros(len(video))}, 0)
        optimizer.zero_grad()
        total.backward()
        module.configure_gradient_clipping(optimizer, 1.0)
        optimizer.step()
        return {name.removeprefix("train/vqgan/"): value for name, value in module.logged.items()}

    return module, step


def theirs(weights: dict[str, Tensor], bf16: bool) -> Callable[[Tensor], dict[str, Tensor]]:
    """The step of the original from these weights."""
    vqgan = OriginalVQGAN(WIDTH, DOWNSAMPLE, CODES, DIM, JUDGES)
    vqgan.load_state_dict(weights)
    optimizers = [ADAM(side) for side in vqgan.sides()]
    taken = torch.tensor(0)

    def step(video: Tensor) -> dict[str, Tensor]:
        frame = random_frames(len(video), FRAMES, 0, taken)
        taken.add_(1)
        return original_step(vqgan, optimizers, to_float(video), frame, bf16)

    return step


def compare_steps(rounds: int) -> None:
    """Print medians and ratios of the training step."""
    clock = time.process_time if torch.get_num_threads() == 1 else time.perf_counter
    precisions = [False, True] if torch.backends.cpu.get_cpu_capability() == "AVX512" and has_bf16() else [False]
    runs: dict[str, Callable[[Tensor], dict[str, Tensor]]] = {}
    for bf16 in precisions:
        module, step = ours(bf16)
        module.vqgan.discriminators = dict(module.adversaries.discriminators.named_children())  # type: ignore[union-attr]
        weights = {name: value.clone() for name, value in official_state_dict(module.vqgan).items()}
        name = "bf16" if bf16 else "fp32"
        runs |= {f"original, {name}": theirs(weights, bf16), f"ours, {name}": step}
    clips = Shapes(train_videos=BATCH, test_videos=1, frames=FRAMES * (rounds + 2), resolution=SIDE, seed=0).split(
        "train"
    )
    seconds: dict[str, list[float]] = {name: [] for name in runs}
    for turn in range(rounds + 2):
        parts = [torch.from_numpy(clips.read(video, turn * FRAMES, FRAMES)) for video in range(BATCH)]
        losses = {}
        for name, step in runs.items():
            started = clock()
            losses[name] = step(torch.stack(parts))
            if turn >= 2:  # the first are warm-up
                seconds[name].append(clock() - started)
        if turn == 0:
            for term in ("l1", "commitment", "adversarial", "matching"):
                pair = losses["original, fp32"][term], losses["ours, fp32"][term]
                torch.testing.assert_close(*(value.detach() for value in pair), rtol=1e-4, atol=1e-5)
    medians = {name: statistics.median(values) for name, values in seconds.items()}
    print("| step | s | times as fast as the original in this precision | in fp32 | L1 after the last step |")
    print("|---|---:|---:|---:|---:|")
    for name, median in medians.items():
        alike, whole = medians[f"original, {name.split()[-1]}"] / median, medians["original, fp32"] / median
        print(f"| {name} | {median:.2f} | {alike:.2f} | {whole:.2f} | {float(losses[name]['l1'].detach()):.4f} |")


def has_bf16() -> bool:
    """Whether the CPU computes in bf16; emulated, a step would take minutes."""
    flags = Path("/proc/cpuinfo").read_text() if Path("/proc/cpuinfo").exists() else ""
    return "avx512_bf16" in flags or "amx_bf16" in flags


def peak_of_codebook(kind: str, rows: int, told: "multiprocessing.Queue[float]") -> None:
    """MiB by which a step of the codebook, its loss and backward included, raises the memory of this process."""
    torch.set_num_threads(1)
    codebook = EMACodebook(CODES, DIM) if kind == "ours" else DenseCodebook(CODES, DIM)
    latents = torch.randn(rows // 256, DIM, 1, 16, 16, requires_grad=True)
    latents[:1, :, :, :2].square().mean().backward()  # what torch sets up once
    before = memory("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")  # the peak counts from here
    found = codebook(latents)
    quantized, commitment = (found.quantized, found.commitment) if kind == "ours" else found
    (quantized.sum() + commitment).backward()
    told.put(memory("VmHWM") - before)


def memory(field: str) -> float:
    """MiB of this process, as Linux counts them."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith(field)).split()[1]) / 1024


def compare_memory() -> None:
    """Print the peak memory of a step of either codebook."""
    print(f"\n| latents (N), K = {CODES:,} | dense, MiB | ours, MiB | times less |\n|---|---:|---:|---:|")
    processes = multiprocessing.get_context("spawn")
    for rows in ROWS:
        peaks = {}
        for kind in ("dense", "ours"):
            told = processes.Queue()
            process = processes.Process(target=peak_of_codebook, args=(kind, rows, told))
            process.start()
            peaks[kind] = told.get()
            process.join()
        print(f"| {rows:,} | {peaks['dense']:.0f} | {peaks['ours']:.0f} | {peaks['dense'] / peaks['ours']:.1f} |")


def main() -> None:
    """Measure both."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=8)
    parser.add_argument("--threads", type=int, default=1)
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    if given.rounds:
        compare_steps(given.rounds)
    compare_memory()


if __name__ == "__main__":
    main()
