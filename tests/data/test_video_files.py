import hashlib
import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from tats_exp import UserError
from tats_exp.data import file_videos
from tats_exp.data.clips import Clips
from tats_exp.data.decoder import DECODER, read_video
from tats_exp.data.resizing import CROP_AND_RESIZE, VERSION
from tats_exp.data.shapes import Shapes
from tats_exp.data.step_sampler import StepSampler
from tats_exp.data.video_files import VideoFiles
from tats_exp.data.video_writer import VideoWriter
from tests.data.made_videos import frames_of, write_images, write_video

clips_folder = pytest.mark.skipif(
    "TATS_EXP_CLIPS" not in os.environ, reason="TATS_EXP_CLIPS does not name the folder of real clips"
)


def write(path: Path, frames: int, resolution: int = 32, video: int = 0) -> None:
    world = Shapes(video + 1, 1, frames, resolution, seed=0).split("train")
    with VideoWriter(path, fps=8) as writer:
        writer.write(world.read(video, 0, frames))


@pytest.fixture
def root(tmp_path):
    write(tmp_path / "train" / "cats" / "a.mp4", 30)
    write(tmp_path / "train" / "cats" / "b.mp4", 24, video=1)
    write(tmp_path / "train" / "dogs" / "c.MP4", 40, video=2)
    write(tmp_path / "test" / "dogs" / "d.mp4", 20, video=3)
    (tmp_path / "train" / "dogs" / "notes.txt").write_text("no video, and not meant to be one")
    (tmp_path / "train" / "dogs" / ".hidden.mp4").write_text("")
    return tmp_path


def test_videos_labels_and_lengths_are_found(root):
    source = VideoFiles(root, resolution=16)
    train, test = source.split("train"), source.split("test")
    assert train.names == ["train/cats/a.mp4", "train/cats/b.mp4", "train/dogs/c.MP4"]
    assert train.labels == [0, 0, 1] and train.lengths == [30, 24, 40]
    assert test.names == ["test/dogs/d.mp4"] and test.labels == [1]
    assert train.label_names == test.label_names == ["cats", "dogs"]


@pytest.mark.parametrize("folder", ["val", "validation"])
def test_a_folder_for_validation_stands_for_one_of_tests_where_there_is_none(root, folder):
    (root / "test").rename(root / folder)
    assert VideoFiles(root, resolution=16).split("test").names == [f"{folder}/dogs/d.mp4"]
    (root / "test").mkdir()
    with pytest.raises(UserError, match="no video is left in test/"):
        VideoFiles(root, resolution=16).split("test")


def test_a_folder_without_a_test_split_is_told_what_it_may_be_called(root):
    shutil.rmtree(root / "test")
    with pytest.raises(UserError, match="has no folder test or val or validation"):
        VideoFiles(root, resolution=16)


@pytest.mark.parametrize("kept_bytes", [0, 2**30])
def test_frames_are_those_of_the_file_at_the_stride(root, monkeypatch, kept_bytes):
    monkeypatch.setattr(file_videos, "KEPT_BYTES", kept_bytes)
    videos = VideoFiles(root, resolution=32, frame_stride=3).split("train")
    assert videos.keeps == bool(kept_bytes)
    expected = read_video(root / "train" / "dogs" / "c.MP4")[5:32:3]
    for _ in range(2):
        read = videos.read(2, 5, 9)
        assert np.abs(read.astype(int) - expected).max() <= 3
        read[:] = 0


def test_a_folder_with_the_name_of_a_video_is_none(root):
    write_images(root / "train" / "cats" / "frames.mp4", frames_of(30))
    assert VideoFiles(root, resolution=16).split("train").names == [
        "train/cats/a.mp4",
        "train/cats/b.mp4",
        "train/dogs/c.MP4",
    ]


def test_frames_outside_of_a_video_are_refused(root):
    videos = VideoFiles(root, resolution=16, frame_stride=2).split("test")
    videos.read(0, 1, 10)
    for start, frames in ((2, 10), (-1, 2)):
        with pytest.raises(ValueError, match=r"d.mp4: frames .* it has 0 to 19"):
            videos.read(0, start, frames)


@pytest.fixture
def broken(root):
    folder = root / "train" / "dogs"
    (folder / "empty.mp4").write_bytes(b"")
    (folder / "text.mp4").write_text("this is a text\n" * 100)
    whole = (folder / "c.MP4").read_bytes()
    (folder / "truncated.mp4").write_bytes(whole[: len(whole) // 2])
    write(folder / "single.mp4", 1)
    return root


def test_unreadable_files_are_named_counted_and_left_out(broken, caplog):
    videos = VideoFiles(broken, resolution=16).split("train")
    lines = [record.getMessage() for record in caplog.records]
    assert all("\n" not in line for line in lines)
    readable = {"train/cats/a.mp4", "train/cats/b.mp4", "train/dogs/c.MP4", "train/dogs/single.mp4"}
    left_out = {name for name in ("empty.mp4", "text.mp4", "truncated.mp4") if f"train/dogs/{name}" not in videos.names}
    assert set(videos.names) - {"train/dogs/truncated.mp4"} == readable
    assert {"empty.mp4", "text.mp4"} <= left_out
    for name in left_out:
        assert sum(name in line for line in lines) == 1
    assert f"left out {len(left_out)} of 7 videos of train as unreadable" in lines
    assert Clips(videos, frames=16).left_out >= 1


def test_every_promised_frame_of_what_is_left_can_be_read(broken):
    videos = VideoFiles(broken, resolution=16).split("train")
    for video, length in enumerate(videos.lengths):
        assert len(videos.read(video, 0, length)) == length
        assert len(videos.read(video, length - 1, 1)) == 1


def test_no_readable_video_is_one_line(root):
    (root / "test" / "dogs" / "d.mp4").write_bytes(b"")
    with pytest.raises(ValueError, match=r"no video is left in test/.*1 unreadable") as caught:
        VideoFiles(root, resolution=16).split("test")
    assert "\n" not in str(caught.value)


def test_a_test_class_that_train_does_not_have_is_left_out(root, caplog):
    write(root / "test" / "birds" / "e.mp4", 20)
    write(root / "test" / "birds" / "f.mp4", 20)
    videos = VideoFiles(root, resolution=16).split("test")
    assert videos.names == ["test/dogs/d.mp4"]
    assert "left out 2 videos of class birds: there is no such class in train" in caplog.text


@pytest.mark.parametrize("missing", ["", "train", "test"])
def test_a_missing_folder_is_one_line(root, missing):
    shutil.rmtree(root / missing)
    with pytest.raises(ValueError, match=r"data\.root=") as caught:
        VideoFiles(root, resolution=16)
    assert "\n" not in str(caught.value) and missing in str(caught.value)


@pytest.mark.parametrize("wrong", ["resolution", "frame_stride"])
def test_impossible_numbers_are_refused_by_name(root, wrong):
    with pytest.raises(ValueError, match=f"data.{wrong} must be at least 1, got 0"):
        VideoFiles(**{"root": root, "resolution": 16, "frame_stride": 1, wrong: 0})


def test_a_file_that_vanishes_after_indexing_is_named(root):
    videos = VideoFiles(root, resolution=16).split("test")
    (root / "test" / "dogs" / "d.mp4").unlink()
    with pytest.raises(ValueError, match=r"d.mp4: no such file$"):
        videos.read(0, 0, 4)


def test_a_file_that_is_damaged_after_indexing_is_named(root):
    videos = VideoFiles(root, resolution=16).split("test")
    (root / "test" / "dogs" / "d.mp4").write_bytes(b"0123456789" * 40)
    with pytest.raises(ValueError, match=r"d.mp4: has changed since the folder was opened$"):
        videos.read(0, 0, 4)


def test_fingerprint_follows_files_and_treatment(root):
    def fingerprint(**changes):
        return VideoFiles(**{"root": root, "resolution": 16, **changes}).split("train").fingerprint()

    before = fingerprint()
    assert before == fingerprint()
    assert len({before, fingerprint(resolution=32), fingerprint(frame_stride=2)}) == 3
    os.utime(root / "train" / "cats" / "a.mp4", (1, 1))
    assert fingerprint() == before
    (root / "train" / "cats" / "a.mp4").rename(root / "train" / "dogs" / "a.mp4")
    assert fingerprint() != before


def test_the_codecs_of_the_files_are_told(root):
    assert VideoFiles(root, resolution=16).split("train").codec == "h264"
    write_video(root / "train" / "cats" / "d.avi", "mpeg4", read_video(root / "train" / "cats" / "a.mp4"))
    assert VideoFiles(root, resolution=16).split("train").codec == "h264+mpeg4"


def test_a_fingerprint_is_made_of_paths_sizes_contents_and_the_decoder(tmp_path):
    for split in ("train", "test"):
        write(tmp_path / split / "cats" / "a.mp4", 4)
    content = (tmp_path / "train" / "cats" / "a.mp4").read_bytes()
    file = ["train/cats/a.mp4", len(content), hashlib.sha256(content).hexdigest(), DECODER, 0]
    made_by = ["files", VERSION, 16, 1, CROP_AND_RESIZE, ["cats"], [file]]
    fingerprint = VideoFiles(tmp_path, resolution=16).split("train").fingerprint()
    assert fingerprint == hashlib.sha256(json.dumps(made_by).encode()).hexdigest()


def test_a_moved_root_keeps_its_fingerprint(root, tmp_path_factory):
    moved = tmp_path_factory.mktemp("moved") / "root"
    before = VideoFiles(root, resolution=16).split("train").fingerprint()
    shutil.copytree(root, moved)
    assert VideoFiles(moved, resolution=16).split("train").fingerprint() == before


def test_loader_workers_read_the_same_clips(root, monkeypatch):
    monkeypatch.setattr(file_videos, "KEPT_BYTES", 0)
    clips = Clips(VideoFiles(root, resolution=16).split("train"), frames=8)

    def batches(workers):
        sampler = StepSampler(len(clips), 4, seed=0, steps=3)
        return [batch["video"] for batch in DataLoader(clips, batch_sampler=sampler, num_workers=workers)]

    for alone, shared in zip(batches(0), batches(2), strict=True):
        assert torch.equal(alone, shared)


@clips_folder
def test_real_clips_are_read_at_random_as_they_are_in_sequence():
    source = VideoFiles(os.environ["TATS_EXP_CLIPS"], resolution=16)
    train = source.split("train")
    assert train.lengths == [280, 310, 164, 300]
    assert source.split("test").lengths == [57, 32]
    rng = np.random.default_rng(0)
    for video, length in enumerate(train.lengths):
        whole = train.read(video, 0, length)
        train.keeps = False
        for start in rng.integers(length - 8, size=3):
            assert np.array_equal(train.read(video, int(start), 8), whole[start : start + 8])
        train.keeps = True


@clips_folder
def test_real_broken_clips_never_stop_the_rest(tmp_path, caplog):
    for split in ("train", "test"):
        (tmp_path / split).mkdir()
        (tmp_path / split / "odd").symlink_to(Path(os.environ["TATS_EXP_CLIPS"]) / "broken")
    videos = VideoFiles(tmp_path, resolution=16).split("train")
    assert videos.names == [f"train/odd/{name}" for name in ("unordered.mov", "video_0.mov", "video_90.mov")]
    assert "corrupted.mp4" in caplog.text
    assert all(
        videos.read(video, 0, length).shape == (length, 16, 16, 3) for video, length in enumerate(videos.lengths)
    )
    with pytest.raises(ValueError, match=r"no clip fits.*unordered.mov, has 4"):
        Clips(videos, frames=16)
