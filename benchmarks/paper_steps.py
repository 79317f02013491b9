"""What a training step at the paper's size costs on one device: `python benchmarks/paper_steps.py [PART ...]`.

    vqgan          2 clips of 16x128x128, both discriminators counting, against the original's step
    transformer    24 layers x 1,024, 3 windows of 1,024 codes
    interpolation  the same on windows of 1,280 codes with mask c, by the kernels that skip blocks and by a dense mask

Options: device=cpu|cuda (auto), rounds=N (10), quick (small sizes, to see that all runs), only=TEXT (names with it).

Medians of wall seconds of a step, optimiser included, after three for warming up, each variant by itself, so that its
peak of memory is its own. Weights are random, those of LPIPS, too: the cost does not depend on them. "tf32" is what
torch does unless told: convolutions round their inputs to 10 bits, matrix products do not.
"""

import contextlib
import gc
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from unittest.mock import patch

import torch

from original_step import OriginalVQGAN, original_step
from tats_exp.features.perceptual import LPIPS
from tats_exp.features.vgg16 import VGG16
from tats_exp.transformer import Transformer, attention, attention_mask, transformer
from tats_exp.transformer.losses import code_nll
from tats_exp.vqgan import VQGAN, EMACodebook, SpatialDiscriminator, TemporalDiscriminator
from tats_exp.vqgan.adversaries import Adversaries, random_frames
from vqgan_training import Ours

OPTIONS = {key: value for key, _, value in (given.partition("=") for given in sys.argv[1:])}
QUICK = "quick" in OPTIONS
DEVICE = OPTIONS.get("device") or ("cuda" if torch.cuda.is_available() else "cpu")
ROUNDS = int(OPTIONS.get("rounds", 2 if QUICK else 10))
WIDTH, DOWNSAMPLE, CODES, DIM, JUDGES, SIDE = (
    (4, (4, 8, 8), 64, 8, 4, 32) if QUICK else (32, (4, 8, 8), 16384, 256, 64, 128)
)
CLIPS, FRAMES = 2, 16
ADAM = partial(torch.optim.Adam, lr=9e-5, betas=(0.5, 0.9))

Step = Callable[[], object]


def ours(bf16: bool = False, compiled: bool = False, contiguous: bool = False, perceptual: bool = False) -> Step:
    """A step of our training of the VQGAN."""
    torch.manual_seed(0)
    judges = {"spatial": SpatialDiscriminator(JUDGES), "temporal": TemporalDiscriminator(JUDGES)}
    lpips = LPIPS(VGG16()).requires_grad_(False).to(DEVICE) if perceptual else None
    module = Ours(
        VQGAN(EMACodebook(CODES, DIM), WIDTH, DOWNSAMPLE),
        ADAM,
        None,
        4.0,
        lpips,
        4.0 if perceptual else 0.0,
        Adversaries(judges, {"spatial": 1.0, "temporal": 1.0}),
    ).to(DEVICE)
    if contiguous:
        for parameter in module.vqgan.parameters():
            parameter.data = parameter.data.contiguous()
    if compiled:
        module.vqgan.compile()
    optimizer = module.configure_optimizers()
    assert isinstance(optimizer, torch.optim.Optimizer)
    video = torch.randint(256, (CLIPS, FRAMES, SIDE, SIDE, 3), dtype=torch.uint8, device=DEVICE)
    label = torch.zeros(CLIPS, dtype=torch.int64, device=DEVICE)

    def step() -> None:
        with torch.autocast(DEVICE, torch.bfloat16, enabled=bf16):
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


def predicting(mask: str, bf16: bool = False, compiled: bool = False, dense: bool = False) -> Step:
    """A step of our training of a transformer."""
    torch.manual_seed(0)
    frames, layers, width, side = (4 if mask == "causal" else 5), *((2, 64, 12) if QUICK else (24, 1024, 16))
    model = Transformer(0, CODES, (frames, side, side), layers, 4 if QUICK else 16, width, mask=mask).to(DEVICE)
    if compiled:
        model.compile()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1.08e-4)
    codes = torch.randint(CODES, (3, model.window_codes), device=DEVICE)
    condition = torch.zeros(3, 1, dtype=torch.int64, device=DEVICE)
    plain = patch.object(
        transformer, "visible_pairs", lambda m, c, window, _, device: attention_mask(m, c, window, device)
    )

    def step() -> None:
        with plain if dense else contextlib.nullcontext(), torch.autocast(DEVICE, torch.bfloat16, enabled=bf16):
            logits = model(condition, codes)[:, model.predicted]
            loss = code_nll(logits, codes[:, model.predicted], 0).mean()
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()

    return step


@contextlib.contextmanager
def convolutions(tf32: bool = True, benchmark: bool = False) -> Iterator[None]:
    """How cuDNN computes."""
    with torch.backends.cudnn.flags(enabled=True, allow_tf32=tf32, benchmark=benchmark):
        yield


exact = partial(convolutions, tf32=False)
searched = partial(convolutions, benchmark=True)
VQGAN_STEPS = {
    "original, fp32": (exact, original),
    "ours, fp32": (exact, ours),
    "original, tf32": (convolutions, original),
    "ours, tf32": (convolutions, ours),
    "original, bf16": (convolutions, partial(original, bf16=True)),
    "ours, bf16": (convolutions, partial(ours, bf16=True)),
    "ours, bf16, weights not channels last": (convolutions, partial(ours, bf16=True, contiguous=True)),
    "ours, tf32, weights not channels last": (convolutions, partial(ours, contiguous=True)),
    "ours, bf16, trainer.benchmark=true": (searched, partial(ours, bf16=True)),
    "ours, tf32, trainer.benchmark=true": (searched, ours),
    "ours, bf16, compile=true": (convolutions, partial(ours, bf16=True, compiled=True)),
    "ours, bf16, with LPIPS": (convolutions, partial(ours, bf16=True, perceptual=True)),
}
TRANSFORMER_STEPS = {
    "fp32": (convolutions, partial(predicting, "causal")),
    "bf16": (convolutions, partial(predicting, "causal", bf16=True)),
    "bf16, compile=true": (convolutions, partial(predicting, "causal", bf16=True, compiled=True)),
}
INTERPOLATION_STEPS = {
    "mask c, bf16, dense mask": (convolutions, partial(predicting, "c", bf16=True, dense=True)),
    "mask c, bf16": (convolutions, partial(predicting, "c", bf16=True)),
    "mask c, bf16, compile=true": (convolutions, partial(predicting, "c", bf16=True, compiled=True)),
}
PARTS = {"vqgan": VQGAN_STEPS, "transformer": TRANSFORMER_STEPS, "interpolation": INTERPOLATION_STEPS}


def synchronize() -> None:
    """Wait for the device."""
    if DEVICE == "cuda":
        torch.cuda.synchronize()


def measured(make: Callable[[], Step]) -> tuple[float, float, float]:
    """Median seconds of a step, seconds until the third one was done, peak memory in GiB (CUDA only)."""
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
    return statistics.median(taken), warm, peak


def main() -> None:
    """Print a table for each part."""
    card = torch.cuda.get_device_name() if DEVICE == "cuda" else "cpu"
    print(f"{card}, torch {torch.__version__}, rounds {ROUNDS}")
    for part in [name for name in OPTIONS if name in PARTS] or PARTS:
        print(f"\n| {part} | ms a step | times as fast as the first | warm after, s | peak, GiB |")
        print("|---|---:|---:|---:|---:|")
        first = None
        for name, (backend, make) in PARTS[part].items():
            if OPTIONS.get("only", "") not in name:
                continue
            try:
                with backend():
                    seconds, warm, peak = measured(make)
            except torch.cuda.OutOfMemoryError:
                print(f"| {name} | out of memory | | | |", flush=True)
                continue
            finally:
                gc.collect()
                torch._dynamo.reset()
                if DEVICE == "cuda":
                    torch.cuda.empty_cache()
            first = first or seconds
            print(f"| {name} | {1e3 * seconds:.1f} | {first / seconds:.2f} | {warm:.0f} | {peak:.1f} |", flush=True)


if __name__ == "__main__":
    assert attention  # `visible_pairs` is looked up where the transformer has imported it
    main()
