"""`python -m tats_exp.data inspect`: counts, what is left out, what both splits hold, the contact sheet."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tats_exp.data.__main__ import main
from tats_exp.data.contact_sheet import COLUMNS, GAP, LEAST, NAME_WIDTH, spread
from tats_exp.data.inspection import Counts, inspect
from tats_exp.data.shapes import Shapes
from tats_exp.data.video_files import VideoFiles
from tats_exp.data.video_writer import VideoWriter


def write(path: Path, frames: int, video: int) -> None:
    world = Shapes(video + 1, 1, 64, 32, seed=0).split("train")
    with VideoWriter(path, fps=8) as writer:
        writer.write(world.read(video, 0, frames))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Two classes, one of them with a broken file; test has a copy of a training video and a class of its own."""
    write(tmp_path / "train" / "cats" / "a.mp4", 40, 0)
    write(tmp_path / "train" / "cats" / "short.mp4", 10, 1)
    write(tmp_path / "train" / "dogs" / "b.mp4", 30, 2)
    (tmp_path / "train" / "dogs" / "broken.mp4").write_bytes(b"no video")
    write(tmp_path / "test" / "cats" / "c.mp4", 20, 3)
    write(tmp_path / "test" / "birds" / "d.mp4", 20, 4)
    (tmp_path / "test" / "dogs").mkdir()
    (tmp_path / "train" / "cats" / "moving.gif").write_bytes(b"")
    (tmp_path / "train" / "lost.mp4").write_bytes(b"")
    shutil.copy(tmp_path / "train" / "dogs" / "b.mp4", tmp_path / "test" / "dogs" / "same.mp4")
    return tmp_path


def test_counts_are_those_of_clips_with_their_margins_at_the_stride(root: Path) -> None:
    source = VideoFiles(root, resolution=16, frame_stride=2)
    splits = {"train": source.split("train"), "test": source.split("test")}
    found = inspect(splits, {name: source.left_out(name) for name in splits}, frames=8, margin=1)
    assert found.need == 19
    train = found.splits["train"]
    assert train.whole == Counts(videos=3, frames=80, clips=22 + 12, too_short=1)
    assert train.classes == {"cats": Counts(2, 50, 22, 1), "dogs": Counts(1, 30, 12, 0)}
    assert train.lengths == (10, 30, 40) and train.too_short == ["train/cats/short.mp4 (10 frames)"]
    assert found.in_both == [("train/dogs/b.mp4", "test/dogs/same.mp4")]
    broken, *others = sorted(train.left_out)
    assert "broken.mp4" in broken
    assert others == ["train/cats: 1 files of other kinds than are read", "train: 1 files outside of a class folder"]
    assert found.splits["test"].left_out == ["1 videos of class birds: there is no such class in train"]


def test_the_command_tells_all_of_it_and_leaves_a_contact_sheet(
    root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["inspect", "data=video_files", f"data.root={root}", "resolution=16", "shown=2"]) == 0
    told = capsys.readouterr().out
    for part in ("train: 3 videos", "broken.mp4", "too short: train/cats/short.mp4", "birds", "show the same"):
        assert part in told
    sheet = np.asarray(Image.open(tmp_path / "contact_sheet.png"))
    assert sheet.shape == (4 * (LEAST + GAP), NAME_WIDTH + COLUMNS * (LEAST + GAP), 3)
    first = VideoFiles(root, resolution=16).split("train").read(0, 0, 1)[0]
    shown = sheet[:LEAST, NAME_WIDTH : NAME_WIDTH + LEAST]
    assert np.array_equal(shown[::4, ::4], first)


def test_a_split_without_a_video_leaves_the_report_of_the_other(
    root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for path in (root / "test").rglob("*.mp4"):
        path.write_bytes(b"no video")
    assert main(["inspect", "data=video_files", f"data.root={root}", "resolution=16"]) == 2
    told = capsys.readouterr()
    assert (
        "train: 3 videos" in told.out and "test left out: " in told.out and (tmp_path / "contact_sheet.png").is_file()
    )
    assert "no video is left in test/" in told.err.strip().splitlines()[-1]


def test_videos_on_the_sheet_are_spread_over_the_classes() -> None:
    assert spread([0, 0, 0, 1, 2, 2], 4) == [0, 3, 4, 1]
    assert spread([0], 4) == [0]


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ([], "allowed: inspect"),
        (["look"], "allowed: inspect"),
        (["inspect"], "data=<OPTION>"),
        (["inspect", "data=video_files"], "data.root"),
        (["inspect", "data=video_files", "data.root=/nowhere"], "/nowhere: no such folder"),
        (["inspect", "data=shapes", "frames=0"], "frames=0"),
        (["inspect", "data=shapes", "margins=1"], "did you mean 'margin'"),
    ],
)
def test_wrong_input_is_one_line(given: list[str], told: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(given) == 2
    error = capsys.readouterr().err.strip()
    assert told in error and "\n" not in error and error.startswith("tats_exp.data: ")
