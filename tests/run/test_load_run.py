"""A finished run, read back: its numbers are those of its files, its videos follow from seed and number alone."""

import json
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf

from tats_exp import UserError, load_run
from tats_exp.config.models import build_vqgan, condition_codes, condition_of, transformer_of
from tats_exp.config.padding import with_halves
from tats_exp.config.schema import Config, conf_dir, validated
from tats_exp.data.code_shards import CodeShards, ShardWriter
from tats_exp.data.pixels import to_uint8
from tats_exp.data.shapes import Shapes
from tats_exp.export import main as export
from tats_exp.files import save_tensors
from tats_exp.official import load_vqgan
from tats_exp.run.stage_record import StageRecord, sums_of
from tats_exp.run_folder import Protocol, Status, sums_of_results, write_losses, write_metrics, write_table
from tats_exp.stages import text_condition
from tats_exp.stages.audio_condition import Audio
from tats_exp.stages.codes import WindowCodes
from tats_exp.stages.trained import MODEL
from tats_exp.vqgan.spectrogram_vqgan import SpectrogramVQGAN, picture_to_float
from tats_exp.vqgan.vqgan import VQGAN
from tests.report.sweep import PROTOCOL

CLASSES = 4


def heard(audio: Audio) -> SpectrogramVQGAN:
    """A VQGAN of sound with random weights, whose norms and codebook were fitted to some sounds."""
    vqgan, videos = audio.model(), Shapes(8, 1, 64, 16, 0).split("train")
    pictures = [audio.spectrogram.of_frames(videos, video, start, 4) for video in range(8) for start in range(0, 60, 8)]
    for module in vqgan.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.momentum = 1.0
    vqgan.train()(picture_to_float(torch.from_numpy(np.stack(pictures))[:, None]))
    return vqgan


def finished(folder: Path, *overrides: str) -> Path:
    """A run with random models, as a finished one leaves it."""
    store = folder / "store"
    options = ["scale=smoke", "logger=csv", "trainer=gpu", f"store.root={store}", *overrides]
    with initialize_config_dir(str(conf_dir()), version_base="1.3"):
        cfg = with_halves(compose("config", overrides=options))
    config = validated(cfg, Config)
    asked = condition_of(config)
    condition = (condition_codes(config, "transformer", asked, CLASSES), asked.length)
    torch.manual_seed(0)
    names = ("transformer", "interpolation") if config.interpolates else ("transformer",)
    models = {name: transformer_of(config, name, *condition) for name in names}
    models["vqgan"] = build_vqgan(config.vqgan.model, config.padding.halves)
    for name, model in models.items():
        (store / name / "key").mkdir(parents=True)
        save_tensors(store / name / "key" / MODEL, model.state_dict())
        StageRecord().write(store / name / "key")
    labels, windows = torch.arange(8) % (CLASSES - 1), torch.zeros(8, 4, 4, 4, dtype=torch.int64)
    told, told_held_out = (of[:, None].repeat(1, asked.length) * bool(condition[0]) for of in (labels, labels + 1))
    train = (CodeShards([windows]), told, labels, labels)
    held_out = (windows[:, None], told_held_out, labels + 1, labels)
    codes = WindowCodes(*train, *held_out, torch.zeros(3, dtype=torch.float64))
    for stage in asked.stages():
        own = store / stage.name / "key"
        own.mkdir(parents=True)
        if isinstance(asked, Audio):
            save_tensors(own / MODEL, heard(asked).state_dict())
        else:
            tokenizer = text_condition._trained(("a red disc bounces", "a blue square orbits"), 300)
            (own / text_condition.FILE).write_text(tokenizer.to_str())
        StageRecord().write(own)
    for name in ("codes", "long_codes"):
        (store / name / "key").mkdir(parents=True)
        ShardWriter(store / name / "key").write(windows)
        codes.write(store / name / "key")
        StageRecord().write(store / name / "key")
    run = folder / "run"
    run.mkdir()
    OmegaConf.save(cfg, run / "config.yaml", resolve=True)
    stages = {name: "key" for name in (*models, "codes", "long_codes", *(stage.name for stage in asked.stages()))}
    Status(state="finished", experiment="single_run", stages=stages, commit="c0ffee").write(run)
    protocol = Protocol.from_dict(PROTOCOL)
    write_metrics(run, {"a": 1 / 3, "never": None}, {"real": {"a": 0.1}}, ["note"], protocol, [], {})
    write_table(run / "curves.csv", [{"window": t, "a": t / 3} for t in range(3)])
    write_losses(run, {"vqgan": [(0, "train/vqgan/l1", 0.5), (5, "train/vqgan/l1", 0.25)]})
    (run / "videos").mkdir()
    (run / "videos" / "samples.mp4").touch()
    return run


def test_numbers_and_videos_are_those_of_the_files(tmp_path: Path) -> None:
    folder = finished(tmp_path)
    run = load_run(folder)
    written = json.loads((folder / "metrics.json").read_text())
    assert run.metrics.values == written["values"] and run.metrics.floors == written["floors"]
    assert run.metrics.protocol is not None and run.metrics.protocol.as_dict() == written["protocol"]
    assert run.curves == {"window": [0, 1, 2], "a": [0, 1 / 3, 2 / 3]}
    assert run.losses == {("vqgan", "train/vqgan/l1"): ([0, 5], [0.5, 0.25])}
    assert run.videos == {"samples": folder / "videos" / "samples.mp4"}
    assert run.config.name == "single_run" and run.config.trainer["accelerator"] == "cuda"
    assert not run.vqgan().training and not run.transformer().training


@pytest.mark.parametrize("sampler", ["sliding", "hierarchical"])
@pytest.mark.parametrize("extra", [(), ("condition=label", "padding=real")])
def test_a_video_follows_from_seed_and_number_alone(tmp_path: Path, sampler: str, extra: tuple[str, ...]) -> None:
    folder = finished(tmp_path, f"sampler={sampler}", *extra)
    run = load_run(folder)
    videos = run.sample(videos=3, frames=21, seed=1)
    size = run.config.resolution
    assert videos.shape == (3, 21, size, size, 3) and videos.dtype == torch.uint8
    assert torch.equal(run.sample(videos=2, frames=21, seed=1), videos[:2])
    assert not torch.equal(run.sample(videos=1, frames=21, seed=2), videos[:1])
    one = run.config.sampling.model_copy(update={"batch_size": 1, "gaps_at_once": 1})
    run = replace(run, config=run.config.model_copy(update={"sampling": one}))
    assert torch.equal(run.sample(videos=3, frames=21, seed=1), videos)


def test_the_frames_are_what_the_vqgan_makes_of_the_codes(tmp_path: Path) -> None:
    run = load_run(finished(tmp_path))
    vqgan: VQGAN = run.vqgan()
    codes, has_margin = run.sample_codes(vqgan, videos=1, frames=32)
    with torch.no_grad():
        whole = to_uint8(vqgan.decode(codes))
    assert not has_margin and codes.shape[1] == 8
    difference = run.sample(videos=1, frames=32).int() - whole.int()
    assert difference.abs().max() <= 1  # rounding


def test_captions_are_those_of_held_out_windows(tmp_path: Path) -> None:
    run = load_run(finished(tmp_path, "condition=text", "sampler=short"))
    assert torch.equal(
        run._beginnings._conditions([np.random.default_rng(0)] * 2, [3, 1]), torch.tensor([[3] * 24, [1] * 24])
    )
    with pytest.raises(UserError, match="no held-out window has class 0; allowed: 1, 2, 3"):
        run.sample(videos=1, frames=16, condition=[0])


def test_a_class_is_asked_for_or_refused(tmp_path: Path) -> None:
    run = load_run(finished(tmp_path, "condition=label", "sampler=short"))
    asked = run.sample(videos=2, frames=16, condition=[2, 2])
    assert torch.equal(run.sample(videos=1, frames=16, condition=[2])[0], asked[0])
    for wrong, said in (([3, 3], "class 3; allowed: 0, 1, 2"), ([1], "1 classes for videos=2")):
        with pytest.raises(UserError, match=said):
            run.sample(videos=2, frames=16, condition=wrong)
    with pytest.raises(UserError, match="frames at most 16"):
        run.sample(videos=1, frames=17)
    (tmp_path / "none").mkdir()
    with pytest.raises(UserError, match="condition: the run has none"):
        load_run(finished(tmp_path / "none")).sample(videos=1, frames=16, condition=[0])


def test_what_cannot_be_read_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = finished(tmp_path)
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match="no run folder"):
        load_run(tmp_path / "empty")
    assert load_run(folder.parent).folder == folder  # the only run there
    (tmp_path / "sweep").mkdir()
    for name in ("seed=0", "seed=1"):
        shutil.copytree(folder, tmp_path / "sweep" / name)
    with pytest.raises(UserError, match=r"sweep: 2 runs lie in it; name one of them: seed=0, seed=1$"):
        load_run(tmp_path / "sweep")
    cfg = OmegaConf.load(folder / "config.yaml")
    OmegaConf.save(OmegaConf.merge(cfg, {"swept": []}), folder / "config.yaml")
    with pytest.raises(UserError, match=r"swept: unknown key.*written by commit c0ffee$"):
        load_run(folder)
    OmegaConf.save(cfg, folder / "config.yaml")
    (tmp_path / "store" / "vqgan").rename(tmp_path / "store" / "away")
    with pytest.raises(UserError, match=r"^store.root=.*: the vqgan of .* is not there \(vqgan/key\)"):
        load_run(folder).vqgan()
    assert export([f"run={folder}", f"out={tmp_path / 'vqgan.ckpt'}"]) == 2
    assert "tats_exp.export: run: store.root=" in capsys.readouterr().err
    Status(state="failed", error="disk full").write(folder)
    with pytest.raises(UserError, match="the run is failed, not finished: disk full"):
        load_run(folder)


def test_a_run_is_read_from_any_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Though it was told where its store is from the folder that it was started in."""
    folder = finished(tmp_path, "store.root=store")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert not load_run(folder).vqgan().training
    (tmp_path / "store").rename(tmp_path / "away")
    with pytest.raises(UserError, match=r"store.root=store: the vqgan of .* is not there"):
        load_run(folder).vqgan()


def test_damaged_models_and_results_are_named(tmp_path: Path) -> None:
    folder = finished(tmp_path)
    vqgan = tmp_path / "store" / "vqgan" / "key"
    StageRecord(files=sums_of(vqgan)).write(vqgan)
    assert load_run(folder).vqgan() is not None
    content = (vqgan / MODEL).read_bytes()
    (vqgan / MODEL).write_bytes(content[:-9] + bytes([content[-9] ^ 1]) + content[-8:])
    with pytest.raises(UserError, match=rf"^{vqgan / MODEL} is damaged: .* start its command again, with store.redo="):
        load_run(folder).vqgan()
    status = Status.read(folder).model_copy(update={"sums": sums_of_results(folder)})
    status.write(folder)
    assert load_run(folder).metrics.values["a"] == 1 / 3
    (folder / "curves.csv").write_text("window,a\n0,1.0\n")
    with pytest.raises(UserError, match=r"curves\.csv: damaged"):
        load_run(folder)
    status.model_copy(update={"state": "running"}).write(folder)
    (folder / "running.lock").touch()
    with pytest.raises(UserError, match="the run is killed, not finished"):
        load_run(folder)


def test_the_export_is_the_vqgan_of_the_run(tmp_path: Path) -> None:
    folder, out = finished(tmp_path, "vqgan.model.decoder_blocks=2"), tmp_path / "vqgan.ckpt"
    assert export([f"run={folder}", f"out={out}"]) == 0
    mine, there = load_run(folder).vqgan(), load_vqgan(out)
    clip = torch.rand(1, 3, 16, 16, 16) - 0.5
    assert torch.equal(mine.encode(clip), there.encode(clip))


def test_importing_the_package_stays_light() -> None:
    script = "import sys, tats_exp; print([name for name in ('torch', 'hydra') if name in sys.modules])"
    assert subprocess.run([sys.executable, "-c", script], capture_output=True, text=True).stdout == "[]\n"


PARTS = {"sampler": lambda run: run.sample(1, 16), "vqgan.model": lambda run: run.vqgan()}


@pytest.mark.parametrize("section", PARTS)
def test_what_a_run_folder_names_is_not_called_unless_it_is_of_its_kind(tmp_path: Path, section: str) -> None:
    folder = finished(tmp_path)
    cfg = OmegaConf.load(folder / "config.yaml")
    OmegaConf.update(cfg, section, {"_target_": "pathlib.Path.touch", "self": None}, merge=False)
    OmegaConf.update(cfg, section, {"self": {"_target_": "pathlib.Path", "_args_": [str(tmp_path / "made")]}})
    OmegaConf.save(cfg, folder / "config.yaml")
    run = load_run(folder)
    assert run.metrics.values  # numbers call nothing
    with pytest.raises(UserError, match=f"config.yaml: {section}._target_=pathlib.Path.touch"):
        PARTS[section](run)
    assert not (tmp_path / "made").exists()


def test_a_config_that_was_changed_behind_the_run_is_named(tmp_path: Path) -> None:
    folder = finished(tmp_path)
    Status.read(folder).model_copy(update={"sums": sums_of_results(folder)}).write(folder)
    load_run(folder)
    cfg = OmegaConf.load(folder / "config.yaml")
    cfg.sampler.top_p = 0.02
    OmegaConf.save(cfg, folder / "config.yaml")
    with pytest.raises(UserError, match=r"config\.yaml: damaged"):
        load_run(folder)
