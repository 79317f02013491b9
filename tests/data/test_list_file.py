from pathlib import Path

import pytest

from tats_exp import UserError
from tats_exp.data.frame_folders import FrameFolders
from tats_exp.data.video_files import VideoFiles
from tests.data.made_videos import write_images
from tests.data.miniatures import tone, video, write_mp4, write_wav


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for number, name in enumerate(("one", "two", "three")):
        write_mp4(tmp_path / "all" / f"{name}.mp4", number, 20)
    return tmp_path


def listed(root: Path, text: str) -> VideoFiles:
    (root / "list.csv").write_text(text, encoding="utf-8")
    return VideoFiles(root, resolution=16, list=root / "list.csv")


def test_a_list_says_split_class_and_captions(root: Path) -> None:
    source = listed(
        root,
        "split,path,class,caption\n"
        'train,all/two.mp4,b,"a disc, red"\nval,all/three.mp4,a,\n'
        "train,all/one.mp4,a,\ntrain,all/two.mp4,b,ein roter Kreis fällt\n",
    )
    train, test = source.split("train"), source.split("test")
    assert train.names == ["all/two.mp4", "all/one.mp4"] and train.label_names == ["a", "b"] and train.labels == [1, 0]
    assert train.captions == [("a disc, red", "ein roter Kreis fällt"), ()]
    assert test.names == ["all/three.mp4"] and test.captions == [()]


def test_captions_beside_a_video_are_its_own(root: Path) -> None:
    (root / "all" / "one.txt").write_text("first\n\n second \n")
    videos = listed(root, "path,split\nall/one.mp4,train\nall/two.mp4,test\n").split("train")
    assert videos.captions == [("first", "second")] and videos.label_names == ["all"]


def test_what_is_listed_and_not_there_is_told(root: Path) -> None:
    source = listed(root, "path,split\nall/one.mp4,train\nall/gone.mp4,train\nall/two.mp4,test\n")
    assert len(source.split("train").names) == 1
    (line,) = source.missing("train")
    assert line == f"train: 1 of 2 videos: {root}/all/gone.mp4 is missing"


def test_a_list_comes_before_what_lies_beside_a_video(root: Path) -> None:
    (root / "all" / "one.txt").write_text("beside")
    write_wav(root / "all" / "one.wav", tone(1.0, 16000), 16000)
    write_wav(root / "own.wav", tone(1.0, 16000), 16000)
    text = 'path,split,caption,audio\nall/one.mp4,train,"from the list",own.wav\nall/two.mp4,test,,gone.wav\n'
    source = listed(root, text)
    videos = source.split("train")
    assert videos.captions == [("from the list",)] and videos.listed[0].audio == root / "own.wav"
    assert source.split("test").listed[0].audio is None
    assert source.left_out("test") == [f"the sound of {root}/all/two.mp4: {root}/gone.wav is no file"]


def test_folders_of_frames_have_captions_beside_them_listed_or_not(root: Path) -> None:
    for name in ("v1.0", "v1.1"):
        for split in ("train", "test"):
            write_images(root / split / "a" / name, video(0, 12))
            (root / split / "a" / f"{name}.txt").write_text(f"of {name}")
    (root / "list.csv").write_text("path,split\ntrain/a/v1.0,train\ntrain/a/v1.1,train\ntest/a/v1.0,test\n")
    for source in (FrameFolders(root, 16), FrameFolders(root, 16, list=root / "list.csv")):
        assert source.split("train").captions == [("of v1.0",), ("of v1.1",)]


def test_a_root_may_be_written_in_two_ways(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = f"path,split\n{root}/all/one.mp4,train\n{root}/all/two.mp4,test\n"
    before = listed(root, text).split("train").fingerprint()
    monkeypatch.chdir(root.parent)
    assert VideoFiles(root.name, resolution=16, list=root / "list.csv").split("train").fingerprint() == before


def test_folders_of_frames_may_be_listed(root: Path) -> None:
    write_images(root / "frames" / "a", video(0, 12))
    write_images(root / "frames" / "b", video(1, 12))
    (root / "list.csv").write_text("path,split\nframes/a,train\nframes/b,test\n")
    source = FrameFolders(root, resolution=16, list=root / "list.csv")
    assert source.split("train").names == ["frames/a"] and source.split("test").lengths == [12]


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("", "its columns are none; allowed: once each path, split, class, caption, audio"),
        ("path, split\n", "its columns are 'path', ' split'; allowed"),
        ("path,split,path\n", "its columns are 'path', 'split', 'path'; allowed: once each"),
        ("path,split,class\na.mp4,train,x\na.mp4,train,y\n", "line 3: a.mp4 was of another split, class or sound"),
        ("path,split\nall/one.mp4,train\nall/../all/one.mp4,test\n", "line 3: all/../all/one.mp4 was of another split"),
        ("path,kind\na,b\n", "its columns are 'path', 'kind'; allowed"),
        ("path,split\nall/one.mp4,dev\n", "line 2: split=dev; allowed: train, test, val, validation"),
        ("path,split\nall/one.mp4\n", "line 2: has another number of fields"),
        ("path,split\nall/one.mp4,train,3\n", "line 2: has another number of fields"),
        ("path,split\n,train\n", "line 2: names no path"),
        ("path,split\na.mp4,train\na.mp4,test\n", "line 3: a.mp4 was of another split, class or sound before"),
        ("path,split\nall/one.mp4,test\n", "no video is left in the list"),
    ],
)
def test_a_wrong_list_is_one_line(root: Path, text: str, line: str) -> None:
    with pytest.raises(UserError, match=line):
        listed(root, text).split("train")


def test_a_list_that_cannot_be_read_is_one_line(root: Path) -> None:
    (root / "list.csv").write_bytes(b"path,split\n\xff\xfe,train\n")
    with pytest.raises(UserError, match="cannot be read as a CSV in UTF-8"):
        VideoFiles(root, resolution=16, list=root / "list.csv")
    with pytest.raises(UserError, match="No such file"):
        VideoFiles(root, resolution=16, list=root / "other.csv")
