"""Make the records of this folder: `python experiments/record.py NAME...`, all of them without a NAME.

A record is one sweep or a few, seed after seed: one that was stopped has all its choices at the same seeds. What a
killed command has finished stays in the store: the same command goes on, and records that draw on the same trainings
find them there. When the sweeps of a record are done, its tables, the figures that its README shows and
`record.json` (commands, commit, machine, minutes) are copied to `experiments/NAME/`. The README is written by hand.
"""

import argparse
import json
import os
import platform
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from datetime import datetime
from importlib.metadata import version
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
RUNS = Path("runs", "records")
TABLES = {"table.csv": "results", "curves.csv": "curves", "comparisons.csv": "comparisons", "table.md": "table"}
CHANGED = ("git", "status", "--porcelain", "--", "src", "conf", "pyproject.toml")  # what the numbers hang on
FIGURES = ("endpoint.png", "frames.png")


def seeds(count: int) -> str:
    """The seeds of a record."""
    return f"seed={','.join(map(str, range(count)))}"


def question(name: str, *swept: str) -> list[str]:
    """The arguments of a sweep that asks a named question with values of its own."""
    return [f"+experiment={name}", "hydra.sweeper.params=null", *swept]


# What padding=real keeps free around its clips: sweeps without it draw the same clips, and find the same trainings.
AS_WITH_REAL = ("reserve.training=28", "reserve.encoding=16")
LONG_VIDEOS = "data.frames=1120"  # longer than the 1,024 that are sampled: kappa has a ceiling in all windows
REPLICATE = ("-m", "name=reproducibility", "context=3", *AS_WITH_REAL)

# A folder of clips as `data=video_files` reads it. Six clips of seconds have few windows that do not overlap.
CLIPS = (
    *("name=real_video", "data=video_files", "data.root=${oc.env:TATS_EXP_CLIPS}", "padding=zero,replicate"),
    *("eval_videos=24", "reference_videos=40", "codes.train_windows=960", "codes.held_out_windows=3"),
)

RECORDS: dict[str, dict[str, list[str]]] = {
    "padding_ablation": {
        "": question("padding_ablation", seeds(8), "padding=real,replicate,reflect,loop,zero,zero_space"),
    },
    "padding_halves": {
        "": question(
            *("padding_halves", seeds(5), "padding.encoder=zero,replicate", "padding.decoder=zero,replicate"),
            *AS_WITH_REAL,
        ),
    },
    "padding_dose": {
        "ends": question("padding_dose", seeds(5), "padding=zero,replicate", *AS_WITH_REAL),
        "between": question("padding_dose", seeds(5), "padding.alpha=0.25,0.5,0.75", *AS_WITH_REAL),
    },
    "prior_ablation": {
        "": question(
            *("prior_ablation", seeds(3), "transformer.training.steps=200,400,800,1600,3200"),
            "padding=zero,replicate,real",
        ),
    },
    "mask_ablation": {
        "": question("mask_ablation", seeds(5), "mask=a,b,c", "interpolation.model.layers=1,2,3"),
    },
    "mask_steps": {
        "": question(
            "mask_ablation", "name=mask_steps", seeds(5), "mask=a,b,c", "interpolation.training.steps=400,800,1600"
        ),
    },
    "hierarchy_ablation": {
        "samplers": question("hierarchy_ablation", seeds(5), "sampler=sliding,hierarchical", LONG_VIDEOS),
        # Parameters and steps of both transformers of the hierarchy, in one.
        "long_window": question(
            *("hierarchy_ablation", seeds(5), "sampler=choice(long_window)", LONG_VIDEOS),
            *("transformer.model.layers=6", "transformer.training.steps=3200"),
        ),
        # The option keeps one key frame of four; these reach as far as a long window. Asked for after the other two.
        "contexts": question(
            "hierarchy_ablation", seeds(5), "sampler=choice(hierarchical)", "sampler.context=2,3", LONG_VIDEOS
        ),
    },
    "norm_ablation": {"": question("norm_ablation", seeds(3), "norm=batch,frame_group,group")},
    "discriminator_ablation": {
        "": question("discriminator_ablation", seeds(3), "discriminators=none,spatial,temporal,both"),
    },
    "context_ablation": {"": question("context_ablation", seeds(5), "padding=zero,replicate", "context=1,2,3")},
    "codebook_ablation": {
        "kinds": question("codebook_ablation", seeds(3), "quantizer=ema,ema_restart,fsq"),
        "sizes": question("codebook_ablation", seeds(3), "vqgan.sizes.codes=32,512"),
    },
    "sampling_ablation": {
        "": question(
            *("sampling_ablation", seeds(3), "sampler.temperature=0.8,1.0,1.2", "sampler.top_k=null,16"),
            "sampler.top_p=null,0.92",
        ),
    },
    "long_video": {"": question("long_video", seeds(3), "padding=real,loop", "sampler=sliding,hierarchical")},
    "text_to_video": {"": question("text_to_video", seeds(5), "padding=real,replicate,zero")},
    "audio_to_video": {"": question("audio_to_video", seeds(5), "padding=real,replicate,zero")},
    # The trainings are those of text_to_video with replicate.
    "guidance_ablation": {"": question("guidance_ablation", seeds(5), "sampler.guidance=1,1.5,2,4", *AS_WITH_REAL)},
    "real_video": {
        "shapes_cnn": question("padding_ablation", seeds(3), *CLIPS),
        "i3d": question("padding_ablation", seeds(3), *CLIPS, "metrics=i3d", "metrics.windows=ends"),
    },
    "atari": {
        "": question("padding_ablation", "name=atari", seeds(3), "data=atari", "padding=zero,replicate,real"),
    },
    "reproducibility": {
        "trainings": [*REPLICATE, seeds(6)],
        "draws": [*REPLICATE, "sampling.seed=0,1,2,3,4,5"],
        "references": [*REPLICATE, "reference_seed=0,1,2,3,4,5"],
    },
    # The key of a stage does not hang on the number of threads, so each has a store of its own.
    "two_threads": {
        "one": ["-m", "name=two_threads", *REPLICATE[2:], seeds(3), "threads=choice(1)", "store.root=runs/one_thread"],
        "two": ["-m", "name=two_threads", *REPLICATE[2:], seeds(3), "threads=choice(2)", "store.root=runs/two_threads"],
    },
}
"""Of each record its sweeps, by the folder that each goes to."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Make the records that the command line names, one after another; returns how many could not be finished."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"one of {', '.join(RECORDS)}")
    parser.add_argument("--collect", action="store_true", help="start nothing, copy what the runs have left")
    parser.add_argument("--list", action="store_true", help="print the commands and stop")
    given = parser.parse_args(arguments)
    if unknown := [name for name in given.names if name not in RECORDS]:
        parser.error(f"no record {unknown[0]}; allowed: {', '.join(RECORDS)}")
    failed = 0
    for name in given.names or RECORDS:
        if given.list:
            print("\n".join(" ".join(["python", *command[1:]]) for command in commands(name)))
            continue
        if not given.collect and not make(name):
            print(f"record.py: {name} is not finished; the same command goes on", file=sys.stderr)
            failed += 1
            continue
        collect(name)
    return failed


def commands(name: str) -> list[list[str]]:
    """The commands of a record, to be run at the top of the repository."""
    python = [sys.executable, "-m", "tats_exp"]
    return [[*python, *asked, f"hydra.sweep.dir={RUNS / name / part}"] for part, asked in RECORDS[name].items()]


def make(name: str) -> bool:
    """Run the sweeps of a record, as far as they have not run; returns whether all went well."""
    folder = ROOT / RUNS / name
    folder.mkdir(parents=True, exist_ok=True)
    about = folder / "record.json"
    sittings = json.loads(about.read_text())["sittings"] if about.is_file() else []
    shown = [" ".join(["python", *command[1:]]) for command in commands(name)]
    began, done = time.time(), []

    def write() -> None:
        minutes = round((time.time() - began) / 60, 1)
        sitting = {**here, "minutes": minutes, "finished": len(done) == len(shown) and not any(done)}
        about.write_text(json.dumps({"commands": shown, "sittings": [*sittings, sitting]}, indent=1) + "\n")

    here = machine()
    write()  # one that is killed has been there all the same
    for command in commands(name):
        done.append(subprocess.run(command, cwd=ROOT, check=False).returncode)
        write()
    return not any(done)


def machine() -> dict[str, str | int]:
    """What the numbers of a sitting hang on, beside the commands."""
    return {
        "date": datetime.now().date().isoformat(),
        "commit": output("git", "describe", "--always") + ("-dirty" if output(*CHANGED) else ""),
        "processor": processor(),
        "cores": os.cpu_count() or 1,
        "torch": version("torch"),
        "python": platform.python_version(),
    }


def output(*command: str) -> str:
    """What a command prints."""
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.strip()


def processor() -> str:
    """Name of the processor, as far as the system tells it."""
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").is_file() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def stage_versions(folder: Path) -> dict[str, int]:
    """The lowest version of each stage among the runs of a record, as far as they know it."""
    lowest: dict[str, int] = {}
    for path in folder.rglob("status.json"):
        for name, made in json.loads(path.read_text()).get("stage_versions", {}).items():
            lowest[name] = min(made, lowest.get(name, made))
    return lowest


def collect(name: str) -> None:
    """Have the report made of all runs of a record, and copy what the repository keeps."""
    folder, kept = ROOT / RUNS / name, HERE / name
    if not (folder / "record.json").is_file():
        sys.exit(f"record.py: {name}: nothing has run yet, so there is nothing to collect")
    output(sys.executable, "-m", "tats_exp.report", str(folder))
    (kept / "figures").mkdir(parents=True, exist_ok=True)
    report = folder / "report"
    for stem in (*TABLES.values(), *(Path(figure).stem for figure in FIGURES)):
        for old in [*kept.glob(f"{stem}.*"), *kept.glob(f"{stem}_[0-9]*"), *kept.glob(f"figures/{stem}.png")]:
            old.unlink()
    # Runs that were not measured alike have a table each.
    apart = sorted(report.glob("protocol_*"), key=lambda part: int(part.name.rpartition("_")[2]))
    for number, part in enumerate(apart or [report], start=1):
        end = f"_{number}" if apart else ""
        for made, stem in TABLES.items():
            if (part / made).is_file():
                shutil.copy(part / made, kept / f"{stem}{end}{Path(made).suffix}")
        for figure in FIGURES:
            if (part / "figures" / figure).is_file():
                shutil.copy(part / "figures" / figure, kept / "figures" / f"{Path(figure).stem}{end}.png")
    about = json.loads((folder / "record.json").read_text())
    about["stages"] = stage_versions(folder)
    (kept / "record.json").write_text(json.dumps(about, indent=1) + "\n")
    print(f"{name}: {', '.join(sorted(path.name for path in kept.iterdir()))}")


if __name__ == "__main__":
    sys.exit(main())
