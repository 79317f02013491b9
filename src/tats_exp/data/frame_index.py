"""What decoding a video file once, from its start to its end, tells: the truth that every later read is held to.

Frame i of a file is the i-th frame that decoding from the start gives. Containers tell lengths that are not true, and
seeking by their tables gives other frames where a file has B-frames, open groups of pictures or an edit list. The index
therefore keeps a checksum of every frame, the time by which it is known again, and the places where decoding may begin,
each of them tried.
"""

import base64
import math
import zlib
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

from tats_exp import UserError
from tats_exp.data.decoder import FrameConverter, opened
from tats_exp.data.limits import Limits

SEEK_EVERY = 8
"""Frames from one place where decoding may begin to the next, at least: closer ones would save nothing."""

Beat = Callable[[], None]
"""Called while a file is worked on, to tell that something moves."""


@dataclass(frozen=True)
class FrameIndex:
    """The frames of a file in the order in which decoding gives them.

    Attributes:
        checks: (length,) uint32, CRC-32 of each frame as it is decoded.
        times: (length,) int64, presentation time of each frame; empty where they do not tell the frames apart.
        starts: (places,) int64, numbers of frames where decoding may begin, without 0.
        seeks: (places,) int64, the time to seek to for each of `starts`.
        delays: (length,) int64, for how long each frame is shown, in units of the stream; a GIF's are hundredths of
            a second.
        turn: how the pixels are to be turned: bit 0 swaps rows and columns, then 1 mirrors columns, 2 rows.
        concealed: frames that the decoder itself calls damaged, and patched.
    """

    checks: NDArray[np.uint32]
    times: NDArray[np.int64]
    starts: NDArray[np.int64]
    seeks: NDArray[np.int64]
    delays: NDArray[np.int64]
    turn: int
    concealed: int

    @cached_property
    def _by_time(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Times in order, and the number of the frame at each."""
        order = np.argsort(self.times, kind="stable")
        return self.times[order], order

    @cached_property
    def in_order(self) -> bool:
        """Whether every frame is shown later than the one before it."""
        return bool(np.all(np.diff(self.times) > 0))

    def number_at(self, time: int | None) -> int:
        """The number of the frame of a presentation time, -1 where there is none."""
        times, order = self._by_time
        place = len(times) if time is None else int(np.searchsorted(times, time))
        return int(order[place]) if place < len(times) and times[place] == time else -1

    def as_json(self) -> dict[str, Any]:
        """The fields as JSON values; `from_json` reads them back."""
        record: dict[str, Any] = {}
        for field in fields(self):
            value = getattr(self, field.name)
            packed = isinstance(value, np.ndarray)
            record[field.name] = base64.b64encode(zlib.compress(value.tobytes(), 1)).decode() if packed else value
        return record

    @classmethod
    def from_json(cls, record: dict[str, Any]) -> "FrameIndex":
        """Read what `as_json` made."""
        types = {"checks": np.uint32, "times": np.int64, "starts": np.int64, "seeks": np.int64, "delays": np.int64}
        arrays = {
            name: np.frombuffer(zlib.decompress(base64.b64decode(record[name])), dtype) for name, dtype in types.items()
        }
        return cls(**arrays, turn=int(record["turn"]), concealed=int(record["concealed"]))


def index_frames(path: Path, limits: Limits, beat: Beat) -> tuple[FrameIndex, tuple[int, int], str]:
    """Decode a file from its start to its end.

    Args:
        path: of a video file or GIF.
        limits: budgets that its claims are held against.
        beat: called for every frame.

    Returns:
        The index, height and width of the frames when they are turned as they should be, and the codec.

    Raises:
        UserError: it cannot be decoded whole, its frames differ in size, or it claims more than the limits.
        MemoryError: there is too little of it now.
    """
    with opened(path) as (container, stream):
        context = stream.codec_context
        limits.check_frame(path, context.height, context.width)
        seen = _Seen(path, limits)
        try:
            for packet in container.demux(stream):
                seen.packet(packet)
                for frame in packet.decode():
                    seen.frame(frame)
                    beat()
        except (av.error.FFmpegError, ValueError) as error:
            if isinstance(error, (UserError, MemoryError)):
                raise
            raise UserError(f"{path}: damaged, frame {len(seen.checks)} cannot be decoded") from error
        codec = context.codec.canonical_name
    index = _with_turn_and_starts(path, seen, beat)
    return index, seen.turned_size(index.turn), codec


class _Seen:
    """What is seen of a file on the way through it."""

    def __init__(self, path: Path, limits: Limits) -> None:
        self.path, self.limits, self.converter = path, limits, FrameConverter()
        self.checks: list[int] = []
        self.times: list[int | None] = []
        self.keys: list[int] = []
        self.delays: list[int] = []
        self.decoding_times: dict[int, int] = {}
        self.size: tuple[int, int] | None = None
        self.concealed = 0

    def packet(self, packet: av.Packet) -> None:
        """Note at which time a packet can be sought."""
        if packet.is_keyframe and packet.pts is not None and packet.dts is not None:
            self.decoding_times[packet.pts] = packet.dts

    def frame(self, frame: av.VideoFrame) -> None:
        """Note a decoded frame."""
        size = (frame.height, frame.width)
        if self.size is None:
            self.limits.check_frame(self.path, *size)
            self.size = size
        if size != self.size:
            first, other = (f"{height}x{width}" for height, width in (self.size, size))
            raise UserError(
                f"{self.path}: frames differ in size, the first is {first}, frame {len(self.checks)} is {other}"
            )
        if frame.key_frame:
            self.keys.append(len(self.checks))
        self.concealed += frame.is_corrupt
        self.checks.append(self.converter.check(frame))
        self.times.append(frame.pts)
        self.delays.append(frame.duration or 1)
        self.limits.check_length(self.path, len(self.checks))

    def index(self) -> FrameIndex:
        """The index, as yet without the turn, and places to begin at."""
        if not self.checks:
            raise UserError(f"{self.path}: holds no frame")
        known = [time for time in self.times if time is not None]
        times = known if len(set(known)) == len(self.checks) else []
        none = np.zeros(0, np.int64)
        delays = np.array(self.delays, np.int64)
        checks = np.array(self.checks, np.uint32)
        return FrameIndex(checks, np.array(times, np.int64), none, none, delays, 0, self.concealed)

    def turned_size(self, turn: int) -> tuple[int, int]:
        """Height and width of the frames when they are turned."""
        height, width = self.size or (0, 0)
        return (width, height) if turn & 1 else (height, width)


def _with_turn_and_starts(path: Path, seen: _Seen, beat: Beat) -> FrameIndex:
    """The index with the places where decoding may begin: those where it has been tried, and gave the frame meant.

    The turn is found here, too. PyAV keeps a frame that was asked for it, and its memory is not used again; but the
    part of a damaged frame that is not decoded shows what its memory held before, so that it would be another frame.
    """
    index = seen.index()
    starts: list[int] = []
    seeks: list[int] = []
    with opened(path) as (container, stream):
        turn = turn_of(path, _first_frame(path, container, stream))
        for key in seen.keys if index.times.size else ():
            if key - (starts[-1] if starts else 0) < SEEK_EVERY:
                continue
            time = int(index.times[key])
            decoding = seen.decoding_times.get(time, time)
            # Containers are sought by one or the other; with an edit list an MP4 comes a group of pictures early.
            times = dict.fromkeys((decoding, time, 2 * time - decoding))
            tried = {seek: _decoded_before(container, stream, seek, key, index, beat) for seek in times}
            cost, seek = min((cost, seek) for seek, cost in tried.items())
            if cost <= key // 2:
                starts.append(key)
                seeks.append(seek)
    return replace(index, starts=np.array(starts, np.int64), seeks=np.array(seeks, np.int64), turn=turn)


def _first_frame(path: Path, container: av.container.InputContainer, stream: av.VideoStream) -> av.VideoFrame:
    try:
        return next(container.decode(stream))
    except (av.error.FFmpegError, StopIteration) as error:
        if isinstance(error, MemoryError):
            raise
        raise UserError(f"{path}: damaged, frame 0 cannot be decoded") from error


def _decoded_before(
    container: av.container.InputContainer, stream: av.VideoStream, seek: int, key: int, index: FrameIndex, beat: Beat
) -> float:
    """How many frames come, after seeking to a time, before frame `key` as it should be; infinitely many if none is."""
    converter = FrameConverter()
    try:
        container.seek(seek, stream=stream)
        for count, frame in enumerate(container.decode(stream)):
            beat()
            number = index.number_at(frame.pts)
            if number == key and converter.check(frame) == index.checks[key]:
                return float(count)
            if number >= key:
                break
    except av.error.FFmpegError:
        pass
    return math.inf


def turn_of(path: Path, frame: av.VideoFrame) -> int:
    """How the display matrix of a frame turns it, as `FrameIndex.turn`.

    Raises:
        UserError: by no quarter turns.
    """
    data: Any = frame.side_data
    matrix = next((bytes(item) for item in data if item.type.name == "DISPLAYMATRIX"), None)
    if matrix is None:
        return 0
    a, b, _, c, d = np.frombuffer(matrix, np.int32)[:5].tolist()
    if (a and d and not (b or c)) or (b and c and not (a or d)):
        return (1 if b else 0) | (2 if (c if b else a) < 0 else 0) | (4 if (b if b else d) < 0 else 0)
    raise UserError(f"{path}: turned by {frame.rotation} degrees; allowed are quarter turns")


def turned(frames: NDArray[np.uint8], turn: int) -> NDArray[np.uint8]:
    """Frames (T, H, W, 3), turned as `FrameIndex.turn` says."""
    if turn & 1:
        frames = frames.swapaxes(1, 2)
    if turn & 2:
        frames = frames[:, :, ::-1]
    if turn & 4:
        frames = frames[:, ::-1]
    return np.ascontiguousarray(frames)
