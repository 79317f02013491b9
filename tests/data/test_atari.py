from pathlib import Path

import numpy as np
import pytest

from tats_exp import UserError
from tats_exp.data import atari
from tats_exp.data.atari import Atari
from tats_exp.data.videos import Videos


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TATS_EXP_CACHE", str(tmp_path / "cache"))


def source(**changes: object) -> Atari:
    small = {"games": ["boxing", "skiing"], "train_videos": 4, "test_videos": 2, "frames": 30, "resolution": 16}
    return Atari(**{**small, **changes})


def test_a_video_is_the_same_whenever_it_is_played(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    videos = source().split("train")
    assert isinstance(videos, Videos) and videos.labels == [0, 1, 0, 1]
    first = videos.read(2, 3, 20)
    assert np.array_equal(videos.read(2, 3, 20), first)
    monkeypatch.setenv("TATS_EXP_CACHE", str(tmp_path / "other"))
    assert np.array_equal(source().split("train").read(2, 3, 20), first)
    assert (first != first[:1]).any(), "nothing moves"


def test_videos_splits_and_seeds_differ() -> None:
    played = [
        source().split("train").read(0, 0, 30),
        source().split("train").read(2, 0, 30),
        source().split("test").read(0, 0, 30),
        source(seed=1).split("train").read(0, 0, 30),
    ]
    assert len({video.tobytes() for video in played}) == 4


def test_more_videos_or_longer_ones_leave_a_video_as_it_is() -> None:
    before = source().split("train").read(1, 0, 30)
    assert np.array_equal(source(train_videos=9, frames=50).split("train").read(1, 0, 30), before)


def test_a_stride_skips_frames_and_actions_go_with_them() -> None:
    plain, strided = source().split("train"), source(frame_stride=3).split("train")
    assert np.array_equal(strided.read(0, 2, 8), plain.read(0, 2, 22)[::3])
    actions = plain.actions(0, 0, 30)
    assert np.array_equal(strided.actions(0, 2, 8), actions[2:24:3]) and len({*actions.tolist()}) > 2
    with pytest.raises(ValueError, match="frames 10 to 31 asked for"):
        strided.read(0, 10, 8)
    with pytest.raises(ValueError, match="frames 10 to 31 asked for"):
        strided.actions(0, 10, 8)


def test_the_actions_are_those_that_bring_the_frames_about() -> None:
    """Played again by its actions alone, a game shows what it showed."""
    videos = source(games=["boxing"], resolution=32).split("train")
    emulator, _ = videos._game(1)
    screens = []
    for action in videos.actions(1, 0, 12).tolist():
        atari._step(emulator, action, 4)
        screens.append(emulator.getScreenRGB())
    assert np.array_equal(atari.crop_and_resize(np.stack(screens), 32, "stretch"), videos.read(1, 0, 12))


def test_a_damaged_video_in_the_cache_is_played_again(tmp_path: Path) -> None:
    before = source().split("train").read(0, 0, 30)
    (kept,) = (tmp_path / "cache").rglob("*.npy")
    kept.write_bytes(kept.read_bytes()[:100])
    assert np.array_equal(source().split("train").read(0, 0, 30), before)


def test_a_cache_that_cannot_be_written_is_done_without(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    before = source().split("train").read(0, 0, 30)
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setenv("TATS_EXP_CACHE", str(tmp_path / "file"))
    assert np.array_equal(source().split("train").read(0, 0, 30), before)
    assert "cannot be kept" in caplog.text


def test_what_changes_the_pixels_changes_the_fingerprint() -> None:
    changes = [{}, {"seed": 1}, {"frame_skip": 2}, {"games": ["skiing"]}, {"crop": "pad"}, {"frames": 31}]
    prints = {source(**change).split("train").fingerprint() for change in changes}
    assert len(prints) == len(changes) and source().split("test").fingerprint() not in prints


@pytest.mark.parametrize(
    ("change", "line"),
    [
        ({"games": ["chess"]}, "no game chess; allowed: adventure"),
        ({"games": []}, "one game or more"),
        ({"games": ["boxing", "boxing"]}, "each once"),
        ({"frames": 0}, r"data\.frames must be at least 1"),
        ({"seed": -1}, r"data\.seed must not be negative"),
    ],
)
def test_what_no_game_can_be_made_of_is_one_line(change: dict[str, object], line: str) -> None:
    with pytest.raises(UserError, match=line):
        source(**change)


def test_without_the_emulator_one_line_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "ale_py", None)
    with pytest.raises(UserError, match=r"pip install 'tats-exp\[atari\]'"):
        source()
