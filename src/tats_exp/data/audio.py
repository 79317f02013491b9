"""The sound that belongs to frames of a video: from its own track, or from a file beside it.

Axes: S samples.
"""

from collections.abc import Iterator
from itertools import chain
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

from tats_exp import UserError
from tats_exp.data.decoder import CONTAINERS

RATE = 16000
"""Samples a second, whatever the file has."""

FILES = f"{CONTAINERS},wav,flac,mp3"

KEPT_BYTES = 128 * 2**20
"""Of decoded sound that is kept, for each split and process that reads it: half an hour and more."""

GAP = 0.02
"""Seconds by which the time of a frame of sound may differ from the end of the one before to be its continuation:
containers round times."""


def read_audio(path: Path, start: float, seconds: float) -> NDArray[np.float32]:
    """Read a piece of the sound of a file, decoded from its beginning, brought to one channel and to `RATE`.

    Time 0 is that of the first frame of the video where the file holds one, and of the first sample otherwise. Where
    there is no sound at a time, before a track begins or after it ends, there is silence.

    Args:
        path: of a video or sound file.
        start: of the piece, in seconds.
        seconds: length of the piece.

    Returns:
        (S,) float32, -1 to 1; S = seconds x RATE, rounded.

    Raises:
        UserError: the file holds no sound, or is damaged; one line that names it.
    """
    samples = np.zeros(round(seconds * RATE), np.float32)
    first = round(start * RATE)
    try:
        for place, piece in _pieces(path):
            low, high = max(place, first), min(place + len(piece), first + len(samples))
            if low < high:
                samples[low - first : high - first] = piece[low - place : high - place]
            if place >= first + len(samples):
                break
    except (av.error.FFmpegError, ValueError) as error:
        if isinstance(error, UserError | MemoryError):
            raise
        if isinstance(error, FileNotFoundError):
            raise UserError(f"{path}: no such file") from error
        raise UserError(f"{path}: its sound cannot be decoded") from error
    return samples


class SoundReader:
    """Reads pieces of the sound of files as `read_audio` does, and keeps the sound of files that are asked for again.

    Kept are the first ones that `KEPT_BYTES` have room for: of more than that the others are decoded anew every time.
    """

    def __init__(self) -> None:
        self._asked: set[tuple[Path, int]] = set()
        self._kept: dict[tuple[Path, int], NDArray[np.float32]] = {}

    def read(self, path: Path, start: float, seconds: float, whole: float) -> NDArray[np.float32]:
        """As `read_audio`.

        Args:
            path: of a video or sound file, which is not to change.
            start: of the piece, in seconds.
            seconds: length of the piece.
            whole: seconds from 0 on that are kept; a piece that does not lie in them is read by itself.
        """
        key, first, samples = (path, round(whole * RATE)), round(start * RATE), round(seconds * RATE)
        inside = first >= 0 and first + samples <= key[1]
        room = KEPT_BYTES - sum(sound.nbytes for sound in self._kept.values())
        if inside and key not in self._kept and key in self._asked and 4 * key[1] <= room:
            self._kept[key] = read_audio(path, 0.0, whole)
        self._asked.add(key)
        if not inside or key not in self._kept:
            return read_audio(path, start, seconds)
        return self._kept[key][first : first + samples].copy()


def _pieces(path: Path) -> Iterator[tuple[int, NDArray[np.float32]]]:
    """The sound of a file, piece by piece, each with the number of its first sample."""
    options = {"protocol_whitelist": "file", "format_whitelist": FILES}
    with av.open(f"file:{path}", options=options) as container:
        if not container.streams.audio:
            raise UserError(f"{path}: holds no sound")
        track = container.streams.audio[0]
        zero = _first_frame(path) if container.streams.video else None
        resampler: av.AudioResampler | None = None
        place, ends = 0, 0.0
        for frame in chain(container.decode(track), [None]):  # None: what the resampler still holds
            time = ends if frame is None or frame.time is None else frame.time
            anew = frame is not None and (resampler is None or abs(time - ends) > GAP)
            for samples in _brought(resampler, None) if frame is None or anew else ():
                yield place, samples
                place += len(samples)
            if frame is None:
                return
            if anew:
                zero = time if zero is None else zero
                resampler, place = av.AudioResampler(format="fltp", rate=RATE), round((time - zero) * RATE)
            for samples in _brought(resampler, frame):
                yield place, samples
                place += len(samples)
            ends = time + frame.samples / frame.sample_rate


def _brought(resampler: av.AudioResampler | None, frame: av.AudioFrame | None) -> list[NDArray[np.float32]]:
    """What a resampler gives for a frame, or for the end of a stretch of sound, in one channel."""
    return [] if resampler is None else [piece.to_ndarray().mean(axis=0) for piece in resampler.resample(frame)]


def _first_frame(path: Path) -> float:
    """When the first frame of a video is shown, in seconds of its file."""
    options = {"protocol_whitelist": "file", "format_whitelist": FILES}
    with av.open(f"file:{path}", options=options) as container:
        frame = next(container.decode(container.streams.video[0]), None)
        return 0.0 if frame is None or frame.time is None else frame.time
