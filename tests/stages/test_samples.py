"""The samples stage: stopped and started again it leaves what it would have left, from given frames, too."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from hydra import compose, initialize_config_dir

from tats_exp.config.check import check
from tats_exp.config.models import build_vqgan
from tats_exp.config.schema import Config, conf_dir
from tats_exp.files import save_tensors
from tats_exp.progress import Progress
from tats_exp.sampling import SlidingWindow
from tats_exp.stages.parts import MODEL, Parts
from tats_exp.stages.samples import make_samples, read_samples, sampling_speed
from tats_exp.stages.stages import CODES

QUICK = ("scale=smoke", "logger=csv", "trainer=cpu")


def parts(folder: Path, *overrides: str) -> tuple[Parts, dict[str, Path]]:
    """A run whose models and codes are random; what is in its folders does not depend on how it samples."""
    with initialize_config_dir(str(conf_dir()), version_base="1.3"):
        config: Config = check(compose("config", overrides=[*QUICK, *overrides]))
    made = Parts(config, Progress(folder, ""))
    found = {name: folder / name for name in ("vqgan", "codes", "long_codes", "transformer", "interpolation")}
    for path in found.values():
        path.mkdir(exist_ok=True)
    torch.manual_seed(0)
    save_tensors(found["vqgan"] / MODEL, build_vqgan(config).state_dict())
    save_tensors(found["transformer"] / MODEL, made.new_transformer().state_dict())
    if config.interpolates:
        save_tensors(found["interpolation"] / MODEL, made.new_interpolation().state_dict())
    codes = {"train_labels": torch.arange(32) % 16, "held_out_labels": torch.arange(8)}
    codes["held_out"] = torch.randint(16, (8, 4, 4, 4), generator=torch.Generator().manual_seed(1))
    for name in ("codes", "long_codes"):
        save_tensors(found[name] / CODES, codes)
    return made, found


class StoppedError(Exception):
    """What a kill looks like from inside."""


def die_at(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """Die when a file of this name would be written."""

    def dying(path: Path, tensors: dict[str, torch.Tensor]) -> None:
        if path.name == name:
            raise StoppedError
        save_tensors(path, tensors)

    monkeypatch.setattr("tats_exp.stages.samples.save_tensors", dying)


@pytest.mark.parametrize("sampler", ["sliding", "hierarchical"])
@pytest.mark.parametrize("extra", [(), ("padding=real", "data.frames=128"), ("sampling.given_frames=8",)])
def test_stopped_and_started_again_in_other_batches_is_never_stopped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sampler: str, extra: tuple[str, ...]
) -> None:
    options = (f"sampler={sampler}", "condition=label", *extra)
    made, found = parts(tmp_path, *options)
    whole, again = tmp_path / "whole", tmp_path / "samples"
    whole.mkdir()
    again.mkdir()
    make_samples(made, whole, found)

    stopped, _ = parts(tmp_path, *options, "sampling.batch_size=3")
    die_at(monkeypatch, "part_3.safetensors")
    with pytest.raises(StoppedError):
        make_samples(stopped, again, found)
    monkeypatch.undo()
    assert [path.name for path in again.glob("part_*")] == ["part_0.safetensors"]
    resumed, _ = parts(tmp_path, *options, "sampling.batch_size=2", "sampling.gaps_at_once=5")
    make_samples(resumed, again, found)

    assert {path.name for path in again.iterdir()} == {"samples.safetensors", "samples.json"}
    assert torch.equal(read_samples(again).codes, read_samples(whole).codes)
    assert torch.equal(read_samples(again).labels, read_samples(whole).labels)
    assert sampling_speed(again)["speed/seconds_per_1024_frames"] > 0


@pytest.mark.parametrize("sampler", ["sliding", "hierarchical"])
@pytest.mark.parametrize("padding", ["replicate", "real"])
def test_prediction_begins_with_the_held_out_windows_and_has_their_labels(
    tmp_path: Path, sampler: str, padding: str
) -> None:
    options = (f"sampler={sampler}", f"padding={padding}", "data.frames=128", "condition=label")
    made, found = parts(tmp_path, *options, "sampling.given_frames=8")
    (tmp_path / "samples").mkdir()
    make_samples(made, tmp_path / "samples", found)
    samples = read_samples(tmp_path / "samples")
    margin = json.loads((tmp_path / "samples/samples.json").read_text())["code_margin"]
    windows = torch.randint(16, (8, 4, 4, 4), generator=torch.Generator().manual_seed(1))
    assert samples.given == 2 and (margin > 0) == (padding == "real") == samples.has_margin
    assert torch.equal(samples.codes[:, margin : margin + 2], windows[:, :2])
    assert torch.equal(samples.codes[:, :margin], windows[:, :1].expand(-1, margin, -1, -1))
    assert samples.codes.shape[1] == margin + 2 + 48 // 4 + margin
    assert samples.labels.tolist() == list(range(8))
    # Key frames are latent frames 0, 4, 8, ... of the video; the first behind the two given ones is the third on.
    assert samples.first_anchor == (2 if sampler == "hierarchical" else None)


def test_anchors_are_found_behind_the_margin(tmp_path: Path) -> None:
    made, found = parts(tmp_path, "sampler=hierarchical", "padding=real", "data.frames=128")
    (tmp_path / "samples").mkdir()
    make_samples(made, tmp_path / "samples", found)
    assert json.loads((tmp_path / "samples/samples.json").read_text())["code_margin"] == 3
    assert read_samples(tmp_path / "samples").first_anchor == 1  # latent frame 4 of those sampled


def test_too_few_held_out_windows_are_one_line(tmp_path: Path) -> None:
    made, found = parts(tmp_path, "sampling.given_frames=8", "eval_videos=9", "codes.held_out_windows=9")
    with pytest.raises(ValueError, match="the test split has 8 windows; allowed: one for each of the 9"):
        make_samples(made, tmp_path, found)


def test_half_precision_samples_with_rounded_transformers(tmp_path: Path) -> None:
    made, found = parts(tmp_path, "sampling.precision=bf16", "threads=1")
    (tmp_path / "samples").mkdir()
    make_samples(made, tmp_path / "samples", found)
    codes = read_samples(tmp_path / "samples").codes
    rng = np.random.default_rng([made.config.seed, 1])
    seeds = rng.integers(2**62, size=8).tolist()
    transformer = made.transformer(found["transformer"]).to(torch.bfloat16)
    with torch.inference_mode():
        expected = SlidingWindow(top_p=0.92)(transformer, torch.zeros(8, 1, dtype=torch.int64), 12, seeds)
    assert torch.equal(codes, expected)
