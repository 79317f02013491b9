"""Each file is judged whole and once; the verdict is remembered, and nothing that a decoder does ends this process."""

import io
import json
import os
import select
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import av
import numpy as np
import PIL
import pytest

from tats_exp import UserError
from tats_exp.data import decoder, frame_index, judge, judges, judging
from tats_exp.data.decoder import FrameConverter
from tats_exp.data.judging import judge_all, judged
from tats_exp.data.limits import Limits
from tats_exp.data.video_files import VideoFiles
from tats_exp.data.video_readers import open_reader
from tests.data.made_videos import frames_of, write_gif, write_images, write_video


@pytest.fixture(autouse=True)
def fresh(tmp_path, monkeypatch):
    """Nothing is known of any file, neither in this process nor on disk."""
    monkeypatch.setenv(judging.KEPT, str(tmp_path / "kept"))
    monkeypatch.setattr(judging, "_known", {})
    monkeypatch.setattr(judging, "_planned", {})
    monkeypatch.delenv(judging.HANDED, raising=False)


@pytest.fixture
def no_child(monkeypatch):
    def forbid():
        monkeypatch.setattr(judges, "COMMAND", ["no such command"])

    return forbid


def video(path, frames=20, **options):
    write_video(path, "mpeg4", frames_of(frames), g="12", **options)
    return path


def test_a_file_is_judged_once_in_a_process_and_once_on_a_disk(tmp_path, no_child, monkeypatch):
    path = video(tmp_path / "a.avi")
    first = judged(path)
    no_child()
    assert judged(path) is first
    monkeypatch.setattr(judging, "_known", {})
    again = judged(path)
    assert again is not first and again.sha256 == first.sha256 and again.length == 20
    assert np.array_equal(again.frames.checks, first.frames.checks) and again.size == first.size
    assert open_reader(path).length == 20


def test_a_file_that_changed_is_judged_again(tmp_path):
    path = video(tmp_path / "a.avi")
    before = judged(path)
    os.utime(path, (1, 1))
    assert judged(path) is not before and judged(path).sha256 == before.sha256
    video(path, 24)
    assert judged(path).length == 24
    path.unlink()
    with pytest.raises(ValueError, match=r"a\.avi: no such file"):
        judged(path)


def test_a_change_that_keeps_size_and_time_of_modification_is_seen(tmp_path):
    path = video(tmp_path / "a.avi")
    before, state = judged(path), path.stat()
    data = bytearray(path.read_bytes())
    data[-200] ^= 255
    path.write_bytes(data)
    os.utime(path, ns=(state.st_atime_ns, state.st_mtime_ns))
    (verdict,) = judge_all([path])
    assert isinstance(verdict, str) or verdict.sha256 != before.sha256


@pytest.mark.parametrize("damaged", range(3, 17, 3))
def test_a_packet_damaged_anywhere_is_found_every_time(tmp_path, monkeypatch, damaged):
    path = tmp_path / "a.avi"
    write_video(path, "mjpeg", frames_of(20, 48, 64), "yuvj420p")
    data = path.read_bytes()
    starts = [at for at in range(len(data) - 2) if data[at : at + 3] == b"\xff\xd8\xff"]
    at = starts[damaged]
    path.write_bytes(data[: at + 2] + b"\0" * 300 + data[at + 302 :])
    for _ in range(2):
        monkeypatch.setattr(judging, "_known", {})
        with pytest.raises(ValueError, match=rf"a\.avi: damaged, frame {damaged} cannot be decoded"):
            judged(path)


def test_a_packet_damaged_in_one_bit_gives_the_same_frames_from_the_start_every_time(tmp_path):
    """What such a frame leaves undecoded shows what was in its memory before, and that is another frame."""
    path = tmp_path / "a.avi"
    write_video(path, "mjpeg", frames_of(6, 48, 64), "yuvj420p")
    whole = path.read_bytes()
    first, last = [at for at in range(len(whole) - 2) if whole[at : at + 3] == b"\xff\xd8\xff"][2:4]
    accepted = 0
    for place in range(first + 700, last - 8, 21):
        content = bytearray(whole)
        content[place] ^= 1
        path.write_bytes(content)
        try:
            index, _, _ = frame_index.index_frames(path, Limits(), lambda: None)
        except UserError:
            continue
        converter = FrameConverter()
        with decoder.opened(path) as (container, stream):
            assert [converter.check(frame) for frame in container.decode(stream)] == index.checks.tolist()
        accepted += 1
    assert accepted > 20


def test_refusals_are_remembered_too(tmp_path, no_child, monkeypatch):
    path = tmp_path / "a.mp4"
    path.write_text("no video")
    (line,) = judge_all([path])
    no_child()
    monkeypatch.setattr(judging, "_known", {})
    assert judge_all([path]) == [line]


def test_what_hangs_is_given_up_and_the_rest_goes_on(tmp_path, monkeypatch):
    paths = [video(tmp_path / f"{number}.avi") for number in range(3)]
    hangs = "import sys, time\nfor line in sys.stdin:\n    time.sleep(1000)"
    monkeypatch.setattr(judges, "COMMAND", [sys.executable, "-c", hangs])
    monkeypatch.setattr(judges, "PATIENCE", 0.2)
    for path, verdict in zip(paths, judge_all(paths), strict=True):
        assert verdict == f"{path}: no sign of life from its decoder for 0.2 s"
    monkeypatch.undo()
    assert open_reader(paths[0]).length == 20  # it was not remembered: a busy machine may be to blame


def test_what_crashes_is_named_and_the_rest_goes_on(tmp_path, monkeypatch):
    paths = [video(tmp_path / f"{number}.avi") for number in range(4)]
    crashes = (
        "import os, sys, json\n"
        "for line in sys.stdin:\n"
        "    if '1.avi' in line: os.kill(os.getpid(), 11)\n"
        "    print(json.dumps({'refused': 'fine'}), flush=True)"
    )
    monkeypatch.setattr(judges, "COMMAND", [sys.executable, "-c", crashes])
    assert judge_all(paths) == ["fine", f"{paths[1]}: its decoder crashed (-11)", "fine", "fine"]


def test_signs_of_life_keep_a_long_file_alive(tmp_path, monkeypatch):
    slow = (
        "import sys, json, time\n"
        "for line in sys.stdin:\n"
        "    for _ in range(8): time.sleep(.25); print(flush=True)\n"
        "    print(json.dumps({'refused': 'done'}), flush=True)"
    )
    monkeypatch.setattr(judges, "COMMAND", [sys.executable, "-c", slow])
    monkeypatch.setattr(judges, "PATIENCE", 1.5)
    assert judge_all([video(tmp_path / "a.avi")]) == ["done"]


def test_without_a_place_to_keep_verdicts_it_works_and_says_so_once(tmp_path, caplog):
    (tmp_path / "kept").write_text("a file, no folder")
    for name in ("a.avi", "b.avi"):
        assert judged(video(tmp_path / name)).length == 20
    assert caplog.text.count("verdicts on videos cannot be kept in") == 1


def test_a_damaged_entry_is_made_again(tmp_path, monkeypatch):
    path = video(tmp_path / "a.avi")
    judged(path)
    (entry,) = (tmp_path / "kept").rglob("*.json")
    for content in ("", "{", "[]", entry.read_text().replace('"checks": "', '"checks": "AAAA')):
        entry.write_text(content)
        monkeypatch.setattr(judging, "_known", {})
        assert open_reader(path).read(range(3)).shape == (3, 20, 34, 3)


def test_limits_are_held_and_named_and_can_be_raised(tmp_path):
    path, gif = video(tmp_path / "a.avi"), tmp_path / "a.gif"
    write_gif(gif, frames_of(5), [40, 40, 40, 40, 800])
    write_images(tmp_path / "images", frames_of(20))
    for where in (path, gif, tmp_path / "images"):
        with pytest.raises(ValueError, match=r"allowed: limits\.frames=19, which can be raised"):
            open_reader(where, limits=Limits(frames=19))
        with pytest.raises(ValueError, match=r"20x34 take 2040 bytes each; allowed: limits\.frame_bytes=2039"):
            open_reader(where, limits=Limits(frame_bytes=2039))
        assert open_reader(where, limits=Limits(frames=24, frame_bytes=2040)).length in (20, 24)


def test_videos_are_opened_from_scripts_on_standard_input(tmp_path):
    path = video(tmp_path / "a.avi")
    script = f"from tats_exp.data.video_readers import open_reader\nprint(open_reader({str(path)!r}).length)"
    (tmp_path / "av.py").write_text("raise SystemExit('a module of that name lies in the working folder')")
    done = subprocess.run([sys.executable, "-P"], input=script, capture_output=True, text=True, cwd=tmp_path)
    assert done.stdout == "20\n", done.stderr


def test_judging_imports_no_torch():
    for module in ("tats_exp.data.judge", "tats_exp.data.video_readers"):
        script = f"import sys, {module}\nprint(sorted({{'torch', 'hydra', 'decord'}} & set(sys.modules)))"
        assert subprocess.run([sys.executable, "-c", script], capture_output=True, text=True).stdout == "[]\n"


def test_a_sweep_hands_its_list_to_its_runs(tmp_path, no_child, monkeypatch, caplog):
    root = tmp_path / "root"
    for split in ("train", "test"):
        video(root / split / "all" / "a.avi")
    video(root / "train" / "all" / "c.avi")
    (root / "train" / "all" / "b.avi").write_text("no video")
    planned = VideoFiles(root, 16).split("train")
    assert planned.names == ["train/all/a.avi", "train/all/c.avi"]
    judging.hand_over(tmp_path / "videos.json")
    assert os.environ.pop(judging.HANDED) == str(tmp_path / "videos.json")
    monkeypatch.setenv(judging.HANDED, str(tmp_path / "videos.json"))
    no_child()
    caplog.clear()
    video(root / "train" / "all" / "0.avi")  # comes too late
    run = VideoFiles(root, 16).split("train")
    assert run.names == planned.names and run.fingerprint() == planned.fingerprint() and not caplog.records
    (root / "train" / "more").mkdir()  # a class that comes too late
    (root / "train" / "all" / "a.avi").unlink()
    (root / "train" / "all" / "c.avi").write_text("no video any more")
    for known in (judging._known, {}):
        monkeypatch.setattr(judging, "_known", known)
        run = VideoFiles(root, 16).split("train")
        assert run.names == planned.names and run.fingerprint() == planned.fingerprint()
        with pytest.raises(ValueError, match=r"a\.avi: no such file$"):
            run.read(0, 0, 4)
        with pytest.raises(ValueError, match=r"c\.avi: (cannot be opened|damaged or changed)"):
            run.read(1, 0, 4)
    shutil.rmtree(os.environ[judging.KEPT])
    monkeypatch.setattr(judging, "_known", {})
    monkeypatch.setattr(judges, "COMMAND", [sys.executable, "-P", "-m", "tats_exp.data.judge"])
    with pytest.raises(ValueError, match=r"a\.avi: no such file \(it was readable when the sweep was planned\)"):
        VideoFiles(root, 16).split("train")


def test_a_condemned_file_stays_in_the_list_of_its_sweep(tmp_path, monkeypatch):
    for split in ("train", "test"):
        video(tmp_path / "root" / split / "all" / "a.avi")
    planned = VideoFiles(tmp_path / "root", 16).split("train")
    judging.hand_over(tmp_path / "videos.json")
    monkeypatch.setenv(judging.HANDED, str(tmp_path / "videos.json"))
    path, verdict = planned.listed[0].path, planned.verdicts[0]
    judging.condemn(path, Limits(), verdict, f"{path}: decodes otherwise")
    with pytest.raises(ValueError, match="decodes otherwise"):
        judged(path)
    assert VideoFiles(tmp_path / "root", 16).split("train").names == planned.names


def test_a_child_that_cannot_start_is_a_mistake_of_ours_and_says_why(tmp_path, monkeypatch):
    monkeypatch.setattr(judges, "COMMAND", [sys.executable, "-c", "import no_such_module"])
    with pytest.raises(RuntimeError, match="No module named 'no_such_module'"):
        judged(video(tmp_path / "a.avi"))


def test_a_child_ends_with_the_process_that_started_it(tmp_path):
    script = (
        "import os, subprocess, sys\n"
        "command = [sys.executable, '-P', '-m', 'tats_exp.data.judge', str(os.getpid())]\n"
        "child = subprocess.Popen(command, stdin=sys.stdin)\n"
        "print(child.pid, flush=True)\n"
        "sys.stdin.read()"
    )
    command = [sys.executable, "-c", script]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        parent.kill()
        # Standard input stays open, so only the missing parent tells the child; its end closes their standard output.
        ended, _, _ = select.select([parent.stdout], [], [], 60)
        if not ended:
            os.kill(child, signal.SIGKILL)
        assert ended and parent.stdout.read() == ""


def test_a_fingerprint_knows_content_and_no_times(tmp_path):
    for split in ("train", "test"):
        video(tmp_path / split / "all" / "a.avi")
    before = VideoFiles(tmp_path, 16).split("train").fingerprint()
    os.utime(tmp_path / "train" / "all" / "a.avi", (1, 1))
    assert VideoFiles(tmp_path, 16).split("train").fingerprint() == before
    video(tmp_path / "train" / "all" / "a.avi", 21)
    assert VideoFiles(tmp_path, 16).split("train").fingerprint() != before


def test_relative_paths_are_judged_from_where_one_stands(tmp_path, monkeypatch):
    video(tmp_path / "a.avi")
    monkeypatch.chdir(tmp_path)
    assert judged(Path("a.avi")).length == 20


def test_what_was_put_in_the_place_of_an_open_file_is_not_refused_for_it(tmp_path):
    path = video(tmp_path / "a.avi")
    before = open_reader(path)
    write_video(path, "mpeg4", frames_of(20, seed=1), g="12")
    assert open_reader(path).length == 20
    with pytest.raises(ValueError, match=r"a\.avi: damaged or changed"):
        before.read(range(20))
    assert open_reader(path).read(range(20)).shape == (20, 20, 34, 3)


def test_a_verdict_knows_its_decoder_after_an_upgrade(tmp_path, monkeypatch):
    write_images(tmp_path / "images", frames_of(3))
    assert judged(tmp_path / "images").decoder == f"pillow {PIL.__version__}"
    monkeypatch.setattr(PIL, "__version__", "999.0")
    monkeypatch.setattr(judging, "_known", {})
    asked = []
    monkeypatch.setattr(judges.Judge, "ask", lambda _, path, __: asked.append(path) or {"refused": "judged anew"})
    assert judge_all([tmp_path / "images"]) == ["judged anew"] and asked == [tmp_path / "images"]


def test_too_little_memory_is_no_fault_of_the_file(tmp_path, monkeypatch, capsys):
    path = video(tmp_path / "a.avi")
    reader = open_reader(path)

    def crowded(*_):
        raise av.error.MemoryError(12, "Cannot allocate memory")

    with monkeypatch.context() as short:
        short.setattr(FrameConverter, "check", crowded)
        with pytest.raises(MemoryError):
            reader.read(range(4))
        short.setattr(sys, "stdin", io.StringIO(json.dumps({"path": str(path), "limits": {}}) + "\n"))
        judge.main(os.getppid())
    assert json.loads(capsys.readouterr().out) == {"refused": f"{path}: does not fit into memory", "chance": True}
    assert open_reader(path).read(range(4)).shape == (4, 20, 34, 3)


def test_signs_of_life_come_while_a_place_to_begin_is_tried(tmp_path):
    """Seeking may arrive hundreds of large frames before it."""
    path = video(tmp_path / "a.avi", 40)
    beats = []
    with decoder.opened(path) as (container, stream):
        before = frame_index._decoded_before(container, stream, 0, 36, judged(path).frames, lambda: beats.append(1))
    assert before == 36 and len(beats) == 37


def test_a_list_holds_however_its_root_is_written(tmp_path, monkeypatch):
    for split in ("train", "test"):
        video(tmp_path / "root" / split / "all" / "a.avi")
    monkeypatch.chdir(tmp_path)
    planned = VideoFiles("root", 16).split("train")
    monkeypatch.setenv(judging.HANDED, str(tmp_path / "videos.json"))
    judging.hand_over(tmp_path / "videos.json")
    assert VideoFiles(tmp_path / "root", 16).split("train").names == planned.names
