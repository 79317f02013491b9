"""Videos that say which frame of which video each of their frames is."""

from dataclasses import dataclass, field

import numpy as np

from tats_exp.data.videos import Videos


@dataclass
class Counting(Videos):
    """Videos whose pixels say which video (channel 0) and which source frame (channel 1) they are."""

    lengths: list[int]
    frame_stride: int = 1
    resolution: int = 2
    resize: str = "none"
    codec: str = "none"
    decoder: str = "none"
    names: list[str] = field(init=False)
    labels: list[int] = field(init=False)
    label_names: list[str] = field(default_factory=lambda: ["even", "odd"])

    def __post_init__(self):
        self.names = [f"video {index}" for index in range(len(self.lengths))]
        self.labels = [index % 2 for index in range(len(self.lengths))]

    def read(self, video, start, frames):
        places = np.arange(frames) * self.frame_stride + start
        if places[0] < 0 or places[-1] >= self.lengths[video]:
            raise ValueError(f"{self.names[video]}: frames {places[0]} to {places[-1]}")
        clip = np.zeros((frames, 2, 2, 3), dtype=np.uint8)
        clip[..., 0] = video
        clip[..., 1] = places[:, None, None]
        return clip

    def fingerprint(self):
        return "counting"
