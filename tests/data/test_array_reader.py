import os
import pickle
import struct
import zipfile

import numpy as np
import pytest

from tats_exp import UserError
from tats_exp.data import array_reader
from tats_exp.data.array_reader import ArrayReader
from tats_exp.data.judging import judged
from tats_exp.data.limits import Limits
from tests.data.made_videos import frames_of, write_array


def whole(path, index=0):
    reader = ArrayReader(path, index)
    return reader.read(range(reader.length))


def refusal(path, **limits):
    """The one line that says why an array cannot be read."""
    with pytest.raises(UserError) as caught:
        reader = ArrayReader(path, limits=Limits(**limits))
        reader.read(range(reader.length))
    assert path.name in str(caught.value) and "\n" not in str(caught.value)
    return str(caught.value)


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
        ArrayReader(tmp_path / f"all{suffix}", 3)


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
        ArrayReader(tmp_path / "a.npy")
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
        ArrayReader(tmp_path / "a.npz")
    np.savez(tmp_path / "b.npz", video, video)
    with pytest.raises(ValueError, match=r"b\.npz: .*2 arrays of 4 or 5 axes, there must be one"):
        ArrayReader(tmp_path / "b.npz")


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_any_frames_of_any_video_are_those_of_the_array(tmp_path, monkeypatch, dtype, order):
    monkeypatch.setattr(array_reader, "BLOCK", 1000)  # several blocks, the last of them shorter
    videos = np.stack([frames_of(11, height=13, width=11, seed=seed) for seed in range(3)])
    np.save(tmp_path / "a.npy", np.asarray(videos if dtype == np.uint8 else videos / np.float32(255), order=order))
    for index in range(3):
        reader = ArrayReader(tmp_path / "a.npy", index)
        for wanted in (range(11), range(3, 4), range(2, 11, 4)):
            assert np.array_equal(reader.read(wanted), videos[index][list(wanted)])


def test_a_frame_of_a_sparse_terabyte_is_read_and_no_more(tmp_path):
    with (tmp_path / "a.npy").open("wb") as file:
        header = {"descr": "|u1", "fortran_order": False, "shape": (2**18, 1024, 1024, 3)}
        np.lib.format.write_array_header_1_0(file, header)
        try:
            file.truncate(file.tell() + 3 * 2**38)
        except OSError:
            pytest.skip("no sparse files of this size here")
    reader = ArrayReader(tmp_path / "a.npy")
    assert not reader.read(range(2**18 - 1, 2**18)).any()


def test_a_file_that_another_process_cuts_off_or_writes_to_is_one_line(tmp_path):
    video = frames_of(40)
    for name in ("a.npy", "a.npz"):
        write_array(tmp_path / name, video)
        reader = ArrayReader(tmp_path / name)
        assert np.array_equal(reader.read(range(2)), video[:2])
        os.truncate(tmp_path / name, 20_000)
        with pytest.raises(UserError, match=rf"{name}: has changed since it was opened"):
            reader.read(range(30, 32))
        (tmp_path / name).unlink()
        with pytest.raises(UserError, match=rf"{name}: cannot be read \(No such file"):
            reader.read(range(2))


@pytest.mark.parametrize(
    ("header", "why"),
    [
        ("{'descr': '|u1', 'fortran_order': False, 'shape': (9, 4, 4, 3), }", "takes 432 bytes, 96 are there"),
        ("{'descr': '|u1', 'fortran_order': False, 'shape': (1, 4, 4, 3), }", "takes 48 bytes, 96 are there"),
        ("{'descr': '<f8', 'fortran_order': False, 'shape': (2, 4, 4, 3), }", "takes 768 bytes, 96 are there"),
        ("{'descr': '|u1', 'fortran_order': False, 'shape': (-2, 4, -4, 3), }", "no header"),
        (f"{{'descr': '|u1', 'fortran_order': False, 'shape': ({2**62}, 4, 4, 3), }}", "digits"),
        (f"{{'descr': '|u1', 'fortran_order': False, 'shape': ({10**17}, {10**17}, 4, 3), }}", "takes 12000000000"),
        ("{'descr': '|u1', 'fortran_order': False, 'shape': (2.0, 4, 4, 3), }", "no header"),
        ("{'descr': '|u1', 'fortran_order': False, 'shape': [2, 4, 4, 3], }", "no header"),
        ("{'descr': '|u1', 'fortran_order': 3, 'shape': (2, 4, 4, 3), }", "no header"),
        ("{'descr': '|u1', 'fortran_order': False, 'descr': '|u1'}", "no header"),
        ("{'descr': '|q1', 'fortran_order': False, 'shape': (2, 4, 4, 3), }", r"dtype \|q1"),
        ("{'descr': 'f3', 'fortran_order': False, 'shape': (2, 4, 4, 3), }", "dtype f3"),
        ("(" * 9000, "no header"),
        ("{'descr': '|u1', 'fortran_order': False, 'shape': (2, 4, 4, 3), }" + " " * 2**16, r"header of \d+ bytes"),
    ],
)
def test_what_a_header_claims_is_held_against_the_file(tmp_path, header, why):
    prefix = b"\x93NUMPY\x02\x00" + struct.pack("<I", len(header)) + header.encode()
    (tmp_path / "a.npy").write_bytes(prefix + bytes(96))
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        archive.writestr("a.npy", prefix + bytes(96))
    with pytest.raises(UserError, match=why):
        ArrayReader(tmp_path / "a.npy")
    refusal(tmp_path / "a.npz")


def test_headers_that_others_write_are_read(tmp_path):
    video = frames_of(2)
    header = '{"shape":(2L, 20L,34,3) , "fortran_order":False,\n  "descr":"|u1"}'
    (tmp_path / "a.npy").write_bytes(b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header.encode())
    with (tmp_path / "a.npy").open("ab") as file:
        file.write(video.tobytes())
    assert np.array_equal(whole(tmp_path / "a.npy"), video)


def claims(path, start, form, value):
    """Write a number into the file, at a place counted from its end where negative."""
    content = bytearray(path.read_bytes())
    struct.pack_into(form, content, start % len(content), value)
    path.write_bytes(content)


def test_a_deflated_header_is_not_inflated(tmp_path, monkeypatch):
    """The reference file: 180 kB of a member that says of its header that it takes 180 MB."""
    with zipfile.ZipFile(tmp_path / "a.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("v.npy", b"\x93NUMPY\x02\x00" + struct.pack("<I", 18_000_000) + b" " * 18_000_000)
    monkeypatch.setattr(zipfile.ZipFile, "open", None)
    assert "v.npy in it is compressed: write it with np.save or np.savez" in refusal(tmp_path / "a.npz")


def test_a_list_of_members_is_held_against_the_file(tmp_path):
    """Offsets from the end: the record of the end takes 22 bytes, the one member of the list 46 and its name."""
    video, path = frames_of(4), tmp_path / "a.npz"
    member = -(22 + 46 + len("arr_0.npy"))
    for place, form, value, why in (
        (member + 8, "<H", 1, "arr_0.npy in it is encrypted"),
        (member + 24, "<I", 100, "is stored in two ways or sizes"),
        (member + 42, "<I", 7, "does not lie where it says"),
        (member + 42, "<I", 2**31, "lies outside of it"),
        (-10, "<I", 2**31, "cannot be read as an array"),
        (-22, "<H", 1, "cannot be read as an array"),
        (0, "<I", 0, "does not lie where it says"),
        (8, "<H", 8, "is stored in two ways or sizes"),
        (28, "<H", 2**15, "reaches over what follows it"),
    ):
        np.savez(path, video)
        claims(path, place, form, value)
        assert why in refusal(path)
    np.savez(path, video)
    path.write_bytes(path.read_bytes() + b"more")
    assert "its end is not there, or followed by something" in refusal(path)
    np.savez(path, video)
    claims(path, member + 20, "<I", 2**24)
    claims(path, member + 24, "<I", 2**24)
    assert "reaches over what follows it" in refusal(path)


def test_an_archive_whose_content_does_not_have_its_checksum_is_refused(tmp_path):
    """Neither a picture nor the shape of the array tells that a bit of it is another one; its archive does."""
    np.savez(tmp_path / "a.npz", np.arange(3), frames_of(4))
    judged(tmp_path / "a.npz")
    content = bytearray((tmp_path / "a.npz").read_bytes())
    content[len(content) // 2] ^= 1
    (tmp_path / "a.npz").write_bytes(content)
    with pytest.raises(UserError, match=r"a\.npz: damaged, arr_1\.npy in it does not have its checksum$"):
        judged(tmp_path / "a.npz")


def test_a_member_with_two_names_is_refused(tmp_path):
    np.savez(tmp_path / "a.npz", frames_of(4))
    content = (tmp_path / "a.npz").read_bytes()
    (tmp_path / "a.npz").write_bytes(content.replace(b"arr_0.npy", b"arr_9.npy", 1))
    assert "arr_0.npy has two names in it" in refusal(tmp_path / "a.npz")


def test_more_members_than_a_video_needs_and_two_of_one_name_are_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "many.npz", "w") as archive:
        for number in range(300):
            archive.writestr(f"{number:04000}", b"")
    assert "its list of members takes more than" in refusal(tmp_path / "many.npz")
    with zipfile.ZipFile(tmp_path / "two.npz", "w") as archive, pytest.warns(UserWarning, match="Duplicate"):
        archive.writestr("a.npy", b"")
        archive.writestr("a.npy", b"")
    assert "two members of one name" in refusal(tmp_path / "two.npz")


def test_what_lies_beside_the_video_is_left_alone(tmp_path):
    video = frames_of(4)
    fields = np.zeros(3, dtype=[("name", "U5"), ("label", "i4")])
    np.savez(tmp_path / "a.npz", video=video, labels=np.arange(3), names=np.array(["a", None]), fields=fields)
    with zipfile.ZipFile(tmp_path / "a.npz", "a") as archive:
        archive.writestr("readme.txt", "frames of a square")
    assert np.array_equal(whole(tmp_path / "a.npz"), video)


def test_budgets_bound_frames_videos_and_the_size_of_a_frame(tmp_path):
    write_array(tmp_path / "a.npy", np.zeros((5, 4, 6, 8, 1), np.float32))
    assert "frames of 6x8 take 144 bytes each; allowed: limits.frame_bytes=143" in refusal(
        tmp_path / "a.npy", frame_bytes=143
    )
    assert "5 videos; allowed: limits.frames=4" in refusal(tmp_path / "a.npy", frames=4)
    write_array(tmp_path / "b.npy", np.zeros((5, 6, 8, 1), np.float32))
    assert "5 frames or more; allowed: limits.frames=4" in refusal(tmp_path / "b.npy", frames=4)
    np.save(tmp_path / "c.npy", np.zeros((3000, 2000, 1, 1, 1), np.uint8, order="F"))
    assert "in Fortran order, the values of a frame lie 6000000 bytes apart" in refusal(tmp_path / "c.npy")


def test_names_that_are_no_utf8_are_read_or_refused_by_name(tmp_path):
    folder = tmp_path / os.fsdecode(b"caf\xe9")
    folder.mkdir()
    video, path = frames_of(2), folder / os.fsdecode(b"\xff.npy")
    write_array(path, video)
    assert np.array_equal(whole(path), video)
    path.write_bytes(b"no array")
    with pytest.raises(UserError) as caught:
        whole(path)
    assert r"caf\xe9/\xff.npy: cannot be read as an array" in str(caught.value).encode("utf-8").decode()
