"""Every option of every group of conf/ through a smoke run, and the pairs whose parts meet somewhere in the code.

One process and one store: torch is imported once, and a run makes only what the runs before it did not. What cannot run
here goes as far as it can: networks get small weights of their own, presets with counts of their own get fewer, devices
that are not there are refused in one line, and the models of `scale=paper` are built without memory.
"""

import csv
import itertools
import json
import math
import os
import time
from pathlib import Path

import pytest
import torch
from hydra import compose, initialize_config_dir
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf, open_dict

from features.open_clip_stand_in import stand_in, write_model
from features.test_torchscript import Detector, archive
from runs import asking
from tats_exp import UserError
from tats_exp.config.check import check
from tats_exp.config.models import build_vqgan, transformer_of
from tats_exp.config.schema import conf_dir
from tats_exp.data.shapes import Shapes
from tats_exp.data.video_writer import VideoWriter
from tats_exp.features import I3D
from tats_exp.features.vgg16 import TAP_WIDTHS, VGG16
from tats_exp.report import make_report
from tats_exp.report.few_videos import LEAST_VIDEOS
from tats_exp.report.protocols import measured_alike
from tats_exp.report.runs import group_runs, load_runs
from tats_exp.report.table_formats import to_text
from tats_exp.report.tables import make_table
from tats_exp.report.verdict import make_verdict
from tats_exp.run.job import run_job
from tats_exp.run.plan import make_plan
from tats_exp.run.sweep_record import SweepRecord
from tests.data.miniatures import WRITE

pytestmark = pytest.mark.slow

QUICK = {"scale": "smoke", "logger": "csv", "trainer": "cpu"}
WORLD = ("data.train_videos=128", "data.test_videos=32")
SMALL = ("threads=1", "vqgan.training.steps=6", "transformer.training.steps=4", "metrics.resamples=10")
FEW = ("eval_videos=2", "reference_videos=2", "metrics.videos=2", "metrics.reference_videos=2")
TRUSTED = ("metrics.network.trust_torchscript=true",)
RESERVED = {"reserve_training": 32, "reserve_encoding": 16}  # what padding=real needs: all runs draw from one index

OPTIONS = sorted(
    (path.parent.name, path.stem) for path in conf_dir().glob("*/*.yaml") if path.parent.name != "experiment"
)
EXPERIMENTS = sorted(path.stem for path in (conf_dir() / "experiment").glob("*.yaml"))

ELSEWHERE = {("scale", "paper"), ("trainer", "gpu"), ("trainer", "ddp")}
"""Options that have a test of their own below, because they do not run here."""

WITH = {
    ("mask", "a"): ("sampler=hierarchical",),
    ("mask", "b"): ("sampler=hierarchical",),
    ("mask", "c"): ("sampler=hierarchical",),
    ("data", "video_files"): ("data.root={videos}", "eval_videos=2", "reference_videos=4"),
    **{
        ("data", name): (f"data.root={{{name}}}", "eval_videos=2", "reference_videos=4")
        for name in ("frame_folders", "ucf101", "sky", "mugen", "drums")
    },
    ("data", "taichi"): ("data.root={taichi}", "data.frame_stride=3", "eval_videos=2", "reference_videos=4"),
    ("data", "atari"): ("data.train_videos=6", "data.test_videos=4", "data.frames=96"),
    ("metrics", "i3d"): ("metrics.network.weights={i3d}", *FEW),
    ("metrics", "tats"): ("metrics.network.weights={detector}", *TRUSTED, *FEW, "metrics.repeats=2"),
    ("metrics", "stylegan_v"): ("metrics.network.weights={detector}", *TRUSTED, *FEW),
    ("perceptual", "i3d_early"): ("vqgan.training.perceptual.weights={i3d}",),
    ("perceptual", "vgg16_l1"): ("vqgan.training.perceptual.weights={vgg}",),
    ("perceptual", "lpips"): ("vqgan.training.perceptual.weights={vgg}", "vqgan.training.perceptual.heads={heads}"),
    ("scale", "toy"): (
        *("long_frames=48", "eval_videos=8", "reference_videos=16", "vqgan.training.adversarial.start_step=4"),
        *("codes={{train_windows: 32, held_out_windows: 8, batch_size: 32}}", "vqgan.training.batch_size=4"),
        *("interpolation.training.steps=4", "transformer.training.batch_size=4"),
    ),
}
"""What an option needs beside itself to run here."""

SHORT, HIERARCHY, REAL = "sampler=short", "sampler=hierarchical", "padding=real"
PAIRS = {
    "one window with a class: its label is looked at, nothing grows": (SHORT, "condition=label"),
    "one window is the first and the last": (SHORT, "metrics.windows=ends"),
    "one window in repeats": (SHORT, "metrics.repeats=2", "eval_videos=4", "reference_videos=8"),
    "a decoder that wants neighbours, a sampler that makes none": (SHORT, REAL),
    "neighbours at both ends of key frames": (HIERARCHY, REAL),
    "what is given is its own neighbour before": (REAL, "sampling.given_frames=8"),
    "key frames from given frames, with their labels": (HIERARCHY, "sampling.given_frames=8", "condition=label"),
    "codes are those of the whole video with this norm, too": (REAL, "norm=frame_group"),
    "a margin in pixels, none in codes": ("padding.encoder=real", "padding.decoder=zero"),
    "a margin in codes, none in pixels": ("padding.encoder=zero", "padding.decoder=real"),
    "half as much as replicate in one half, zeros in the other": ("padding=alpha", "padding.decoder=zero"),
    "a codebook without state against both adversaries": ("quantizer=fsq", "discriminators=both"),
    "both adversaries beside a perceptual term, as the paper": ("discriminators=both", *WITH["perceptual", "lpips"]),
    "labels of folders, which the classifier does not know": ("condition=label", *WITH["data", "video_files"]),
    "real windows of both splits of files": ("metrics.split=all", *WITH["data", "video_files"]),
    "mirror images to learn from": ("flip=true",),
    "captions that are dropped now and then, guide, and are read by a CLIP": (
        "condition=text",
        "sampler.guidance=2",
        "metrics.clip={clip}",
    ),
    "sound that moves along with key frames and gaps, and guides": (
        HIERARCHY,
        "condition=audio",
        "sampler.guidance=2",
    ),
    "sound from the window on that is given": ("condition=audio", "sampling.given_frames=8"),
    "classes that guide both transformers": (
        HIERARCHY,
        "condition=label",
        "transformer.condition_drop=0.2",
        "sampler.guidance=3",
    ),
    "the default log with a path that is too long for its tags": ("logger=wandb", *WITH["data", "video_files"]),
}
PAIRS["both adversaries beside a perceptual term, as the paper"] += ("perceptual=lpips",)
for said in [said for said, options in PAIRS.items() if any("{videos}" in option for option in options)]:
    PAIRS[said] += ("data=video_files",)

DRAWN = "one window with a class: its label is looked at, nothing grows"
"""The pair whose whole report is drawn, which takes longer than a run: its curves are points."""

REFUSED = {
    r"sampler\.guidance=2\.0: transformer never learns without its condition": (
        "condition=label",
        "sampler.guidance=2",
    ),
    "transformer.condition_drop=0.1: there is no condition to drop": ("transformer.condition_drop=0.1",),
    "norm=group": (REAL, "norm=group"),
    "sampling.given_frames=8 needs a sampler of long videos": (SHORT, "sampling.given_frames=8"),
}


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of all processes that run these tests side by side."""
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "options"
    folder.mkdir(exist_ok=True)
    return folder


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Weights by which networks can be built, and videos at a path of more than 200 letters."""
    folder = tmp_path_factory.mktemp("files")
    torch.manual_seed(0)
    torch.save(I3D().state_dict(), folder / "i3d.pt")
    torch.save(VGG16().state_dict(), folder / "vgg.pth")
    heads = {f"lin{level}.model.1.weight": torch.rand(1, width, 1, 1) for level, width in enumerate(TAP_WIDTHS)}
    torch.save(heads, folder / "heads.pth")
    archive(Detector(), folder / "detector.pt")
    videos = folder / "/".join(["a_folder_with_a_long_name"] * 8)
    world = Shapes(train_videos=6, test_videos=4, frames=96, resolution=16, seed=0)
    for split in ("train", "test"):
        source = world.split(split)
        for index in range(len(source.names)):
            path = videos / split / f"class_{index % 2}" / f"{index}.mp4"
            path.parent.mkdir(parents=True, exist_ok=True)
            with VideoWriter(path, 12) as writer:
                writer.write(source.read(index, 0, 96))
    sets = {name: write(folder / name) for name, write in WRITE.items()}
    weights = {"i3d": "i3d.pt", "vgg": "vgg.pth", "heads": "heads.pth", "detector": "detector.pt"}
    clip = {"clip": Path(write_model(folder / "clip"))}
    return {"videos": videos, **sets, **clip, **{name: folder / file for name, file in weights.items()}}


def composed(*overrides: str) -> DictConfig:
    with initialize_config_dir(str(conf_dir()), version_base="1.3"):
        return compose("config", overrides=[*overrides], return_hydra_config=True)


def start(folder: Path, shared: Path, *overrides: str, swept: tuple[str, ...] = ()) -> Path:
    """One job as Hydra starts it, but here; the folder it leaves, finished and with its numbers and its table."""
    world = WORLD if {o for o in overrides if o.startswith("data=")} <= {"data=shapes"} else ()
    cfg = composed(*SMALL, *world, f"store.root={shared / 'store'}", *overrides)
    folder.mkdir(parents=True)
    SweepRecord(**RESERVED, swept=swept, asked=(), threads=1, started=time.time()).write(folder)
    with open_dict(cfg):
        cfg.hydra.runtime.output_dir = str(folder)
    HydraConfig.instance().set_config(cfg)
    run_job(OmegaConf.masked_copy(cfg, [key for key in cfg if key != "hydra"]))
    status = json.loads((folder / "status.json").read_text())
    error = folder / "error.txt"
    assert status["state"] == "finished", error.read_text() if error.exists() else status
    metrics = json.loads((folder / "metrics.json").read_text())
    windows = 1 if "ShortClip" in str(cfg.sampler) else cfg.long_frames // cfg.frames
    with (folder / "curves.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == metrics["protocol"]["windows"] == windows
    distance = metrics["values"][f"fvd/{metrics['protocol']['features']}/last"]
    assert distance is not None and math.isfinite(distance)
    table, protocol = make_table(group_runs(load_runs(folder))), metrics["protocol"]
    enough = min(protocol["n_real"], protocol["n_generated"]) >= LEAST_VIDEOS
    assert any(column.key.startswith(f"fvd/{protocol['features']}/") for column in table.columns) == enough
    return folder


def options(group_options: dict[str, str], files: dict[str, Path], *more: str) -> list[str]:
    """The overrides of a run; a group is said once."""
    chosen = {**QUICK, **group_options}
    filled = [option.format(**files) for option in more]
    said = {option.split("=")[0] for option in filled}
    return [f"{group}={option}" for group, option in chosen.items() if group not in said] + filled


@pytest.mark.parametrize("group, option", [pair for pair in OPTIONS if pair not in ELSEWHERE], ids=str)
def test_every_option_runs(
    tmp_path: Path,
    shared: Path,
    files: dict[str, Path],
    monkeypatch: pytest.MonkeyPatch,
    group: str,
    option: str,
) -> None:
    monkeypatch.setenv("WANDB_MODE", "offline")
    overrides = options({group: option}, files, *WITH.get((group, option), ()))
    start(tmp_path / "run", shared, *overrides)


@pytest.mark.parametrize("why", PAIRS)
def test_options_that_meet_run_together(
    tmp_path: Path, shared: Path, files: dict[str, Path], monkeypatch: pytest.MonkeyPatch, why: str
) -> None:
    monkeypatch.setenv("WANDB_MODE", "offline")
    stand_in(monkeypatch)
    folder = start(tmp_path / "run", shared, *options({}, files, *PAIRS[why]))
    metrics, status = (json.loads((folder / f"{name}.json").read_text()) for name in ("metrics", "status"))
    if why == DRAWN:
        assert make_report(tmp_path).page.is_file()
    if "condition=text" in PAIRS[why]:
        truths = [f"truth/{part}/{end}" for part in ("colour", "shape", "law", "all") for end in ("window_0", "last")]
        for key in truths:
            assert 0 <= metrics["values"][key] <= 1 and 0 <= metrics["floors"]["chance"][key] <= 1
            assert 0 <= metrics["floors"]["ceiling"][key.rpartition("/")[0]] <= 1
        similar = [metrics["values"][f"clip/similarity/{end}"] for end in ("window_0", "last")]
        similar += [metrics["floors"][kind]["clip/similarity"] for kind in ("real", "ceiling", "chance")]
        assert all(-1 <= value <= 1 for value in similar)
        assert any("clip/similarity: by the CLIP" in note for note in metrics["notes"])
        assert metrics["values"]["truth/all/last"] == metrics["values"]["label/shapes_cnn/last"]
    elif not any("given_frames" in option or "condition" in option for option in PAIRS[why]):
        assert not [key for key in metrics["values"] if key.startswith(("truth/colour", "truth/all", "label"))]
    if SHORT in PAIRS[why]:
        values = metrics["values"]
        assert values["fvd/shapes_cnn/growth"] is None and values["drift/first_window"] is None
        assert not [key for key in values if "slope" in key]
    if "logger=wandb" in PAIRS[why]:
        assert status["log"] is None and list(folder.glob("wandb/offline-run-*/*.wandb"))
        assert len(str(files["videos"])) > 200 and str(files["videos"]) in (folder / "config.yaml").read_text()


@pytest.mark.parametrize("said", REFUSED)
def test_options_that_do_not_fit_are_refused_in_one_line(said: str, files: dict[str, Path]) -> None:
    with pytest.raises(UserError, match=said):
        make_plan(options({}, files, *REFUSED[said]))


@pytest.mark.parametrize("experiment", EXPERIMENTS)
def test_every_experiment_runs(tmp_path: Path, shared: Path, experiment: str) -> None:
    """Its choices at one seed, length of training, temperature and top-p, with the stages of the options above."""
    of_it = asking(experiment)
    params = composed(*of_it, *(f"{key}={value}" for key, value in QUICK.items())).hydra.sweeper.params
    once = ("seed", "training.steps", "temperature", "top_p")
    values = {key: str(value).split(",")[: 1 if key.endswith(once) else None] for key, value in params.items()}
    quick = [*(f"{key}={value}" for key, value in QUICK.items()), "longest_frames=48"]
    jobs = [
        [f"{key}={value}" for key, value in zip(values, job, strict=True)]
        for job in itertools.product(*values.values())
    ]
    for number, job in enumerate(jobs):
        start(tmp_path / str(number), shared, *of_it, *quick, *job, swept=tuple(values))
    (alike,) = measured_alike(load_runs(tmp_path))
    groups = group_runs(alike.runs)
    assert [len(group.runs) for group in groups] == [1] * len(jobs)
    assert to_text(make_table(groups)) and make_verdict(groups)


def test_the_scale_of_the_paper_composes_and_its_models_are_built_without_memory(files: dict[str, Path]) -> None:
    lpips = [option.format(**files) for option in WITH["perceptual", "lpips"]]
    for more in ((), (HIERARCHY, "condition=label"), ("quantizer=fsq",), (REAL,)):
        cfg = composed(*lpips, "scale=paper", "trainer=cpu", "logger=csv", *more)
        config = check(OmegaConf.masked_copy(cfg, [key for key in cfg if key != "hydra"]))
        with torch.device("meta"):
            sizes = [sum(p.numel() for p in build_vqgan(config.vqgan.model, config.padding.halves).parameters())]
            sizes.append(sum(p.numel() for p in transformer_of(config, "transformer", 101, 1).parameters()))
            if config.interpolates:
                sizes.append(sum(p.numel() for p in transformer_of(config, "interpolation", 101, 1).parameters()))
        assert sizes[0] > 10_000_000 and min(sizes[1:]) > 300_000_000


@pytest.mark.parametrize("scale", [option for group, option in OPTIONS if group == "scale"])
@pytest.mark.parametrize("data", [option for group, option in OPTIONS if group == "data"])
def test_every_data_set_composes_at_every_scale(data: str, scale: str, files: dict[str, Path]) -> None:
    more = [option for option in WITH.get(("data", data), ()) if option.startswith("data.")]
    lpips = WITH["perceptual", "lpips"] if scale == "paper" else ()
    given = [option.format(**files) for option in (*more, *lpips)]
    cfg = composed(f"data={data}", f"scale={scale}", "trainer=cpu", "logger=csv", *given)
    config = check(OmegaConf.masked_copy(cfg, [key for key in cfg if key != "hydra"]))
    assert config.data["resolution"] == config.resolution


@pytest.mark.parametrize("option, devices", [("gpu", 1), ("ddp", 8)])
def test_devices_that_are_not_there_are_refused_in_one_line(option: str, devices: int) -> None:
    """Where they are there, `tests/test_gpu.py` trains on them."""
    overrides = [f"trainer={option}", "scale=smoke", "logger=csv"]
    if torch.cuda.device_count() >= devices:
        assert make_plan(overrides).jobs == 1
        return
    with pytest.raises(UserError, match="trainer") as error:
        make_plan(overrides)
    assert "\n" not in str(error.value)


def test_what_is_told_of_options_is_told_of_options_that_exist() -> None:
    assert set(WITH) | ELSEWHERE <= set(OPTIONS)
