"""Children that judge files (`judge.py`), several side by side, each under a time limit.

A decoder that hangs or crashes over a damaged file takes nothing with it.
"""

import json
import os
import queue
import selectors
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

from tats_exp.cores import usable_cores
from tats_exp.data.limits import Limits

PATIENCE = 60.0
"""Seconds without a sign of life after which a child counts as hanging."""
COMMAND = [sys.executable, "-P", "-m", "tats_exp.data.judge"]
"""Started as a command, and not by `multiprocessing`: scripts from standard input and notebooks open videos, too."""


def judge_side_by_side(paths: list[Path], limits: Limits) -> Iterable[dict[str, Any]]:
    """What children say of paths, in their order, as it comes."""
    if not paths:
        return
    idle: queue.SimpleQueue[Judge] = queue.SimpleQueue()
    children: list[Judge] = []
    for _ in range(min(len(paths), usable_cores())):
        children.append(Judge())
        idle.put(children[-1])

    def ask(path: Path) -> dict[str, Any]:
        child = idle.get()
        try:
            return child.ask(path, limits)
        finally:
            idle.put(child)

    pool = ThreadPoolExecutor(max_workers=len(children))
    try:
        yield from pool.map(ask, paths)
    finally:
        for child in children:
            child.stop()
        pool.shutdown(cancel_futures=True)


class Judge:
    """A process that judges one path after the other, started anew after it has hung or crashed."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._rest = b""
        self._stopped = False
        self._complaints = tempfile.TemporaryFile()  # noqa: SIM115  (it is closed when the child is)

    def ask(self, path: Path, limits: Limits) -> dict[str, Any]:
        """What the child says of a path; where it says nothing, that is what is refused."""
        asked = {"path": os.path.abspath(path), "limits": asdict(limits)}  # noqa: PTH100
        process = self._running()
        try:
            record = self._answer(process, json.dumps(asked).encode())
        except TimeoutError:
            why = f"no sign of life from its decoder for {PATIENCE:g} s"
        else:
            if record is not None:
                return record
            why = f"its decoder crashed ({process.wait()})"
            if process.returncode == 1:  # Python ended it, not the decoder: it could not even start
                self._complaints.seek(0)
                raise RuntimeError(f"{' '.join(COMMAND)}: {self._complaints.read().decode(errors='replace')}")
        self._end()
        return {"refused": f"{path}: {why}", "chance": True}

    def _answer(self, process: "subprocess.Popen[bytes]", question: bytes) -> dict[str, Any] | None:
        """What the child says; None when it has ended.

        Raises:
            TimeoutError: there was no sign of life.
            RuntimeError: a mistake of ours in it.
        """
        assert process.stdin is not None
        with suppress(BrokenPipeError):
            process.stdin.write(question + b"\n")
            process.stdin.flush()
        while (line := self._line(process)) is not None:
            if line:
                record: dict[str, Any] = json.loads(line)
                if "bug" in record:
                    raise RuntimeError(record["bug"])
                return record
        return None

    def stop(self) -> None:
        """End the child, whatever it is at."""
        self._stopped = True
        self._end()
        self._complaints.close()

    def _running(self) -> subprocess.Popen[bytes]:
        if self._stopped:
            raise RuntimeError("judging was stopped")
        if self._process is None:
            package = Path(__file__).resolve().parents[2]
            search = os.pathsep.join([str(package), *filter(None, [os.environ.get("PYTHONPATH")])])
            self._process = subprocess.Popen(
                [*COMMAND, str(os.getpid())],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._complaints,
                env=os.environ | {"PYTHONPATH": search},
            )
            self._rest = b""
        return self._process

    def _line(self, process: subprocess.Popen[bytes]) -> bytes | None:
        """The next line; None when the child has ended."""
        assert process.stdout is not None
        with selectors.DefaultSelector() as selector:
            selector.register(process.stdout, selectors.EVENT_READ)
            while b"\n" not in self._rest:
                if not selector.select(PATIENCE):
                    raise TimeoutError
                read = os.read(process.stdout.fileno(), 2**20)
                if not read:
                    return None
                self._rest += read
        line, self._rest = self._rest.split(b"\n", 1)
        return line

    def _end(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            for pipe in (self._process.stdin, self._process.stdout):
                if pipe is not None:
                    with suppress(BrokenPipeError):  # what it was never told
                        pipe.close()
            self._process = None
