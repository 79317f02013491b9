"""The frames of the picture are those that its readers count with."""

import pytest

from tats_exp.run_folder.pictures import shown_frames


@pytest.mark.parametrize(
    ("count", "frames"),
    [(256, [0, 15, 31, 63, 127, 255]), (255, [0, 15, 31, 63, 127]), (16, [0, 15]), (15, [0]), (1, [0]), (0, [])],
)
def test_frames_double_as_far_as_the_video_goes(count, frames):
    assert shown_frames(count) == frames
