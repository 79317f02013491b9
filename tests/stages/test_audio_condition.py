"""Sound as codes: each latent frame has those of its own time, whatever is around it and wherever it is asked for."""

import logging
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from hydra import compose, initialize_config_dir

from tats_exp import UserError
from tats_exp.config.check import check
from tats_exp.config.models import build_vqgan, condition_codes, transformer_of
from tats_exp.config.schema import conf_dir
from tats_exp.data.shapes import Shapes, ShapesVideos
from tats_exp.data.windows import Window, draw_offsets, draw_windows
from tats_exp.files import Stage, save_tensors
from tats_exp.run.store import stage_key
from tats_exp.sampling import Moving, SlidingWindow
from tats_exp.stages.audio_condition import AUDIO_VQGAN_STAGE, Audio
from tats_exp.stages.codes import CODES_STAGE, LONG_CODES_STAGE, CodesInputs, WindowCodes
from tats_exp.stages.context import Left, RunContext, meaning
from tats_exp.stages.samples import SAMPLES_STAGE, _beginnings
from tats_exp.stages.trained import MODEL
from tats_exp.vqgan.spectrogram_vqgan import picture_to_float
from tests.data.counting import Counting

WORLD = Shapes(24, 8, 64, 16, seed=0)
VIDEOS = WORLD.split("train")
AUDIO = Audio(512, 32, 16, (8, 8), 16, 4, 2, 4, 4, 1e-3, 0.1).for_windows(4, 4)
PER_LATENT = 8


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A VQGAN of sound whose codebook holds latents."""
    folder = tmp_path_factory.mktemp("audio_vqgan")
    torch.manual_seed(0)
    vqgan = AUDIO.model()
    pictures = [AUDIO.spectrogram.of_frames(VIDEOS, video, start, 4) for video in range(24) for start in (0, 8, 16)]
    for module in vqgan.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.momentum = 1.0  # statistics are those of these pictures
    vqgan.train()(picture_to_float(torch.from_numpy(np.stack(pictures))[:, None]))
    save_tensors(folder / MODEL, vqgan.state_dict())
    return {AUDIO_VQGAN_STAGE.name: folder}


class Changed(ShapesVideos):
    """The world with another sound from one sample of a video on to another."""

    def __init__(self, begin: int, end: int) -> None:
        super().__init__("train", 24, 64, 16, 0)
        self.begin, self.end = begin, end

    def audio(self, video: int, start: int, frames: int) -> np.ndarray:
        noise = np.random.default_rng(0).uniform(-1, 1, 64000).astype(np.float32)
        sound, places = super().audio(video, start, frames), start * 1000 + np.arange(frames * 1000)
        other = (places >= self.begin) & (places < self.end)
        return np.where(other, noise[places], sound)


def columns(videos: ShapesVideos, windows: Sequence[Window], made: dict[str, Path]) -> torch.Tensor:
    """Codes (N, latent frames, codes of each)."""
    return AUDIO.codes(videos, windows, made).unflatten(1, (-1, PER_LATENT))


@pytest.mark.parametrize("latent", range(4))
def test_codes_of_a_latent_frame_hang_on_the_sound_of_its_own_time_alone(made: dict[str, Path], latent: int) -> None:
    windows = [Window(video, start) for video in range(8) for start in (5, 48)]
    for start in (5, 48):
        here = [place for place in windows if place.start == start]
        begin = (start + 4 * latent) * 1000
        before = columns(VIDEOS, here, made)
        changed = (before != columns(Changed(begin, begin + 4000), here, made)).flatten(2).any(2)
        assert changed[:, latent].all() and changed.sum() == len(here)
        around = (
            columns(Changed(0, begin), here, made) != before,
            columns(Changed(begin + 4000, 64000), here, made) != before,
        )
        assert not any(side[:, latent].any() for side in around)


def test_a_later_window_has_the_codes_of_its_own_time(made: dict[str, Path]) -> None:
    windows = [Window(3, start) for start in range(0, 49, 4)]
    codes = columns(VIDEOS, windows, made)
    assert codes.shape == (13, 4, PER_LATENT) and AUDIO.length == 4 * PER_LATENT and codes.dtype == torch.int64
    for later in (1, 2, 3):
        assert torch.equal(codes[later:, : 4 - later], codes[:-later, later:])
    assert len(codes.flatten(0, 1).unique(dim=0)) > 3


def test_codes_do_not_hang_on_what_else_is_encoded(made: dict[str, Path]) -> None:
    windows = [Window(video, start) for video in range(6) for start in (1, 2, 7)]
    together = AUDIO.codes(VIDEOS, windows, made)
    assert all(
        torch.equal(AUDIO.codes(VIDEOS, [place], made)[0], row) for place, row in zip(windows, together, strict=True)
    )
    assert torch.equal(AUDIO.codes(VIDEOS, windows[::-1], made), together.flip(0))


def test_outside_of_the_video_there_is_silence(made: dict[str, Path]) -> None:
    silent = columns(Changed(0, 0), [Window(0, 1000)], made)[0, 0]
    before, behind = columns(VIDEOS, [Window(5, -8), Window(5, 56)], made)
    assert torch.equal(before[:2], silent.expand(2, -1)) and torch.equal(behind[2:], silent.expand(2, -1))
    inside = columns(VIDEOS, [Window(5, 0), Window(5, 48)], made)
    assert torch.equal(before[2:], inside[0, :2]) and torch.equal(behind[:2], inside[1, 2:])


def test_data_without_sound_are_one_line(made: dict[str, Path]) -> None:
    with pytest.raises(UserError, match="video 1: there is no sound in these data"):
        AUDIO.codes(Counting([20, 20]), [Window(1, 0)], made)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"bins": 300}, "bins=300"),
        ({"steps": 0}, "steps=0"),
        ({"learning_rate": 0.0}, "learning_rate=0"),
        ({"codes": 0}, "size=0"),
    ],
)
def test_impossible_numbers_are_one_line(changed: dict, said: str) -> None:
    names = ("window", "bins", "frames", "downsample", "codes", "code_width", "n_hiddens", "steps", "batch_size")
    plain = dict(zip(names, (512, 32, 16, (8, 8), 16, 4, 2, 4, 4), strict=True)) | {"learning_rate": 1e-3}
    with pytest.raises(ValueError, match=said):
        Audio(**{**plain, **changed})


def run_of(folder: Path, *overrides: str) -> RunContext:
    """A run whose VQGANs are random."""
    quick = (
        "scale=smoke",
        "logger=csv",
        "trainer=cpu",
        "condition=audio",
        "data.train_videos=12",
        "data.test_videos=8",
    )
    with initialize_config_dir(str(conf_dir()), version_base="1.3"):
        config = check(compose("config", overrides=[*quick, "data.frames=96", *overrides]))
    names = ("vqgan", "codes", "long_codes", "transformer", "interpolation", AUDIO_VQGAN_STAGE.name)
    run = RunContext(config, {name: Left(name, folder / name) for name in names})
    for left in run.left.values():
        left.folder.mkdir(exist_ok=True)
    torch.manual_seed(0)
    save_tensors(folder / "vqgan" / MODEL, build_vqgan(config.vqgan.model, config.padding.halves).state_dict())
    return run


def make(run: RunContext, stage: Stage, folder: Path, stop_at: int | None = None) -> None:
    def progress(done: int, total: int) -> None:
        if done == stop_at:
            raise KeyboardInterrupt

    stage.make(stage.inputs(run), run.work(folder, progress, lambda step, values: None))


def test_stopped_and_started_again_is_never_stopped_to_the_bit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tats_exp.stages.audio_condition.CHECKPOINT_EVERY", 2)
    monkeypatch.setattr("tats_exp.stages.audio_condition.LOG_EVERY", 1)
    run = run_of(tmp_path, "audio.steps=7")
    for name in ("whole", "stopped"):
        (tmp_path / name).mkdir()
    make(run, AUDIO_VQGAN_STAGE, tmp_path / "whole")
    with pytest.raises((KeyboardInterrupt, SystemExit)):
        make(run, AUDIO_VQGAN_STAGE, tmp_path / "stopped", stop_at=5)
    assert (tmp_path / "stopped/last.ckpt").exists() and not (tmp_path / "stopped" / MODEL).exists()
    make(run, AUDIO_VQGAN_STAGE, tmp_path / "stopped")
    for name in (MODEL, "losses.csv"):
        assert (tmp_path / "whole" / name).read_bytes() == (tmp_path / "stopped" / name).read_bytes()
    rows = (tmp_path / "whole/losses.csv").read_text()
    assert "7,train/audio_vqgan/reconstruction," in rows and "7,train/audio_vqgan/code_usage," in rows


@pytest.mark.parametrize("loud", [0.0, 1.0])
def test_a_codebook_that_tells_no_sounds_apart_is_warned_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, loud: float
) -> None:
    heard = ShapesVideos.audio
    monkeypatch.setattr(ShapesVideos, "audio", lambda *arguments: loud * heard(*arguments))
    run = run_of(tmp_path, "audio.steps=150")
    with caplog.at_level(logging.WARNING):
        make(run, AUDIO_VQGAN_STAGE, tmp_path / AUDIO_VQGAN_STAGE.name)
    assert ["of the sound has one code" in record.message for record in caplog.records] == [True] * (loud == 0)


def inputs_of_codes(run: RunContext, stage: Stage) -> tuple[CodesInputs, WindowCodes]:
    make(run, AUDIO_VQGAN_STAGE, run.left[AUDIO_VQGAN_STAGE.name].folder)
    make(run, stage, run.left[stage.name].folder)
    return stage.inputs(run), stage.read(run.config, run.left[stage.name].folder)


def heard(run: RunContext, split: str, windows: Sequence[Window], latent: int) -> torch.Tensor:
    videos = getattr(run, split)
    folders = {AUDIO_VQGAN_STAGE.name: run.left[AUDIO_VQGAN_STAGE.name].folder}
    return run.condition.codes(videos, [Window(place.video, place.start + 4 * latent) for place in windows], folders)


def test_stored_codes_are_those_of_each_window_and_each_shift(tmp_path: Path) -> None:
    run = run_of(tmp_path)
    inputs, codes = inputs_of_codes(run, CODES_STAGE)
    train = draw_offsets(run.train, 64, 16, run.data_seed + 1)
    held_out = draw_windows(run.test, 8, 16, run.data_seed + 1, 0, 12)
    assert inputs.heard == 4 and inputs.gaps == () and codes.train_parts is None
    assert torch.equal(codes.train_condition, heard(run, "train", train, 0))
    assert torch.equal(codes.held_out_condition, heard(run, "test", held_out, 0))
    assert codes.held_out_starts is not None and codes.held_out_starts.tolist() == [place.start for place in held_out]
    assert codes.held_out_parts is not None and codes.held_out_parts.shape[1] == 4
    for shift in range(4):
        assert torch.equal(codes.held_out_parts[:, shift], heard(run, "test", held_out, shift))


def test_every_gap_of_a_hierarchy_has_the_codes_of_its_own_time(tmp_path: Path) -> None:
    run = run_of(tmp_path, "sampler=hierarchical")
    inputs, codes = inputs_of_codes(run, LONG_CODES_STAGE)
    train = draw_offsets(run.train, 64, 52, run.data_seed + 1)
    assert inputs.heard == 13 and inputs.gaps == (0, 4, 8)
    assert codes.train_parts is not None and codes.held_out_parts is not None
    for gap in range(3):
        assert torch.equal(codes.train_parts[:, gap], heard(run, "train", train, 4 * gap))
    assert torch.equal(codes.train_condition, codes.train_parts[:, 0])
    assert codes.held_out_parts.shape == (len(codes.held_out), 3, codes.train_condition.shape[1])


@pytest.mark.parametrize("given", [0, 8])
def test_sampled_windows_have_the_codes_of_their_own_time(tmp_path: Path, given: int) -> None:
    run = run_of(tmp_path, f"sampling.given_frames={given}")
    _, codes = inputs_of_codes(run, CODES_STAGE)
    start = _beginnings(SAMPLES_STAGE.inputs(run), given // 4, 4, range(-3, 12) if not given else range(17))
    assert isinstance(start.condition, Moving)
    heard_of = start.condition.codes
    assert heard_of.shape[:2] == (8, 17 if given else 15)
    if given:
        starts = zip(codes.held_out_videos.tolist(), codes.held_out_starts.tolist(), strict=True)
        assert torch.equal(heard_of[:, 0], codes.held_out_condition)
        assert torch.equal(heard_of[:, 9], heard(run, "test", [Window(*place) for place in starts], 9))
        return
    first = [[video for video, label in enumerate(run.test.labels) if label == of] for of in start.labels.tolist()]
    assert all(len(videos) == 1 for videos in first)
    # As much of what is heard before the first frame that is shown is inside the video as it has room for.
    room = run.test.lengths[0] - run.config.sampled_frames
    assert start.sounds is not None and start.sounds[:, 1].tolist() == [min(12, room)] * 8 and room > 0
    places = [Window(videos[0], min(12, room)) for videos in first]
    for latent in (-3, 0, 5, 11):
        assert torch.equal(heard_of[:, 3 + latent], heard(run, "test", places, latent))


def test_other_sound_is_another_key_and_a_condition_that_does_not_move_leaves_no_trace(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def key(run: RunContext, stage: Stage) -> str:
        return stage_key(stage.name, stage.version, meaning(stage.inputs(run)))

    run = run_of(tmp_path)
    before = key(run, AUDIO_VQGAN_STAGE), key(run, CODES_STAGE)
    assert key(run_of(tmp_path), AUDIO_VQGAN_STAGE) == before[0]
    assert key(run_of(tmp_path, "seed=1"), AUDIO_VQGAN_STAGE) != before[0]
    assert key(run_of(tmp_path, "audio.steps=9"), AUDIO_VQGAN_STAGE) != before[0]
    assert key(run_of(tmp_path, "sampler=hierarchical"), CODES_STAGE) != before[1]  # of longer windows
    monkeypatch.setattr("tats_exp.data.shapes.SOUND_VERSION", 99)
    assert key(run_of(tmp_path), AUDIO_VQGAN_STAGE) != before[0]
    label = run_of(tmp_path, "condition=label")
    for stage, names in (
        (CODES_STAGE, ("heard", "gaps")),
        (SAMPLES_STAGE, ("moving", "moving_stages", "moving_videos")),
    ):
        assert not set(names) & set(meaning(stage.inputs(label)))


def test_its_sampler_is_called_with_a_condition_for_every_window(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[torch.Tensor] = []

    def watched(self: SlidingWindow, transformer: object, condition: Moving, length: int, *_: object, **__: object):
        seen.append(condition.codes)
        return torch.zeros(len(condition.first), length, 4, 4, dtype=torch.int64)

    run = run_of(tmp_path)
    inputs_of_codes(run, CODES_STAGE)
    size = condition_codes(run.config, "transformer", run.condition, 16)
    model = transformer_of(run.config, "transformer", size, run.condition.length)
    save_tensors(tmp_path / "transformer" / MODEL, model.state_dict())
    monkeypatch.setattr(SlidingWindow, "__call__", watched)
    (tmp_path / "samples").mkdir()
    make(run, SAMPLES_STAGE, tmp_path / "samples")
    assert seen[0].shape == (8, 12, run.condition.length)
