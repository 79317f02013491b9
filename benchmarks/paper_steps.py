"""What a training step at the paper's size costs on one device: `python benchmarks/paper_steps.py [PART ...]`.

    vqgan          2 clips of 16x128x128, both discriminators counting, against the original's step
    transformer    24 layers x 1,024, 3 windows of 1,024 codes, against the original's pass
    interpolation  the same on windows of 1,280 codes with masks c and b, by kernels that skip blocks and a dense mask
    memory         peaks of scale=paper in bf16 for several sizes of a batch

Options: device=cpu|cuda (auto), rounds=N (10), quick (small sizes, to see that all runs), only=TEXT (names with it).

Medians of wall seconds of a step, optimiser included, after three for warming up, each variant by itself, so that its
peak of memory is its own. Weights are random, those of LPIPS, too: the cost does not depend on them. "tf32" rounds what
convolutions and products of matrices take in to 10 bits. FLOP are those of convolutions, products and attention, there
and back (of attention on CUDA the whole square, also where it is causal; on a CPU none of a kernel); their share is of
what a product of large matrices reaches in the same precision in the same run.
"""

import contextlib
import gc
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from unittest.mock import patch

import torch
from torch.utils.flop_counter import FlopCounterMode

import card
from original_step import OriginalVQGAN, original_logits, original_step
from tats_exp.features.perceptual import LPIPS
from tats_exp.features.vgg16 import VGG16
from tats_exp.transformer import Transformer, attention_mask, transformer
from tats_exp.transformer.losses import code_nll
from tats_exp.vqgan import VQGAN, EMACodebook, SpatialDiscriminator, TemporalDiscriminator
from tats_exp.vqgan.adversaries import Adversaries, random_frames
from tats_exp.vqgan.reconstruction import L1
from tats_exp.vqgan.training import VQGANTraining

OPTIONS = {key: value for key, _, value in (given.partition("=") for given in sys.argv[1:])}
QUICK = "quick" in OPTIONS
DEVICE = OPTIONS.get("device") or ("cuda" if torch.cuda.is_available() else "cpu")
ROUNDS = int(OPTIONS.get("rounds", 2 if QUICK else 10))
WIDTH, DOWNSAMPLE, CODES, DIM, JUDGES, SIDE = (
    (4, (4, 8, 8), 64, 8, 4, 32) if QUICK else (32, (4, 8, 8), 16384, 256, 64, 128)
)
CLIPS, FRAMES, WINDOWS = 2, 16, 3
ADAM = partial(torch.optim.Adam, lr=9e-5, betas=(0.5, 0.9))

Step = Callable[[], object]


def ours(
    bf16: bool = False,
    compiled: bool = False,
    contiguous: bool = False,
    perceptual: bool = False,
    clips: int = CLIPS,
) -> Step:
    """A step of our training of the VQGAN."""
    torch.manual_seed(0)
    judges = {"spatial": SpatialDiscriminator(JUDGES), "temporal": TemporalDiscriminator(JUDGES)}
    lpips = LPIPS(VGG16()).requires_grad_(False).to(DEVICE) if perceptual else None
    module = VQGANTraining(
        VQGAN(EMACodebook(CODES, DIM), WIDTH, DOWNSAMPLE),
        ADAM,
        None,
        L1(),
        4.0,
        perceptual=lpips,
        perceptual_weight=4.0 if perceptual else 0.0,
        adversaries=Adversaries(judges, {"spatial": 1.0, "temporal": 1.0}),
    ).to(DEVICE)
    if contiguous:
        for parameter in module.vqgan.parameters():
            parameter.data = parameter.data.contiguous()
    if compiled:
        module.vqgan.compile()
    optimizer = module.configure_optimizers()
    assert isinstance(optimizer, torch.optim.Optimizer)
    video = torch.randint(256, (clips, FRAMES, SIDE, SIDE, 3), dtype=torch.uint8, device=DEVICE)
    label = torch.zeros(clips, dtype=torch.int64, device=DEVICE)

    def step() -> None:
        with autocast(bf16):
            total = module.training_step({"video": video, "label": label}, 0)
        optimizer.zero_grad()
        total.backward()
        module.configure_gradient_clipping(optimizer, 1.0)
        optimizer.step()

    return step


def original(bf16: bool = False) -> Step:
    """A step of both optimisers of the original."""
    torch.manual_seed(0)
    vqgan = OriginalVQGAN(WIDTH, DOWNSAMPLE, CODES, DIM, JUDGES).to(DEVICE)
    optimizers = [ADAM(side) for side in vqgan.sides()]
    x = torch.rand(CLIPS, 3, FRAMES, SIDE, SIDE, device=DEVICE) - 0.5
    frame = random_frames(CLIPS, FRAMES, 0, torch.tensor(0, device=DEVICE))
    return lambda: original_step(vqgan, optimizers, x, frame, bf16)


def predicting(
    mask: str,
    bf16: bool = False,
    compiled: bool = False,
    dense: bool = False,
    plain: bool = False,
    windows: int = WINDOWS,
) -> Step:
    """A step of our training of a transformer; `plain`: its pass as the original makes it."""
    torch.manual_seed(0)
    frames, layers, width, side = (4 if mask == "causal" else 5), *((2, 64, 12) if QUICK else (24, 1024, 16))
    model = Transformer(0, CODES, (frames, side, side), layers, 4 if QUICK else 16, width, mask=mask).to(DEVICE)
    visible = attention_mask(mask, 1, model.window, torch.device(DEVICE))
    if compiled:
        model.compile()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1.08e-4)
    codes = torch.randint(CODES, (windows, model.window_codes), device=DEVICE)
    condition = torch.zeros(windows, 1, dtype=torch.int64, device=DEVICE)
    with_mask = patch.object(transformer, "visible_pairs", lambda *_: visible)

    def step() -> None:
        with with_mask if dense else contextlib.nullcontext(), autocast(bf16):
            logits = original_logits(model, condition, codes, visible) if plain else model(condition, codes)
            loss = code_nll(logits[:, model.predicted], codes[:, model.predicted], 0).mean()
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()

    return step


def autocast(bf16: bool) -> torch.autocast:
    """Mixed precision, or none."""
    return torch.autocast(DEVICE, torch.bfloat16, enabled=bf16)


@contextlib.contextmanager
def searched(name: str) -> Iterator[None]:
    """Let cuDNN try its ways to convolve, beside a precision."""
    with card.precision(name), torch.backends.cudnn.flags(enabled=True, benchmark=True, allow_tf32=name == "tf32"):
        yield


fp32, tf32, half = (partial(card.precision, name) for name in card.PRECISIONS)
compiled = {"compiled": True}
VQGAN_STEPS = {
    "original, fp32": (fp32, original),
    "ours, fp32": (fp32, ours),
    "original, tf32": (tf32, original),
    "ours, tf32": (tf32, ours),
    "original, bf16": (half, partial(original, bf16=True)),
    "ours, bf16": (half, partial(ours, bf16=True)),
    "ours, bf16, weights not channels last": (half, partial(ours, bf16=True, contiguous=True)),
    "ours, bf16, trainer.benchmark=true": (partial(searched, "bf16"), partial(ours, bf16=True)),
    "ours, bf16, with LPIPS": (half, partial(ours, bf16=True, perceptual=True)),
    "ours, bf16, compile=true": (half, partial(ours, bf16=True, **compiled)),
}
TRANSFORMER_STEPS = {
    "original, fp32": (fp32, partial(predicting, "causal", plain=True)),
    "ours, fp32": (fp32, partial(predicting, "causal")),
    "original, tf32": (tf32, partial(predicting, "causal", plain=True)),
    "ours, tf32": (tf32, partial(predicting, "causal")),
    "original, bf16": (half, partial(predicting, "causal", bf16=True, plain=True)),
    "ours, bf16": (half, partial(predicting, "causal", bf16=True)),
    "ours, bf16, compile=true": (half, partial(predicting, "causal", bf16=True, **compiled)),
}
INTERPOLATION_STEPS = {
    "original, mask c, bf16": (half, partial(predicting, "c", bf16=True, plain=True)),
    "mask c as a dense mask, bf16": (half, partial(predicting, "c", bf16=True, dense=True)),
    "mask c, bf16": (half, partial(predicting, "c", bf16=True)),
    "mask c, bf16, compile=true": (half, partial(predicting, "c", bf16=True, **compiled)),
    "mask b as a dense mask, bf16": (half, partial(predicting, "b", bf16=True, dense=True)),
    "mask b, bf16": (half, partial(predicting, "b", bf16=True)),
}
MEMORY = {
    **{
        f"VQGAN, {n} clips, LPIPS": (half, partial(ours, bf16=True, perceptual=True, clips=n)) for n in (1, 2, 4, 8, 16)
    },
    **{
        f"transformer, {n} windows": (half, partial(predicting, "causal", bf16=True, windows=n))
        for n in (1, 3, 6, 12, 24)
    },
}
PARTS = {
    "vqgan": VQGAN_STEPS,
    "transformer": TRANSFORMER_STEPS,
    "interpolation": INTERPOLATION_STEPS,
    "memory": MEMORY,
}


def synchronize() -> None:
    """Wait for the device."""
    if DEVICE == "cuda":
        torch.cuda.synchronize()


@dataclass(frozen=True)
class Cost:
    """What a step costs: median seconds, seconds until the third was done, peak in GiB (CUDA only), FLOP counted."""

    seconds: float
    warm: float
    peak: float
    flop: float


def measured(make: Callable[[], Step], count: bool) -> Cost:
    """Take some steps; count: whether its FLOP are counted on the way."""
    if DEVICE == "cuda":
        torch.cuda.reset_peak_memory_stats()
    started = time.perf_counter()
    step = make()
    for _ in range(3):
        step()
    synchronize()
    warm, taken = time.perf_counter() - started, []
    for _ in range(ROUNDS):
        started = time.perf_counter()
        step()
        synchronize()
        taken.append(time.perf_counter() - started)
    peak = torch.cuda.max_memory_allocated() / 2**30 if DEVICE == "cuda" else 0.0
    flop = 0
    if count:
        with FlopCounterMode(display=False) as counter:
            step()
        flop = counter.get_total_flops()
    return Cost(statistics.median(taken), warm, peak, flop)


def countable(name: str) -> bool:
    """Whether the FLOP of a step are counted: not where kernels are compiled, as those that skip blocks are."""
    return "compile" not in name and ("mask" not in name or "original" in name or "dense" in name)


def main() -> None:
    """Print a table for each part."""
    peaks = {name: card.arithmetic(name, DEVICE, QUICK) for name in card.PRECISIONS}
    print(f"{card.name_of(DEVICE)}, torch {torch.__version__}, rounds {ROUNDS}")
    for part in [name for name in OPTIONS if name in PARTS] or PARTS:
        head = (
            "ms a step",
            "first of its precision / this",
            "TFLOP",
            "of the arithmetic measured",
            "warm after, s",
            "peak, GiB",
        )
        print(f"\n| {part} | {' | '.join(head)} |\n|---|{'---:|' * len(head)}")
        first: dict[str, float] = {}
        for name, (backend, make) in PARTS[part].items():
            if OPTIONS.get("only", "") not in name:
                continue
            precision = next((kind for kind in card.PRECISIONS if kind in name), "bf16")
            try:
                with backend():
                    cost = measured(make, countable(name))
            except torch.cuda.OutOfMemoryError:
                print(f"| {name} | out of memory | | | | | |", flush=True)
                continue
            finally:
                gc.collect()
                torch._dynamo.reset()
                if DEVICE == "cuda":
                    torch.cuda.empty_cache()
            ratio = "" if part == "memory" else f"{first.setdefault(precision, cost.seconds) / cost.seconds:.2f}"
            share = f"{cost.flop / cost.seconds / peaks[precision]:.0%}" if cost.flop else ""
            row = f"{1e3 * cost.seconds:.1f}", ratio, f"{cost.flop / 1e12:.2f}" if cost.flop else "", share
            print(f"| {name} | {' | '.join(row)} | {cost.warm:.0f} | {cost.peak:.1f} |", flush=True)


if __name__ == "__main__":
    main()
