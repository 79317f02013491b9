import numpy as np
import pytest
from PIL import Image

from tats_exp.data.video_readers import GifReader, open_reader
from tests.data.made_videos import frames_of, write_gif


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
    restart = GifReader._restart
    monkeypatch.setattr(GifReader, "_restart", lambda self: (starts.append(1), restart(self))[1])
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
