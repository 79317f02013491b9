import itertools
import pickle

import numpy as np
import pytest
from PIL import Image

from tats_exp.data.video_readers import GifReader, images_in, load_image, open_reader
from tests.data.made_videos import frames_of, write_array, write_gif, write_images


def whole(path, index=0):
    reader = open_reader(path, index)
    return reader.read(range(reader.length))


def test_frames_stand_in_the_order_of_their_numbers(tmp_path):
    names = ["frame_10.png", "frame_2.png", "frame_1b.png", "frame_1.png", ".frame_0.png", "notes.txt"]
    for name in names:
        (tmp_path / name).write_bytes(b"")
    assert [path.name for path in images_in(tmp_path)] == [
        "frame_1.png",
        "frame_1b.png",
        "frame_2.png",
        "frame_10.png",
    ]


def test_images_that_cannot_be_one_video_are_refused(tmp_path):
    write_images(tmp_path, frames_of(3))
    Image.new("RGB", (34, 20)).save(tmp_path / "cover.jpg")
    with pytest.raises(ValueError, match=r"images of several formats \(\.jpg \.png\)"):
        open_reader(tmp_path)
    (tmp_path / "cover.jpg").unlink()
    Image.new("RGB", (20, 34)).save(tmp_path / "frame_1.png")
    with pytest.raises(ValueError, match=r"frame_1\.png: is 34x20, the first frame is 20x34"):
        whole(tmp_path)


def test_grey_images_become_colour_and_deep_ones_are_refused(tmp_path):
    levels = np.arange(0, 240, 10, dtype=np.uint8).reshape(4, 6)
    Image.fromarray(levels).save(tmp_path / "grey.png")
    assert np.array_equal(load_image(tmp_path / "grey.png"), levels[..., None].repeat(3, axis=2))
    Image.fromarray(levels).save(tmp_path / "other.tiff")
    (tmp_path / "other.tiff").rename(tmp_path / "other.png")
    with pytest.raises(ValueError, match=r"other\.png: cannot be read as an image"):
        load_image(tmp_path / "other.png")
    Image.fromarray(levels.astype(np.uint16) * 257).save(tmp_path / "deep.png")
    with pytest.raises(ValueError, match=r"deep\.png: more than 8 bits"):
        load_image(tmp_path / "deep.png")


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


@pytest.mark.parametrize("suffix", [".npy", ".npz"])
@pytest.mark.parametrize("dtype", [np.uint8, np.float16, np.float32, ">f8"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_arrays_hold_one_video_or_several(tmp_path, suffix, dtype, order):
    videos = np.stack([frames_of(5, seed=seed) for seed in range(3)])
    stored = np.asarray(videos if dtype == np.uint8 else videos / 255, dtype=dtype, order=order)
    write_array(tmp_path / f"all{suffix}", stored)
    write_array(tmp_path / f"one{suffix}", stored[1])
    for index in range(3):
        assert np.array_equal(whole(tmp_path / f"all{suffix}", index), videos[index])
    assert np.array_equal(whole(tmp_path / f"one{suffix}"), videos[1])
    with pytest.raises(ValueError, match="has 3 videos, number 3"):
        open_reader(tmp_path / f"all{suffix}", 3)


def test_a_single_channel_is_repeated(tmp_path):
    video = frames_of(4)[..., :1]
    write_array(tmp_path / "a.npy", video)
    assert np.array_equal(whole(tmp_path / "a.npy"), video.repeat(3, axis=-1))


def test_floats_may_leave_their_range_by_rounding_only(tmp_path):
    video = np.ones((2, 4, 4, 3))
    write_array(tmp_path / "a.npy", video * (1 + 1e-6) - np.arange(2)[:, None, None, None])
    assert whole(tmp_path / "a.npy")[:, 0, 0, 0].tolist() == [255, 0]
    for factor in (1.001, -0.001, 255, np.nan, np.inf):
        write_array(tmp_path / "a.npy", video * factor)
        with pytest.raises(ValueError, match=r"a\.npy: values from .* to .*, floats must lie in 0 to 1"):
            whole(tmp_path / "a.npy")


@pytest.mark.parametrize(
    ("array", "why"),
    [
        (np.zeros((2, 3, 16, 16), np.uint8), r"shape \(2, 3, 16, 16\), it must be \(T, H, W, C\)"),
        (np.zeros((2, 16, 16), np.uint8), "shape"),
        (np.zeros((0, 16, 16, 3), np.uint8), "shape"),
        (np.zeros((2, 16, 16, 3), np.int64), "of int64, it must be uint8, or floats from 0 to 1"),
        (np.zeros((2, 16, 16, 3), bool), "of bool"),
    ],
)
def test_arrays_that_are_no_video_are_one_line(tmp_path, array, why):
    write_array(tmp_path / "a.npy", array)
    with pytest.raises(ValueError, match=rf"a\.npy: .*{why}") as caught:
        open_reader(tmp_path / "a.npy")
    assert "\n" not in str(caught.value)


class Bomb:
    """Leaves a file behind when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (str(self.path), "w")


def test_nothing_is_unpickled(tmp_path):
    array = np.full((2, 4, 4, 3), None, dtype=object)
    array[0, 0, 0, 0] = Bomb(tmp_path / "exploded")
    np.save(tmp_path / "a.npy", array, allow_pickle=True)
    np.savez(tmp_path / "a.npz", array)
    (tmp_path / "b.npy").write_bytes(pickle.dumps(Bomb(tmp_path / "exploded")))
    for name in ("a.npy", "a.npz", "b.npy"):
        with pytest.raises(ValueError, match=rf"{name}: cannot be read as an array"):
            whole(tmp_path / name)
    assert not (tmp_path / "exploded").exists()


def test_archives_that_cannot_be_mapped_are_refused(tmp_path):
    video = frames_of(4)
    np.savez_compressed(tmp_path / "a.npz", video)
    with pytest.raises(ValueError, match=r"a\.npz: .*compressed: write it with np\.save or np\.savez"):
        open_reader(tmp_path / "a.npz")
    np.savez(tmp_path / "b.npz", video, video)
    with pytest.raises(ValueError, match=r"b\.npz: .*2 arrays of 4 or 5 axes, there must be one"):
        open_reader(tmp_path / "b.npz")


@pytest.mark.parametrize("name", ["video{v}_frame{t:02}", "{v}-{t}", "clip{v}_f{t}_of_16"])
def test_frames_of_several_videos_are_no_video(tmp_path, name):
    for video, frame in itertools.product(range(2), range(3)):
        (tmp_path / f"{name.format(v=video, t=frame)}.png").write_bytes(b"")
    with pytest.raises(ValueError, match="give each video a folder of its own"):
        images_in(tmp_path)


def test_a_second_number_that_grows_with_the_frame_is_no_second_video(tmp_path):
    for frame in (0, 1, 2, 10):
        (tmp_path / f"t{frame}_ms{40 * frame}_of_16.png").write_bytes(b"")
    assert [image.name.split("_")[0] for image in images_in(tmp_path)] == ["t0", "t1", "t2", "t10"]


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
