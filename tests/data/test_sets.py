"""The data sets of the paper, by miniatures of them."""

import json
import logging
from pathlib import Path

import numpy as np
import pytest

from tats_exp import UserError
from tats_exp.data import judging
from tats_exp.data.__main__ import main
from tats_exp.data.file_videos import FileSource
from tats_exp.data.sets.drums import AudioSetDrums
from tats_exp.data.sets.mugen import Mugen
from tats_exp.data.sets.sky import SkyTimelapse
from tats_exp.data.sets.taichi import TaichiHD
from tats_exp.data.sets.ucf101 import UCF101
from tests.data.made_videos import write_images
from tests.data.miniatures import (
    LENGTH,
    RESOLUTION,
    WRITE,
    video,
    write_drums,
    write_mugen,
    write_sky,
    write_taichi,
    write_ucf101,
)

SETS: dict[str, type[FileSource]] = {
    "ucf101": UCF101,
    "sky": SkyTimelapse,
    "taichi": TaichiHD,
    "mugen": Mugen,
    "drums": AudioSetDrums,
}


@pytest.mark.parametrize("name", SETS)
def test_no_video_is_in_both_splits_and_a_stride_multiplies_the_span_of_a_clip(name: str, tmp_path: Path) -> None:
    root = WRITE[name](tmp_path)
    train, test = (SETS[name](root, RESOLUTION, complete=False).split(split) for split in ("train", "test"))
    assert train.names and test.names and not {*train.names} & {*test.names}
    strided = SETS[name](root, RESOLUTION, frame_stride=3, complete=False).split("train")
    assert np.array_equal(strided.read(1, 5, 8), train.read(1, 5, 22)[::3])
    with pytest.raises(ValueError, match="frames"):
        strided.read(0, 0, train.lengths[0] // 3 + 2)
    assert strided.fingerprint() != train.fingerprint()


def test_ucf101_has_the_classes_and_the_split_of_its_lists(tmp_path: Path) -> None:
    source = UCF101(write_ucf101(tmp_path), RESOLUTION, complete=False)
    train, test = source.split("train"), source.split("test")
    assert train.label_names == ["Archery", "HandstandPushups"] and train.labels == [0, 0, 1, 1]
    assert train.names[3] == "UCF-101/HandstandPushups/v_HandStandPushups_g03_c01.avi"
    assert test.names[0] == "UCF-101/Archery/v_Archery_g01_c01.avi" and test.labels == [0, 1]


def test_ucf101_tells_what_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("tats_exp.data.sets.ucf101.COUNTS", {1: {"train": 4, "test": 2}})
    root = write_ucf101(tmp_path)
    source = UCF101(root, RESOLUTION)
    assert source.split("train").names and source.left_out("train") == []
    (root / "UCF-101/Archery/v_Archery_g02_c01.avi").unlink()
    (root / "UCF-101/Archery/v_Archery_g03_c01.avi").write_bytes(b"")
    for split in ("train", "test"):
        source.split(split)
    (broken,), (missing,) = source.left_out("train"), source.missing("train")
    assert missing == "train: 2 of 4 videos: v_Archery_g02_c01 is missing" and "v_Archery_g03_c01.avi" in broken
    assert source.left_out("test") == source.missing("test") == [] and missing in caplog.text
    assert UCF101(root, RESOLUTION, complete=False).split("train").lengths == [LENGTH] * 2


def test_ucf101_takes_copies_that_spell_names_in_another_case(tmp_path: Path) -> None:
    root = write_ucf101(tmp_path)
    path = root / "UCF-101/HandstandPushups/v_HandStandPushups_g03_c01.avi"
    path.rename(path.with_name("v_HandstandPushups_g03_c01.avi"))
    path.parent.rename(path.parent.with_name("HandStandPushups"))
    lines = root / "ucfTrainTestlist" / "trainlist01.txt"
    lines.write_text(lines.read_text(), encoding="utf-8-sig")
    assert len(UCF101(root, RESOLUTION, complete=False).split("train").names) == 4


@pytest.mark.parametrize(
    ("change", "line"),
    [
        (lambda root: (root / "ucfTrainTestlist/classInd.txt").write_text("Archery\n"), "line 1: 'Archery' is no line"),
        (lambda root: (root / "ucfTrainTestlist/trainlist01.txt").write_text("v_a.avi 1\n"), "'v_a.avi 1' is no line"),
        (lambda root: (root / "ucfTrainTestlist/trainlist01.txt").unlink(), "trainlist01.txt: cannot be read"),
        (lambda root: (root / "ucfTrainTestlist").rename(root / "lists"), "has no folder ucfTrainTestlist"),
    ],
)
def test_a_list_of_ucf101_that_is_none_is_one_line(change, line: str, tmp_path: Path) -> None:
    root = write_ucf101(tmp_path)
    change(root)
    with pytest.raises(UserError, match=line):
        UCF101(root, RESOLUTION).split("train")


def test_a_fold_that_is_not_there_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"data\.fold=4: allowed: 1, 2, 3"):
        UCF101(write_ucf101(tmp_path), RESOLUTION, fold=4)


def test_sky_is_one_video_a_folder_of_frames(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    source = SkyTimelapse(write_sky(tmp_path), RESOLUTION)
    with caplog.at_level(logging.WARNING):
        train, test = source.split("train"), source.split("test")
    assert train.names == ["sky_train/Ab_1/1", "sky_train/Ab_1/2"] and test.names[0] == "sky_test/-cD/1"
    assert train.lengths == [LENGTH] * 2 and train.label_names == ["all"] and train.codec == "jpeg"
    assert source.missing("train") == ["train: 2 of 2,392 videos"] and "test: 2 of 225 videos" in caplog.text


def test_taichi_tells_by_its_metadata_what_is_missing(tmp_path: Path) -> None:
    root = write_taichi(tmp_path)
    rows = [("Ab_1", 0, 340, "train"), ("Ab_1", 340, 680, "train"), ("gone", 7, 400, "train"), ("-cD", 10, 350, "test")]
    lines = [f"{name},{start},{end},1-2-3-4,25,300,300,{part}" for name, start, end, part in rows]
    head = "video_id,start,end,bbox,fps,width,height,partition"
    (root / "taichi-metadata.csv").write_text("\n".join([head, *lines]))
    source = TaichiHD(root, RESOLUTION)
    assert len(source.split("train").names) == 2
    assert source.missing("train") == ["train: 2 of 3,049 videos: gone#000007#000400 is missing"]
    (root / "train" / "Ab_1#000000#000340.mp4").unlink()
    write_images(root / "train" / "Ab_1#000000#000340", video(3, 20))
    source.split("train")
    assert source.missing("train") == ["train: 2 of 3,049 videos: gone#000007#000400 is missing"]
    (root / "taichi-metadata.csv").write_text("video_id,start\na,b\n")
    with pytest.raises(UserError, match="cannot be read as metadata of Taichi-HD"):
        TaichiHD(root, RESOLUTION).split("train")


def test_taichi_may_be_folders_of_frames_with_the_names_of_files(tmp_path: Path) -> None:
    root = write_taichi(tmp_path)
    write_images(root / "train" / "Ab_1#000680#001020.mp4", video(3, 20))
    videos = TaichiHD(root, RESOLUTION, complete=False).split("train")
    assert videos.lengths == [340, 340, 20] and videos.names[2] == "train/Ab_1#000680#001020.mp4"
    assert np.array_equal(videos.read(2, 4, 8), video(3, 20)[4:12])


def test_mugen_has_texts_and_sound(tmp_path: Path) -> None:
    root = write_mugen(tmp_path)
    videos = Mugen(root, RESOLUTION).split("train")
    assert videos.names == ["jumpbot/videos/train_0.mp4", "jumpbot/videos/train_1.mp4"]
    assert videos.captions == [("Mugen runs, take 0.",), ("Mugen runs, take 1.",)]
    assert Mugen(root, RESOLUTION, texts="all").split("train").captions[1] == ("Mugen walks.", "Mugen runs, take 1.")
    sound = videos.audio(0, 16, 16)
    assert sound.shape == (16000,) and np.abs(sound).max() == pytest.approx(0.5, abs=0.02)
    assert Mugen(root, RESOLUTION, texts="auto").split("train").fingerprint() == videos.fingerprint()


def test_mugen_tells_of_games_that_are_not_rendered(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    root = write_mugen(tmp_path)
    (root / "jumpbot/videos/train_0.mp4").unlink()
    game = root / "jumpbot/video_metadata/train_0.json"
    game.parent.mkdir()
    game.write_text("{}")
    source = Mugen(root, RESOLUTION)
    source.split("train")
    (unrendered,), (missing,) = source.left_out("train"), source.missing("train")
    assert missing == "train: 1 of 2 videos: jumpbot/videos/train_0.mp4 is missing"
    assert unrendered.startswith("train: 1 games that are not rendered yet")
    assert unrendered.endswith("belongs in jumpbot/videos/train_0.mp4")


@pytest.mark.parametrize(
    "text", ["[]", "{}", '{"data": [{"video": {}}]}', "no json", '{"data": [3]}', '{"data": [{"video": null}]}']
)
def test_a_list_of_mugen_that_is_none_is_one_line(text: str, tmp_path: Path) -> None:
    root = write_mugen(tmp_path)
    (root / "coinrun_dataset_jsons/release/train.json").write_text(text)
    with pytest.raises(UserError, match=r"train\.json: cannot be read as a list of MUGEN"):
        Mugen(root, RESOLUTION).split("train")


def test_mugen_may_take_another_list_for_its_test_split(tmp_path: Path) -> None:
    root = write_mugen(tmp_path, ("train", "val"))
    assert len(Mugen(root, RESOLUTION, test="val").split("test").names) == 2
    with pytest.raises(UserError, match=r"has no list coinrun_dataset_jsons/release/test\.json"):
        Mugen(root, RESOLUTION)
    path = root / "coinrun_dataset_jsons/release/train.json"
    about = json.loads(path.read_text())
    about["data"][0]["video"]["video_file"] = "jumpbot/videos/train_1.mp4"
    path.write_text(json.dumps(about))
    assert Mugen(root, RESOLUTION, test="val").split("train").names[0] == "jumpbot/videos/train_1.mp4"


def test_mugen_refuses_the_training_list_for_its_test_split(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = write_mugen(tmp_path)
    assert main(["inspect", "data=mugen", f"data.root={root}", "data.test=train"]) == 2
    assert "data.test='train': Input should be 'test' or 'val'" in capsys.readouterr().err


def test_runs_of_a_sweep_find_the_list_of_their_own_arguments(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two sources of one root that differ in one argument, which only their class knows."""
    root = write_mugen(tmp_path / "mugen")
    captions = {}
    for texts in ("manual", "auto", "all"):
        captions[texts] = Mugen(root, RESOLUTION, texts=texts).split("train").captions
    judging.hand_over(tmp_path / "videos.json")
    monkeypatch.setenv(judging.HANDED, str(tmp_path / "videos.json"))
    for texts in ("manual", "auto", "all"):
        assert Mugen(root, RESOLUTION, texts=texts).split("train").captions == captions[texts]


def test_what_was_missing_when_a_sweep_was_planned_is_in_the_log_of_its_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    root = write_mugen(tmp_path / "mugen")
    (root / "jumpbot/videos/train_0.mp4").unlink()
    Mugen(root, RESOLUTION).split("train")
    judging.hand_over(tmp_path / "videos.json")
    monkeypatch.setenv(judging.HANDED, str(tmp_path / "videos.json"))
    caplog.clear()
    with caplog.at_level(logging.INFO):
        Mugen(root, RESOLUTION).split("train")
    said = [(record.levelname, record.getMessage()) for record in caplog.records]
    assert ("INFO", "train: 1 of 2 videos: jumpbot/videos/train_0.mp4 is missing") in said


@pytest.mark.parametrize("layout", ["of the archive", "of the original code"])
def test_drums_sound(layout: str, tmp_path: Path) -> None:
    root = write_drums(tmp_path)
    if layout == "of the original code":
        for split in ("train", "test"):
            (root / "video").mkdir(exist_ok=True)
            (root / split / "mp4").rename(root / "video" / split)
            (root / split).rmdir()
    source = AudioSetDrums(root, RESOLUTION)
    videos = source.split("train")
    assert source.missing("train") == ["train: 2 of 6,000 videos"]
    sound = videos.audio(1, 0, 32)
    spectrum = np.abs(np.fft.rfft(sound))
    assert sound.shape == (32000,) and np.argmax(spectrum) == pytest.approx(440 * 2, abs=2)


def test_a_root_with_another_layout_is_told_what_it_must_hold(tmp_path: Path) -> None:
    for name, folder in {"sky": "sky_train", "taichi": "train", "drums": "train/mp4"}.items():
        with pytest.raises(UserError, match=f"has no folder {folder}"):
            SETS[name](tmp_path, RESOLUTION).split("train")
