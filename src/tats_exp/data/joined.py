"""Several splits of one source, seen as one: for evaluations that measure against train and test together."""

import hashlib

import numpy as np
from numpy.typing import NDArray

from tats_exp.data.videos import Videos


class JoinedVideos(Videos):
    """The videos of one split after those of another."""

    def __init__(self, splits: list[Videos]) -> None:
        """Join splits of one source.

        Args:
            splits: one or more, alike in classes, stride and resolution, as the splits of a source are.
        """
        first = splits[0]
        self.splits = splits
        self.label_names, self.frame_stride = first.label_names, first.frame_stride
        self.resolution, self.resize = first.resolution, first.resize
        self.codec = "+".join(sorted({codec for split in splits for codec in split.codec.split("+")}))
        self.decoder = "+".join(sorted({name for split in splits for name in split.decoder.split("+")}))
        self.names = [name for split in splits for name in split.names]
        self.labels = [label for split in splits for label in split.labels]
        self.lengths = [length for split in splits for length in split.lengths]

    def read(self, video: int, start: int, frames: int) -> NDArray[np.uint8]:
        """Read (frames, H, W, C) uint8 of a video, counted through all splits.

        Raises:
            ValueError: as the split raises it.
        """
        split, video = self._split_of(video)
        return split.read(video, start, frames)

    def frame_rate(self) -> float | None:
        """That of the first split."""
        return self.splits[0].frame_rate()

    @property
    def captions(self) -> list[tuple[str, ...]]:
        """Texts that describe each video."""
        return [texts for split in self.splits for texts in split.captions]

    def audio(self, video: int, start: int, frames: int) -> NDArray[np.float32]:
        """As the split that the video is of."""
        split, video = self._split_of(video)
        return split.audio(video, start, frames)

    def sound_fingerprint(self) -> str:
        """SHA-256 of those of the splits, in their order."""
        return hashlib.sha256(" ".join(split.sound_fingerprint() for split in self.splits).encode()).hexdigest()

    def fingerprint(self) -> str:
        """SHA-256 of the splits' fingerprints, in their order."""
        return hashlib.sha256("".join(split.fingerprint() for split in self.splits).encode()).hexdigest()

    def _split_of(self, video: int) -> tuple[Videos, int]:
        """The split that a video is of, and its number there."""
        for split in self.splits:
            if video < len(split.names):
                return split, video
            video -= len(split.names)
        raise ValueError(f"video {video + len(self.names)}: there are {len(self.names)}")
