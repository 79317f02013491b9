"""Unusual and broken files: each gives its frames, the right ones in their order, or is left out by one line."""

import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tats_exp import UserError
from tats_exp.data.judging import judge_all
from tats_exp.data.resizing import crop_and_resize
from tats_exp.data.video_files import VideoFiles
from tats_exp.data.video_folder import VideoFolder
from tats_exp.data.video_readers import open_reader
from tests.data.made_videos import (
    frames_of,
    from_the_start,
    write_array,
    write_at_times,
    write_gif,
    write_images,
    write_sound,
    write_video,
)

LENGTH = 12
HEVC = {"x265-params": "log-level=none:pools=none:frame-threads=1"}
ENCODED = {
    "10_bit_h264.mp4": ("libx264", "yuv420p10le", (48, 64), {}),
    "10_bit_hevc.mkv": ("libx265", "yuv420p10le", (48, 64), HEVC),
    "10_bit_prores.mov": ("prores_ks", "yuv422p10le", (48, 64), {}),
    "10_bit_grey.mkv": ("ffv1", "gray10le", (48, 64), {}),
    "16_bit.mkv": ("ffv1", "yuv444p16le", (48, 64), {}),
    "odd.avi": ("mpeg4", "yuv420p", (33, 35), {"bf": "2"}),
    "odd.mp4": ("libx264", "yuv444p", (33, 35), {"bf": "2"}),
    "odd.webm": ("libvpx-vp9", "yuv420p", (33, 35), {}),
    "odd_uncompressed.avi": ("rawvideo", "bgr24", (33, 35), {}),
    "a_pixel.mkv": ("ffv1", "bgr0", (1, 1), {}),
    "a_row.avi": ("mjpeg", "yuvj420p", (1, 300), {}),
    "a_column.mkv": ("mpeg4", "yuv420p", (300, 1), {}),
    "1080p.mp4": ("libx264", "yuv420p", (1080, 1920), {"preset": "ultrafast", "g": "8"}),
}
"""Name, encoder, pixel format, height and width, options of files that are read."""
WITH_ALPHA = {
    "alpha_qtrle.mov": ("qtrle", "argb"),
    "alpha_png.mov": ("png", "rgba"),
    "alpha_ffv1.mkv": ("ffv1", "bgra"),
}
LOSSY_ALPHA = {"alpha.webm": ("libvpx-vp9", "yuva420p"), "alpha_prores.mov": ("prores_ks", "yuva444p10le")}
UNEVEN = [0, 1, 2, 9, 10, 30, 31, 33, 34, 60, 61, 99]
AT_TIMES = ("uneven.avi", "uneven.mkv", "uneven.mov", "uneven.mp4")
CONTAINERS = {
    ".avi": "mpeg4",
    ".gif": None,
    ".mkv": "libx264",
    ".mov": "libx264",
    ".mp4": "libx264",
    ".webm": "libvpx-vp9",
}
ONE_FRAME = {f"one{suffix}": encoder for suffix, encoder in CONTAINERS.items() if encoder}
WRONG_SUFFIX = [f"{inside[1:]}_named{name}" for inside in CONTAINERS for name in CONTAINERS if inside != name]
NO_VIDEO = {
    "zeros.mp4": "cannot be opened as a video",
    "zeros.avi": "cannot be opened as a video",
    "picture.mp4": "cannot be opened as a video",
    "array.mkv": "cannot be opened as a video",
    "text.webm": "cannot be opened as a video",
    "sound.mp4": "holds no video",
    "sound.avi": "holds no video",
    "sound.webm": "holds no video",
    "empty.mov": "the file is empty",
    "pipe.mp4": "no such file",
    "loop.mp4": "no such file",
    "dangling.mp4": "no such file",
}
SEEN = [*ENCODED, *WITH_ALPHA, *LOSSY_ALPHA, *AT_TIMES, *ONE_FRAME]
SEEN += [name for name in WRONG_SUFFIX if not name.endswith(".gif")]

clips = pytest.mark.skipif(
    "TATS_EXP_CLIPS" not in os.environ, reason="TATS_EXP_CLIPS does not name the folder of real clips"
)
CLIPS = Path(os.environ.get("TATS_EXP_CLIPS", "no clips"))
REAL = sorted(path.relative_to(CLIPS).as_posix() for path in CLIPS.rglob("*.*") if path.suffix not in (".md", ".png"))


def frames_and_alpha():
    alpha = np.random.default_rng(0).integers(0, 256, (LENGTH, 48, 64, 1), dtype=np.uint8)
    return np.concatenate([frames_of(LENGTH, 48, 64), alpha], axis=-1)


def write_all(folder):
    """Write every file that has a name above."""
    folder.mkdir(parents=True)
    for name, (encoder, pixels, (height, width), options) in ENCODED.items():
        frames = frames_of(LENGTH, max(height, 13), max(width, 10))[:, :height, :width]
        write_video(folder / name, encoder, frames, pixels, **options)
    for name, (encoder, pixels) in {**WITH_ALPHA, **LOSSY_ALPHA}.items():
        write_video(folder / name, encoder, frames_and_alpha(), pixels)
    beside = folder.parent / "beside"
    for suffix, encoder in CONTAINERS.items():
        if encoder is None:
            write_gif(beside / "a.gif", frames_of(LENGTH))
        else:
            write_video(beside / f"a{suffix}", encoder, frames_of(LENGTH), bf="0")
    for name in AT_TIMES:
        write_at_times(folder / name, beside / ("a.avi" if name.endswith(".avi") else "a.mp4"), UNEVEN)
    for name, encoder in ONE_FRAME.items():
        write_video(folder / name, encoder, frames_of(1))
    for name in WRONG_SUFFIX:
        shutil.copy(beside / f"a.{name.partition('_')[0]}", folder / name)
    for name in ("zeros.mp4", "zeros.avi"):
        (folder / name).write_bytes(bytes(5000))
    Image.fromarray(frames_of(1)[0]).save(folder / "picture.mp4", "png")
    write_array(beside / "a.npy", frames_of(LENGTH))
    shutil.copy(beside / "a.npy", folder / "array.mkv")
    (folder / "text.webm").write_text("this is a text\n" * 100)
    for name, codec in (("sound.mp4", "aac"), ("sound.avi", "pcm_s16le"), ("sound.webm", "libopus")):
        write_sound(folder / name, codec)
    (folder / "empty.mov").touch()
    os.mkfifo(folder / "pipe.mp4")
    (folder / "loop.mp4").symlink_to("loop.mp4")
    (folder / "dangling.mp4").symlink_to("nowhere.mp4")


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    root = tmp_path_factory.mktemp("bad")
    write_all(root / "train" / "all")
    shutil.rmtree(root / "train" / "beside")
    (root / "test").symlink_to("train")
    return VideoFiles(root, 16)


@pytest.fixture(scope="module")
def videos(source):
    return source.split("train")


def windows(length):
    """Windows at the start, at the end and in between, with frames left out and without; a frame where that is all."""
    found = [range(start, min(start + 4, length)) for start in range(0, length, 3)]
    return [*found, range(0, length, 5), range(length)]


def test_everything_is_read_or_left_out_by_a_line_of_its_own(source, videos):
    assert sorted(videos.names) == sorted(f"train/all/{name}" for name in SEEN)
    lines = source.left_out("train")  # beside these, a line may count files that are no videos
    for name, why in NO_VIDEO.items():
        (line,) = (line for line in lines if f"/{name}: " in line)
        assert why in line and "\n" not in line
    assert sum(line.startswith("/") for line in lines) == len(NO_VIDEO)


@pytest.mark.parametrize("name", SEEN)
def test_frames_are_those_from_the_start(source, videos, monkeypatch, name):
    path, video = source.root / "train" / "all" / name, videos.names.index(f"train/all/{name}")
    truth, kept = from_the_start(path), open_reader(path)
    assert kept.length == videos.lengths[video] == len(truth)
    monkeypatch.setattr(videos, "keeps", False)
    for window in windows(len(truth)):
        expected = truth[window.start : window.stop : window.step]
        for reader in (kept, open_reader(path)):
            assert np.array_equal(reader.read(window), expected), window
        if window.step == 1:
            read = videos.read(video, window.start, len(window))
            assert read.shape == (len(window), 16, 16, 3) and np.array_equal(read, crop_and_resize(expected, 16))


@pytest.mark.parametrize("name", WITH_ALPHA)
def test_alpha_is_dropped_and_nothing_blended(source, videos, name):
    reader = open_reader(source.root / "train" / "all" / name)
    assert np.array_equal(reader.read(range(LENGTH)), frames_of(LENGTH, 48, 64))


@pytest.mark.parametrize("name", [name for name in WRONG_SUFFIX if name.endswith(".gif")])
def test_a_video_named_as_a_gif_gives_its_frames(source, name):
    path = source.root / "train" / "all" / name
    assert np.array_equal(open_reader(path).read(range(LENGTH)), from_the_start(path))


@pytest.mark.parametrize("suffix", CONTAINERS)
def test_a_file_cut_off_gives_the_frames_that_are_left_or_is_refused(tmp_path, suffix):
    whole = tmp_path / f"whole{suffix}"
    if suffix == ".gif":
        write_gif(whole, frames_of(40))
    else:
        options = {"movflags": "faststart"} if suffix in (".mp4", ".mov") else {}
        write_video(whole, CONTAINERS[suffix], frames_of(40), g="8", **options)
    truth, content = from_the_start(whole), whole.read_bytes()
    paths = [tmp_path / f"{percent}{suffix}" for percent in range(2, 100, 7)]
    for path in paths:
        path.write_bytes(content[: len(content) * int(path.stem) // 100])
    for path, verdict in zip(paths, judge_all(paths), strict=True):
        if isinstance(verdict, str):
            assert verdict.startswith(f"{path}: ") and "\n" not in verdict
            continue
        reader = open_reader(path)
        assert 0 < reader.length <= len(truth)
        # The last one may be a piece of a frame, which the decoder fills up.
        assert np.array_equal(reader.read(range(reader.length - 1)), truth[: reader.length - 1])


@pytest.mark.parametrize("suffix", [".npy", ".npz"])
def test_arrays_of_the_other_kind_are_refused_by_name(tmp_path, suffix):
    other = {".npy": ".npz", ".npz": ".npy"}[suffix]
    write_array(tmp_path / f"a{suffix}", frames_of(4))
    (tmp_path / f"a{suffix}").rename(tmp_path / f"b{other}")
    with pytest.raises(UserError, match=rf"b\{other}: cannot be read as an array"):
        open_reader(tmp_path / f"b{other}").read(range(4))


def test_images_of_another_format_than_their_name_says_are_read(tmp_path):
    write_images(tmp_path / "a", frames_of(4))
    for path in (tmp_path / "a").iterdir():
        path.rename(path.with_suffix(".bmp"))
    assert np.array_equal(open_reader(tmp_path / "a").read(range(4)), frames_of(4))


@clips
@pytest.mark.parametrize("name", REAL)
def test_every_real_file_gives_its_frames_from_the_start_or_is_refused(name):
    path = CLIPS / name
    if name == "broken/corrupted.mp4":
        with pytest.raises(UserError, match=r"corrupted\.mp4: damaged, frame 28 cannot be decoded"):
            open_reader(path)
        return
    truth, reader = from_the_start(path), open_reader(path)
    if name == "broken/video_90.mov":
        truth = np.rot90(truth, 3, axes=(1, 2))
    assert reader.length == len(truth)
    for start in np.random.default_rng(0).integers(max(1, len(truth) - 4), size=6):
        window = range(start, min(start + 4, len(truth)))
        for which in (reader, open_reader(path)):
            assert np.array_equal(which.read(window), truth[window.start : window.stop])


def test_a_folder_holds_videos_of_every_size_at_once(source):
    videos = source.split("test")
    assert len({verdict.size for verdict in videos.verdicts}) > 5
    for video, length in enumerate(videos.lengths):
        assert videos.read(video, 0, length).shape == (length, 16, 16, 3)
    assert len(VideoFolder(source.root / "train", 16).names) == len(SEEN) + len(CONTAINERS) - 1
