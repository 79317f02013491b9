"""The decoder of video files, PyAV: what it may open, and its frames as RGB."""

import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import cast

import av
import numpy as np
from numpy.typing import NDArray

from tats_exp import UserError

CONTAINERS = "asf,avi,flv,gif,ivf,matroska,mov,mpeg,mpegts,nut,ogg"
"""Demuxers that may open a file, whatever its name says: containers, and no playlist that would open other files."""

DECODER = f"pyav {av.__version__}, libavcodec {'.'.join(map(str, av.library_versions['libavcodec']))}"
"""Who decodes: part of every protocol and fingerprint."""


class FrameConverter:
    """Frames of one file as RGB, and their checksums; keeps what swscale sets up."""

    def __init__(self) -> None:
        self._reformatter = av.video.reformatter.VideoReformatter()

    def rgb(self, frame: av.VideoFrame) -> NDArray[np.uint8]:
        """(H, W, 3) uint8, not turned."""
        return np.ascontiguousarray(self._reformatter.reformat(frame, format="rgb24", threads=1).to_ndarray(), np.uint8)

    def check(self, frame: av.VideoFrame) -> int:
        """CRC-32 of the decoded pixels, before any conversion where each plane holds one component."""
        components = frame.format.components
        if len(components) != len(frame.planes) or any(plane.line_size <= 0 for plane in frame.planes):
            return zlib.crc32(self.rgb(frame).data)
        check = 0
        for component in components:
            plane = frame.planes[component.plane]
            used = component.width * -(-component.bits // 8)  # rows are padded in memory, with whatever was there
            rows = np.frombuffer(memoryview(plane), np.uint8).reshape(-1, plane.line_size)[: component.height, :used]
            check = zlib.crc32(np.ascontiguousarray(rows).data, check)
        return check


@contextmanager
def opened(path: Path) -> Iterator[tuple[av.container.InputContainer, av.VideoStream]]:
    """Open a file of a known container, nothing beside it, and its video stream.

    Raises:
        UserError: it is no such file, or holds no video; one line that names it.
    """
    options = {"protocol_whitelist": "file", "format_whitelist": CONTAINERS}
    try:
        try:
            container = av.open(f"file:{path}", options=options)
        except UnicodeDecodeError:
            # A title in another encoding is no reason to refuse a video; PyAV 19 and later do not raise, nor know the
            # word.
            container = av.open(f"file:{path}", options=options, metadata_errors="replace")
    except MemoryError:
        raise
    except PermissionError as error:
        raise UserError(f"{path}: {error.strerror}") from error
    except (av.error.FFmpegError, ValueError) as error:
        raise UserError(f"{path}: cannot be opened as a video") from error
    with container:
        stream = container.streams.best("video")
        if stream is None or stream.codec_context is None:
            raise UserError(f"{path}: holds no video that can be decoded")
        stream.codec_context.thread_count = 1  # several files are decoded side by side
        yield container, cast(av.VideoStream, stream)


def read_video(path: str | Path) -> NDArray[np.uint8]:
    """Decode a whole video.

    Args:
        path: of any video file.

    Returns:
        (T, H, W, 3) uint8.

    Raises:
        UserError: there is no such file, or it is no video.
    """
    if not Path(path).is_file():
        raise UserError(f"{path}: no such video")
    try:
        with opened(Path(path)) as (container, stream):
            frames = [frame.to_ndarray(format="rgb24") for frame in container.decode(stream)]
    except av.error.FFmpegError as error:
        raise UserError(f"{path}: cannot be read as a video") from error
    if not frames:
        raise UserError(f"{path}: cannot be read as a video")
    return np.stack(frames)
