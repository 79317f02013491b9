"""All that needs a CUDA device, in under 9 minutes: `make gpu`, or `python benchmarks/gpu.py [PART ...] [quick]`.

    card      memory, bandwidth and arithmetic of the device; torch alone is needed
    steps     steps of the VQGAN and the transformer at the paper's size against the original's, in fp32, tf32 and bf16
    masks     steps of the interpolation transformer: kernels that skip blocks against dense masks
    memory    peaks at scale=paper by size of the batch
    sampling  codes against the original's sampler, in fp32, tf32 and bf16; the captured step; against the bandwidth
    tests     those marked gpu, as far as one device serves them
    sweep     the main experiment at toy scale: three paddings x 5 seeds

All parts together leave `benchmarks/gpu/CARD.md`; until they are through, or where some are named, what is measured
stands in `CARD.part.md` beside it. Every part has a time of its own, and is cut off when that is over; what it has said
until then counts. Without a CUDA device it says what it skipped. `quick` takes small sizes, `device=cpu` tries the
parts on the CPU; neither leaves a record.
"""

import os
import re
import signal
import subprocess
import sys
import tempfile
import time
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
PYTHON = sys.executable
DONE = "done"
SHORT = 400
"""Characters up to which what a part without a table has said is shown as it is."""


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
    """The parts in their order; the times add up to less than 9 minutes."""
    small = ("quick",) if quick else ()
    options = (f"device={device}", *small)
    steps = "benchmarks/paper_steps.py"
    sweep = ("-m", "tats_exp", "+experiment=padding_ablation", "logger=csv", "progress=false")
    seeds = ("seed=0", "padding=zero,replicate", "scale=smoke") if quick else ("seed=0,1,2,3,4",)
    beside = max(1, min(8, (os.cpu_count() or 1) // 2))
    where = (f"hydra.sweep.dir={folder / 'sweep'}", f"store.root={folder / 'store'}", f"hydra.launcher.n_jobs={beside}")
    chosen = ("trainer=cpu",) if device == "cpu" else ()
    tests = ("-m", "pytest", "-q", "-m", "gpu", "-n", "4", "tests/test_gpu.py", "tests/features/test_i3d.py")
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
        "sweep": Part("Padding at toy scale", (*sweep, *seeds, *where, *chosen), 90, "sweep/report/table.md"),
    }


def missing() -> list[str]:
    """Packages of `pyproject.toml` that are not here, and those that run the tests."""
    asked = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    absent = []
    for name in [*(re.split(r"[<>=!~;\[ ]", line)[0] for line in asked), "pytest", "pytest-xdist"]:
        try:
            version(name)
        except PackageNotFoundError:
            absent.append(name)
    return absent


def run(part: Part, folder: Path) -> tuple[str, str]:
    """What a part has to show, and how it ended."""
    began = time.monotonic()
    path = os.pathsep.join(filter(None, [str(ROOT / "src"), os.environ.get("PYTHONPATH")]))
    with tempfile.TemporaryFile("w+", errors="replace") as out:
        with subprocess.Popen(
            [PYTHON, *part.command],
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": path, "PYTHONUNBUFFERED": "1"},
            stdout=out,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # so that all that it starts can be stopped with it
        ) as process:
            try:
                code = process.wait(part.limit)
                ended = DONE if code == 0 else f"failed with {code}"
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                ended = f"cut off after {part.limit} s"
            except BaseException:
                os.killpg(process.pid, signal.SIGKILL)
                raise
        out.seek(0)
        said = out.read().strip()
    took = f"{ended}, {time.monotonic() - began:.0f} s"
    print(f"  {took}", flush=True)
    if part.shows and (found := sorted(folder.glob(part.shows))):
        return found[0].read_text().strip(), took
    last = "```\n" + "\n".join(said.splitlines()[-12:]) + "\n```"
    if not any(line.startswith("|") for line in said.splitlines()):
        return said if ended == DONE and len(said) < SHORT else last, took
    return f"{said}\n\n{last}" if ended.startswith("failed") else said, took


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


def stop(number: int, frame: object) -> None:
    """End as after Ctrl-C, so that the part that runs is stopped, too."""
    raise KeyboardInterrupt


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the parts that are named, or all; 1 where one could not run, failed or was cut off."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    if {"-h", "--help"} & set(given):
        print(__doc__)
        return 0
    devices = [one for one in given if one.startswith("device=")]
    named = [one for one in given if one != "quick" and one not in devices]
    with tempfile.TemporaryDirectory() as scratch:
        device, quick = (devices or ["device=cuda"])[-1].removeprefix("device="), "quick" in given
        known = parts(quick, device, Path(scratch))
        wrong = [one for one in named if one not in known] + [one for one in devices if device not in ("cuda", "cpu")]
        if wrong:
            allowed = f"{', '.join(known)}, quick, device=cuda, device=cpu"
            print(f"gpu.py: no part {wrong[0]}; allowed: {allowed}", file=sys.stderr)
            return 2
        chosen = {name: part for name, part in known.items() if not named or name in named}
        absent, lost = missing(), []
        if absent:
            print(f"missing packages: pip install {' '.join(absent)}")
            lost = list(chosen) if "torch" in absent else [name for name in chosen if name != "card"]
            if lost:
                print(f"  without them cannot run: {', '.join(lost)}")
        here = {name: part for name, part in chosen.items() if name not in lost}
        if "torch" in absent:
            return 1
        import torch

        if device == "cuda" and not torch.cuda.is_available():
            print(f"no CUDA device; skipped: {', '.join(part.title for part in here.values())}")
            return 0
        card = torch.cuda.get_device_name() if device == "cuda" else "cpu"
        text, ends = measure(card, here, given, Path(scratch), kept=device == "cuda" and not quick)
    print(text)
    if device == "cuda" and not quick and here:
        path = record_of(card, whole=False)
        if not named and not lost:
            path = path.replace(record_of(card, whole=True))
        print(f"written to {path.relative_to(ROOT)}")
    return 1 if lost or any(not end.startswith(DONE) for end in ends) else 0


def measure(
    card: str, chosen: Mapping[str, Part], given: Sequence[str], scratch: Path, kept: bool
) -> tuple[str, list[str]]:
    """Run parts one after the other; the text of the record, and how each ended."""
    text, ends = head(card, given), []
    for number, (name, part) in enumerate(chosen.items(), start=1):
        print(f"{number} of {len(chosen)}: {name}, at most {part.limit} s", flush=True)
        shown, ended = run(part, scratch)
        ends.append(ended)
        command = " ".join(part.command).replace(str(scratch), "DIR")
        text += f"\n## {part.title}\n\n`python {command}` ({ended})\n\n{shown}\n"
        if kept:
            path = record_of(card, whole=False)
            path.parent.mkdir(exist_ok=True)
            path.write_text(text)
    return text, ends


def record_of(card: str, whole: bool) -> Path:
    """Where the record of a card is kept, or what there is of it."""
    name = re.sub("[^a-z0-9]+", "_", card.lower()).strip("_")
    return HERE / "gpu" / (f"{name}.md" if whole else f"{name}.part.md")


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, stop)
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit("gpu.py: stopped; what was measured is in benchmarks/gpu")
