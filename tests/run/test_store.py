"""The store: what is finished is whole, what is there is found again, one process at a time makes a stage."""

import errno
import json
import multiprocessing
import os
import signal
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tats_exp import UserError
from tats_exp.files import atomic, write_json
from tats_exp.run.store import Made, Store

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


def flipped(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 4
    path.write_bytes(content)


def made(root: Path, vqgan: str | None = None, codes: str | None = None) -> tuple[Made, Made]:
    """Two stages of which the second reads the first, made if texts are given; their folders."""
    store = Store(root)
    first = store.stage("vqgan", 1, INPUTS, refuse if vqgan is None else write(vqgan))
    second = store.stage("codes", 1, {"vqgan": first.key}, refuse if codes is None else write(codes), {first.key})
    return first, second


def test_a_damaged_stage_is_named_put_aside_and_made_again(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    first, _ = made(tmp_path, "weights", "codes")
    flipped(first.path / "result.txt")
    again, after = made(tmp_path, "weights")  # as before: what was made from it is kept
    assert not again.reused and after.reused and again.content == first.content
    assert f"{first.path / 'result.txt'} is damaged" in caplog.text
    assert (first.path / "result.txt").read_text() == "weights"
    assert (tmp_path / "vqgan" / f"{first.key}.damaged" / "result.txt").read_text() != "weights"
    flipped(first.path / "result.txt")
    again, after = made(tmp_path, "other weights", "other codes")
    assert not again.reused and not after.reused and (after.path / "result.txt").read_text() == "other codes"
    assert (tmp_path / "vqgan" / f"{first.key}.damaged.2").is_dir()
    assert all(stage.reused for stage in made(tmp_path))


def test_what_was_made_from_another_content_is_made_again_by_another_run_too(tmp_path: Path) -> None:
    first, _ = made(tmp_path, "weights", "codes")
    flipped(first.path / "result.txt")
    Store(tmp_path).stage("vqgan", 1, INPUTS, write("other weights"))  # of a run that had no codes
    assert not made(tmp_path, codes="other codes")[1].reused


def test_what_was_begun_from_another_content_is_not_gone_on_with(tmp_path: Path) -> None:
    def half(folder: Path) -> None:
        (folder / "last.ckpt").write_text("half")
        raise RuntimeError

    first = Store(tmp_path).stage("vqgan", 1, INPUTS, write("weights"))
    for vqgan, there in (("weights", True), ("other weights", False)):
        store = Store(tmp_path)
        store.stage("vqgan", 1, INPUTS, write(vqgan))
        with pytest.raises(RuntimeError):
            store.stage("codes", 1, {"vqgan": first.key}, half, {first.key})
        flipped(first.path / "result.txt")
        store = Store(tmp_path)
        store.stage("vqgan", 1, INPUTS, write(vqgan if there else "third weights"))
        seen = []
        with pytest.raises(RuntimeError):
            store.stage(
                "codes",
                1,
                {"vqgan": first.key},
                lambda folder, seen=seen: seen.append((folder / "last.ckpt").exists()) or half(folder),
                {first.key},
            )
        assert seen == [there]
        flipped(first.path / "result.txt")


@pytest.mark.parametrize("harm", ["cut", "gone", "stage.json", "no stage.json", "other sums", "other key"])
def test_every_kind_of_damage_is_seen(tmp_path: Path, harm: str) -> None:
    first, _ = made(tmp_path, "weights", "codes")
    file = first.path / "result.txt"
    if harm == "gone":
        file.unlink()
    elif harm == "cut":
        file.write_text("weight")
    elif harm == "no stage.json":
        (first.path / "stage.json").unlink()
    elif harm.startswith("other"):
        text = (first.path / "stage.json").read_text()
        old = '"files"' if harm == "other key" else '"recipe"'
        (first.path / "stage.json").write_text(text.replace(old, f'"{old[1:-2]}~"'))
    else:
        (first.path / "stage.json").write_text("{")
    assert not made(tmp_path, "weights")[0].reused


def test_a_folder_of_an_older_version_is_read_as_before(tmp_path: Path) -> None:
    stages = made(tmp_path, "weights", "codes")
    for stage in stages:
        record = json.loads((stage.path / "stage.json").read_text())
        old = {key: record[key] for key in ("recipe", "begun", "finished", "commit", "versions")}
        (stage.path / "stage.json").write_text(json.dumps(old))
    flipped(stages[0].path / "result.txt")
    assert all(stage.reused and stage.content is None for stage in made(tmp_path))


def test_a_file_is_hashed_once_by_a_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = made(tmp_path, "weights", "codes")
    files = [stage.path / "result.txt" for stage in (first, second)]
    for file in files:
        os.utime(file, (0, 0))
    monkeypatch.setattr("tats_exp.files.SETTLED", -1.0)
    made(tmp_path)
    read = []
    monkeypatch.setattr("hashlib.file_digest", lambda file, _: read.append(file.name))
    made(tmp_path)
    assert not read
    monkeypatch.undo()
    flipped(files[0])
    assert not made(tmp_path, "weights")[0].reused  # a change is seen all the same


def test_leftovers_of_killed_writes_do_not_pile_up(tmp_path: Path) -> None:
    def die(folder: Path) -> None:
        (folder / f".last.ckpt.{len(list(folder.iterdir()))}.1.tmp").write_text("half")
        raise RuntimeError

    for _ in range(3):
        with pytest.raises(RuntimeError):
            Store(tmp_path).stage("vqgan", 1, INPUTS, die)
        assert len(list(tmp_path.rglob("*.tmp"))) == 1
    Store(tmp_path).stage("vqgan", 1, INPUTS, write("a"))
    assert not list(tmp_path.rglob("*.tmp"))


@pytest.fixture
def read_only(monkeypatch: pytest.MonkeyPatch) -> Callable[[Path], None]:
    """Takes a folder below which nothing can be written, made or renamed from now on; by root neither."""

    def forbid(root: Path) -> None:
        def guarded(name: str, writes: Callable[..., bool]) -> None:
            real = getattr(os, name)

            def call(path: object, *arguments: Any, **named: Any) -> Any:
                below = not isinstance(path, int) and root in Path(os.fspath(path)).parents
                if below and writes(*arguments, **named):
                    raise OSError(errno.EROFS, os.strerror(errno.EROFS), str(path))
                return real(path, *arguments, **named)

            monkeypatch.setattr(os, name, call)

        guarded("open", lambda flags, *_, **__: bool(flags & (os.O_WRONLY | os.O_RDWR)))
        for name in ("rename", "replace", "utime", "chmod", "unlink", "mkdir"):
            guarded(name, lambda *_, **__: True)

    return forbid


@pytest.mark.parametrize("locks", [True, False])
def test_a_store_that_cannot_be_written_can_be_read(
    tmp_path: Path, read_only: Callable[[Path], None], locks: bool
) -> None:
    made(tmp_path, "weights", "codes")
    if not locks:
        for path in tmp_path.rglob("*.lock"):
            path.unlink()
    read_only(tmp_path)
    assert all(stage.reused for stage in made(tmp_path))
    with pytest.raises(UserError, match=rf"store.root={tmp_path}: cannot be written \(Read-only.*and .*codes/"):
        Store(tmp_path).stage("codes", 2, INPUTS, refuse)
    with pytest.raises(UserError, match=r"cannot be written .*other.* in it$"):
        Store(tmp_path).stage("other", 1, INPUTS, refuse)


def test_a_damaged_stage_of_a_store_that_cannot_be_written_is_named(
    tmp_path: Path, read_only: Callable[[Path], None]
) -> None:
    first, _ = made(tmp_path, "weights", "codes")
    flipped(first.path / "result.txt")
    read_only(tmp_path)
    with pytest.raises(UserError, match=r"cannot be written .*result.txt is damaged"):
        made(tmp_path, "weights")


def test_a_store_below_a_file_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match=r"^store\.root=.*file/store: cannot be written"):
        Store(tmp_path / "file" / "store").stage("vqgan", 1, INPUTS, refuse)


def test_a_store_of_a_group_is_the_groups_whatever_the_umask(tmp_path: Path) -> None:
    root = tmp_path / "store"
    root.mkdir()
    root.chmod(0o2770)
    umask = os.umask(0o027)
    try:
        stage, _ = made(root, "weights", "codes")
        own = tmp_path / "own"
        alone, _ = made(own, "weights", "codes")
    finally:
        os.umask(umask)
    for path in (stage.path.parent, stage.path):
        assert path.stat().st_mode & 0o070 == 0o070
    for path in (stage.path / "result.txt", stage.path.with_name(f"{stage.key}.lock")):
        assert path.stat().st_mode & 0o077 == 0o060
    assert alone.path.stat().st_mode & 0o077 == 0o050  # nobody asked


def test_what_was_begun_in_a_store_of_a_group_is_the_groups_too(tmp_path: Path) -> None:
    root = tmp_path / "store"
    root.mkdir()
    root.chmod(0o2770)

    def killed(folder: Path) -> None:
        (folder / "last.ckpt").touch()
        raise RuntimeError

    umask = os.umask(0o077)
    try:
        with pytest.raises(RuntimeError):
            Store(root).stage("vqgan", 1, INPUTS, killed)
        assert os.umask(0o077) == 0o077
    finally:
        os.umask(umask)
    (begun,) = root.glob("vqgan/*.partial/last.ckpt")
    assert begun.stat().st_mode & 0o077 == 0o060


def _of_another_user(user: int, root: Path, text: str | None) -> None:
    os.setgid(4242)
    os.setgroups([])
    os.setuid(user)
    os.umask(0o027)
    assert made(root, text, text)[0].reused is (text is None)
    if text is None:  # who may write to the store may mend it, too
        assert not Store(root, redo=("vqgan",)).stage("vqgan", 1, INPUTS, write("again")).reused


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be two users")
def test_another_users_stage_is_reused_and_can_be_made_again() -> None:
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        root = Path(folder) / "store"
        root.mkdir()
        os.chown(root, 4241, 4242)
        root.chmod(0o2770)
        for user, text in ((4243, "weights"), (4244, None)):
            process = multiprocessing.get_context("fork").Process(target=_of_another_user, args=(user, root, text))
            process.start()
            process.join()
            assert process.exitcode == 0
