"""Folders in which something is amiss: each broken file is one line, and what is left is read."""

import logging
import os
import shutil
import unicodedata
from pathlib import Path

import numpy as np
import pytest

from broken_files import open_folder, write_folder
from tats_exp import UserError
from tats_exp.data import judging
from tats_exp.data.__main__ import main
from tats_exp.data.resizing import crop_and_resize
from tats_exp.data.video_files import VideoFiles
from tats_exp.data.video_folder import VideoFolder, find
from tats_exp.data.window_reading import read_windows
from tats_exp.data.windows import Window
from tests.data.made_videos import frames_of, from_the_start, write_images, write_video


@pytest.fixture
def root(tmp_path):
    """Two videos of one class, and one of another."""
    for split in ("train", "test"):
        for seed, name in enumerate(("cats/a.mp4", "cats/b.mp4", "dogs/c.mp4")):
            write_video(tmp_path / "root" / split / name, "libx264", frames_of(20, seed=seed))
    return tmp_path / "root"


def test_a_few_broken_among_hundreds_are_left_out_and_no_other(tmp_path):
    broken = write_folder(tmp_path, files=300, broken=0.01)
    assert len(broken) == 3
    assert open_folder(tmp_path, broken).wrong == []


@pytest.mark.parametrize("when", ["before it is judged", "while it is judged"])
def test_a_file_that_disappears_is_left_out_by_a_line(root, monkeypatch, when):
    path = root / "train" / "cats" / "a.mp4"
    judge_all = judging.judge_side_by_side

    def vanishing(paths, limits):
        if when == "before it is judged":
            path.unlink()
        records = list(judge_all(paths, limits))
        path.unlink(missing_ok=True)
        return records

    monkeypatch.setattr(judging, "judge_side_by_side", vanishing)
    source = VideoFiles(root, 16)
    assert source.split("train").names == ["train/cats/b.mp4", "train/dogs/c.mp4"]
    (line,) = (line for line in source.left_out("train") if "a.mp4" in line)
    assert line in (f"{path}: no such file", f"{path}: changed while it was read")


def test_where_a_file_disappears_later_another_of_its_class_is_read(root, monkeypatch, caplog):
    videos = VideoFiles(root, 16).split("train")
    monkeypatch.setattr(videos, "keeps", False)
    (root / "train" / "cats" / "a.mp4").unlink()
    read = read_windows(videos, [Window(0, 3), Window(0, 9)], 8)
    truth = crop_and_resize(from_the_start(root / "train" / "cats" / "b.mp4"), 16)
    assert np.array_equal(read.numpy(), np.stack([truth[3:11], truth[9:17]]))
    assert caplog.text.count("a.mp4: no such file; train/cats/b.mp4 is read in its place") == 1
    (root / "train" / "dogs" / "c.mp4").unlink()
    with pytest.raises(UserError, match=r"c\.mp4: no such file$"):
        read_windows(videos, [Window(2, 0)], 8)


def test_a_folder_in_the_place_of_a_file_is_one_line(root):
    videos = VideoFiles(root, 16).split("train")
    (root / "train" / "cats" / "a.mp4").unlink()
    (root / "train" / "cats" / "a.mp4").mkdir()
    with pytest.raises(UserError, match=r"a\.mp4: holds no image"):
        videos.read(0, 0, 4)
    assert VideoFiles(root, 16).split("train").names == ["train/cats/b.mp4", "train/dogs/c.mp4"]


def test_what_a_mac_leaves_beside_files_is_passed_over(root, caplog):
    double = b"\0\5\x16\7\0\2\0\0Mac OS X        " + bytes(100)
    before = VideoFiles(root, 16).split("train")
    write_images(root / "train" / "frames" / "x", frames_of(4))
    for name in ("cats/._a.mp4", "dogs/._c.mp4", "frames/x/._frame_0.png", "._cats", ".DS_Store", "cats/.DS_Store"):
        (root / "train" / name).write_bytes(double)
    source = VideoFiles(root, 16)
    assert source.split("train").names == before.names
    files = VideoFolder(root / "train", 16)
    assert files.names == ["cats/a.mp4", "cats/b.mp4", "dogs/c.mp4", "frames/x"] and files.lengths[3] == 4
    assert "._" not in caplog.text and not any("._" in line for line in source.left_out("train"))


def test_links_that_lead_round_end(root):
    train = root / "train"
    (train / "cats" / "a_link.mp4").symlink_to("a.mp4")
    (train / "cats" / "loop.mp4").symlink_to("loop.mp4")
    (train / "cats" / "to").symlink_to("fro")
    (train / "cats" / "fro").symlink_to("to")
    (train / "cats" / "up").symlink_to(root)
    (train / "dogs" / "to_cats").symlink_to("../cats")
    (train / "cats" / "to_dogs").symlink_to("../dogs")
    (train / "round").symlink_to("round")
    source = VideoFiles(root, 16)
    videos = source.split("train")
    assert videos.names == [f"train/{name}.mp4" for name in ("cats/a", "cats/a_link", "cats/b", "dogs/c")]
    assert [line for line in source.left_out("train") if "mp4" in line] == [f"{train}/cats/loop.mp4: no such file"]
    names = [path.relative_to(train).as_posix() for path in find(train)[0]]
    inside = [f"cats/{name}.mp4" for name in ("a", "a_link", "b", "loop")]
    assert names == [*inside, "cats/to_dogs/c.mp4", "dogs/c.mp4", *(f"dogs/to_{name}" for name in inside)]


def test_folders_that_lead_to_each_other_are_gone_through_in_no_time(tmp_path):
    """Followed to the end, links of two folders to each other are 2^40 ways."""
    for here, there in (("a", "b"), ("b", "a")):
        (tmp_path / here).mkdir()
        for number in range(2):
            (tmp_path / here / f"to_{there}_{number}").symlink_to(f"../{there}")
    write_video(tmp_path / "a" / "a.mp4", "libx264", frames_of(4))
    found, closed, _ = find(tmp_path)
    assert [path.relative_to(tmp_path).as_posix() for path in found] == ["a/a.mp4", "b/to_a_0/a.mp4", "b/to_a_1/a.mp4"]
    assert not closed
    assert VideoFolder(tmp_path, None).lengths == [4, 4, 4]


NAMES = [
    unicodedata.normalize("NFC", "é.mp4"),
    unicodedata.normalize("NFD", "é.mp4"),
    "日本 \U0001f3a5.mp4",
    "שלום\u202e.mp4",
    "a" * 251 + ".mp4",
    "new\nline.mp4",
    " %s {} *?[0-9] 'quoted\" $HOME `x` \\.mp4",
    os.fsdecode(b"caf\xe9.mp4"),
]


def test_names_of_every_kind_are_read_and_told_in_lines_that_any_terminal_takes(root, tmp_path, capfd, caplog):
    folder, content = root / "train" / os.fsdecode(b"d\xe9"), (root / "train" / "cats" / "a.mp4").read_bytes()
    folder.mkdir()
    for number, name in enumerate(NAMES):
        (folder / name).write_bytes(content)
        (folder / f"{number} broken {name[:200].removesuffix('.mp4')}.mp4").write_bytes(b"no video")
    for name in (b"b\xfcrds", b"two\nlines"):
        shutil.copytree(root / "test" / "dogs", root / "test" / os.fsdecode(name))
    source = VideoFiles(root, 16)
    videos = source.split("train")
    assert {Path(name).name for name in videos.names} >= set(NAMES)
    for video, name in enumerate(videos.names):
        if Path(name).name in NAMES:
            assert np.array_equal(videos.read(video, 0, 20), videos.read(0, 0, 20))
    lines = [line for line in source.left_out("train") if " broken " in line]
    assert len(lines) == len(NAMES)
    source.split("test")
    for line in [*source.left_out("train"), *source.left_out("test"), *(r.getMessage() for r in caplog.records)]:
        assert line.encode() and len(line.splitlines()) == 1
    logging.getLogger().handlers.clear()
    out = tmp_path / "sheet.png"
    assert main(["inspect", "data=video_files", f"data.root={root}", "resolution=16", f"out={out}"]) == 0
    told = capfd.readouterr().out
    assert r"b\xfcrds" in told and told.encode()
    assert all(line.startswith((" ", "train: ", "test: ", "in both", "contact sheet: ")) for line in told.splitlines())
