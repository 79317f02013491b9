"""What all commands share: how they end, and what they say then.

A mistake of the user is one line and exit code 2, a mistake of ours exit code 1.
"""

import _thread
import errno
import os
import select
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from types import FrameType

from tats_exp import UserError

AGAIN = 0.05
"""Seconds until a stop that was lost is tried again."""
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def guarded(name: str, run: Callable[[], int]) -> int:
    """Run a command; what it raises becomes one line on stderr, under the traceback where it is a mistake of ours.

    Args:
        name: of the command, as the line shall begin.
        run: returns the exit code.

    Returns:
        The exit code: that of `run`, 2 when the user's input is wrong, 1 when anything else went wrong.
    """
    try:
        with stoppable():
            import numpy  # noqa: F401 -- torch drops what is raised while it imports numpy, a stop too

            return run()
    except UserError as error:
        print(f"{name}: {one_line(error)}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(f"{name}: stopped", file=sys.stderr)
        return 1
    except Exception as error:
        if isinstance(error, BrokenPipeError) and _nobody_reads():
            return 1
        if not disk_is_full(error):
            traceback.print_exc()
        print(f"{name}: {error_line(error)}", file=sys.stderr)
        return 1


def _nobody_reads() -> bool:
    """Whether what reads stdout has gone, as `| head` does; what would still be written there goes nowhere then."""
    poll = select.poll()
    try:
        poll.register(sys.stdout.fileno(), select.POLLOUT)
    except (AttributeError, ValueError, OSError):  # no file, as in a notebook
        return False
    gone = any(event & (select.POLLERR | select.POLLHUP) for _, event in poll.poll(0))
    if gone:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return gone


@contextmanager
def stoppable() -> Iterator[None]:
    """A block that SIGTERM, which schedulers send, stops as Ctrl-C does; in the main thread, which signals reach."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before, hook = signal.signal(signal.SIGTERM, _interrupt), sys.unraisablehook
    sys.unraisablehook = _stop_again
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL if before is None else before)
        sys.unraisablehook = hook


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _stop_again(lost: "sys.UnraisableHookArgs") -> None:
    """Stop once more where the stop came while an object was cleared away: Python drops what is raised there."""
    if not issubclass(lost.exc_type, KeyboardInterrupt):
        sys.__unraisablehook__(lost)
        return
    timer = threading.Timer(AGAIN, _thread.interrupt_main, [signal.SIGTERM])  # here, it would be lost again
    timer.daemon = True
    timer.start()


@contextmanager
def deaf_children() -> Iterator[None]:
    """A block whose child processes do not hear Ctrl-C, which a terminal sends to all: they end with this process.

    Children inherit what the thread that starts them has blocked. Another thread hears it for this one. Starting a
    resource tracker lets it through to the thread again, so these are started before.
    """
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    from multiprocessing import resource_tracker

    from joblib.externals.loky.backend import resource_tracker as joblib_tracker

    for tracker in (resource_tracker, joblib_tracker):
        tracker.ensure_running()
    threading.Thread(target=threading.Event().wait, daemon=True).start()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@cache
def end_with(parent: int) -> None:
    """End this process, whatever it is at, within a second of the one that started it, a number of a process."""

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(1)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def one_line(error: BaseException) -> str:
    """What an exception says, in one line; the name of its class where it says nothing."""
    return " ".join(str(error).split()) or type(error).__name__


def error_line(error: BaseException) -> str:
    """One line about an exception: how to go on from a full disk, and the class of what is a mistake of ours."""
    if isinstance(error, UserError):
        return one_line(error)
    if disk_is_full(error):
        return f"{one_line(error)}; make room and start the same command again: what is finished is kept"
    return f"{type(error).__name__}: {one_line(error)}" if str(error) else one_line(error)


def disk_is_full(error: BaseException) -> bool:
    """Whether there was no room for what was to be written: nobody's mistake, and the same command goes on."""
    return isinstance(error, OSError) and error.errno in FULL


@contextmanager
def path_of(key: str, path: Path | str) -> Iterator[None]:
    """A block that reads or writes a path which the user named: what the system says against it names the key.

    Args:
        key: of the config.
        path: its value.

    Raises:
        UserError: the path cannot be used as the block does. A full disk stays what it is.
    """
    try:
        yield
    except OSError as error:
        if disk_is_full(error):
            raise
        place = f" ({error.filename})" if error.filename and str(error.filename) != str(path) else ""
        raise UserError(f"{key}={path}: {error.strerror or one_line(error)}{place}") from error
