"""A data set: gratings that move up or down."""

import hashlib
import json

import numpy as np
from numpy.typing import NDArray

from tats_exp.data.videos import Split, Videos, VideoSource

DIRECTIONS = ["up", "down"]


class GratingVideos(Videos):
    """One split."""

    frame_stride = 1
    resize = codec = decoder = "none"
    label_names = DIRECTIONS

    def __init__(self, split: Split, videos: int, frames: int, resolution: int, seed: int) -> None:
        self.made_by = [split, videos, frames, resolution, seed]
        self.split, self.frames, self.resolution, self.seed = split, frames, resolution, seed
        self.labels = [video % len(DIRECTIONS) for video in range(videos)]
        self.names = [f"{split}/{video}" for video in range(videos)]
        self.lengths = [frames] * videos

    def read(self, video: int, start: int, frames: int) -> NDArray[np.uint8]:
        """(frames, H, W, 3) uint8 from frame `start` on."""
        if start < 0 or start + frames > self.frames:
            raise ValueError(f"{self.names[video]}: frames {start} to {start + frames - 1} of {self.frames}")
        stream = np.random.default_rng([self.seed, ("train", "test").index(self.split), video])
        speed, phase = stream.uniform(0.1, 0.5), stream.uniform(0, 2 * np.pi)
        times = np.arange(start, start + frames)[:, None] * (1 - 2 * self.labels[video])
        rows = np.linspace(0, 4 * np.pi, self.resolution)[None]
        grey = (127.5 + 100 * np.sin(rows + speed * times + phase)).astype(np.uint8)
        return np.broadcast_to(grey[:, :, None, None], (frames, self.resolution, self.resolution, 3)).copy()

    def fingerprint(self) -> str:
        """SHA-256 of all that the pixels depend on."""
        return hashlib.sha256(json.dumps(["gratings", 1, *self.made_by]).encode()).hexdigest()


class Gratings(VideoSource):
    """The data set.

    Args:
        videos: of each split.
        frames: of every video.
        resolution: height and width, in pixels.
        seed: of the videos, and of every fixed list of windows.
    """

    def __init__(self, videos: int, frames: int, resolution: int, seed: int = 0) -> None:
        self.videos, self.frames, self.resolution, self.seed = videos, frames, resolution, seed

    def split(self, name: Split) -> GratingVideos:
        """The videos of one split."""
        return GratingVideos(name, self.videos, self.frames, self.resolution, self.seed)
