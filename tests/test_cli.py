"""Only a mistake of the user is told as one, in one line that begins with the key; all else shows as ours."""

import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tats_exp import UserError
from tats_exp.cli import guarded, path_of, stoppable
from tats_exp.config.build import blamed_on, build
from tats_exp.config.schema import Config
from tats_exp.files import Stage
from tats_exp.progress import Progress
from tats_exp.run import processes
from tats_exp.run.job import failure


def test_only_a_user_error_is_the_users_fault(capsys: pytest.CaptureFixture[str]) -> None:
    def raising(error: Exception) -> Any:
        def run() -> int:
            raise error

        return run

    full = OSError(28, "No space left on device", "/x")
    assert guarded("x", raising(UserError("a\nb"))) == 2
    assert capsys.readouterr().err == "x: a\\nb\n"
    assert guarded("x", raising(full)) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("x: [Errno 28] No space left on device: '/x'; make room and start the same command again")
    for bug in (ValueError("v"), OSError(5, "Input/output error"), KeyError("k")):
        assert guarded("x", raising(bug)) == 1
        err = capsys.readouterr().err
        assert "Traceback" in err and err.splitlines()[-1].startswith(f"x: {type(bug).__name__}: ")
        assert failure(bug)["by_user"] is False and failure(bug)["error"].endswith("(see error.txt)")
    assert failure(UserError("k=1: no")) == {"error": "k=1: no", "by_user": True}
    assert failure(full)["by_user"] is False and "make room" in failure(full)["error"]


class Fussy:
    """A target whose constructor raises what it is told to."""

    def __init__(self, width: int = 1, error: str = "") -> None:
        if error:
            value = ValueError(f"width={width} is odd")
            raise {"value": value, "bug": KeyError("k"), "full": OSError(28, "full")}[error]


def test_what_a_constructor_raises_begins_with_the_path_of_its_key() -> None:
    node = {"_target_": f"{Fussy.__module__}.Fussy", "width": 3}
    assert isinstance(build(node, "a.b"), Fussy)
    with pytest.raises(UserError, match=r"^a\.b\.width=3 is odd$") as error:
        build({**node, "error": "value"}, "a.b")
    assert isinstance(error.value.__cause__, ValueError)
    with pytest.raises(UserError, match=r"^a\.b: KeyError: 'k'$"):
        build({**node, "error": "bug"}, "a.b")
    with pytest.raises(OSError, match="full"):
        build({**node, "error": "full"}, "a.b")
    with pytest.raises(UserError, match=r"^data\.root=x: no$"), blamed_on("data"):
        raise UserError("data.root=x: no")
    with pytest.raises(TypeError), blamed_on("data", kinds=OSError):
        raise TypeError("ours")


def test_a_path_that_cannot_be_used_names_its_key(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=rf"^out={tmp_path}: Is a directory$"), path_of("out", tmp_path):
        tmp_path.write_text("")
    with pytest.raises(OSError, match="full"), path_of("out", tmp_path):
        raise OSError(28, "full")


@pytest.mark.parametrize(
    "error, passed", [(UserError("a"), True), (OSError(28, "full"), True), (ValueError("b"), False)]
)
def test_a_process_passes_on_what_the_user_can_mend(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, error: Exception, passed: bool
) -> None:
    def inputs(*_: object) -> None:
        raise error

    stage = Stage("s", 1, inputs, print, print)
    queue: list[Any] = []
    for name in ("LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT"):
        monkeypatch.setenv(name, "0")
    config = Config.model_construct(threads=1, trainer={"devices": 1})
    with pytest.raises(type(error)):
        arguments = (stage, config, {}, tmp_path, Progress(tmp_path, ""), 0, SimpleNamespace(put=queue.append))
        processes._work(0, os.getppid(), *arguments)
    assert queue == ([(0, error)] if passed else [])


def test_sigterm_ends_a_command_as_ctrl_c_does(capsys: pytest.CaptureFixture[str]) -> None:
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell that starts this in the background ignores it
    before = signal.getsignal(signal.SIGTERM)
    for number in (signal.SIGINT, signal.SIGTERM):
        assert guarded("x", lambda number=number: os.kill(os.getpid(), number) or time.sleep(9) or 0) == 1
        assert capsys.readouterr().err == "x: stopped\n"
    assert signal.getsignal(signal.SIGTERM) is before
    other = threading.Thread(target=lambda: stoppable().__enter__())  # signals reach the main thread alone
    other.start()
    other.join()
    assert signal.getsignal(signal.SIGTERM) is before


def test_a_command_is_stopped_in_one_line_from_its_first_import_on(tmp_path: Path) -> None:
    """The signal comes while Hydra is imported, which is the first thing that takes long."""
    script = """
import os, runpy, signal, sys

class Kills:
    def find_spec(self, name, path=None, target=None):
        if name == "hydra":
            os.kill(os.getpid(), signal.SIGTERM)

sys.meta_path.insert(0, Kills())
sys.argv = ["tats_exp", "scale=smoke"]
runpy.run_module("tats_exp", run_name="__main__", alter_sys=True)
"""
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=tmp_path)
    assert (result.returncode, result.stdout, result.stderr) == (1, "", "tats_exp: stopped\n")


class Stops:
    """Has the process stopped while it is cleared away, where Python drops what is raised."""

    def __del__(self) -> None:
        os.kill(os.getpid(), signal.SIGTERM)
        for _ in range(1000):
            pass


def test_a_stop_that_python_drops_stops_all_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    def run() -> int:
        dropped = Stops()
        del dropped
        time.sleep(9)
        return 0

    hook = sys.unraisablehook
    assert guarded("x", run) == 1 and capsys.readouterr().err == "x: stopped\n"
    assert sys.unraisablehook is hook


def test_what_else_python_drops_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    class Breaks:
        def __del__(self) -> None:
            raise ValueError("broken")

    def run() -> int:
        broken = Breaks()
        del broken
        return 0

    assert guarded("x", run) == 0 and "ValueError: broken" in capsys.readouterr().err


def test_a_stop_inside_the_exec_of_a_text_has_the_exit_code_of_any_other(tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text("""
import sys

class Stops:
    def find_spec(self, name, path=None, target=None):
        if name == "hydra":
            exec("raise KeyboardInterrupt")  # as where dataclasses are made

sys.meta_path.insert(0, Stops())
""")
    result = subprocess.run(
        [sys.executable, "-m", "tats_exp", "scale=smoke"],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])},
    )
    assert (result.returncode, result.stderr) == (1, "tats_exp: stopped\n")


def test_a_stop_while_torch_would_import_numpy_is_a_stop(tmp_path: Path) -> None:
    script = """
import importlib.abc, os, runpy, signal, sys

class Finder(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name == "numpy.exceptions":
            sys.meta_path.remove(self)
            os.kill(os.getpid(), signal.SIGTERM)

sys.meta_path.insert(0, Finder())
sys.argv = ["tats_exp", "scale=smoke"]
runpy.run_module("tats_exp", run_name="__main__", alter_sys=True)
"""
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=tmp_path)
    assert (result.stderr, result.returncode, result.stdout) == ("tats_exp: stopped\n", 1, "")


def test_workers_of_a_sweep_do_not_hear_ctrl_c(tmp_path: Path) -> None:
    script = """
import signal
from joblib import Parallel, delayed
from tats_exp.cli import deaf_children

with deaf_children():
    masks = Parallel(n_jobs=2)(delayed(signal.pthread_sigmask)(signal.SIG_BLOCK, []) for _ in range(4))
print([signal.SIGINT in mask for mask in [*masks, signal.pthread_sigmask(signal.SIG_BLOCK, [])]])
"""
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=tmp_path)
    assert (result.stdout, result.stderr) == ("[True, True, True, True, False]\n", "")


def test_ctrl_c_reaches_this_process_and_not_its_deaf_children(tmp_path: Path) -> None:
    """A terminal sends it to the whole group, also to a child that is still starting."""
    script = """
import os, signal, subprocess, sys, time
from tats_exp.cli import deaf_children

signal.signal(signal.SIGINT, signal.default_int_handler)
with deaf_children():
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(1); print('lives', flush=True)"])
    try:
        time.sleep(0.3)
        os.killpg(0, signal.SIGINT)
        for _ in range(100):
            time.sleep(0.01)
        print("not heard")
    except KeyboardInterrupt:
        print("heard", flush=True)
child.wait()
"""
    result = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, cwd=tmp_path, start_new_session=True
    )
    assert (result.stdout, result.stderr, result.returncode) == ("heard\nlives\n", "", 0)


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
def test_a_stop_while_python_ends_changes_nothing(tmp_path: Path, name: str) -> None:
    script = f"""
import atexit, os, runpy, signal, sys
atexit.register(lambda: os.kill(os.getpid(), signal.{name}))
sys.argv = ["tats_exp", "--help"]
runpy.run_module("tats_exp", run_name="__main__", alter_sys=True)
"""
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=tmp_path)
    assert (result.returncode, result.stderr) == (0, "")


def _parent(pipe: Any) -> None:
    child = multiprocessing.get_context("fork").Process(target=_child, args=(os.getpid(),))
    child.start()
    pipe.send(child.pid)
    time.sleep(600)


def _child(parent: int) -> None:
    from tats_exp.cli import end_with

    end_with(parent)
    time.sleep(600)


def test_a_process_ends_with_the_one_that_started_it() -> None:
    context = multiprocessing.get_context("fork")
    ours, theirs = context.Pipe()
    parent = context.Process(target=_parent, args=(theirs,))
    parent.start()
    child = ours.recv()
    os.kill(child, 0)
    parent.kill()
    parent.join()
    for _ in range(600):
        try:
            os.kill(child, 0)
            state = subprocess.run(["ps", "-o", "stat=", "-p", str(child)], capture_output=True, text=True).stdout
            if not state.strip() or state.startswith("Z"):  # nobody may be there to reap it
                break
        except ProcessLookupError:
            break
        time.sleep(0.1)
    else:
        pytest.fail("it lives on")
