"""The sound of a file, laid under frames that are still to be made.

Axes: T frames, H W pixels, C = 3 colour channels, S samples.
"""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tats_exp import UserError
from tats_exp.cli import path_of
from tats_exp.data.audio import RATE, read_audio
from tats_exp.data.videos import Videos


class SoundFile(Videos):
    """One video without pictures that has the sound of a file, and silence once that is over."""

    def __init__(self, path: str | Path, frame_rate: float, frames: int) -> None:
        """Open the file and look whether it has sound.

        Args:
            path: of a video or sound file.
            frame_rate: of the video that is to be made.
            frames: of that video.

        Raises:
            UserError: there is no such file, it has no sound, or is damaged; one line that names it.
        """
        self.path, self._rate = Path(path), frame_rate
        self.names, self.labels, self.label_names, self.lengths = [str(path)], [0], [""], [frames]
        self.frame_stride, self.resolution = 1, 1
        self.resize = self.codec = self.decoder = "none"
        with path_of("audio", path):
            if not self.path.is_file():
                raise UserError(f"audio={path}: {'a folder' if self.path.is_dir() else 'no such file'}")
        try:  # all at once: each reading would begin at the beginning
            self._sound = read_audio(self.path, 0.0, frames / frame_rate)
        except UserError as error:
            raise UserError(f"audio={error}") from error

    def frame_rate(self) -> float:
        """Frames a second."""
        return self._rate

    def read(self, video: int, start: int, frames: int) -> NDArray[np.uint8]:
        """Refuse: there are no pictures."""
        raise UserError(f"{self.path}: only its sound is used")

    def audio(self, video: int, start: int, frames: int) -> NDArray[np.float32]:
        """As `Videos.audio`."""
        return self._sound[round(start / self._rate * RATE) : round((start + frames) / self._rate * RATE)]

    def fingerprint(self) -> str:
        """Refuse: nothing is kept of it."""
        raise UserError(f"{self.path}: only its sound is used")
