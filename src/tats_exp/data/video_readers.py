"""One open video: a video file, a GIF, a folder of images or part of an array. None holds more than it is asked for.

Axes: T frames, H W pixels, C = 3 colour channels (a single one is repeated).
"""

import os
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from tats_exp import UserError
from tats_exp.data.array_reader import ARRAYS, ArrayReader
from tats_exp.data.gif_reader import GifReader
from tats_exp.data.image_reader import ImageReader
from tats_exp.data.judge import Verdict
from tats_exp.data.limits import DEFAULT, Limits
from tats_exp.data.video_decoding import SUFFIXES, VideoFileReader

FILES = (*SUFFIXES, ".gif", *ARRAYS)
"""Suffixes of files that are read as videos."""


@runtime_checkable
class Reader(Protocol):
    """One open video.

    Attributes:
        length: in frames.
    """

    length: int

    def read(self, indices: range) -> NDArray[np.uint8]:
        """Read frames; going forwards is cheap, going back may mean starting again.

        Args:
            indices: of the frames, 0 to length - 1.

        Returns:
            (T, H, W, 3) uint8.

        Raises:
            UserError: there are no such frames, or they cannot be read; one line that names the file.
        """
        ...


def open_reader(path: Path, index: int = 0, limits: Limits = DEFAULT, verdict: Verdict | None = None) -> Reader:
    """Open a video. A file that is not known yet is first judged whole, in another process; the verdict is kept.

    Args:
        path: of a file with one of the suffixes `FILES`, or of a folder of images.
        index: of the video, in an array of several.
        limits: budgets that what it claims is held against.
        verdict: what is known of it, if it has been judged.

    Raises:
        UserError: it cannot be opened; one line that names it.
    """
    path = Path(os.path.abspath(path))  # noqa: PTH100  (links stay; the reader stays where it was opened)
    try:
        is_folder = path.is_dir()
    except OSError as error:
        raise UserError(f"{path}: {error.strerror}") from error
    if is_folder:
        return ImageReader(path, limits)
    suffix = path.suffix.lower()
    if suffix in ARRAYS:
        return ArrayReader(path, index, limits)
    return (GifReader if suffix == ".gif" else VideoFileReader)(path, limits, verdict)
