"""Read frames of video files by their number: frame i is the i-th frame that decoding from the start gives.

Axes: T frames, H W pixels, C = 3 colour channels.
"""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

from tats_exp import UserError
from tats_exp.data.decoder import FrameConverter, opened
from tats_exp.data.frame_index import FrameIndex, turned
from tats_exp.data.judge import Verdict
from tats_exp.data.judging import condemn, judged
from tats_exp.data.limits import DEFAULT, Limits
from tats_exp.data.regular_file import require_file, require_frames

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
        self.path, self._limits, self._verdict = path, limits, verdict
        self.length = verdict.length
        self._size = verdict.size
        self._index: FrameIndex = verdict.frames
        self.delays = self._index.delays
        self._converter = FrameConverter()
        self._open = ExitStack()
        self.close()

    def read(self, indices: Sequence[int]) -> NDArray[np.uint8]:
        """Decode single frames.

        Args:
            indices: of the frames, 0 to length - 1, in any order.

        Returns:
            (T, H, W, 3) uint8.

        Raises:
            UserError: the file has no such frame, or decodes otherwise than it did; one line that names it.
        """
        require_frames(self.path, indices, self.length)
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
        self._container: Any = None
        self._decoded: Iterator[tuple[int, av.VideoFrame]] = iter(())
        self._at: int | None = None

    def _decode(self, wanted: list[int], put: Callable[[int, av.VideoFrame], None]) -> None:
        """Decode frames: from where the reader is, from a place where decoding may begin, or from the start."""
        if not wanted:
            return
        place = int(np.searchsorted(self._index.starts, wanted[0], side="right"))
        start = int(self._index.starts[place - 1]) if place else 0
        if self._at is not None and start <= self._at <= wanted[0] and self._gives(wanted, put):
            return
        seek = int(self._index.seeks[place - 1]) if place else None
        if self._index.times.size and self._goes_to(seek) and self._gives(wanted, put):
            return
        self._restart()
        self._decoded = enumerate(self._container.decode(self._stream))
        if not self._gives(wanted, put):
            self.close()
            why = f"{self.path}: damaged or changed, its frames are no longer those that were indexed"
            condemn(self.path, self._limits, self._verdict, why)
            raise UserError(why)

    def _gives(self, wanted: list[int], put: Callable[[int, av.VideoFrame], None]) -> bool:
        """Whether decoding on from here gives all wanted frames, as they were when the file was indexed.

        Raises:
            MemoryError: there is too little of it, which says nothing of the file.
        """
        left = deque(wanted)
        self._at, self._wanted = None, wanted[0]
        try:
            for number, frame in self._decoded:
                if number < left[0]:
                    continue
                if number > left[0] or self._converter.check(frame) != self._index.checks[number]:
                    return False
                put(left.popleft(), frame)
                if not left:
                    self._at = number + 1
                    return True
        except MemoryError:
            raise
        except av.error.FFmpegError:
            pass
        return False

    def _goes_to(self, time: int | None) -> bool:
        """Whether one can go to a time, or to the first frame; from there on frames are known by their times."""
        if time is None or self._container is None:
            self._restart()
        try:
            if time is not None:
                self._container.seek(time, stream=self._stream)
        except MemoryError:
            raise
        except av.error.FFmpegError:  # there is no such place any more
            return False
        self._decoded = self._known_by_time()
        return True

    def _known_by_time(self) -> Iterator[tuple[int, av.VideoFrame]]:
        """Frames and their numbers; those before the wanted one that no other frame needs are not decoded."""
        context = self._stream.codec_context
        for packet in self._container.demux(self._stream):
            first = self._index.times[self._wanted]
            skips = self._index.in_order and packet.pts is not None and packet.pts < first
            context.skip_frame = "NONREF" if skips else "DEFAULT"
            for frame in packet.decode():
                yield self._index.number_at(frame.pts), frame

    def _restart(self) -> None:
        """Open the file anew, at its first frame."""
        self.close()
        self._container, self._stream = self._open.enter_context(opened(self.path))
