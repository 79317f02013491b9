import errno
import json
import os
import threading
import time

import pytest
import torch

from tats_exp import UserError
from tats_exp.files import (
    atomic,
    is_locked,
    load_tensors,
    load_with_sum,
    lock,
    read_tensors,
    save_tensors,
    save_with_sum,
    write_json,
)


def test_threads_that_write_one_file_do_not_meet(tmp_path):
    path = tmp_path / "a.json"
    with atomic(path) as mine:
        mine.write_text("[1]")
        other = threading.Thread(target=write_json, args=(path, [2]))
        other.start()
        other.join()
        assert json.loads(path.read_text()) == [2]
    assert json.loads(path.read_text()) == [1] and list(tmp_path.iterdir()) == [path]


def test_codes_are_stored_as_narrow_as_they_are_and_come_back_as_they_were(tmp_path):
    limits, path = torch.iinfo(torch.int16), tmp_path / "codes.safetensors"
    tensors = {
        "narrow": torch.tensor([limits.min, 0, limits.max]),
        "wide": torch.tensor([limits.max + 1]),
        "none": torch.zeros(0, dtype=torch.int64),
        "numbers": torch.rand(3, dtype=torch.float64),
    }
    save_tensors(path, tensors)
    stored = {name: value.dtype for name, value in read_tensors(path).items()}
    assert stored == dict.fromkeys(("narrow", "none"), torch.int16) | {"wide": torch.int32, "numbers": torch.float64}
    read = load_tensors(path)
    assert all(torch.equal(read[name], tensors[name]) and read[name].dtype == tensors[name].dtype for name in tensors)


def test_a_lock_leaves_what_a_file_holds_alone_and_follows_no_link(tmp_path):
    target, link, held = tmp_path / "target", tmp_path / "link.lock", tmp_path / "held.lock"
    for path in (target, held):
        path.write_text("precious")
    link.symlink_to(target)
    with pytest.raises(UserError, match=r"link\.lock: a link"), lock(link):
        pass
    with lock(held):
        assert is_locked(held)
        with pytest.raises(BlockingIOError), lock(held, wait=False):
            pass
    assert not is_locked(held)
    assert target.read_text() == held.read_text() == "precious"
    dangling = tmp_path / "dangling.lock"
    dangling.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(UserError, match="a link"), lock(dangling):
        pass
    assert not (tmp_path / "elsewhere").exists()


def test_who_waited_for_a_lock_that_was_thrown_away_holds_the_new_one(tmp_path):
    path, order = tmp_path / "a.lock", []

    def wait():
        with lock(path):
            assert path.is_file()
            order.append("second")

    with lock(path):
        other = threading.Thread(target=wait)
        other.start()
        time.sleep(0.2)
        path.unlink()
        order.append("first")
    other.join()
    assert order == ["first", "second"] and path.is_file()


def test_a_lock_that_may_only_be_read_is_held_all_the_same(tmp_path, monkeypatch):
    path, really = tmp_path / "a.lock", os.open
    path.touch()

    def of_another_user(name, flags, *mode):
        if flags & os.O_RDWR:
            raise PermissionError(errno.EACCES, "Permission denied", str(name))
        return really(name, flags, *mode)

    monkeypatch.setattr(os, "open", of_another_user)
    with lock(path):
        assert is_locked(path)


def test_a_write_goes_through_no_link_that_waits_for_it(tmp_path):
    target, path = tmp_path / "target", tmp_path / "a.json"
    target.write_text("precious")
    path.with_name(f".a.json.{os.getpid()}.{threading.get_ident()}.tmp").symlink_to(target)
    write_json(path, [1])
    assert target.read_text() == "precious" and json.loads(path.read_text()) == [1] and not path.is_symlink()


def test_tensors_with_a_sum_are_whole_or_none(tmp_path):
    path, tensors = tmp_path / "part.safetensors", {"codes": torch.arange(9), "seconds": torch.tensor(0.5)}
    assert load_with_sum(path) is None
    save_with_sum(path, tensors)
    whole = path.read_bytes()
    for place in range(len(whole)):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        assert load_with_sum(path) is None
    path.write_bytes(whole)
    assert torch.equal(load_with_sum(path)["codes"], tensors["codes"])
    (tmp_path / "part.safetensors.sha256").unlink()  # as an older version left it
    assert load_with_sum(path) is not None
