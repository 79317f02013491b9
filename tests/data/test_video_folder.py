import os
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tats_exp.data import judging, resizing, video_folder
from tats_exp.data.judging import judged
from tats_exp.data.resizing import CROP_AND_RESIZE, crop_and_resize
from tats_exp.data.video_files import VideoFiles
from tats_exp.data.video_folder import VideoFolder
from tats_exp.data.videos import Videos
from tats_exp.data.window_reading import read_windows
from tats_exp.data.windows import draw_windows
from tests.data.made_videos import (
    frames_of,
    write_array,
    write_gif,
    write_images,
    write_lossless,
    write_video,
)

KINDS = {
    "uint8 array": lambda path, frames: write_array(path.with_suffix(".npy"), frames),
    "float array": lambda path, frames: write_array(path.with_suffix(".npy"), (frames / 255).astype(np.float32)),
    "archive": lambda path, frames: write_array(path.with_suffix(".npz"), frames),
    "png": lambda path, frames: write_images(path, frames),
    "bmp": lambda path, frames: write_images(path, frames, ".bmp"),
    "webp": lambda path, frames: write_images(path, frames, ".webp", lossless=True),
    "gif": lambda path, frames: write_gif(path.with_suffix(".gif"), frames),
    "file": lambda path, frames: write_lossless(path.with_suffix(".mkv"), frames),
}
LENGTHS = (40, 23, 31)

clips_folder = pytest.mark.skipif(
    "TATS_EXP_CLIPS" not in os.environ, reason="TATS_EXP_CLIPS does not name the folder of real clips"
)


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """One folder of each kind, all of the same three videos."""
    root = tmp_path_factory.mktemp("kinds")
    for kind, write in KINDS.items():
        for video, length in enumerate(LENGTHS):
            write(root / kind / f"{video}", frames_of(length, seed=video))
    return root


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_frames_come_from_every_kind(folders, kind):
    videos = VideoFolder(folders / kind, None)
    assert isinstance(videos, Videos)
    assert videos.lengths == list(LENGTHS) and videos.size == (20, 34) and videos.resize == "none"
    assert not videos.unreadable and not videos.too_short
    for video, length in enumerate(LENGTHS):
        assert np.array_equal(videos.read(video, 0, length), frames_of(length, seed=video))


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    stride=st.integers(1, 3),
    resolution=st.sampled_from([None, 8]),
    keep=st.integers(1, 3),
    asked=st.lists(st.tuples(st.integers(0, 2), st.floats(0, 1), st.integers(1, 20)), min_size=1, max_size=12),
)
def test_any_frames_in_any_order_are_those_of_the_whole_video(
    folders, monkeypatch, kind, stride, resolution, keep, asked
):
    monkeypatch.setattr(video_folder, "OPEN_FILES", keep)
    videos = VideoFolder(folders / kind, resolution, stride)
    for video, place, count in asked:
        count = min(count, (LENGTHS[video] - 1) // stride + 1)
        start = round(place * (LENGTHS[video] - 1 - (count - 1) * stride))
        expected = frames_of(LENGTHS[video], seed=video)[start::stride][:count]
        read = videos.read(video, start, count)
        assert np.array_equal(read, expected if resolution is None else crop_and_resize(expected, 8))
        read[:] = 0


def test_window_after_window_of_a_batch_opens_every_video_once(folders, monkeypatch):
    opened = []
    videos = VideoFolder(folders / "file", None)
    open_reader = video_folder.open_reader
    monkeypatch.setattr(video_folder, "open_reader", lambda *where: (opened.append(where), open_reader(*where))[1])
    for start in range(0, 16, 4):
        for video in range(3):
            videos.read(video, start, 4)
    assert len(opened) == 3


def test_large_frames_keep_fewer_readers_open(folders, monkeypatch):
    monkeypatch.setattr(video_folder, "OPEN_PIXELS", 2 * 20 * 34)
    videos = VideoFolder(folders / "file", 8)
    for video in (0, 1, 2, 1):
        videos.read(video, 0, 1)
    assert list(videos._open) == [2, 1]


def test_only_a_few_frames_are_held_at_full_size(tmp_path, monkeypatch):
    write_array(tmp_path / "a.npy", frames_of(70))
    videos = VideoFolder(tmp_path, 8, frame_stride=2)
    sizes = []

    def resize(frames, resolution):
        sizes.append(len(frames))
        return crop_and_resize(frames, resolution)

    monkeypatch.setattr(video_folder, "crop_and_resize", resize)
    monkeypatch.setattr(resizing, "CHUNK_BYTES", 16 * 20 * 34 * 3)
    assert np.array_equal(videos.read(0, 1, 35), crop_and_resize(frames_of(70)[1::2], 8))
    assert max(sizes) <= 16 and sum(sizes) == 35


def test_windows_are_drawn_from_it_as_from_any_videos(folders):
    videos = VideoFolder(folders / "png", None, shortest=8)
    windows = draw_windows(videos, 9, 8, seed=0)
    read = read_windows(videos, windows, 8)
    for window, clip in zip(windows, read, strict=True):
        whole = frames_of(LENGTHS[window.video], seed=window.video)
        assert torch.equal(clip, torch.from_numpy(whole[window.start : window.start + 8]))


def test_frames_outside_of_a_video_are_refused(folders):
    videos = VideoFolder(folders / "gif", None, frame_stride=2)
    videos.read(1, 0, 12)
    for start, frames in ((1, 12), (-1, 2), (23, 1)):
        with pytest.raises(ValueError, match=r"1\.gif: frames .* it has 0 to 22"):
            videos.read(1, start, frames)


def test_everything_at_any_depth_is_found_in_order_and_nothing_hidden(tmp_path, caplog):
    video = frames_of(6)
    write_lossless(tmp_path / "b.MKV", video)
    write_lossless(tmp_path / "deep" / "er" / "a.mkv", video)
    write_images(tmp_path / "deep" / "frames", video, ".PNG")
    write_array(tmp_path / "several.npy", np.stack([video, video[::-1]]))
    write_lossless(tmp_path / ".hidden.mkv", video)
    write_images(tmp_path / ".cache" / "frames", video)
    write_images(tmp_path / "deep", video[:2])
    (tmp_path / "notes.txt").write_text("no video, and not meant to be one")
    (tmp_path / "deep" / "back").symlink_to(tmp_path)
    videos = VideoFolder(tmp_path, None)
    assert videos.names == ["b.MKV", "deep/er/a.mkv", "deep/frames", "several.npy[0]", "several.npy[1]"]
    assert videos.labels == [0] * 5 and len(videos.label_names) == 1
    assert np.array_equal(videos.read(4, 0, 6), video[::-1])
    assert "deep: 2 images beside videos or folders" in caplog.text


def test_the_folder_may_itself_be_the_frames_of_a_video(tmp_path):
    write_images(tmp_path / "sample", frames_of(5))
    videos = VideoFolder(tmp_path / "sample", None)
    assert videos.names == ["sample"] and videos.lengths == [5]


def test_other_folders_are_reached_through_links(tmp_path):
    write_images(tmp_path / "elsewhere" / "frames", frames_of(5))
    (tmp_path / "root").mkdir()
    (tmp_path / "root" / "link").symlink_to(tmp_path / "elsewhere")
    assert VideoFolder(tmp_path / "root", None).names == ["link/frames"]


def test_two_sizes_need_a_resolution(tmp_path):
    write_images(tmp_path / "a", frames_of(4))
    write_array(tmp_path / "b.npy", frames_of(4, height=16, width=16))
    with pytest.raises(ValueError, match=r"differ in size, a is 20x34, b\.npy is 16x16: resolution=N") as caught:
        VideoFolder(tmp_path, None)
    assert "\n" not in str(caught.value)
    videos = VideoFolder(tmp_path, 16)
    assert videos.size == (16, 16) and videos.resolution == 16 and videos.resize == CROP_AND_RESIZE
    assert np.array_equal(videos.read(0, 0, 4), crop_and_resize(frames_of(4), 16))
    assert np.array_equal(videos.read(1, 0, 4), frames_of(4, height=16, width=16))
    shutil.rmtree(tmp_path / "a")
    assert VideoFolder(tmp_path, 16).resize == "none"


def test_files_are_read_as_training_reads_them(tmp_path):
    for split in ("train", "test"):
        write_video(tmp_path / split / "cats" / "a.mp4", "libx264", frames_of(20))
    expected = VideoFiles(tmp_path, resolution=8, frame_stride=2).split("train")
    videos = VideoFolder(tmp_path / "train", 8, frame_stride=2)
    assert np.array_equal(videos.read(0, 1, 9), expected.read(0, 1, 9))
    assert (videos.codec, videos.resize) == (expected.codec, expected.resize)


@pytest.mark.parametrize(
    ("files", "codec"),
    [
        (["uint8 array", "png", "bmp", "archive"], "none"),
        (["webp"], "webp"),
        (["gif", "file", "png"], "gif+h264+none"),
    ],
)
def test_codecs_are_told(tmp_path, files, codec):
    for kind in files:
        KINDS[kind](tmp_path / kind, frames_of(3))
    assert VideoFolder(tmp_path, None).codec == codec


def test_lossy_images_tell_their_codec(tmp_path):
    write_images(tmp_path / "a", frames_of(3), ".jpg")
    write_images(tmp_path / "b", frames_of(3), ".jpeg")
    assert VideoFolder(tmp_path, None).codec == "jpeg"


def cut(path: Path) -> None:
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])


def unfriendly(root: Path) -> dict[str, str]:
    """Write one file of every unfriendly kind; returns their names and what must be said of them."""
    video = frames_of(12)
    for name in ("empty.mp4", "empty.npy", "empty.gif", "frames_empty/0.png"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"")
    for name in ("text.mp4", "text.gif", "text.npy", "text.npz", "frames_text/0.png"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text("this is a text\n" * 100)
    write_video(root / "truncated.mp4", "libx264", video)
    write_gif(root / "truncated.gif", video)
    write_array(root / "truncated.npy", video)
    write_array(root / "truncated.npz", video)
    for kind in (".mp4", ".gif", ".npy", ".npz"):
        cut(root / f"truncated{kind}")
    write_images(root / "frames_truncated", video)
    cut(root / "frames_truncated" / "frame_11.png")
    for name, factor in (("nan", np.nan), ("infinite", np.inf), ("centred", -1.0), ("bytes", 255.0)):
        write_array(root / f"{name}.npy", video / 255 * factor)
    np.save(root / "objects.npy", np.full((2, 4, 4, 3), None, dtype=object), allow_pickle=True)
    write_array(root / "channels_first.npy", np.moveaxis(video, -1, 1))
    (root / "dangling.mp4").symlink_to(root / "nowhere.mp4")
    why = {name: "the file is empty" for name in ("empty.mp4", "empty.npy", "empty.gif", "frames_empty/0.png")}
    why |= {"text.npy": "cannot be read as an array", "text.npz": "cannot be read as an array"}
    why |= {"text.mp4": "cannot be opened", "text.gif": "cannot be opened", "frames_text/0.png": "read as an image"}
    why |= {"truncated.mp4": "cannot be opened", "truncated.gif": "damaged", "truncated.npy": "read as an array"}
    why |= {"truncated.npz": "read as an array", "frames_truncated/frame_11.png": "read as an image"}
    why |= {f"{name}.npy": "floats must lie in 0 to 1" for name in ("nan", "infinite", "centred", "bytes")}
    return why | {"objects.npy": "Python objects", "channels_first.npy": "shape", "dangling.mp4": "no such file"}


def test_unreadable_files_are_named_counted_and_left_out(tmp_path, caplog):
    why = unfriendly(tmp_path)
    write_array(tmp_path / "good.npy", frames_of(12))
    videos = VideoFolder(tmp_path, None)
    assert videos.names == ["good.npy"]
    lines = [record.getMessage() for record in caplog.records]
    assert all("\n" not in line for line in lines)
    for name, reason in why.items():
        (line,) = (line for line in videos.unreadable if line.startswith(f"{tmp_path / name}:"))
        assert reason in line
        assert f"left out {line}" in lines
    assert len(videos.unreadable) == len(why)
    assert f"{tmp_path}: left out {len(why)} of {len(why) + 1} files as unreadable" in lines


@pytest.mark.parametrize("name", ["text.mp4", "nan.npy", "objects.npy"])
def test_no_readable_video_is_one_line_that_says_why(tmp_path, name):
    reason = unfriendly(tmp_path / "all")[name]
    (tmp_path / "one").mkdir()
    shutil.move(tmp_path / "all" / name, tmp_path / "one" / name)
    with pytest.raises(ValueError, match=rf"no video is left \(1 unreadable, first .*{name}.*{reason}") as caught:
        VideoFolder(tmp_path / "one", None)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("name", "why"), [("missing", "no such folder"), ("file.mp4", "no such folder")])
def test_what_is_no_folder_is_one_line(tmp_path, name, why):
    write_lossless(tmp_path / "file.mp4", frames_of(2))
    with pytest.raises(ValueError, match=rf"{name}: {why}$"):
        VideoFolder(tmp_path / name, None)


def test_a_folder_without_a_video_is_one_line(tmp_path):
    (tmp_path / "notes.txt").write_text("nothing to see")
    with pytest.raises(ValueError, match=r"holds no video; read are \.avi .*\.gif \.npy .*\.png") as caught:
        VideoFolder(tmp_path, None)
    assert "\n" not in str(caught.value)
    write_images(tmp_path, frames_of(2))
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match=r"holds no video \(.*: 2 images beside videos or folders"):
        VideoFolder(tmp_path, None)


@pytest.mark.parametrize("wrong", ["resolution", "frame_stride", "shortest"])
def test_impossible_numbers_are_refused_by_name(tmp_path, wrong):
    with pytest.raises(ValueError, match=f"^{wrong} must be at least 1, got 0$"):
        VideoFolder(**{"root": tmp_path, "resolution": None, wrong: 0})


def test_short_videos_are_named_and_left_out(tmp_path, caplog):
    for name, length in (("a", 9), ("b", 16), ("c", 31), ("d", 1)):
        write_array(tmp_path / f"{name}.npy", frames_of(length))
    assert VideoFolder(tmp_path, None).names == ["a.npy", "b.npy", "c.npy", "d.npy"]
    videos = VideoFolder(tmp_path, None, shortest=16)
    assert videos.names == ["b.npy", "c.npy"]
    assert videos.too_short == ["a.npy (9 frames)", "d.npy (1 frames)"]
    assert "left out 2 videos as too short, 16 frames at stride 1 need 16: a.npy (9 frames)" in caplog.text
    assert VideoFolder(tmp_path, None, frame_stride=2, shortest=16).names == ["c.npy"]
    with pytest.raises(ValueError, match=r"4 too short, 16 frames at stride 3 need 46, first a\.npy \(9 frames\)"):
        VideoFolder(tmp_path, None, frame_stride=3, shortest=16)


def test_frames_that_the_decoder_patches_are_told(tmp_path, monkeypatch, caplog):
    path = tmp_path / "train" / "all" / "a.mkv"
    write_lossless(path, frames_of(5))
    (tmp_path / "test").mkdir()
    patched = replace(judged(path), frames=replace(judged(path).frames, concealed=2))
    for module in (video_folder, judging):
        monkeypatch.setattr(module, "judge_all", lambda *_: [patched])
    for make in (lambda: VideoFolder(tmp_path, None), lambda: VideoFiles(tmp_path, 16).split("train")):
        caplog.clear()
        make()
        assert f"{path}: the decoder patches 2 damaged frames" in caplog.text


def test_values_out_of_range_are_found_wherever_they_are(tmp_path):
    video = frames_of(30) / 255
    video[15, 3, 3, 1] = np.nan
    write_array(tmp_path / "a.npy", video)
    with pytest.raises(ValueError, match=r"a\.npy: values from nan to nan"):
        VideoFolder(tmp_path, None)


@pytest.mark.parametrize("kind", KINDS)
def test_a_video_that_vanishes_after_it_was_found_is_named(tmp_path, kind):
    KINDS[kind](tmp_path / "root" / "a", frames_of(5))
    videos = VideoFolder(tmp_path / "root", None)
    shutil.rmtree(tmp_path / "root")
    with pytest.raises(ValueError, match=r"(no such file$|No such file or directory$)") as caught:
        videos.read(0, 0, 4)
    assert str(tmp_path / "root" / "a") in str(caught.value)


@pytest.mark.parametrize("kind", KINDS)
def test_a_video_that_changes_after_it_was_found_is_named(tmp_path, kind):
    for other in (frames_of(6), frames_of(5, width=30), frames_of(5, seed=1)):
        KINDS[kind](tmp_path / "root" / "a", frames_of(5))
        videos = VideoFolder(tmp_path / "root", None)
        shutil.rmtree(tmp_path / "root")
        KINDS[kind](tmp_path / "root" / "a", other)
        with pytest.raises(ValueError, match=r"root.a.*: has changed since the folder was opened$"):
            videos.read(0, 0, 4)
        shutil.rmtree(tmp_path / "root")


def test_fingerprint_follows_files_and_treatment(tmp_path):
    write_images(tmp_path / "a", frames_of(5))
    write_gif(tmp_path / "b.gif", frames_of(5))

    def fingerprint(resolution=None, **changes):
        return VideoFolder(tmp_path, resolution, **changes).fingerprint()

    before = fingerprint()
    assert before == fingerprint() == fingerprint(shortest=5)
    assert len({before, fingerprint(resolution=16), fingerprint(resolution=20), fingerprint(frame_stride=2)}) == 4
    os.utime(tmp_path / "a" / "frame_3.png", (1, 1))
    assert fingerprint() == before
    (tmp_path / "b.gif").rename(tmp_path / "c.gif")
    renamed = fingerprint()
    write_gif(tmp_path / "c.gif", frames_of(6))
    assert len({before, renamed, fingerprint()}) == 3


def test_a_moved_folder_keeps_its_fingerprint(tmp_path):
    write_images(tmp_path / "here" / "a", frames_of(5))
    before = VideoFolder(tmp_path / "here", None).fingerprint()
    (tmp_path / "here").rename(tmp_path / "there")
    assert VideoFolder(tmp_path / "there", None).fingerprint() == before


def test_progress_is_told_file_by_file(tmp_path):
    for name in "abc":
        write_array(tmp_path / f"{name}.npy", frames_of(2))
    (tmp_path / "d.npy").write_bytes(b"")
    told = []
    VideoFolder(tmp_path, None, progress=lambda done, total: told.append((done, total)))
    assert told == [(1, 4), (2, 4), (3, 4), (4, 4)]


@clips_folder
def test_real_clips_are_read_whatever_lies_beside_them(tmp_path):
    for part in ("train", "test", "broken"):
        (tmp_path / part).symlink_to(Path(os.environ["TATS_EXP_CLIPS"]) / part)
    videos = VideoFolder(tmp_path, 32, shortest=16)
    assert dict(zip(videos.names, videos.lengths, strict=True)) == {
        "test/arm_wrestling/demo_spatiotemporal_det.mp4": 57,
        "test/pool/part_0.mp4": 32,
        "train/arm_wrestling/demo.mp4": 280,
        "train/cooking/flipping_a_pancake.mkv": 310,
        "train/makeup/test.avi": 164,
        "train/pool/test.mp4": 300,
    }
    assert videos.codec == "h264+mpeg4"
    (line,) = videos.unreadable
    assert "corrupted.mp4" in line and "\n" not in line
    assert [line.split("/")[-1] for line in videos.too_short] == [
        "unordered.mov (4 frames)",
        "video_0.mov (3 frames)",
        "video_90.mov (3 frames)",
    ]
    whole = videos.read(4, 0, 164)
    for start in range(0, 160, 32):
        assert np.array_equal(videos.read(4, start, 16), whole[start : start + 16])
