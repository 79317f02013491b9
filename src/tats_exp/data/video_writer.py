"""Write videos piece by piece, as H.264 that browsers play.

Axes: T frames, H W pixels, C = 3 colour channels.
"""

from collections.abc import Callable, Iterable
from contextlib import ExitStack
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from types import TracebackType

import av
import numpy as np
from einops import rearrange
from jaxtyping import UInt8
from numpy.typing import NDArray
from torch import Tensor

from tats_exp import UserError
from tats_exp.data.audio import RATE

FPS = 12
SHOWN_HEIGHT = 96
"""Pixels; smaller videos are enlarged for the eye."""


@dataclass(frozen=True)
class Track:
    """Sound to be laid under a video.

    Attributes:
        piece: gives the samples (S,), -1 to 1, of so many frames from a frame on; silence follows where they are few.
        fps: frames per second that it counts in.
    """

    piece: Callable[[int, int], NDArray[np.float32]]
    fps: float


class VideoWriter:
    """A context manager that encodes frames as they come: memory does not grow with the length.

    The file has its name only once it is whole: it is written beside it and renamed when the block ends without an
    error. After an error nothing is left.
    """

    def __init__(self, path: str | Path, fps: float | int, scale: int = 1, track: Track | None = None) -> None:
        """Choose file and format; nothing is opened before the first frame.

        Args:
            path: of the mp4; its folder is made if need be.
            fps: frames per second.
            scale: pixels on either side that each pixel becomes (nearest neighbour: small frames stay crisp).
            track: sound of the video; None: it has none.

        Raises:
            UserError: `fps` or `scale` is not positive.
        """
        if fps <= 0 or scale < 1:
            raise UserError(f"fps and scale must be positive, got {fps} and {scale}")
        self.path = Path(path)
        self.fps = Fraction(fps).limit_denominator(1001)
        self.scale = scale
        self._partial = self.path.with_name(f"{self.path.name}.partial")
        # The index comes first, so that a page can play the file before it is all there.
        self._options = {"movflags": "faststart"}
        self._key_frame_every = -1  # as the encoder has it
        self._container: av.container.OutputContainer | None = None
        self._stream: av.VideoStream | None = None
        self._size = (0, 0)
        self._track, self._written = track, 0
        self._sound: av.AudioStream | None = None

    def __enter__(self) -> "VideoWriter":
        """Make the folder."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        return self

    def write(self, frames: NDArray[np.uint8]) -> None:
        """Append frames.

        Args:
            frames: (T, H, W, 3) uint8, any T; H and W as in the first call.

        Raises:
            UserError: other shape, type or size.
        """
        if frames.ndim != 4 or frames.shape[3] != 3 or frames.dtype != np.uint8:
            raise UserError(f"frames must be (T, H, W, 3) uint8, got {frames.shape} {frames.dtype}")
        if self._stream is None:
            self._open(frames.shape[1], frames.shape[2])
        if frames.shape[1:3] != self._size:
            raise UserError(f"{self.path}: frames must stay {self._size} pixels, got {frames.shape[1:3]}")
        assert self._stream is not None and self._container is not None
        for frame in frames:
            big = frame.repeat(self.scale, axis=0).repeat(self.scale, axis=1)
            # yuv420p halves both axes, so sizes have to be even: an odd one repeats its last row or column.
            big = np.pad(big, ((0, big.shape[0] % 2), (0, big.shape[1] % 2), (0, 0)), mode="edge")
            picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(big), format="rgb24")
            self._container.mux(self._stream.encode(picture))
        if self._track is not None and self._sound is not None and len(frames):
            # From frame numbers, so that rounding does not add up.
            begin, end = (round(at / self._track.fps * RATE) for at in (self._written, self._written + len(frames)))
            sound = np.zeros((1, end - begin), np.float32)
            piece = self._track.piece(self._written, len(frames))[: end - begin]
            sound[0, : len(piece)] = piece
            heard = av.AudioFrame.from_ndarray(sound, format="fltp", layout="mono")
            heard.sample_rate, heard.time_base, heard.pts = RATE, Fraction(1, RATE), begin
            self._container.mux(self._sound.encode(heard))
        self._written += len(frames)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Finish the file and give it its name, or remove it after an error.

        Raises:
            UserError: no frame was written.
            OSError: the file could not be written, because the disk is full for instance.
        """
        try:
            self._close(flush=kind is None)
            if kind is None:
                if self._stream is None:
                    raise UserError(f"{self.path}: a video needs at least one frame")
                self._partial.replace(self.path)
        finally:
            self._partial.unlink(missing_ok=True)

    def _open(self, height: int, width: int) -> None:
        self._size = (height, width)
        self._container = av.open(str(self._partial), "w", format="mp4", options=self._options)
        stream = self._container.add_stream("libx264", rate=self.fps)
        stream.codec_context.gop_size = self._key_frame_every
        stream.height = height * self.scale + height * self.scale % 2
        stream.width = width * self.scale + width * self.scale % 2
        stream.pix_fmt = "yuv420p"
        stream.codec_context.thread_count = 1
        # 1.6 to 3 times as fast as x264's default, in files of the same size, for a decibel less.
        stream.codec_context.options = {"preset": "veryfast"}
        self._stream = stream
        if self._track is not None:
            self._sound = self._container.add_stream("aac", rate=RATE, layout="mono")

    def _close(self, flush: bool) -> None:
        if self._container is None or self._stream is None:
            return
        try:
            if flush:
                self._container.mux(self._stream.encode(None))
                if self._sound is not None:
                    self._container.mux(self._sound.encode(None))
        finally:
            self._container.close()


class LiveVideoWriter(VideoWriter):
    """A `VideoWriter` whose file plays while it is written, and after its writer was killed: but for its last second.

    The file has its name from the first frame on and keeps it after an error. It is a fragmented MP4: a fragment
    for every second of video, each written out when it is whole.
    """

    def __init__(self, path: str | Path, fps: float | int, scale: int = 1, track: Track | None = None) -> None:
        """As `VideoWriter`."""
        super().__init__(path, fps, scale, track)
        self._partial = self.path
        self._options = {"movflags": "frag_keyframe+empty_moov+default_base_moof", "flush_packets": "1"}
        self._key_frame_every = max(1, round(self.fps))

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Finish the file, after an error, too."""
        self._close(flush=True)


def write_row(path: Path, chunks: Iterable[UInt8[Tensor, "n f H W C"]], track: Track | None = None) -> None:
    """Write a few videos beside each other into one file.

    Args:
        path: of the mp4.
        chunks: their frames, piece by piece.
        track: their sound, which says how fast they are shown.
    """
    fps = FPS if track is None else track.fps
    with ExitStack() as stack:
        writer = None
        for chunk in chunks:
            if writer is None:
                writer = stack.enter_context(VideoWriter(path, fps, max(1, SHOWN_HEIGHT // chunk.shape[2]), track))
            writer.write(rearrange(chunk, "n f h w c -> f h (n w) c").numpy())
