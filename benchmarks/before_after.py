"""Two checkouts in turn, row by row: `python benchmarks/before_after.py BEFORE AFTER [ROW ...] [pairs=7] [threads=1]`.

BEFORE and AFTER are folders of checkouts, as `git worktree add FOLDER COMMIT` makes them. Each measurement is a process
of its own that imports one of them; the two take turns, and every other pair begins with the other. A row shows medians
of seconds, the ratio after / before (geometric mean over pairs, with its 95 % interval), and whether the results were
the same to the bit. Weights are random. Inside a process the second call is timed, and as many more as fit into a
second, whose median counts; commands are timed whole, after one by each side that does not count. Rows: see ROWS and
COMMANDS below; all without a name. The threads are those of torch in every process that is started.
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
from dataclasses import dataclass
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
    """Weights after training steps of the toy VQGAN."""
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
        return torch.cat(
            [losses["total"].detach()[None], *(weight.detach().flatten() for weight in vqgan.parameters())]
        )

    return work


def transformer_step() -> Work:
    """Weights after training steps of the toy transformer."""
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
        return torch.nn.utils.parameters_to_vector(model.parameters()).detach()

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
    """The distance of 6 clips from 6 others."""
    import torch

    from tats_exp.features import I3D
    from tats_exp.metrics import FrechetVideoDistance

    distance = FrechetVideoDistance(I3D().eval())
    clips = torch.randint(256, (2, 6, 16, 64, 64, 3), dtype=torch.uint8)

    def work() -> object:
        distance.reset()
        for real in (True, False):
            distance.update(clips[int(real)], real=real)
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
RUN = ("-m", "tats_exp", "scale=smoke")
CSV = (*RUN, "logger=csv")
FIRST = (*CSV, "store.root=store", "hydra.run.dir=first")
"""What some of the commands need: it makes the store and the run that they look for."""


@dataclass(frozen=True)
class Command:
    """What is timed whole.

    Attributes:
        words: after `python`; `{turn}` is another text each time.
        exit_code: that is expected.
        after_first: whether FIRST must have run.
        draws: whether its figures must not be there already.
    """

    words: tuple[str, ...]
    exit_code: int = 0
    after_first: bool = False
    draws: bool = False


REPORT, FOUND = ("-m", "tats_exp.report", "first"), "store.root=store"
COMMANDS: dict[str, Command] = {
    "--help": Command(("-m", "tats_exp", "--help")),
    "padding=zro, a typo": Command(("-m", "tats_exp", "padding=zro"), exit_code=2),
    "vqgan.training.optimizer.lr=-1, refused": Command(
        ("-m", "tats_exp", "vqgan.training.optimizer.lr=-1"), exit_code=2
    ),
    "a smoke run": Command((*CSV, "store.root=new{turn}", "hydra.run.dir=fresh{turn}"), draws=True),
    "a smoke run found whole": Command((*CSV, FOUND, "hydra.run.dir=again{turn}"), after_first=True),
    "a smoke run found whole, with W&B": Command((*RUN, FOUND, "hydra.run.dir=wandb{turn}"), after_first=True),
    "report of a smoke run, drawn": Command(REPORT, after_first=True, draws=True),
    "report of a smoke run, again": Command(REPORT, after_first=True),
    "sample, 256 frames": Command(
        ("-m", "tats_exp.sample", "run=first", "out=video{turn}.mp4", "frames=256"), after_first=True
    ),
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


def environment_of(checkout: Path, figures: Path) -> dict[str, str]:
    """That of a process which imports a checkout and keeps figures in a folder of its own."""
    here = {"PYTHONPATH": str(checkout / "src"), "TATS_EXP_FIGURES": str(figures), "WANDB_MODE": "offline"}
    return os.environ | here


def measured(checkout: Path, row: str, turn: str, folder: Path) -> tuple[float, str]:
    """Seconds of a row by one checkout, and a digest of its result, "" of a command."""
    environment = environment_of(checkout, folder / "figures")
    if row in ROWS:
        out = started_in(folder, (__file__, "--inside", row), environment).split()
        return float(out[0]), out[1]
    command = COMMANDS[row]
    if command.after_first and not (folder / "first").exists():
        started_in(folder, FIRST, environment)
    if command.draws:
        environment = environment_of(checkout, folder / f"figures{turn}")
    words = tuple(word.format(turn=turn) for word in command.words)
    started = time.perf_counter()
    started_in(folder, words, environment, command.exit_code)
    return time.perf_counter() - started, ""


def started_in(folder: Path, words: tuple[str, ...], environment: dict[str, str], exit_code: int = 0) -> str:
    """What a command prints."""
    result = subprocess.run([sys.executable, *words], cwd=folder, env=environment, capture_output=True, text=True)
    if result.returncode != exit_code:
        raise SystemExit(f"{' '.join(words)}: exit code {result.returncode}, not {exit_code}: {result.stderr[-2000:]}")
    return result.stdout


def check(checkout: Path, folder: Path) -> None:
    """End in one line where processes would import another package than that of a checkout."""
    if not (checkout / "src/tats_exp/__init__.py").is_file():
        raise SystemExit(f"{checkout}: no checkout; allowed: a folder with src/tats_exp")
    code = "import importlib.util; print(importlib.util.find_spec('tats_exp').origin)"
    imported = started_in(folder, ("-c", code), environment_of(checkout, folder)).strip()
    if not Path(imported).resolve().is_relative_to(checkout):
        raise SystemExit(f"{checkout}: {imported} is imported in its place")


def compare(row: str, checkouts: list[Path], pairs: int, root: Path) -> str:
    """A line of the table."""
    taken: list[list[float]] = [[], []]
    digests: list[set[str]] = [set(), set()]
    folders = [root / name for name in ("before", "after")]
    for side in (0, 1) if row in COMMANDS else ():  # files are read from memory after that
        measured(checkouts[side], row, "warm", folders[side])
    for turn in range(pairs):
        for side in (0, 1) if turn % 2 else (1, 0):
            seconds, digest = measured(checkouts[side], row, str(turn), folders[side])
            taken[side].append(seconds)
            digests[side].add(digest)
    ratios = [math.log(after / before) for before, after in zip(*taken, strict=True)]
    mean, half = statistics.fmean(ratios), t_quantile(pairs - 1) * statistics.stdev(ratios) / math.sqrt(pairs)
    low, middle, high = (math.exp(mean + part) for part in (-half, 0, half))
    before, after = (statistics.median(values) for values in taken)
    same = "" if digests == [{""}, {""}] else "yes" if digests[0] == digests[1] and len(digests[0]) == 1 else "no"
    return f"| {row} | {before:#.3g} | {after:#.3g} | {middle:.2f} [{low:.2f}, {high:.2f}] | {same} |"


def t_quantile(freedom: int) -> float:
    """The 97.5 % quantile of Student's t."""
    from scipy.stats import t

    return float(t.ppf(0.975, freedom))


def main(arguments: list[str]) -> None:
    """Print the table."""
    options = {"pairs": "7", "threads": "1"}
    options |= dict(one.split("=", 1) for one in arguments if one.startswith(tuple(f"{key}=" for key in options)))
    folders = [one for one in arguments if one.partition("=")[0] not in options]
    if len(folders) < 2 or not all(value.isdecimal() and int(value) for value in options.values()):
        raise SystemExit(f"allowed: {__doc__.splitlines()[0].partition(': ')[2].strip('`.')}")
    pairs, rows = int(options["pairs"]), folders[2:]
    if pairs < 2:
        raise SystemExit(f"pairs={pairs}: no interval; allowed: 2 or more")
    os.environ["OMP_NUM_THREADS"] = options["threads"]
    if unknown := [row for row in rows if row not in {**ROWS, **COMMANDS}]:
        raise SystemExit(f"no row {unknown[0]!r}; there are: {', '.join({**ROWS, **COMMANDS})}")
    with tempfile.TemporaryDirectory() as root:
        checkouts = [Path(folder).resolve() for folder in folders[:2]]
        for name, checkout in zip(("before", "after"), checkouts, strict=True):
            (Path(root) / name).mkdir()
            check(checkout, Path(root) / name)
        print("| work | before, s | after, s | after / before | same bits |\n|---|---:|---:|---:|---|", flush=True)
        for row in rows or [*ROWS, *COMMANDS]:
            print(compare(row, checkouts, pairs, Path(root)), flush=True)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--inside"]:
        inside(sys.argv[2])
    else:
        main(sys.argv[1:])
