from pathlib import Path

import numpy as np
import pytest

from tats_exp import UserError
from tats_exp.data.clips import Clips
from tats_exp.data.frame_folders import FrameFolders
from tests.data.made_videos import write_images
from tests.data.miniatures import video, write_mp4


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for number, place in enumerate(("train/cats/x", "train/cats/deep/y", "train/dogs/z", "test/dogs/w")):
        write_images(tmp_path / place, video(number, 12 + number))
    return tmp_path


def test_the_first_folder_is_the_class_and_every_folder_of_images_a_video(root: Path) -> None:
    source = FrameFolders(root, resolution=16)
    train, test = source.split("train"), source.split("test")
    assert train.names == ["train/cats/deep/y", "train/cats/x", "train/dogs/z"] and train.labels == [0, 0, 1]
    assert train.lengths == [13, 12, 14] and test.labels == [1]
    assert np.array_equal(train.read(1, 2, 5), video(0, 12)[2:7])


def test_without_classes_all_are_of_one(root: Path) -> None:
    videos = FrameFolders(root, resolution=16, classes=False).split("train")
    assert videos.label_names == ["all"] and videos.labels == [0, 0, 0]


def test_videos_where_classes_should_be_are_told(root: Path) -> None:
    write_images(root / "train" / "flat", video(5, 12))
    with pytest.raises(UserError, match=r"train/flat holds images, .* data\.classes=false"):
        FrameFolders(root, resolution=16).split("train")


def test_files_are_left_out_and_counted(root: Path) -> None:
    write_mp4(root / "train" / "cats" / "film.mp4", 9, 20)
    source = FrameFolders(root, resolution=16)
    source.split("train")
    assert source.left_out("train") == ["train: 1 video files, which are no folders of frames"]


@pytest.mark.parametrize(("stride", "clips"), [(1, [9, 10, 11]), (3, [3, 4, 5])])
def test_a_stride_multiplies_the_span_of_a_clip(root: Path, stride: int, clips: list[int]) -> None:
    videos = FrameFolders(root, resolution=16, frame_stride=stride).split("train")
    found = Clips(videos, frames=4)
    assert len(found) == sum(clips)
    last = found.window(len(found) - 1)
    assert last.start + 3 * stride == videos.lengths[last.video] - 1
