"""Read frames of video files by their number: frame i is the i-th frame that decoding from the start gives.

Axes: T frames, H W pixels, C = 3 colour channels.
"""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

from tats_exp import UserError
from tats_exp.data.frame_index import FrameConverter, FrameIndex, opened, turned
from tats_exp.data.judge import Verdict
from tats_exp.data.judging import judged
from tats_exp.data.limits import DEFAULT, Limits
from tats_exp.data.regular_file import require_file

SUFFIXES = (".avi", ".mkv", ".mov", ".mp4", ".webm")


class VideoFileReader:
    """A video file, open for random access; frame after frame costs no seeking.

    Every frame that is read is held against the checksum that it had when the file was decoded from its start. Where
    seeking gives another one, the file is decoded from its start again.

    Attributes:
        path: of the file.
        length: in frames.
        delays: (length,) int64, for how long each frame is shown, in units of the stream.
    """

    def __init__(self, path: Path, limits: Limits = DEFAULT, verdict: Verdict | None = None) -> None:
        """Open a file.

        Args:
            path: of a video file or GIF.
            limits: budgets that its claims are held against.
            verdict: what is known of the file; None: it is judged now, unless that was done before.

        Raises:
            UserError: it is gone, damaged, or claims too much; one line that names it.
        """
        require_file(path)
        verdict = judged(path, limits) if verdict is None else verdict
        if verdict.frames is None:
            raise UserError(f"{path}: no video file")
        self.path = path
        self.length = verdict.length
        self._size = verdict.size
        self._index: FrameIndex = verdict.frames
        self.delays = self._index.delays
        self._converter = FrameConverter()
        self._open = ExitStack()
        self._decoded: Iterator[tuple[int, av.VideoFrame]] = iter(())
        self._at: int | None = None

    def read(self, indices: Sequence[int]) -> NDArray[np.uint8]:
        """Decode single frames.

        Args:
            indices: of the frames, 0 to length - 1, in any order.

        Returns:
            (T, H, W, 3) uint8.

        Raises:
            UserError: the file has no such frame, or decodes otherwise than it did; one line that names it.
        """
        if beyond := [index for index in indices if not 0 <= index < self.length]:
            raise UserError(f"{self.path}: frame {beyond[0]} asked for, it has 0 to {self.length - 1}")
        height, width = self._size
        stored = (width, height) if self._index.turn & 1 else (height, width)
        frames = np.empty((len(indices), *stored, 3), np.uint8)
        rows: dict[int, list[int]] = {}
        for row, index in enumerate(indices):
            rows.setdefault(index, []).append(row)

        def put(index: int, frame: av.VideoFrame) -> None:
            frames[rows[index]] = self._converter.rgb(frame)

        self._decode(sorted(rows), put)
        return turned(frames, self._index.turn)

    def close(self) -> None:
        """Let go of the file; reading opens it again."""
        self._open.close()
        self._decoded, self._at = iter(()), None

    def _decode(self, wanted: list[int], put: Callable[[int, av.VideoFrame], None]) -> None:
        """Decode frames: from where the reader is, from a place where decoding may begin, or from the start."""
        if not wanted:
            return
        place = int(np.searchsorted(self._index.starts, wanted[0], side="right"))
        start = int(self._index.starts[place - 1]) if place else 0
        if self._at is not None and start <= self._at <= wanted[0] and self._gives(wanted, put):
            return
        if place:
            self._seek(int(self._index.seeks[place - 1]))
            if self._gives(wanted, put):
                return
        self._restart()
        if not self._gives(wanted, put):
            self.close()
            raise UserError(f"{self.path}: damaged or changed, its frames are no longer those that were indexed")

    def _gives(self, wanted: list[int], put: Callable[[int, av.VideoFrame], None]) -> bool:
        """Whether decoding on from here gives all wanted frames, as they were when the file was indexed."""
        left = deque(wanted)
        try:
            for number, frame in self._decoded:
                if number < left[0]:
                    continue
                if number > left[0] or self._converter.check(frame) != self._index.checks[number]:
                    return False
                put(left.popleft(), frame)
                self._at = number + 1
                if not left:
                    return True
        except av.error.FFmpegError:
            pass
        return False

    def _restart(self) -> None:
        """Go to the first frame; from there on frames are counted."""
        self.close()
        container, stream = self._open.enter_context(opened(self.path))
        self._container, self._stream = container, stream
        self._decoded, self._at = enumerate(container.decode(stream)), 0

    def _seek(self, time: int) -> None:
        """Go to a time; from there on frames are known by their times."""
        if self._at is None:
            self._restart()
        self._at = None
        self._container.seek(time, stream=self._stream)
        self._decoded = ((self._index.number_at(f.pts), f) for f in self._container.decode(self._stream))
