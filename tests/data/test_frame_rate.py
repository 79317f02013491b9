"""Frame rates of data sets, on the clock of clip frames."""

from pathlib import Path

import numpy as np
import pytest

from tats_exp.data.frame_folders import FrameFolders
from tats_exp.data.joined import JoinedVideos
from tats_exp.data.mirrored import MirroredVideos
from tats_exp.data.shapes import Shapes
from tats_exp.data.video_files import VideoFiles
from tats_exp.data.video_writer import VideoWriter
from tests.data.made_videos import write_images


def test_the_world_and_what_wraps_it() -> None:
    videos = Shapes(2, 1, 8, 16, 0).split("train")
    assert (
        videos.frame_rate() == MirroredVideos(videos).frame_rate() == JoinedVideos([videos, videos]).frame_rate() == 16
    )


@pytest.mark.parametrize("rate", [8, 25])
def test_files_tell_theirs(tmp_path: Path, rate: int) -> None:
    for split in ("train", "test"):
        with VideoWriter(tmp_path / split / "a" / "a.mp4", rate) as writer:
            writer.write(np.zeros((12, 16, 16, 3), np.uint8))
    videos = VideoFiles(tmp_path, 16, frame_stride=2).split("train")
    assert videos.frame_rate() == pytest.approx(rate / 2, rel=1e-3)


def test_folders_of_frames_are_told_theirs(tmp_path: Path) -> None:
    for split in ("train", "test"):
        write_images(tmp_path / split / "a" / "a", np.zeros((8, 16, 16, 3), np.uint8))
    assert FrameFolders(tmp_path, 16).split("train").frame_rate() is None
    assert FrameFolders(tmp_path, 16, frame_stride=2, fps=24.0).split("train").frame_rate() == 12
