"""The embedded data: a procedural world of sprites that move over a ground.

A disc or a square in one of four colours bounces or orbits over a ground of one of three kinds. Everything is a closed
form of the frame number, so any frame of any video is rendered directly, frame 5,000 costs what frame 0 costs, and the
world looks the same for ever. Lengths are in units of the frame's side, times in frames.

Axes: T frames, H W pixels, C colour channels.
"""

import hashlib
import json
import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from tats_exp.data.videos import MOST_VIDEOS, Split, Videos, VideoSource

VERSION = 2
"""Raised whenever the pixels change: it enters the fingerprint."""

SHAPES = ("disc", "square")
COLOURS = {"red": (235, 50, 50), "green": (50, 215, 70), "blue": (70, 100, 255), "yellow": (250, 225, 60)}
LAWS = ("bounce", "orbit")
LABEL_NAMES = [f"{colour} {shape} {law}" for shape in SHAPES for colour in COLOURS for law in LAWS]

PALETTES = (
    ((20, 20, 30), (110, 105, 125)),
    ((15, 45, 50), (70, 130, 130)),
    ((60, 30, 20), (150, 110, 85)),
    ((150, 145, 165), (215, 210, 200)),
)
"""The two colours between which a background's texture swings."""

Grounds = Literal["plain", "palettes", "textures"]
"""What sprites move over: one dark colour in all videos, a still colour of the video's palette (the middle of its two),
or a sinusoid that drifts between both."""

Pixels = NDArray[np.float32]
Times = NDArray[np.float64]


def triangle(phase: Times) -> Times:
    """The triangle wave of period 2 that runs 0, 1, 0: a point that bounces between two walls."""
    return 1 - np.abs(1 - phase % 2)


def disc_cover(dx: Pixels, dy: Pixels, radius: float, pixel: float) -> Pixels:
    """Share of each pixel that a disc covers, its edge one pixel wide.

    Args:
        dx: (T, 1, W) horizontal distance of pixel centres from the centre of the disc.
        dy: (T, H, 1) vertical distance.
        radius: of the disc.
        pixel: side of a pixel.
    """
    return np.clip((radius - np.sqrt(dx * dx + dy * dy)) / pixel + 0.5, 0, 1)


def square_cover(dx: Pixels, dy: Pixels, radius: float, pixel: float) -> Pixels:
    """Share of each pixel that a square covers; it has the area of the disc of this radius.

    Arguments as `disc_cover`.
    """
    half = radius * math.sqrt(math.pi) / 2
    columns: Pixels = np.clip((half - np.abs(dx)) / pixel + 0.5, 0, 1)
    rows: Pixels = np.clip((half - np.abs(dy)) / pixel + 0.5, 0, 1)
    return columns * rows


@dataclass(frozen=True)
class Scene:
    """One video of the world: its label and all that is drawn at random.

    Attributes:
        label: index into `LABEL_NAMES`.
        radius: of the sprite.
        speed: of the sprite, per frame.
        heading: angle of a bounce to the horizontal, in radians, neither along a wall nor straight at it.
        turn: orbit's radius, signed by its sense of rotation.
        centre: (x, y) of the orbit, 0 to 1 within what the orbit's size allows.
        phases: (x, y) of the bounce, in half periods; the first is the orbit's too.
        palette: index into `PALETTES`.
        wave: (x, y) wave vector of the texture, cycles per side.
        drift: of the texture, cycles per frame.
        texture_phase: in cycles.
    """

    label: int
    radius: float
    speed: float
    heading: float
    turn: float
    centre: tuple[float, float]
    phases: tuple[float, float]
    palette: int
    wave: tuple[float, float]
    drift: float
    texture_phase: float

    @classmethod
    def draw(cls, label: int, rng: np.random.Generator) -> "Scene":
        """Draw a scene of one label.

        Both laws share one distribution of speeds, and an orbit turns through more than 2 radians in 16 frames: a clip
        shows which law it follows, a single pair of frames does not.
        """
        direction = rng.uniform(0, 2 * math.pi)
        cycles = rng.uniform(0.7, 1.5)
        return cls(
            label=label,
            radius=rng.uniform(0.14, 0.19),
            speed=rng.uniform(0.03, 0.06),
            heading=rng.uniform(0.25, math.pi / 2 - 0.25),
            turn=rng.uniform(0.13, 0.22) * float(rng.choice([-1, 1])),
            centre=(rng.uniform(), rng.uniform()),
            phases=(rng.uniform(0, 2), rng.uniform(0, 2)),
            palette=int(rng.integers(len(PALETTES))),
            wave=(cycles * math.cos(direction), cycles * math.sin(direction)),
            drift=rng.uniform(0.01, 0.03),
            texture_phase=rng.uniform(),
        )

    def positions(self, times: Times) -> tuple[Times, Times]:
        """Centre of the sprite (x, y) at each time; the whole sprite is always inside the frame."""
        if LAWS[self.label % 2] == "bounce":
            room = 1 - 2 * self.radius
            along_x = triangle(self.phases[0] + times * (self.speed * math.cos(self.heading) / room))
            along_y = triangle(self.phases[1] + times * (self.speed * math.sin(self.heading) / room))
            return self.radius + room * along_x, self.radius + room * along_y
        reach = self.radius + abs(self.turn)
        centre_x, centre_y = (reach + (1 - 2 * reach) * place for place in self.centre)
        angle = math.pi * self.phases[0] + times * (self.speed / self.turn)
        return centre_x + abs(self.turn) * np.cos(angle), centre_y + abs(self.turn) * np.sin(angle)

    def _swing(self, grounds: Grounds, times: Times, column: Pixels, row: Pixels) -> Pixels | np.float32:
        """Where the ground is between its palette's two colours, 0 to 1, at each time and place."""
        if grounds != "textures":
            return np.float32({"plain": 0.0, "palettes": 0.5}[grounds])
        # The frame's own phase is reduced in float64: float32 would lose it after some ten thousand frames.
        drifted = ((self.texture_phase - self.drift * times) % 1).astype(np.float32)[:, None, None]
        return 0.5 + 0.5 * np.sin(2 * math.pi * (self.wave[0] * column + self.wave[1] * row + drifted))

    def render(self, times: Times, resolution: int, grounds: Grounds = "plain") -> NDArray[np.uint8]:
        """Draw the scene at each time.

        Args:
            times: (T,) in frames.
            resolution: H and W.
            grounds: what the sprite moves over; the sprite is the same over all of them.

        Returns:
            (T, H, W, 3), 0 to 255.
        """
        places = ((np.arange(resolution) + 0.5) / resolution).astype(np.float32)
        column, row = places[None, None, :], places[None, :, None]

        dark, light = np.array(PALETTES[0 if grounds == "plain" else self.palette], dtype=np.float32)
        swing = self._swing(grounds, times, column, row)

        x, y = (place.astype(np.float32)[:, None, None] for place in self.positions(times))
        shape, colour = divmod(self.label // 2, len(COLOURS))
        draw_cover = (disc_cover, square_cover)[shape]
        cover = draw_cover(column - x, row - y, self.radius, 1 / resolution)

        sprite = np.array(list(COLOURS.values())[colour], dtype=np.float32)
        frames = np.empty((*cover.shape, 3), dtype=np.uint8)
        for channel in range(3):
            ground = dark[channel] + (light[channel] - dark[channel]) * swing
            frames[..., channel] = ground + (sprite[channel] - ground) * cover + 0.5
        return frames


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
        stream = np.random.default_rng([self.seed, ("train", "test").index(self.split), video])
        return Scene.draw(self.labels[video], stream)

    def read(self, video: int, start: int, frames: int) -> NDArray[np.uint8]:
        """Render (frames, H, W, 3) uint8 from frame `start` on.

        Raises:
            ValueError: the frames are not all inside the video.
        """
        if start < 0 or start + frames > self.frames:
            raise ValueError(
                f"{self.names[video]}: frames {start} to {start + frames - 1} asked for, it has 0 to {self.frames - 1}"
            )
        times = np.arange(start, start + frames, dtype=np.float64)
        return self.scene(video).render(times, self.resolution, self.grounds)

    def fingerprint(self) -> str:
        """SHA-256 of the generator's version and arguments."""
        sizes = [len(self.names), self.frames, self.resolution]
        made_by = ["shapes", VERSION, self.split, *sizes, self.seed, self.grounds]
        return hashlib.sha256(json.dumps(made_by).encode()).hexdigest()


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
