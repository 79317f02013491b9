"""How fast codes are sampled: `python benchmarks/sampling.py PART ...`, or all parts without a name.

    window        one window of a small model (4 layers x 128, 1,024 codes, batch 16) against the original sampler
    drawn         64 codes of a small model, early and late in its window, drawn as the paper does (top-k 2,048, top-p
                  .92 of 16,384 codes; of 128, too), against it: here the random numbers differ, and no codes agree
    window_large  the last 64 codes of a window at 24 layers x 1,024 (batch 4), fp32, tf32 and bf16, against it
    packed        steps with packed weights against the same with plain ones; on a CPU
    captured      the step as one captured graph against the same step kernel by kernel; needs CUDA
    hierarchical  1,024 frames by the small model, one video and 16, key frames and gaps, against it; some 10 minutes
    masks         what mask b, which cannot be cached, costs beside a and c
    bandwidth     time per code against the bytes that must be read for it, fp32 and bf16
    growth        seconds and peak memory at 256, 1,024, 4,096 and 16,384 frames (Linux), sizes of scale=toy
    training      steps from kept codes against steps that encode their clips, sizes of scale=toy

Options: device=cpu|cuda (auto), threads=N (1), quick (small sizes, to see that all runs), rounds=N (3), frames=N (1024,
of `hierarchical`).

Where two samplers are compared both are greedy, have the same weights and take turns; medians are compared, and the
share of codes on which they agree is shown (two logits may tie within rounding). What takes long (hierarchical, growth,
mask b) is timed once, a training step 20 times.
"""

import functools
import re
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

import card
import original_sampler
from tats_exp.sampling import Chooser, Hierarchical, SlidingWindow, sample_codes
from tats_exp.sampling.captured import CapturedStep
from tats_exp.sampling.packed import stepping
from tats_exp.transformer import Transformer, code_nll
from tats_exp.vqgan import VQGAN, EMACodebook

OPTIONS = {key: value for key, _, value in (given.partition("=") for given in sys.argv[1:])}
QUICK = "quick" in OPTIONS
DEVICE = OPTIONS.get("device") or ("cuda" if torch.cuda.is_available() else "cpu")
ROUNDS = int(OPTIONS.get("rounds", 3))
LIKELIEST = Chooser(greedy=True)


def transformer(
    layers: int, width: int, heads: int, frames: int, side: int, mask: str = "causal", codes: int = 1024
) -> Transformer:
    """Random weights, far enough from zero that logits do not tie; the cost does not depend on them."""
    torch.manual_seed(0)
    model = Transformer(0, codes, (frames, side, side), layers, heads, width, mask=mask)
    for parameter in model.parameters():
        if parameter.ndim > 1:
            torch.nn.init.normal_(parameter, std=0.08 if width < 512 else 0.03)
    return model.eval().to(DEVICE)


def toy(frames: int, mask: str = "causal", side: int = 16) -> Transformer:
    """4 layers of 128."""
    return transformer(2 if QUICK else 4, 128, 4, frames, 4 if QUICK else side, mask)


def seconds(call: Callable[[], Tensor]) -> tuple[float, Tensor]:
    """Wall seconds of a call, and what it gave."""
    if DEVICE == "cuda":
        torch.cuda.synchronize()
    started = time.perf_counter()
    with torch.inference_mode():
        result = call()
    if DEVICE == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - started, result


def against(name: str, ours: Callable[[], Tensor], original: Callable[[], Tensor], rounds: int = ROUNDS) -> None:
    """Print medians of both, taking turns, their ratio, and the share of codes on which they agree."""
    taken: list[tuple[float, float]] = []
    agree = 1.0
    for _ in range(rounds):
        (mine, result), (theirs, expected) = seconds(ours), seconds(original)
        agree = min(agree, float((result.flatten() == expected.flatten()).float().mean()))
        taken.append((mine, theirs))
    mine, theirs = (statistics.median(column) for column in zip(*taken, strict=True))
    print(f"| {name} | {mine:.2f} | {theirs:.2f} | {theirs / mine:.1f} | {agree:.2%} |", flush=True)


def head(*columns: str) -> None:
    """Head of a table."""
    print("\n| " + " | ".join(columns) + " |\n|---|" + "---:|" * (len(columns) - 1), flush=True)


def window() -> None:
    """A whole window at toy scale."""
    model, batch = toy(4), 2 if QUICK else 16
    condition = torch.zeros(batch, 1, dtype=torch.int64, device=DEVICE)
    steps = model.window_codes
    head("toy window", "ours, s", "original, s", "ratio", "codes agree")
    against(
        f"{steps} codes, batch {batch}, fp32",
        lambda: sample_codes(model, condition, steps, greedy=True),
        lambda: original_sampler.window(model, condition, condition[:, :0], steps),
    )


def drawn() -> None:
    """The first codes of a window and the last ones, drawn."""
    head("drawn codes", "ours, s", "original, s", "ratio", "codes agree")
    steps = 8 if QUICK else 64
    for codes, batch, top_k in ((16384, 16, 2048), (16384, 1, 2048), (128, 128, 128), (128, 1, 128)):
        batch, top_p = (2 if QUICK else batch), 0.92
        model = transformer(2 if QUICK else 4, 128, 4, 4, 4 if QUICK or codes == 128 else 16, codes=codes)
        condition = torch.zeros(batch, 1, dtype=torch.int64, device=DEVICE)
        choose = functools.partial(original_sampler.drawn, top_k=top_k, top_p=top_p)
        options = {"top_k": top_k, "top_p": top_p, "seeds": range(batch)}

        def early(model=model, condition=condition, choose=choose) -> Tensor:
            return original_sampler.window(model, condition, condition[:, :0], steps, choose)

        read = random_read(model, batch, model.window_codes - steps)

        def late(model=model, read=read, condition=condition, choose=choose) -> Tensor:
            place = torch.tensor([model.window_codes - steps], device=DEVICE)
            return original_sampler.sample_with_past(model, condition, place, None, steps, read, choose)

        name = f"K {codes:,}, top-k {top_k:,}, top-p {top_p}, batch {batch}"
        against(f"{name}, from empty", lambda m=model, c=condition, o=options: sample_codes(m, c, steps, **o), early)
        against(
            f"{name}, behind {model.window_codes - steps}",
            goes_on(stepping(model, batch, steps), read, steps, Chooser(top_k=top_k, top_p=top_p)),
            late,
        )


def window_large() -> None:
    """The end of a window of a large model: both begin with the same keys and values, so only steps are timed."""
    layers, width = (2, 256) if QUICK else (24, 1024)
    steps, batch = (8, 2) if QUICK else (64, 4)
    model = transformer(layers, width, width // 64, 4, 4 if QUICK else 16)
    read = random_read(model, batch, model.window_codes - steps)

    def original() -> Tensor:
        token, place = torch.zeros(batch, 1, dtype=torch.int64), torch.tensor([model.window_codes - steps])
        return original_sampler.sample_with_past(model, token.to(DEVICE), place.to(DEVICE), None, steps, read)

    head(f"{layers} layers x {width}, last {steps} codes", "ours, s", "original in fp32, s", "ratio", "codes agree")
    half = transformer(layers, width, width // 64, 4, 4 if QUICK else 16).to(torch.bfloat16)
    for name, mine in (("fp32", model), ("tf32", model), ("bf16", half)):
        if DEVICE == "cuda" or name != "tf32":
            with card.precision(name):
                against(f"batch {batch}, {name}", goes_on(stepping(mine, batch, steps), read, steps), original)


def packed() -> None:
    """What packing the weights saves."""
    if DEVICE != "cpu":
        print("\npacked: skipped, it is for a CPU")
        return
    steps = 16 if QUICK else 64
    head(f"{steps} codes behind {1024 - steps}", "packed, s", "plain, s", "ratio", "codes agree")
    for layers, width, batch in ((2, 512, 4),) if QUICK else ((24, 1024, 4), (24, 1024, 1), (8, 512, 4), (8, 512, 16)):
        model = transformer(layers, width, width // 64, 4, 16)
        read = random_read(model, batch, model.window_codes - steps)
        fast = stepping(model, batch, steps)
        against(f"{layers} x {width}, batch {batch}", goes_on(fast, read, steps), goes_on(model, read, steps))


def captured() -> None:
    """What capturing the step saves: both read the same keys and values and draw greedily."""
    if DEVICE != "cuda":
        print("\ncaptured: skipped, it needs CUDA")
        return
    head("64 codes behind 960", "captured, s", "kernel by kernel, s", "ratio", "codes agree")
    for layers, width, batch in ((4, 128, 16), (24, 1024, 4)):
        model = transformer(layers, width, 4 if width == 128 else width // 64, 4, 4 if QUICK else 16)
        steps = 8 if QUICK else 64
        read = random_read(model, batch, model.window_codes - steps)
        for dtype in (torch.float32, torch.bfloat16):
            mine = model.to(dtype)
            name = f"{layers} x {width}, batch {batch}, {str(dtype).removeprefix('torch.')}"
            against(name, goes_on(mine, read, steps), goes_on(mine, read, steps, capture=False))


def random_read(model: Transformer, batch: int, tokens: int) -> Tensor:
    """Keys and values (2, layers, B, heads, tokens, d) of tokens that were read; what they are costs nothing."""
    width = model.head.in_features // model.heads
    return torch.randn(2, len(model.blocks), batch, model.heads, tokens, width, device=DEVICE)


def goes_on(
    model: Transformer, read: Tensor, steps: int, choose: Chooser = LIKELIEST, capture: bool = True
) -> Callable[[], Tensor]:
    """A call that gives codes (B, steps) behind what was read, as the sampler takes them."""
    batch, known = read.shape[2], read.shape[4]
    uniforms = torch.rand(batch, steps, device=DEVICE)
    if DEVICE == "cuda" and capture:
        return replayed(model, read, uniforms, choose)
    cache = model.new_cache(batch, known + steps)
    cache.kept[..., :known, :] = read.transpose(0, 1)

    def call() -> Tensor:
        cache.filled, codes = known, [torch.zeros(batch, dtype=torch.int64, device=DEVICE)]
        for position, uniform in zip(range(known, known + steps), uniforms.unbind(1), strict=True):
            codes.append(choose(model.step(codes[-1], position, cache), uniform))
        return torch.stack(codes[1:], dim=1)

    return call


def replayed(model: Transformer, read: Tensor, uniforms: Tensor, choose: Chooser) -> Callable[[], Tensor]:
    """The same by the step that the sampler captures on CUDA."""
    batch, known = read.shape[2], read.shape[4]
    captured = CapturedStep(model, batch, choose)
    captured.cache.kept[..., :known, :] = read.transpose(0, 1)
    token = torch.zeros(batch, dtype=torch.int64, device=DEVICE)

    def call() -> Tensor:
        captured.cache.filled = known
        captured.begin(token, known)
        return torch.stack([captured(uniform) for uniform in uniforms.unbind(1)], dim=1)

    return call


def hierarchical() -> None:
    """Key frames and all gaps at once, against gap after gap: codes as the suite has them at toy scale, and 16x16."""
    frames = int(OPTIONS.get("frames", 68 if QUICK else 1024))
    columns = "ours, s", "original, s", "measured on frames", "ratio", "codes agree"
    head(f"{frames} frames, key frames first", *columns)
    for side, batch in ((4, 1), (4, 16)) if QUICK else ((4, 1), (4, 16), (16, 1), (16, 16)):
        coarse_to_fine(side, batch, frames, min(frames, 256 if side == 4 else 64))


def coarse_to_fine(side: int, batch: int, frames: int, original: int) -> None:
    """Videos both ways.

    The original makes only the first frames, which must be the same: for 16 videos at 16x16 codes it would take an hour
    for all of them. Key frames behind the first, and gaps, take the same time each, so those of the rest are added.
    """
    model, interpolation = toy(4, side=side), toy(5, "c", side=side)
    condition = torch.zeros(batch, 1, dtype=torch.int64, device=DEVICE)
    sample = functools.partial(Hierarchical(4, top_k=1), model, condition)  # the likeliest code: greedy
    mine, video = seconds(
        lambda: sample(frames // 4, range(batch), interpolation=interpolation, gaps_at_once=256).flatten(2)
    )
    shown, gaps, all_gaps = original // 4, -(-(original // 4 - 1) // 4), -(-(frames // 4 - 1) // 4)
    coarse, keys = seconds(lambda: original_sampler.sliding(model, condition, gaps + 1, 1))
    fine, expected = seconds(lambda: original_sampler.filled(interpolation, condition, keys))
    theirs = coarse * (all_gaps + 1) / (gaps + 1) + fine * all_gaps / gaps
    agree = float((video[:, :shown] == expected[:, :shown]).float().mean())
    name = f"batch {batch}, {side}x{side} codes"
    print(f"| {name} | {mine:.1f} | {theirs:.1f} | {original} | {theirs / mine:.1f} | {agree:.2%} |", flush=True)


def masks() -> None:
    """What no cache costs: mask b reads all again for each code."""
    head("filling a gap, 16 at once", "s", "times c")
    condition = torch.zeros(16, 1, dtype=torch.int64, device=DEVICE)
    taken = {}
    for mask in ("c", "a", "b"):
        model = toy(5, mask, side=8)
        anchor = torch.zeros(16, model.codes_per_frame, dtype=torch.int64, device=DEVICE)
        steps = 3 * model.codes_per_frame
        call = functools.partial(sample_codes, model, condition, steps, anchor, anchor, greedy=True)
        taken[mask] = statistics.median(seconds(call)[0] for _ in range(1 if mask == "b" else ROUNDS))
        print(f"| {mask} | {taken[mask]:.2f} | {taken[mask] / taken['c']:.1f} |", flush=True)


def bandwidth() -> None:
    """The least time a code can take: every weight, and every key and value in the cache, is read once for it."""
    size = 2**24 if QUICK else 2**28
    source, target = torch.ones(size, device=DEVICE), torch.empty(size, device=DEVICE)
    copy = min(seconds(lambda: target.copy_(source))[0] for _ in range(5))
    rate = 2 * 4 * size / copy  # bytes read and written
    print(f"\nmeasured memory bandwidth (copy): {rate / 1e9:.1f} GB/s")
    head("model, batch", "weights and cache, MB", "limit, ms", "measured, ms", "times the limit")
    layers, width = (2, 256) if QUICK else (24, 1024)
    sizes = [(2 if QUICK else 4, 128, 4, 16), (layers, width, width // 64, 4)]
    for layers, width, heads, batch in sizes:
        for dtype in (torch.float32, torch.bfloat16):
            model = transformer(layers, width, heads, 4, 4 if QUICK else 16).to(dtype)
            steps = 8 if QUICK else 64
            read = random_read(model, batch, model.window_codes - steps)
            call = goes_on(stepping(model, batch, steps), read, steps)
            measured = statistics.median(seconds(call)[0] for _ in range(ROUNDS)) / steps
            item = torch.tensor([], dtype=dtype).element_size()
            weights = sum(p.numel() for p in model.blocks.parameters()) + model.head.weight.numel()
            cache = 2 * layers * batch * (model.window_codes - steps // 2) * width
            limit = item * (weights + cache) / rate
            name = f"{layers} x {width}, batch {batch}, {str(dtype).removeprefix('torch.')}"
            megabytes = item * (weights + cache) / 1e6
            print(
                f"| {name} | {megabytes:.0f} | {1e3 * limit:.2f} | {1e3 * measured:.2f} | {measured / limit:.1f} |",
                flush=True,
            )


def growth() -> None:
    """Each length and sampler in a process of its own, so that peaks of memory do not mix."""
    head("sampler, frames", "s", "ms a frame", "peak memory, MiB")
    lengths = (64, 256) if QUICK else (256, 1024, 4096, 16384)
    for sampler in ("sliding", "hierarchical"):
        for frames in lengths:
            passed = [f"{key}={value}" if value else key for key, value in OPTIONS.items() if key not in PARTS]
            subprocess.run([sys.executable, __file__, f"one={sampler},{frames}", *passed], check=True)


def grow(sampler: str, frames: int) -> None:
    """One video of toy size (3 layers x 96, 4x4 codes): a row of `growth`."""
    model = transformer(3, 96, 4, 4, 4)
    condition = torch.zeros(1, 1, dtype=torch.int64, device=DEVICE)
    if sampler == "sliding":
        call = functools.partial(SlidingWindow(), model, condition, frames // 4, [0])
    else:
        interpolation = transformer(3, 96, 4, 5, 4, "c")
        more = {"interpolation": interpolation, "gaps_at_once": 64}
        call = functools.partial(Hierarchical(4), model, condition, frames // 4, [0], **more)
    taken, _ = seconds(call)
    # ru_maxrss would begin with what the parent held.
    peak = int(re.search(r"VmHWM:\s+(\d+)", Path("/proc/self/status").read_text())[1]) / 1024
    if DEVICE == "cuda":
        peak = torch.cuda.max_memory_allocated() / 2**20
    print(f"| {sampler}, {frames} | {taken:.1f} | {1e3 * taken / frames:.2f} | {peak:.0f} |", flush=True)


def training() -> None:
    """A training step of the transformer from kept codes, and one that encodes its clips first."""
    batch, frames, rounds = (4 if QUICK else 32), 16, 3 if QUICK else 20
    model = transformer(3, 96, 4, 4, 4)
    vqgan = VQGAN(EMACodebook(1024, 32), 8, (4, 4, 4), decoder_blocks=1).eval().to(DEVICE)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    condition = torch.zeros(batch, 1, dtype=torch.int64, device=DEVICE)
    video = torch.rand(batch, 3, frames, 16, 16, device=DEVICE) - 0.5
    kept = torch.randint(model.video_codes, (batch, model.window_codes), device=DEVICE)

    def step(encode: bool) -> float:
        started = time.perf_counter()
        codes = kept
        if encode:
            with torch.no_grad():
                codes = vqgan.encode(video).flatten(1)
        optimizer.zero_grad()
        code_nll(model.logits(condition, codes), codes, 0).mean().backward()
        optimizer.step()
        if DEVICE == "cuda":
            torch.cuda.synchronize()
        return time.perf_counter() - started

    taken = [(step(False), step(True)) for _ in range(rounds + 2)][2:]
    from_codes, encoding = (1e3 * statistics.median(column) for column in zip(*taken, strict=True))
    head("toy training step", "from kept codes, ms", "encoding each time, ms", "ratio")
    print(f"| batch {batch} | {from_codes:.0f} | {encoding:.0f} | {encoding / from_codes:.1f} |")


PARTS = {
    part.__name__: part
    for part in (window, drawn, window_large, packed, captured, hierarchical, masks, bandwidth, growth, training)
}

if __name__ == "__main__":
    torch.set_num_threads(int(OPTIONS.get("threads", 1)))
    if "one" in OPTIONS:
        name, length = OPTIONS["one"].split(",")
        grow(name, int(length))
        sys.exit()
    print(f"device {DEVICE}, threads {torch.get_num_threads()}, torch {torch.__version__}")
    for part in [PARTS[name] for name in OPTIONS if name in PARTS] or list(PARTS.values()):
        part()
