import av
import numpy as np
import pytest

from tats_exp.data.audio import RATE, read_audio
from tats_exp.data.decoder import read_video
from tats_exp.data.shapes import Shapes
from tats_exp.data.video_writer import Track, VideoWriter


def frames(count=20, resolution=16):
    return Shapes(1, 1, count, resolution, seed=0).split("train").read(0, 0, count)


def test_written_frames_come_back_in_their_order(tmp_path):
    levels = np.linspace(20, 235, 30).astype(np.uint8)
    video = np.broadcast_to(levels[:, None, None, None], (30, 32, 32, 3))
    with VideoWriter(tmp_path / "levels.mp4", fps=8) as writer:
        for start in range(0, 30, 7):
            writer.write(video[start : start + 7])
    back = read_video(tmp_path / "levels.mp4")
    assert back.shape == video.shape
    assert np.abs(back.mean(axis=(1, 2, 3)) - levels).max() < 3


def test_scale_repeats_pixels_and_odd_sizes_become_even(tmp_path):
    video = frames(4, resolution=15)
    with VideoWriter(tmp_path / "odd.mp4", fps=8, scale=3) as writer:
        writer.write(video)
    back = read_video(tmp_path / "odd.mp4")
    assert back.shape == (4, 46, 46, 3)
    assert np.abs(back[:, 1:45:3, 1:45:3].astype(int) - video).mean() < 6


def test_browsers_can_play_it(tmp_path):
    with VideoWriter(tmp_path / "a.mp4", fps=12.5) as writer:
        writer.write(frames())
    with av.open(str(tmp_path / "a.mp4")) as container:
        stream = container.streams.video[0]
        assert stream.codec_context.name == "h264"
        assert stream.codec_context.pix_fmt == "yuv420p"
        assert float(stream.average_rate) == 12.5
    data = (tmp_path / "a.mp4").read_bytes()
    assert data.index(b"moov") < data.index(b"mdat"), "the index must come first"


def test_the_file_has_its_name_only_when_it_is_whole(tmp_path):
    path = tmp_path / "deep" / "a.mp4"
    with VideoWriter(path, fps=8) as writer:
        writer.write(frames())
        assert not path.exists()
    assert [entry.name for entry in path.parent.iterdir()] == ["a.mp4"]


def test_an_error_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "a.mp4"
    path.write_bytes(b"old")
    with pytest.raises(RuntimeError, match="sampling failed"), VideoWriter(path, fps=8) as writer:
        writer.write(frames())
        raise RuntimeError("sampling failed")
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_video_without_frames_is_refused(tmp_path):
    with pytest.raises(ValueError, match="at least one frame"), VideoWriter(tmp_path / "a.mp4", fps=8):
        pass
    assert list(tmp_path.iterdir()) == []


def test_a_change_of_size_or_a_wrong_type_is_refused(tmp_path):
    with pytest.raises(ValueError, match="must stay"), VideoWriter(tmp_path / "a.mp4", fps=8) as writer:
        writer.write(frames(2, 16))
        writer.write(frames(2, 18))
    with pytest.raises(ValueError, match="positive"):
        VideoWriter(tmp_path / "a.mp4", fps=8, scale=0)


@pytest.mark.parametrize("content", [None, b"", b"this is no video\n" * 50])
def test_what_is_no_video_is_one_line(tmp_path, content):
    path = tmp_path / "a.mp4"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ValueError, match=r"a\.mp4") as caught:
        read_video(path)
    assert "\n" not in str(caught.value)


def test_its_sound_lies_under_the_frames_that_it_belongs_to(tmp_path):
    times = np.arange(4 * RATE) / RATE
    sound = (0.3 * np.sin(2 * np.pi * 330 * times) * np.exp(-(times % 0.61) / 0.1)).astype(np.float32)
    track = Track(lambda first, count: sound[first * 1000 : (first + count) * 1000], 16.0)
    video = frames(64)
    with VideoWriter(tmp_path / "heard.mp4", 16, track=track) as writer:
        for start in range(0, 64, 7):
            writer.write(video[start : start + 7])
    back = read_audio(tmp_path / "heard.mp4", 0.0, 4.0)
    assert np.corrcoef(back, sound)[0, 1] > 0.99  # 0.9 where it is a sample late
    assert len(read_video(tmp_path / "heard.mp4")) == 64
