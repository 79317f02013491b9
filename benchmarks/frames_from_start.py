"""The frames of videos without the project's readers, and what is wrong with frames that those gave."""

from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from tats_exp.data.frame_index import turned
from tats_exp.data.frame_names import sort_keys
from tats_exp.data.gif_reader import shown_as
from tats_exp.data.judge import Verdict
from tats_exp.data.video_readers import Reader


def wrong_frames(
    path: Path, index: int, verdict: Verdict, reader: Reader, windows: list[range], found: list[NDArray[np.uint8]]
) -> list[str]:
    """What is wrong with frames that were read, a line each.

    Args:
        path: of the video.
        index: of it, in an array of several.
        verdict: on it.
        reader: that read them.
        windows: that were read.
        found: (T, H, W, 3) uint8 of each window.
    """
    findings = []
    for window, frames in zip(windows, found, strict=True):
        if frames.shape != (len(window), *verdict.size, 3) or frames.dtype != np.uint8:
            findings.append(f"{window}: {frames.shape} {frames.dtype}, expected {(len(window), *verdict.size, 3)}")
    if findings:
        return findings
    wanted = {place for window in windows for place in window}
    truth: dict[int, NDArray[np.uint8]] = {}
    length = 0
    for place, frame in enumerate(from_the_start(path, index, verdict)):
        length += 1
        if place in wanted:
            truth[place] = frame
    if length != reader.length:
        findings.append(f"{length} frames from the start, the reader has {reader.length}")
    for window, frames in zip(windows, found, strict=True):
        other = [
            place
            for place, frame in zip(window, frames, strict=True)
            if place in truth and not np.array_equal(frame, truth[place])
        ]
        if other:
            findings.append(f"{window}: other frames than from the start at {other}")
    return findings


def from_the_start(path: Path, index: int, verdict: Verdict) -> Iterator[NDArray[np.uint8]]:
    """The frames of a video one after the other, by PyAV, numpy or Pillow alone."""
    if path.is_dir():
        paths = list(path.iterdir())
        keys = sort_keys([image.stem for image in paths])
        for _, image in sorted(zip(keys, paths, strict=True)):
            with Image.open(image) as picture:
                yield np.array(picture.convert("RGB"))
    elif path.suffix in (".npy", ".npz"):
        loaded = np.load(path)
        arrays = [loaded] if path.suffix == ".npy" else [loaded[name] for name in loaded.files]
        (video,) = (array for array in arrays if array.ndim in (4, 5))
        video = video if verdict.videos is None else video[index]
        for frame in video:
            whole = frame if frame.dtype == np.uint8 else np.rint(frame.astype(np.float32) * 255).clip(0, 255)
            yield np.broadcast_to(whole.astype(np.uint8), (*frame.shape[:2], 3))
    else:
        assert verdict.frames is not None
        shown = shown_as(verdict.frames.delays) if path.suffix == ".gif" else np.ones(verdict.length, int)
        with av.open(str(path), metadata_errors="replace") as container:
            stream = container.streams.best("video")
            stream.codec_context.thread_count = 1
            for number, frame in enumerate(container.decode(stream)):
                pixels = turned(frame.to_ndarray(format="rgb24")[None], verdict.frames.turn)[0]
                for _ in range(int(shown[number]) if number < len(shown) else 1):
                    yield pixels
