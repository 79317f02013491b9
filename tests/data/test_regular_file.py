import os
import subprocess
import sys

import pytest

from tats_exp import UserError
from tats_exp.data.regular_file import fill_from, require_file


def test_a_file_that_ends_early_is_one_line(tmp_path):
    (tmp_path / "a").write_bytes(b"12345")
    buffer = bytearray(4)
    with (tmp_path / "a").open("rb") as file:
        fill_from(file, tmp_path / "a", 1, memoryview(buffer))
        assert buffer == b"2345"
        with pytest.raises(UserError, match=r"a: cut off, it ends before byte 6"):
            fill_from(file, tmp_path / "a", 2, memoryview(buffer))


def test_what_is_no_file_is_not_opened(tmp_path):
    """A pipe would wait for ever."""
    os.mkfifo(tmp_path / "pipe.npy")
    (tmp_path / "empty.npy").touch()
    for name, why in (("pipe.npy", "no such file"), ("empty.npy", "the file is empty"), ("gone.npy", "no such file")):
        with pytest.raises(UserError, match=rf"{name}: {why}$"):
            require_file(tmp_path / name)


def test_a_process_that_judges_arrays_and_images_starts_without_torch():
    command = "import sys, tats_exp.data.array_reader, tats_exp.data.image_reader; print(*sys.modules)"
    modules = subprocess.run([sys.executable, "-c", command], capture_output=True, text=True, check=True).stdout.split()
    assert "tats_exp.data.array_reader" in modules and not {"torch", "decord", "av"} & set(modules)
