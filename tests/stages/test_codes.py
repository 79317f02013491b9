"""Windows at their places and later, and the codes of a condition, held against what it says of itself."""

from pathlib import Path

import pytest
import torch
from hydra import compose, initialize_config_dir

from tats_exp import UserError
from tats_exp.config.check import check
from tats_exp.config.models import build_vqgan
from tats_exp.config.schema import conf_dir
from tats_exp.data.code_shards import ShardWriter
from tats_exp.data.pixels import to_float
from tats_exp.data.shapes import Shapes
from tats_exp.data.window_reading import read_windows
from tats_exp.data.windows import Window, draw_offsets, draw_windows
from tats_exp.files import Stage, load_tensors, save_tensors
from tats_exp.stages.codes import CODES_STAGE, LONG_CODES_STAGE, WindowCodes, checked_codes, code_notes
from tats_exp.stages.context import Left, RunContext
from tats_exp.stages.trained import MODEL
from tats_exp.transformer.conditions import Label, Unconditional

VIDEOS = Shapes(train_videos=8, test_videos=1, frames=16, resolution=8, seed=0).split("train")
WINDOWS = [Window(3, 0), Window(5, 0)]


@pytest.mark.parametrize("given", [[[16], [0]], [[-1], [0]], [[0, 0], [0, 0]], [[0]], [[0.0], [1.0]]])
def test_codes_of_another_kind_are_refused(given: list, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Label, "codes", lambda *_: torch.tensor(given))
    with pytest.raises(UserError, match=r"^condition: gave .* wanted are int64 codes 0\.\.15 of shape \(2, 1\)$"):
        checked_codes(Label(), VIDEOS, WINDOWS, {})


def test_codes_of_ours_are_taken() -> None:
    assert checked_codes(Label(), VIDEOS, WINDOWS, {}).tolist() == [[3], [5]]
    assert checked_codes(Unconditional(), VIDEOS, WINDOWS, {}).tolist() == [[0], [0]]


def made(folder: Path, stage: Stage, *overrides: str) -> tuple[RunContext, WindowCodes]:
    """Codes by a VQGAN of random weights whose codebook holds latents, from videos with room for every padding."""
    with initialize_config_dir(str(conf_dir()), version_base="1.3"):
        quick = ("scale=smoke", "trainer=cpu", "data.train_videos=5", "data.test_videos=8", "reserve.encoding=16")
        config = check(compose("config", overrides=[*quick, "data.frames=96", *overrides]))
    run = RunContext(config, {"vqgan": Left("vqgan", folder)})
    torch.manual_seed(0)
    vqgan = build_vqgan(config.vqgan.model, config.padding.halves)
    with torch.no_grad():
        latents = vqgan.eval().latents(to_float(read_windows(run.train, [Window(0, 0), Window(1, 0)], 96)))
        vqgan.codebook.train()(latents)
    save_tensors(folder / MODEL, vqgan.state_dict())
    stage.make(stage.inputs(run), run.work(folder, lambda done, total: None, lambda step, values: None))
    return run, stage.read(config, folder)


@pytest.mark.parametrize("padding", ["zero", "real"])
@pytest.mark.parametrize("stage, window", [(CODES_STAGE, "null"), (LONG_CODES_STAGE, "6")])
def test_held_out_windows_are_encoded_at_every_shift(tmp_path: Path, stage: Stage, padding: str, window: str) -> None:
    run, codes = made(tmp_path, stage, f"padding={padding}", f"transformer.window={window}")
    inputs = stage.inputs(run)
    vqgan, frames = inputs.vqgan.read(), inputs.frames
    shifts = codes.held_out_shifts.shape[1]
    assert shifts == frames // 4 == codes.held_out_shifts.shape[2]
    windows = draw_windows(run.test, 8, frames, run.data_seed + 1, 16, 16 + 4 * (shifts - 1))
    assert codes.held_out_videos.tolist() == [place.video for place in windows]
    with torch.inference_mode():
        for shift in range(shifts):
            video = read_windows(run.test, windows, frames, vqgan.margin, vqgan.margin, shift=4 * shift)
            same = codes.held_out_shifts[:, shift] == vqgan.encode(to_float(video))
            assert same.double().mean() > 0.999  # a batch rounds otherwise
    blind = (codes.held_out_shifts[:, :-1, 1:] == codes.held_out_shifts[:, 1:, :-1]).double().mean()
    assert codes.latent_shift.shape == (shifts - 1,)
    if padding == "real":
        assert codes.latent_shift.max() < 1e-6 and blind > 0.999
    else:
        assert codes.latent_shift.min() > 1e-5 and blind < 0.999


def test_training_windows_are_the_same_for_all_paddings_and_several_of_a_video(tmp_path: Path) -> None:
    found = {}
    for padding in ("zero", "real"):
        (tmp_path / padding).mkdir()
        run, found[padding] = made(tmp_path / padding, CODES_STAGE, f"padding={padding}", "codes.train_windows=17")
        drawn = draw_offsets(run.train, 17, 16, run.data_seed + 1, 16, 16)
        assert found[padding].train_videos.tolist() == [place.video for place in drawn]
        assert found[padding].train_labels.tolist() == [run.train.labels[place.video] for place in drawn]
    assert torch.equal(found["zero"].train_videos, found["real"].train_videos)
    assert sorted(found["zero"].train_videos.bincount().tolist()) == [3, 3, 3, 4, 4]


def test_where_the_data_have_less_there_is_less_and_it_is_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Videos of 96 frames with 16 kept free on either side: 49 starts of a clip, and 2 shifts of 15 latent frames."""
    _, codes = made(tmp_path, CODES_STAGE, "codes.train_windows=999")
    assert len(codes.train) == 5 * 49
    assert "codes: 245 windows of 16 frames of the train split instead of 999" in caplog.messages
    said = "codes: windows of the train and the test split: 245 and 8 in place of 999 and 8, there are no more"
    assert code_notes((999, 8), codes) == [said] and not code_notes((245, 8), codes)
    (tmp_path / "long").mkdir()
    _, codes = made(tmp_path / "long", LONG_CODES_STAGE, "transformer.window=15", "codes.train_windows=9")
    assert codes.held_out_shifts.shape[1:3] == (2, 15) and len(codes.latent_shift) == 14
    assert "codes: windows of 60 frames of the test split are encoded at 2 shifts instead of 15" in caplog.messages


def test_long_windows_of_a_hierarchy_are_encoded_at_their_places_only(tmp_path: Path) -> None:
    _, codes = made(tmp_path, LONG_CODES_STAGE, "sampler=hierarchical")
    assert codes.held_out_shifts.shape[1:3] == (1, 13) and not len(codes.latent_shift)


def test_codes_that_were_stopped_go_on_where_they_were_and_are_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tats_exp.stages.codes.WINDOWS", 8)
    for name in ("whole", "stopped"):
        (tmp_path / name).mkdir()
    _, whole = made(tmp_path / "whole", CODES_STAGE, "codes.train_windows=30", "codes.batch_size=4")
    written = ShardWriter.write

    def stopped(writer: ShardWriter, codes: torch.Tensor) -> None:
        if writer.done == 16:
            raise KeyboardInterrupt
        written(writer, codes)

    monkeypatch.setattr(ShardWriter, "write", stopped)
    with pytest.raises(KeyboardInterrupt):
        made(tmp_path / "stopped", CODES_STAGE, "codes.train_windows=30", "codes.batch_size=4")
    first = (tmp_path / "stopped" / "train-00000.safetensors").stat().st_mtime_ns
    monkeypatch.setattr(ShardWriter, "write", written)
    _, again = made(tmp_path / "stopped", CODES_STAGE, "codes.train_windows=30", "codes.batch_size=4")
    assert (tmp_path / "stopped" / "train-00000.safetensors").stat().st_mtime_ns == first
    assert len([*(tmp_path / "stopped").glob("train-*")]) == 4 and torch.equal(again.train, whole.train)


def test_codes_that_were_stored_before_there_were_shards_are_read(tmp_path: Path) -> None:
    run, codes = made(tmp_path, CODES_STAGE)
    tensors = load_tensors(tmp_path / "codes.safetensors")
    for path in (*tmp_path.glob("train-*"), tmp_path / "shards.json"):
        path.unlink()
    save_tensors(tmp_path / "codes.safetensors", {**tensors, "train": codes.train})
    assert torch.equal(CODES_STAGE.read(run.config, tmp_path).train, codes.train)
