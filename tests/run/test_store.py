"""The store: what is finished is whole, what is there is found again, one process at a time makes a stage."""

import errno
import multiprocessing
import os
import signal
import time
from pathlib import Path

import pytest

from tats_exp.files import atomic, write_json
from tats_exp.run.store import Store

INPUTS = {"seed": 0, "model": {"width": 4}}


def write(text: str):
    def make(folder: Path) -> None:
        (folder / "result.txt").write_text(text)

    return make


def refuse(folder: Path) -> None:
    raise AssertionError("made again")


def test_equal_inputs_are_found_whatever_their_order(tmp_path: Path) -> None:
    made = Store(tmp_path).stage("vqgan", 1, INPUTS, write("a"))
    found = Store(tmp_path).stage("vqgan", 1, dict(reversed(INPUTS.items())), refuse)
    assert not made.reused and found.reused and found.path == made.path
    assert (found.path / "result.txt").read_text() == "a"


@pytest.mark.parametrize(
    "name, version, inputs",
    [("codes", 1, INPUTS), ("vqgan", 2, INPUTS), ("vqgan", 1, {"seed": 1, "model": {"width": 4}})],
)
def test_whatever_goes_in_changes_the_key(tmp_path: Path, name: str, version: int, inputs: dict) -> None:
    store = Store(tmp_path)
    assert store.stage("vqgan", 1, INPUTS, write("a")).key != store.stage(name, version, inputs, write("b")).key


def test_a_failed_stage_leaves_its_work_but_no_result(tmp_path: Path) -> None:
    def fail(folder: Path) -> None:
        (folder / "last.ckpt").write_text("half")
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(OSError, match="No space left"):
        Store(tmp_path).stage("vqgan", 1, INPUTS, fail)

    def go_on(folder: Path) -> None:
        assert (folder / "last.ckpt").read_text() == "half"

    assert not Store(tmp_path).stage("vqgan", 1, INPUTS, go_on).reused


def test_redo_makes_again_once_per_sweep(tmp_path: Path) -> None:
    Store(tmp_path).stage("vqgan", 1, INPUTS, write("old"))
    Store(tmp_path).stage("codes", 1, INPUTS, write("kept"))
    time.sleep(0.05)
    launch = time.time()
    time.sleep(0.05)
    for redo in (True, False):  # the second run of the sweep finds what the first has redone
        store = Store(tmp_path, redo=("vqgan",), redo_before=launch)
        again = store.stage("vqgan", 1, INPUTS, write("new") if redo else refuse)
        assert (again.path / "result.txt").read_text() == "new"
        assert again.reused is not redo
        assert store.stage("codes", 1, INPUTS, refuse).reused


def test_redo_does_not_go_on_from_an_old_attempt(tmp_path: Path) -> None:
    def fail(folder: Path) -> None:
        (folder / "last.ckpt").write_text("old")
        raise RuntimeError

    with pytest.raises(RuntimeError):
        Store(tmp_path).stage("vqgan", 1, INPUTS, fail)
    time.sleep(0.05)

    def look(folder: Path) -> None:
        assert not (folder / "last.ckpt").exists()

    Store(tmp_path, redo=("vqgan",), redo_before=time.time()).stage("vqgan", 1, INPUTS, look)


def _slow(root: Path, counter: Path) -> None:
    def make(folder: Path) -> None:
        with counter.open("a") as file:
            file.write("x")
        time.sleep(0.5)
        (folder / "result.txt").write_text("a")

    assert (Store(root).stage("vqgan", 1, INPUTS, make).path / "result.txt").read_text() == "a"


def test_two_processes_make_a_stage_once(tmp_path: Path) -> None:
    counter = tmp_path / "counter"
    context = multiprocessing.get_context("fork")
    processes = [context.Process(target=_slow, args=(tmp_path / "store", counter)) for _ in range(3)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0, 0, 0]
    assert counter.read_text() == "x"


def _write_for_ever(path: Path) -> None:
    text = 0
    while True:
        text = 1 - text
        write_json(path, {"values": [text] * 50_000})


def test_a_reader_never_finds_half_a_file_though_the_writer_is_killed(tmp_path: Path) -> None:
    import json

    path = tmp_path / "metrics.json"
    for _ in range(5):
        process = multiprocessing.get_context("fork").Process(target=_write_for_ever, args=(path,))
        process.start()
        while not path.exists():
            time.sleep(0.01)
        time.sleep(0.1)
        assert process.pid is not None
        os.kill(process.pid, signal.SIGKILL)
        process.join()
        assert len(set(json.loads(path.read_text())["values"])) == 1


def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("old")
    with pytest.raises(OSError), atomic(path) as temporary:
        temporary.write_text("half of the n")
        raise OSError(errno.ENOSPC, "No space left on device")
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]
