"""The frames that are read are those of the window, or of another video where one is damaged."""

import pytest

from tats_exp import UserError
from tats_exp.data import window_reading
from tats_exp.data.clips import Clips
from tats_exp.data.window_reading import read_windows
from tats_exp.data.windows import Window
from tests.data.counting import Counting


def test_read_windows_counts_margins_and_shift_in_clip_frames():
    videos = Counting([100, 100], frame_stride=3)
    read = read_windows(videos, [Window(1, 30), Window(0, 12)], frames=2, before=2, after=1, shift=1)
    assert read[0, :, 0, 0, 1].tolist() == [27, 30, 33, 36, 39]
    assert read[1, :, 0, 0, 1].tolist() == [9, 12, 15, 18, 21]
    assert read[:, 0, 0, 0, 0].tolist() == [1, 0]


def test_read_windows_refuses_nothing_to_read():
    with pytest.raises(ValueError, match="windows is empty"):
        read_windows(Counting([4]), [], frames=2)


class PartlyDamaged(Counting):
    """Videos of which some cannot be read."""

    damaged = (2,)

    def read(self, video, start, frames):
        if video in self.damaged:
            raise UserError(f"video {video}: damaged")
        return super().read(video, start, frames)


def test_a_video_that_turns_out_damaged_is_said_once_and_drawn_elsewhere(caplog, monkeypatch):
    monkeypatch.setattr(window_reading, "_reported", set())
    videos = PartlyDamaged([20, 30, 20, 30, 19, 30, 20])
    for start in (3, 4, 3):
        read = read_windows(videos, [Window(2, start), Window(3, start)], 4)
        assert read[0, :, 0, 0, 0].tolist() == [6] * 4 and read[1, :, 0, 0, 0].tolist() == [3] * 4
        assert read[0, :, 0, 0, 1].tolist() == list(range(start, start + 4))
    assert [record.getMessage() for record in caplog.records] == [
        "video 2: damaged; video 6 is read in its place"  # 4 is of its class, but shorter
    ]
    assert Clips(videos, 4)[17 + 27]["video"][0, 0, 0].tolist() == [6, 0, 0]


def test_where_there_is_no_other_video_to_read_the_damaged_one_ends_it(monkeypatch):
    monkeypatch.setattr(PartlyDamaged, "damaged", (2, 4))
    with pytest.raises(UserError, match="video 2: damaged"):
        read_windows(PartlyDamaged([9, 20, 20, 20, 20]), [Window(2, 0)], 4)


def test_frames_outside_of_a_video_are_no_damage():
    with pytest.raises(ValueError, match="video 0: frames") as caught:
        read_windows(Counting([9, 9, 20]), [Window(0, 7)], 4)
    assert not isinstance(caught.value, UserError)
