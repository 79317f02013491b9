from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tats_exp.data.gif_reader import GifReader, shown_as
from tats_exp.data.limits import Limits
from tats_exp.data.video_decoding import VideoFileReader
from tats_exp.data.video_readers import open_reader
from tests.data.made_videos import frames_of, write_gif, write_lossless


def whole(path, index=0):
    reader = open_reader(path, index)
    return reader.read(range(reader.length))


def test_frames_that_a_gif_dropped_because_nothing_moved_are_there(tmp_path):
    video = frames_of(12)[[0, 0, 1, 2, 2, 2, 3, 4, 4]]
    for delays in (40, [30, 30, 40, 30, 30, 40, 30, 30, 40]):
        write_gif(tmp_path / "a.gif", video, delays)
        with Image.open(tmp_path / "a.gif") as image:
            assert image.n_frames == 5, "the writer no longer drops frames: this test shows nothing"
        assert np.array_equal(whole(tmp_path / "a.gif"), video)


def test_partial_and_transparent_frames_of_a_gif_are_composed(tmp_path):
    video = frames_of(6)
    video[1:, :, 17:] = video[0, :, 17:]
    images = [Image.fromarray(frame).quantize(64) for frame in video]
    images[0].save(tmp_path / "a.gif", save_all=True, append_images=images[1:], duration=40, optimize=True)
    with Image.open(tmp_path / "a.gif") as image:
        tiles = []
        for frame in range(image.n_frames):
            image.seek(frame)
            tiles.append(image.tile[0][1])
    assert any(tile[2] - tile[0] < 34 for tile in tiles), "no frame is partial: this test shows nothing"
    assert np.array_equal(whole(tmp_path / "a.gif"), video)


def test_a_gif_is_decoded_once_when_it_is_read_forwards(tmp_path, monkeypatch):
    starts = []
    restart = VideoFileReader._restart
    monkeypatch.setattr(VideoFileReader, "_restart", lambda self: (starts.append(1), restart(self))[1])
    video = frames_of(30)
    write_gif(tmp_path / "a.gif", video)
    reader = open_reader(tmp_path / "a.gif")
    for start in range(0, 28, 4):
        assert np.array_equal(reader.read(range(start, start + 4)), video[start : start + 4])
    assert len(starts) == 1
    assert np.array_equal(reader.read(range(3, 12, 2)), video[3:12:2])
    assert len(starts) == 2


@pytest.mark.parametrize("delays", [[20, 30], [10, 20, 20], [30, 40, 30]])  # 40, 60 and 30 frames a second
def test_a_gif_whose_delays_were_rounded_has_no_frame_twice(tmp_path, delays):
    video = frames_of(12)
    write_gif(tmp_path / "a.gif", video, delays * (12 // len(delays)))
    assert np.array_equal(whole(tmp_path / "a.gif"), video)


def test_a_gif_that_stands_at_its_end_says_so(tmp_path):
    write_gif(tmp_path / "even.gif", frames_of(5))
    write_gif(tmp_path / "pause.gif", frames_of(5), [40, 40, 40, 40, 800])
    write_gif(tmp_path / "stutter.gif", frames_of(5), [40, 120, 40, 40, 120])
    found = {path.stem: GifReader(path) for path in tmp_path.glob("*.gif")}
    assert {name: reader.pause for name, reader in found.items()} == {"even": 1, "pause": 20, "stutter": 1}
    assert found["pause"].length == 24


@pytest.mark.parametrize(
    ("delays", "frames"),
    [
        ([2, *[10] * 31], [1] * 32),  # one short delay among long ones says nothing of the others
        ([10, 10, 2, 10, 20, 10], [1, 1, 1, 1, 2, 1]),
        ([2, 3, 2, 3, 5, 3], [1, 1, 1, 1, 2, 1]),
        ([1, 2, 2, 1, 2, 2, 3], [1, 1, 1, 1, 1, 1, 2]),
        ([7], [1]),
        ([4, 8, 12], [1, 2, 3]),
    ],
)
def test_pictures_count_by_the_delay_that_most_of_them_have(delays, frames):
    assert shown_as(np.array(delays)).tolist() == frames


def test_a_gif_with_more_frames_than_pictures_says_so(tmp_path, caplog):
    write_gif(tmp_path / "even.gif", frames_of(5))
    write_gif(tmp_path / "odd.gif", frames_of(5), [40, 120, 40, 40, 40])
    assert open_reader(tmp_path / "even.gif").length == 5 and not caplog.records
    assert open_reader(tmp_path / "odd.gif").length == 7
    assert "odd.gif: its 5 pictures count as 7 frames" in caplog.text


def test_a_gif_whose_delays_claim_a_long_video_takes_no_memory_for_it(tmp_path):
    write_gif(tmp_path / "a.gif", frames_of(40), [20] * 20 + [655350] * 20)
    with pytest.raises(ValueError, match=r"a\.gif: 65.* frames or more; allowed: limits\.frames=600000, which can be"):
        open_reader(tmp_path / "a.gif", limits=Limits(frames=600000))


@pytest.mark.parametrize("text", ["ffconcat version 1.0\nfile other.mp4\n", "#EXTM3U\n#EXTINF:1,\nother.mp4\n"])
@pytest.mark.parametrize("suffix", [".gif", ".mp4", ".avi"])
def test_a_playlist_opens_no_other_file(tmp_path, text, suffix):
    write_lossless(tmp_path / "other.mp4", frames_of(20))
    (tmp_path / f"list{suffix}").write_text(text)
    with pytest.raises(ValueError, match=rf"list\{suffix}: cannot be opened as a video"):
        open_reader(tmp_path / f"list{suffix}")


def test_a_name_is_no_address(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_lossless(tmp_path / "a.mp4", frames_of(4))
    for name in ("concat:a.mp4", "http:a.mp4", "b=c,d (e) ~ 100%.mp4", "caf\udce9.mp4"):
        (tmp_path / "a.mp4").rename(tmp_path / name)
        assert np.array_equal(whole(Path(name)), frames_of(4))
        (tmp_path / name).rename(tmp_path / "a.mp4")
