"""Two checkouts in turn, row by row: `python benchmarks/before_after.py BEFORE AFTER [ROW ...] [pairs=7] [threads=1]`.

BEFORE and AFTER are folders of checkouts, as `git worktree add FOLDER COMMIT` makes them. Each measurement is a process
of its own that imports one of them; the two take turns, and every other pair begins with the other. A row shows medians
of seconds, the ratio after / before (geometric mean over pairs, with its 95 % interval), and whether the results were
the same to the bit. Weights are random. Inside a process the second call is timed, and as many more as fit into a
second, whose median counts; commands are timed whole. Rows: see ROWS and COMMANDS below; all without a name.
"""

import functools
import hashlib
import math
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tats_exp.transformer import Transformer

MOST = 20
"""Calls of one process."""
Work = Callable[[], object]


def transformer(
    layers: int, width: int, codes: int = 1024, window: tuple[int, int, int] = (4, 16, 16)
) -> "Transformer":
    """Random weights, far enough from zero that logits do not tie."""
    import torch

    from tats_exp.transformer import Transformer

    model = Transformer(0, codes, window, layers, max(4, width // 64), width, mask="causal")
    for parameter in model.parameters():
        if parameter.ndim > 1:
            torch.nn.init.normal_(parameter, std=0.08 if width < 512 else 0.03)
    return model.eval()


def codes_drawn(
    layers: int, width: int, batch: int, steps: int, behind: int, drawn: bool = False, **model: object
) -> Work:
    """Some codes of a window, greedy or as the paper draws them, from empty or behind others."""
    import torch

    from tats_exp.sampling import sample_codes

    made = transformer(layers, width, **model)
    condition = torch.zeros(batch, 1, dtype=torch.int64)
    prefix = torch.randint(made.video_codes, (batch, behind)) if behind else None
    top_k = min(2048, made.video_codes)
    options = {"top_k": top_k, "top_p": 0.92, "seeds": range(batch)} if drawn else {"greedy": True}

    def work() -> object:
        with torch.inference_mode():
            return sample_codes(made, condition, steps, prefix=prefix, **options)

    return work


def vqgan_step(size: int, dim: int) -> Work:
    """Training steps of the toy VQGAN."""
    import torch

    from tats_exp.vqgan import VQGAN, EMACodebook
    from tats_exp.vqgan.losses import vqgan_losses
    from tats_exp.vqgan.reconstruction import L1

    vqgan = VQGAN(EMACodebook(size, dim), 8, (4, 4, 4), 1)
    optimizer, video = torch.optim.Adam(vqgan.parameters()), torch.rand(8, 3, 16, 16, 16) - 0.5

    def work() -> object:
        for _ in range(4):
            losses = vqgan_losses(vqgan(video), vqgan.middle(video), L1(), 4.0)
            optimizer.zero_grad()
            losses["total"].backward()
            optimizer.step()
        return losses["total"].detach()

    return work


def transformer_step() -> Work:
    """Training steps of the toy transformer."""
    import torch

    from tats_exp.transformer import code_nll

    model = transformer(3, 96, 128, (4, 4, 4)).train()
    optimizer = torch.optim.AdamW(model.parameters())
    condition, codes = torch.zeros(32, 1, dtype=torch.int64), torch.randint(128, (32, 64))

    def work() -> object:
        for _ in range(4):
            loss = code_nll(model.logits(condition, codes), codes, 0).mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        return loss.detach()

    return work


def decoded() -> Work:
    """16 videos of 256 frames, decoded."""
    import torch

    from tats_exp.sampling import decode_chunks
    from tats_exp.vqgan import VQGAN, EMACodebook

    vqgan, codes = VQGAN(EMACodebook(128, 32), 8, (4, 4, 4), 1).eval(), torch.randint(128, (16, 64, 4, 4))

    def work() -> object:
        with torch.inference_mode():
            return torch.cat(list(decode_chunks(vqgan, codes)), dim=2)

    return work


def i3d() -> Work:
    """Features of 6 clips."""
    import torch

    from tats_exp.features import I3D
    from tats_exp.metrics import FrechetVideoDistance

    distance = FrechetVideoDistance(I3D().eval())
    clips = torch.randint(256, (6, 16, 64, 64, 3), dtype=torch.uint8)

    def work() -> object:
        distance.reset()
        for real in (True, False):
            distance.update(clips, real=real)
        return distance.compute()

    return work


def by_codes(layers: int, width: int, batch: int, steps: int, what: str, **options: object) -> dict[str, Work]:
    """A row for the first codes of a window and one for the last."""
    name = f"{what}, {layers} x {width}, batch {batch}"
    make = functools.partial(codes_drawn, layers, width, batch, steps, **options)
    codes = math.prod(options.get("window", (4, 16, 16)))
    rows = {f"{name}: first {steps} codes": functools.partial(make, 0)}
    return rows | {f"{name}: last {steps} of {codes:,}": functools.partial(make, codes - steps)}


WIDE = {"window": (4, 8, 8)}
PAPER, SMALL = {"codes": 16384, "drawn": True}, {"codes": 128, "window": (4, 4, 4), "drawn": True}
ROWS: dict[str, Callable[[], Work]] = {
    **by_codes(4, 128, 16, 64, "greedy"),
    **by_codes(8, 512, 4, 64, "greedy"),
    **by_codes(8, 1024, 4, 48, "greedy", **WIDE),
    **by_codes(8, 1024, 1, 48, "greedy", **WIDE),
    **by_codes(4, 128, 16, 32, "K 16,384, top-k 2,048, top-p .92", **PAPER),
    **by_codes(4, 128, 1, 32, "K 16,384, top-k 2,048, top-p .92", **PAPER),
    "K 128, top-p .92, 4 x 128, batch 128: a window of 64": functools.partial(codes_drawn, 4, 128, 128, 64, 0, **SMALL),
    "K 128, top-p .92, 4 x 128, batch 1: a window of 64": functools.partial(codes_drawn, 4, 128, 1, 64, 0, **SMALL),
    "VQGAN, four steps, K 256": functools.partial(vqgan_step, 256, 32),
    "VQGAN, four steps, K 16,384": functools.partial(vqgan_step, 16384, 256),
    "transformer, four steps, 3 x 96, batch 32": transformer_step,
    "16 videos of 256 frames decoded": decoded,
    "I3D, 6 and 6 clips": i3d,
}
RUN = ("-m", "tats_exp", "scale=smoke", "logger=csv")
COMMANDS: dict[str, tuple[str, ...]] = {
    "--help": ("-m", "tats_exp", "--help"),
    "padding=zro, a typo": ("-m", "tats_exp", "padding=zro"),
    "vqgan.training.optimizer.lr=-1, refused": ("-m", "tats_exp", "vqgan.training.optimizer.lr=-1"),
    "a smoke run": (*RUN, "store.root=new{turn}", "hydra.run.dir=fresh{turn}"),
    "a smoke run found whole": (*RUN, "store.root=store", "hydra.run.dir=again{turn}"),
    "the same with W&B": ("-m", "tats_exp", "scale=smoke", "store.root=store", "hydra.run.dir=wandb{turn}"),
    "report of a smoke run": ("-m", "tats_exp.report", "first"),
    "sample, 256 frames": ("-m", "tats_exp.sample", "run=first", "out=video{turn}.mp4", "frames=256"),
}


def inside(row: str) -> None:
    """Time one row in this process; prints seconds and a digest of the result."""
    import torch

    torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
    torch.manual_seed(0)
    work = ROWS[row]()
    torch.manual_seed(1)
    result, taken = work(), []  # warm-up, whose result is held against the other's
    while not taken or (sum(taken) < 1 and len(taken) < MOST):
        started = time.perf_counter()
        work()
        taken.append(time.perf_counter() - started)
    digest = hashlib.sha256(torch.as_tensor(result).contiguous().numpy().tobytes()).hexdigest()
    print(statistics.median(taken), digest)


def measured(checkout: Path, row: str, turn: int, folder: Path) -> tuple[float, str]:
    """Seconds of a row by one checkout, and a digest of its result, "" of a command."""
    environment = {**os.environ, "PYTHONPATH": str(checkout / "src"), "WANDB_MODE": "offline"}
    if row in ROWS:
        out = started_in(folder, (__file__, "--inside", row), environment).split()
        return float(out[0]), out[1]
    command = tuple(part.format(turn=turn) for part in COMMANDS[row])
    if {"first", "run=first", "store.root=store"} & set(command) and not (folder / "first").exists():
        started_in(folder, (*RUN, "store.root=store", "hydra.run.dir=first"), environment)
    started = time.perf_counter()
    started_in(folder, command, environment, codes=(0, 2))
    return time.perf_counter() - started, ""


def started_in(
    folder: Path, command: tuple[str, ...], environment: dict[str, str], codes: tuple[int, ...] = (0,)
) -> str:
    """What a command prints."""
    result = subprocess.run([sys.executable, *command], cwd=folder, env=environment, capture_output=True, text=True)
    if result.returncode not in codes:
        raise SystemExit(f"{' '.join(command)}: {result.stderr[-2000:]}")
    return result.stdout


def compare(row: str, checkouts: list[Path], pairs: int, root: Path) -> str:
    """A line of the table."""
    taken: list[list[float]] = [[], []]
    digests: list[set[str]] = [set(), set()]
    folders = [root / name for name in ("before", "after")]
    for turn in range(pairs):
        for side in (0, 1) if turn % 2 else (1, 0):
            seconds, digest = measured(checkouts[side], row, turn, folders[side])
            taken[side].append(seconds)
            digests[side].add(digest)
    ratios = [math.log(after / before) for before, after in zip(*taken, strict=True)]
    mean, half = statistics.fmean(ratios), t_quantile(pairs - 1) * statistics.stdev(ratios) / math.sqrt(pairs)
    low, middle, high = (math.exp(mean + part) for part in (-half, 0, half))
    before, after = (statistics.median(values) for values in taken)
    same = "" if digests == [{""}, {""}] else "yes" if digests[0] == digests[1] and len(digests[0]) == 1 else "no"
    return f"| {row} | {before:.2f} | {after:.2f} | {middle:.2f} [{low:.2f}, {high:.2f}] | {same} |"


def t_quantile(freedom: int) -> float:
    """The 97.5 % quantile of Student's t."""
    from scipy.stats import t

    return float(t.ppf(0.975, freedom))


def main(arguments: list[str]) -> None:
    """Print the table."""
    options = dict(one.split("=", 1) for one in arguments if one.startswith(("pairs=", "threads=")))
    before, after, *rows = [one for one in arguments if not one.startswith(("pairs=", "threads="))]
    os.environ["OMP_NUM_THREADS"] = options.get("threads", "1")
    if unknown := [row for row in rows if row not in {**ROWS, **COMMANDS}]:
        raise SystemExit(f"no row {unknown[0]!r}; there are: {', '.join({**ROWS, **COMMANDS})}")
    if missing := [folder for folder in (before, after) if not (Path(folder) / "src/tats_exp/__init__.py").is_file()]:
        raise SystemExit(f"{missing[0]}: no checkout; allowed: a folder with src/tats_exp")
    print("| work | before, s | after, s | after / before | same bits |\n|---|---:|---:|---:|---|")
    with tempfile.TemporaryDirectory() as root:
        for name in ("before", "after"):
            (Path(root) / name).mkdir()
        checkouts = [Path(before).resolve(), Path(after).resolve()]
        for row in rows or [*ROWS, *COMMANDS]:
            print(compare(row, checkouts, int(options.get("pairs", 7)), Path(root)), flush=True)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--inside"]:
        inside(sys.argv[2])
    else:
        main(sys.argv[1:])
