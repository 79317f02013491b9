"""Videos and their mirror images: twice as many to learn from, where left and right are alike."""

import hashlib

import numpy as np
from numpy.typing import NDArray

from tats_exp.data.videos import Videos


class MirroredVideos(Videos):
    """The videos of a split, and after them each with left and right swapped."""

    def __init__(self, videos: Videos) -> None:
        """Double the videos of a split."""
        self.plain = videos
        self.label_names, self.frame_stride = videos.label_names, videos.frame_stride
        self.resolution, self.resize = videos.resolution, videos.resize
        self.codec, self.decoder = videos.codec, videos.decoder
        self.names = [*videos.names, *(f"{name} mirrored" for name in videos.names)]
        self.labels, self.lengths = videos.labels * 2, videos.lengths * 2

    def read(self, video: int, start: int, frames: int) -> NDArray[np.uint8]:
        """Read (frames, H, W, C) uint8; arguments and errors as those of the split."""
        if not 0 <= video < len(self.names):
            raise ValueError(f"video {video}: there are {len(self.names)}")
        mirrored, video = divmod(video, len(self.plain.names))
        read = self.plain.read(video, start, frames)
        return np.ascontiguousarray(read[:, :, ::-1]) if mirrored else read

    def frame_rate(self) -> float | None:
        """That of the videos as they are."""
        return self.plain.frame_rate()

    @property
    def captions(self) -> list[tuple[str, ...]]:
        """Texts that describe each video; those that speak of left and right are true of one of both."""
        return self.plain.captions * 2

    def audio(self, video: int, start: int, frames: int) -> NDArray[np.float32]:
        """The same for a video and its mirror image."""
        return self.plain.audio(video % len(self.plain.names), start, frames)

    def sound_fingerprint(self) -> str:
        """That of the split."""
        return self.plain.sound_fingerprint()

    def fingerprint(self) -> str:
        """SHA-256 of the split's, marked."""
        return hashlib.sha256(f"mirrored {self.plain.fingerprint()}".encode()).hexdigest()
