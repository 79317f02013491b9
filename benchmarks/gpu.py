"""All that needs a CUDA device, in under 9 minutes: `make gpu`, or `python benchmarks/gpu.py [PART ...] [quick]`.

    card      memory, bandwidth and arithmetic of the device; torch alone is needed
    steps     steps of the VQGAN and the transformer at the paper's size against the original's, in fp32, tf32 and bf16
    masks     steps of the interpolation transformer: kernels that skip blocks against dense masks
    memory    peaks at scale=paper by size of the batch
    sampling  codes against the original's sampler, in fp32, tf32 and bf16; the captured step; against the bandwidth
    tests     those marked gpu
    sweep     the main experiment at toy scale: three paddings x 5 seeds

Writes `benchmarks/gpu/CARD.md`, anew after every part: what a stopped command has measured stays. Every part has a time
of its own, and is cut off when that is over; what it has said until then counts. Without a CUDA device it says what it
skipped. `quick` takes small sizes, `device=cpu` tries the parts on the CPU; neither leaves a record.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
PYTHON = sys.executable


@dataclass(frozen=True)
class Part:
    """One command.

    Attributes:
        title: heading in the record.
        command: arguments of Python, from the top of the repository.
        limit: seconds.
        shows: file behind a glob, below the folder it runs in, that is copied into the record; "": what it printed is.
    """

    title: str
    command: tuple[str, ...]
    limit: int
    shows: str = ""


def parts(quick: bool, device: str, folder: Path) -> dict[str, Part]:
    """The parts in their order; the times add up to 9 minutes."""
    small = ("quick",) if quick else ()
    options = (f"device={device}", *small)
    steps = "benchmarks/paper_steps.py"
    sweep = ("-m", "tats_exp", "+experiment=padding_ablation", "logger=csv", "progress=false")
    seeds = ("seed=0", "padding=zero,replicate", "scale=smoke") if quick else ("seed=0,1,2,3,4",)
    beside = max(1, min(8, (os.cpu_count() or 1) // 2))
    where = (f"hydra.sweep.dir={folder / 'sweep'}", f"store.root={folder / 'store'}", f"hydra.launcher.n_jobs={beside}")
    chosen = ("trainer=cpu",) if device == "cpu" else ()
    tests = ("-m", "pytest", "-q", "-m", "gpu", "tests/test_gpu.py", "-n", "4")
    return {
        "card": Part("The card", ("benchmarks/card.py", *options), 30),
        "steps": Part("Steps of a training", (steps, "vqgan", "transformer", *options), 150),
        "masks": Part("Masks", (steps, "interpolation", *options), 60),
        "memory": Part("Memory at scale=paper, bf16", (steps, "memory", "rounds=2", *options), 45),
        "sampling": Part(
            "Sampling",
            ("benchmarks/sampling.py", "window_large", "captured", "bandwidth", "drawn", "window", *options),
            75,
        ),
        "tests": Part("Tests marked gpu", tests, 80),
        "sweep": Part("Padding at toy scale", (*sweep, *seeds, *where, *chosen), 100, "sweep/report/table.md"),
    }


def missing() -> list[str]:
    """Packages of `pyproject.toml` that are not here, torch apart."""
    asked = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    absent = []
    for name in (re.split(r"[<>=!~;\[ ]", line)[0] for line in asked):
        try:
            version(name)
        except PackageNotFoundError:
            absent.append(name)
    return absent


def run(part: Part, folder: Path) -> tuple[str, str]:
    """What a part has to show, and how it ended."""
    began = time.monotonic()
    path = os.pathsep.join(filter(None, [str(ROOT / "src"), os.environ.get("PYTHONPATH")]))
    with tempfile.TemporaryFile("w+") as out:
        with subprocess.Popen(
            [PYTHON, *part.command],
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": path, "PYTHONUNBUFFERED": "1"},
            stdout=out,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        ) as process:
            try:
                code = process.wait(part.limit)
                ended = "done" if code == 0 else f"failed with {code}"
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, 9)
                ended = f"cut off after {part.limit} s"
        out.seek(0)
        said = out.read().strip()
    print(f"  {ended}, {time.monotonic() - began:.0f} s", flush=True)
    if ended.startswith("failed"):
        print("\n".join(said.splitlines()[-15:]))
    found = sorted(folder.glob(part.shows)) if part.shows else []
    if found:
        return found[0].read_text().strip(), f"{ended}, {time.monotonic() - began:.0f} s"
    if part.title.startswith("Tests") or part.shows or "done" not in ended:
        lines = said.splitlines()
        table = [line for line in lines if line.startswith("|")]
        said = "\n".join(table) if table else "```\n" + "\n".join(lines[-12:]) + "\n```"
    return said, f"{ended}, {time.monotonic() - began:.0f} s"


def head(card: str, named: Sequence[str]) -> str:
    """What the numbers hang on."""
    told = subprocess.run(
        ["git", "describe", "--always", "--dirty"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    commit = f", commit {told.stdout.strip()}" if told.returncode == 0 else ""
    torch_version = version("torch")
    cores = os.cpu_count()
    command = " ".join(["python benchmarks/gpu.py", *named])
    return (
        f"# {card}\n\n`{command}` on {time.strftime('%Y-%m-%d')}, torch {torch_version}, {cores} CPU cores{commit}.\n"
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the parts that are named, or all; 1 where one has failed."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    options = {key: value for key, _, value in (one.partition("=") for one in given)}
    if {"-h", "--help"} & set(options):
        print(__doc__)
        return 0
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        device = options.pop("device", "cuda")
        quick = options.pop("quick", None) is not None
        known = parts(quick, device, folder)
        if unknown := [name for name in options if name not in known]:
            print(f"gpu.py: no part {unknown[0]}; allowed: {', '.join(known)}, quick, device=cpu", file=sys.stderr)
            return 2
        chosen = {name: part for name, part in known.items() if not options or name in options}
        if absent := missing():
            lost = [name for name in chosen if name != "card"]
            print(f"missing packages, without which {', '.join(lost)} cannot run: pip install {' '.join(absent)}")
            chosen = {name: part for name, part in chosen.items() if name == "card"}
        import torch

        if device == "cuda" and not torch.cuda.is_available():
            print(f"no CUDA device; skipped: {', '.join(known[name].title for name in chosen)}")
            return 0
        card = torch.cuda.get_device_name() if device == "cuda" else "cpu"
        record = HERE / "gpu" / f"{re.sub('[^a-z0-9]+', '_', card.lower()).strip('_')}.md"
        text, failed = head(card, given), 0
        for number, (name, part) in enumerate(chosen.items(), start=1):
            print(f"{number} of {len(chosen)}: {name}, at most {part.limit} s", flush=True)
            shown, ended = run(part, folder)
            failed += "failed" in ended
            command = " ".join(part.command).replace(str(folder), "DIR")
            text += f"\n## {part.title}\n\n`python {command}` ({ended})\n\n{shown}\n"
            if device == "cuda" and not quick:
                record.parent.mkdir(exist_ok=True)
                whole = record.with_suffix(".part")
                whole.write_text(text)
                whole.replace(record)
        print(text)
        if record.exists() and device == "cuda" and not quick:
            print(f"written to {record.relative_to(ROOT)}")
        shutil.rmtree(folder / "store", ignore_errors=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
