import itertools
import os
import struct
import warnings
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tats_exp import UserError
from tats_exp.data.image_reader import ImageReader, images_in, load_image
from tats_exp.data.limits import Limits
from tests.data.made_videos import frames_of, write_images

CLIPS = os.environ.get("TATS_EXP_CLIPS")


def whole(path):
    reader = ImageReader(path)
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
        ImageReader(tmp_path)
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


@pytest.mark.skipif(not CLIPS, reason="TATS_EXP_CLIPS is not set")
def test_pictures_named_by_seconds_are_one_video():
    folder = Path(CLIPS or "") / "numbered" / "named_by_time"
    assert np.array_equal(whole(folder), [load_image(folder / f"{frame / 25:.6f}.png") for frame in range(32)])


def claiming(path, height, width):
    """A small image, whose header says that it is larger."""
    Image.new("RGB", (16, 16)).save(path, lossless=True)
    content = bytearray(path.read_bytes())
    match path.suffix:
        case ".png":
            struct.pack_into(">II", content, 16, width, height)
            struct.pack_into(">I", content, 29, zlib.crc32(content[12:29]))
        case ".bmp":
            struct.pack_into("<ii", content, 18, width, height)
        case ".jpg":
            struct.pack_into(">HH", content, content.index(b"\xff\xc0") + 5, height, width)
        case ".webp":
            struct.pack_into("<I", content, 21, (width - 1) | (height - 1) << 14)
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("suffix", [".png", ".bmp", ".jpg", ".webp"])
def test_the_size_that_a_header_claims_is_held_against_the_budget(tmp_path, suffix, capfd):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        path = claiming(tmp_path / f"a{suffix}", 12_000, 12_001)
        for read in (load_image, lambda path: ImageReader(path.parent)):
            with pytest.raises(UserError, match=rf"a\{suffix}: frames of 12000x12001 take 432036000 bytes each; allow"):
                read(path)
        if suffix in (".png", ".bmp"):  # what is not there of a JPEG its decoder paints grey
            with pytest.raises(UserError, match=rf"a\{suffix}: cannot be read as an image"):
                load_image(claiming(tmp_path / f"a{suffix}", 40, 48))
    assert capfd.readouterr() == ("", "")


def test_images_beyond_the_limit_of_pillow_are_read_where_the_budget_is_raised(tmp_path, monkeypatch):
    write_images(tmp_path, frames_of(2))
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    assert np.array_equal(whole(tmp_path), frames_of(2))


def test_budgets_bound_the_number_of_images_and_the_bytes_of_one(tmp_path):
    write_images(tmp_path, frames_of(5))
    assert ImageReader(tmp_path, Limits(frames=5)).length == 5
    with pytest.raises(UserError, match=r"5 frames or more; allowed: limits\.frames=4, which can be raised"):
        ImageReader(tmp_path, Limits(frames=4))
    with (tmp_path / "frame_3.png").open("ab") as file:
        file.truncate(2**20)
    with pytest.raises(UserError, match=r"frame_3\.png: 1048576 bytes for one frame; allowed: twice limits\.frame_byt"):
        load_image(tmp_path / "frame_3.png", Limits(frame_bytes=2**18))


def test_transparency_is_dropped_without_a_word(tmp_path):
    image = Image.fromarray(frames_of(1)[0]).quantize(16)
    image.save(tmp_path / "a.png", transparency=bytes(range(16)))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert np.array_equal(load_image(tmp_path / "a.png"), np.array(image.convert("RGB")))


@pytest.mark.parametrize("suffix", [".png", ".bmp", ".jpg", ".webp"])
def test_a_damaged_image_is_one_line(tmp_path, suffix):
    Image.fromarray(frames_of(1)[0]).save(tmp_path / f"a{suffix}")
    content = (tmp_path / f"a{suffix}").read_bytes()
    for size in (1, 11, 30, len(content) // 2, len(content) - 60):
        (tmp_path / f"a{suffix}").write_bytes(content[:size])
        with pytest.raises(UserError, match=rf"a\{suffix}: cannot be read as an image"):
            load_image(tmp_path / f"a{suffix}")


def test_names_that_are_no_utf8_are_read_or_refused_by_name(tmp_path):
    folder = tmp_path / os.fsdecode(b"\xff\xfe")
    folder.mkdir()
    for index, frame in enumerate(frames_of(3)):
        Image.fromarray(frame).save(tmp_path / "a.png")
        (tmp_path / "a.png").rename(folder / os.fsdecode(b"caf\xe9_%d.png" % index))
    assert np.array_equal(whole(folder), frames_of(3))
    (folder / os.fsdecode(b"caf\xe9_1.png")).write_bytes(b"no image")
    with pytest.raises(UserError) as caught:
        whole(folder)
    assert r"\xff\xfe/caf\xe9_1.png: cannot be read as an image" in str(caught.value).encode("utf-8").decode()
