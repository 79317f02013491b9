"""The embedded data: a procedural world of sprites that move over a ground, of which it tells, and which sound.

Everything is a closed form of the frame number (shapes_scene.py), so any frame of any video is rendered directly.

Axes: T frames, H W pixels, C colour channels, S samples of sound.
"""

import hashlib
import json
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from tats_exp.data.shapes_captions import captions_of
from tats_exp.data.shapes_scene import LABEL_NAMES, Grounds, Scene
from tats_exp.data.shapes_sound import FPS, sound_of
from tats_exp.data.videos import MOST_VIDEOS, Split, Videos, VideoSource

VERSION = 2
"""Raised whenever the pixels change: it enters the fingerprint."""
SOUND_VERSION = 1
"""Raised whenever the sound changes: it enters the fingerprint of the sound."""


class ShapesVideos(Videos):
    """One split of the world. Video i has label i mod 16, so labels are as balanced as can be."""

    frame_stride = 1
    resize = "none"
    codec = "none"
    decoder = "none"

    def __init__(
        self, split: Split, videos: int, frames: int, resolution: int, seed: int, grounds: Grounds = "plain"
    ) -> None:
        """Lay out a split. Arguments as `Shapes`; nothing is rendered yet."""
        self.split = split
        self.frames = frames
        self.resolution = resolution
        self.seed = seed
        self.grounds = grounds
        self.label_names = list(LABEL_NAMES)
        self.labels = [index % len(LABEL_NAMES) for index in range(videos)]
        self.names = [f"{split}/{index:06d} {LABEL_NAMES[label]}" for index, label in enumerate(self.labels)]
        self.lengths = [frames] * videos

    def scene(self, video: int) -> Scene:
        """The scene of one video, drawn from (seed, split, index) alone."""
        return Scene.draw(self.labels[video], self._stream(video))

    def _stream(self, video: int, *more: int) -> np.random.Generator:
        return np.random.default_rng([self.seed, ("train", "test").index(self.split), video, *more])

    def _check(self, video: int, start: int, frames: int) -> None:
        if start < 0 or start + frames > self.frames:
            raise ValueError(
                f"{self.names[video]}: frames {start} to {start + frames - 1} asked for, it has 0 to {self.frames - 1}"
            )

    def read(self, video: int, start: int, frames: int) -> NDArray[np.uint8]:
        """Render (frames, H, W, 3) uint8 from frame `start` on.

        Raises:
            ValueError: the frames are not all inside the video.
        """
        self._check(video, start, frames)
        times = np.arange(start, start + frames, dtype=np.float64)
        return self.scene(video).render(times, self.resolution, self.grounds)

    @property
    def captions(self) -> list[tuple[str, ...]]:
        """What is said of each video, drawn from a stream of its own."""
        return list(_captions(self.split, len(self.names), self.seed, self.grounds))

    def frame_rate(self) -> float:
        """Frames a second."""
        return float(FPS)

    def caption(self, video: int) -> tuple[str, ...]:
        """What is said of one video."""
        return captions_of(self.scene(video), self.grounds, self._stream(video, 1))

    def audio(self, video: int, start: int, frames: int) -> NDArray[np.float32]:
        """As `Videos.audio`: 1,000 samples a frame.

        Raises:
            ValueError: the frames are not all inside the video.
        """
        self._check(video, start, frames)
        return sound_of(self.scene(video), start, frames)

    def sound_fingerprint(self) -> str:
        """SHA-256 of the version of the sound."""
        return hashlib.sha256(f"shapes sound {SOUND_VERSION}".encode()).hexdigest()

    def fingerprint(self) -> str:
        """SHA-256 of the generator's version and arguments."""
        sizes = [len(self.names), self.frames, self.resolution]
        made_by = ["shapes", VERSION, self.split, *sizes, self.seed, self.grounds]
        return hashlib.sha256(json.dumps(made_by).encode()).hexdigest()


@lru_cache(maxsize=8)
def _captions(split: Split, videos: int, seed: int, grounds: Grounds) -> tuple[tuple[str, ...], ...]:
    """Captions of a split; length and size of its videos do not change them."""
    world = ShapesVideos(split, videos, 1, 1, seed, grounds)
    return tuple(world.caption(video) for video in range(videos))


class Shapes(VideoSource):
    """The world as a source of videos."""

    def __init__(
        self,
        train_videos: int,
        test_videos: int,
        frames: int,
        resolution: int,
        seed: int,
        grounds: Grounds = "plain",
    ) -> None:
        """Choose a world.

        Args:
            train_videos: videos of the train split.
            test_videos: videos of the test split; no video is in both.
            frames: of every video.
            resolution: height and width, in pixels.
            seed: of the world. More videos or frames, or another resolution, leave the scenes as they are.
            grounds: what the sprites move over, from simple to rich; they leave the scenes as they are, too.

        Raises:
            ValueError: one of them is below what a world needs.
        """
        given = {"train_videos": train_videos, "test_videos": test_videos, "frames": frames, "resolution": resolution}
        for name, value in given.items():
            if value < 1:
                raise ValueError(f"data.{name} must be at least 1, got {value}")
        for name in ("train_videos", "test_videos"):
            if given[name] > MOST_VIDEOS:
                raise ValueError(
                    f"data.{name} must be at most {MOST_VIDEOS}, which are listed one by one, got {given[name]}"
                )
        if seed < 0:
            raise ValueError(f"data.seed must not be negative, got {seed}")
        self.videos: dict[Split, int] = {"train": train_videos, "test": test_videos}
        self.frames = frames
        self.resolution = resolution
        self.seed = seed
        self.grounds: Grounds = grounds

    def split(self, name: Split) -> ShapesVideos:
        """The videos of one split."""
        return ShapesVideos(name, self.videos[name], self.frames, self.resolution, self.seed, self.grounds)
