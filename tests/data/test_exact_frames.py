"""Frame i is frame i: the i-th one that decoding from the start gives, however a file is stored and read."""

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from torch.utils.data import DataLoader

from tats_exp import UserError
from tats_exp.data import file_videos, judging
from tats_exp.data.clips import Clips
from tats_exp.data.judging import judge_all, judged
from tats_exp.data.resizing import crop_and_resize
from tats_exp.data.video_decoding import VideoFileReader
from tats_exp.data.video_files import VideoFiles
from tats_exp.data.video_readers import open_reader
from tests.data.made_videos import frames_of, from_the_start, write_video
from tests.data.matrix import CUT, HEIGHT, KINDS, WIDTH, write_matrix

NAMES = [f"{kind} {suffix}" for kind, (_, _, suffixes) in KINDS.items() for suffix in suffixes]
NAMES += [f"{kind}, cut {suffix}" for kind, suffixes in CUT.items() for suffix in suffixes]
NAMES += ["mpeg4, packed B-frames .avi"]

clips_folder = pytest.mark.skipif(
    "TATS_EXP_CLIPS" not in os.environ, reason="TATS_EXP_CLIPS does not name the folder of real clips"
)


@pytest.fixture(scope="module")
def matrix(tmp_path_factory):
    found = write_matrix(tmp_path_factory.mktemp("matrix"))
    judge_all(list(found.values()))
    return found


def test_the_matrix_is_whole(matrix):
    assert sorted(matrix) == sorted(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_every_window_of_every_file_holds_its_frames(matrix, name):
    path = matrix[name]
    truth = from_the_start(path)
    kept = VideoFileReader(path)
    assert kept.length == len(truth)
    windows = [range(start, start + 4) for start in range(len(truth) - 3)]
    windows += [range(start, start + 10, 3) for start in range(0, len(truth) - 9, 5)]
    for window in windows:
        assert np.array_equal(VideoFileReader(path).read(window), truth[window]), f"a reader of its own, {window}"
    for place in np.random.default_rng(0).permutation(len(windows)):
        assert np.array_equal(kept.read(windows[place]), truth[windows[place]]), f"one reader, {windows[place]}"
    for window in windows:
        assert np.array_equal(kept.read(window), truth[window]), f"one reader in sequence, {window}"


def test_files_are_sought_where_that_can_be(matrix):
    without = [name for name in NAMES if not judged(matrix[name]).frames.starts.size]
    assert set(without) == {name for name in NAMES if "no key frame" in name or "little by little" in name}


@pytest.mark.parametrize("kept_bytes", [0, 2**30])
@pytest.mark.parametrize("stride", [1, 3])
def test_a_split_gives_the_frames_of_its_files(matrix, tmp_path, monkeypatch, kept_bytes, stride):
    monkeypatch.setattr(file_videos, "KEPT_BYTES", kept_bytes)
    for split in ("train", "test"):
        (tmp_path / split).mkdir()
        (tmp_path / split / "all").symlink_to(matrix[NAMES[0]].parent)
    videos = VideoFiles(tmp_path, HEIGHT, stride).split("train")
    assert len(videos.names) == len(matrix)
    for video, length in enumerate(videos.lengths):
        truth = crop_and_resize(from_the_start(tmp_path / videos.names[video]), HEIGHT)
        for start in range(1, length - 3 * stride, 7):
            assert np.array_equal(videos.read(video, start, 4), truth[start : start + 3 * stride + 1 : stride])


def test_loader_workers_give_the_frames_of_the_files(matrix, tmp_path, monkeypatch):
    monkeypatch.setattr(file_videos, "KEPT_BYTES", 0)
    for split in ("train", "test"):
        (tmp_path / split / "all").mkdir(parents=True)
        for name in ("h264, B-frames, open .mp4", "mpeg4, packed B-frames .avi", "h264, B-frames, closed, cut .mp4"):
            (tmp_path / split / "all" / matrix[name].name).symlink_to(matrix[name])
    clips = Clips(VideoFiles(tmp_path, HEIGHT).split("train"), frames=8)
    truths = [crop_and_resize(from_the_start(tmp_path / name), HEIGHT) for name in clips.videos.names]
    places = [0, 40, 45, 70, 90, 110, 130, len(clips) - 1]
    for method in ("fork", "spawn"):
        loader = DataLoader(clips, sampler=places, batch_size=None, num_workers=2, multiprocessing_context=method)
        for place, item in zip(places, loader, strict=True):
            window = clips.window(place)
            assert np.array_equal(item["video"], truths[window.video][window.start : window.start + 8])


def test_a_place_to_begin_that_is_wrong_costs_time_and_nothing_else(matrix):
    path = matrix["h264, B-frames, closed .mp4"]
    truth = from_the_start(path)
    for wrong in (0, 10**9):
        reader = VideoFileReader(path)
        reader._index = replace(reader._index, seeks=reader._index.seeks * wrong)
        assert np.array_equal(reader.read(range(30, 36)), truth[30:36])


def test_a_frame_that_decodes_otherwise_is_refused_from_then_on(matrix, tmp_path, monkeypatch):
    path = tmp_path / "mjpeg.avi"
    path.write_bytes(matrix["mjpeg .avi"].read_bytes())
    reader = VideoFileReader(path)
    checks = reader._index.checks.copy()
    checks[20] ^= 1
    reader._index = replace(reader._index, checks=checks)
    assert reader.read(range(12, 20)).shape == (8, HEIGHT, WIDTH, 3)
    with pytest.raises(ValueError, match=r"mjpeg\.avi: damaged or changed"):
        reader.read(range(16, 24))
    assert reader.read(range(21, 24)).shape == (3, HEIGHT, WIDTH, 3)
    for known in (judging._known, {}):
        monkeypatch.setattr(judging, "_known", known)
        with pytest.raises(ValueError, match=r"mjpeg\.avi: damaged or changed"):
            VideoFileReader(path)


@pytest.mark.parametrize("share", [0.2, 0.6, 0.97])
def test_a_file_cut_off_after_it_was_judged_gives_its_frames_or_is_refused(matrix, tmp_path, share):
    refused = 0
    for source in matrix.values():
        verdict, truth = judged(source), from_the_start(source)
        path = tmp_path / source.name
        content = source.read_bytes()
        path.write_bytes(content[: int(share * len(content))])
        for start in (0, 20, len(truth) - 4):
            try:
                read = VideoFileReader(path, verdict=verdict).read(range(start, start + 4))
            except UserError as error:
                refused += 1
                assert str(path) in str(error)
            else:
                assert np.array_equal(read, truth[start : start + 4])
    assert refused > len(matrix)


def test_frames_that_differ_in_size_are_refused(tmp_path):
    small, large = frames_of(5, 32, 32), frames_of(5, 48, 64)
    for name, frames in (("a.ts", small), ("b.ts", large)):
        write_video(tmp_path / name, "mpeg2video", frames)
    (tmp_path / "both.mkv").write_bytes((tmp_path / "a.ts").read_bytes() + (tmp_path / "b.ts").read_bytes())
    with pytest.raises(ValueError, match=r"both\.mkv: frames differ in size, the first is 32x32, frame . is 48x64"):
        open_reader(tmp_path / "both.mkv")


def number_in(frame):
    """The number that six bars in the upper half of a picture say."""
    height, width = frame.shape[:2]
    bars = frame[height // 8 : height // 3, :, 0].mean(axis=0)
    middles = [bars[round((bit + 0.5) * width / 6)] for bit in range(6)]
    return sum((level > 125) << bit for bit, level in enumerate(middles))


@clips_folder
@pytest.mark.parametrize(
    ("name", "numbers"),
    [
        ("bframes.avi", range(60)),
        ("open_gop.mp4", range(60)),
        ("edit_list.mp4", range(18, 60)),
        ("no_duration.webm", range(40)),
    ],
)
def test_numbered_clips_show_their_numbers(name, numbers):
    path = Path(os.environ["TATS_EXP_CLIPS"]) / "numbered" / name
    for start in range(len(numbers) - 3):
        read = open_reader(path).read(range(start, start + 4))
        assert [number_in(frame) for frame in read] == list(numbers[start : start + 4])
    assert open_reader(path).length == len(numbers)


@clips_folder
def test_a_real_packed_file_gives_its_frames():
    path = Path(os.environ["TATS_EXP_CLIPS"]) / "numbered" / "packed_bframes.avi"
    truth = from_the_start(path)
    for start in range(len(truth) - 3):
        assert np.array_equal(open_reader(path).read(range(start, start + 4)), truth[start : start + 4])


@clips_folder
def test_a_turned_video_is_turned():
    root = Path(os.environ["TATS_EXP_CLIPS"]) / "broken"
    turned = open_reader(root / "video_90.mov").read(range(3))
    assert np.array_equal(turned, np.rot90(from_the_start(root / "video_90.mov"), 3, axes=(1, 2)))
    assert judging.judged(root / "video_90.mov").size == turned.shape[1:3]
