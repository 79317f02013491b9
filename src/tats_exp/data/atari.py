"""Atari games as videos: real, long and labelled with actions, without a download.

A player who presses buttons at random plays; each video is a game of its own, the same for ever by its seed. The games
come with the emulator (`pip install 'tats-exp[atari]'`), none lies in this project. A video is played once, brought to
size, and kept in the user's cache.

Axes: T frames, H W pixels, C = 3 colour channels.
"""

import hashlib
import json
import logging
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from tats_exp import UserError
from tats_exp.data.resizing import RESIZED, Crop, crop_and_resize
from tats_exp.data.videos import MOST_VIDEOS, Split, Videos, VideoSource
from tats_exp.data.windows import span
from tats_exp.files import atomic, cache_folder

if TYPE_CHECKING:
    from ale_py import ALEInterface

VERSION = 1
"""Raised whenever the pixels or the actions change: it enters the fingerprint."""

EMULATED = 60
"""Frames a second of the emulator."""
HELD = (1, 5)
"""For how many frames a button is held, from the first number to below the second."""
WARM_UP = (16, 80)
"""How many frames are played before the first one of a video, likewise."""
AT_ONCE = 64
"""Frames that are brought to size at once."""

logger = logging.getLogger(__name__)


class AtariVideos(Videos):
    """One split. Video i is of game i mod the number of games."""

    codec = "none"

    def __init__(self, source: "Atari", split: Split, videos: int) -> None:
        """Lay out a split; nothing is played yet."""
        self.source, self.split = source, split
        self.resolution, self.frame_stride, self.resize = source.resolution, source.frame_stride, RESIZED[source.crop]
        self.decoder = f"ale-py {version('ale-py')}"
        self.label_names = list(source.games)
        self.labels = [index % len(source.games) for index in range(videos)]
        self.names = [f"{split}/{index:06d} {source.games[label]}" for index, label in enumerate(self.labels)]
        self.lengths = [source.frames] * videos

    def frame_rate(self) -> float:
        """Clip frames a second."""
        return EMULATED / (self.source.frame_skip * self.frame_stride)

    def read(self, video: int, start: int, frames: int) -> NDArray[np.uint8]:
        """Read (frames, resolution, resolution, 3) uint8: frames start, start + frame_stride, ...

        Raises:
            ValueError: the frames are not all inside the video.
        """
        wanted = self._wanted(video, start, frames)
        return np.array(self._played(video)[wanted.start : wanted.stop : wanted.step])

    def actions(self, video: int, start: int, frames: int) -> NDArray[np.int64]:
        """What the player did to bring about the frames of a clip.

        Returns:
            (frames,) the emulator's number of the button that was held when each frame came.

        Raises:
            ValueError: the frames are not all inside the video.
        """
        wanted = self._wanted(video, start, frames)
        emulator, rng = self._game(video)
        buttons = np.array(_buttons(emulator, rng, self.lengths[video]), np.int64)
        return buttons[wanted.start : wanted.stop : wanted.step]

    def fingerprint(self) -> str:
        """SHA-256 of the emulator's version, the games and all arguments."""
        source = self.source
        games = [source.games, len(self.names), source.frames, source.frame_skip, source.seed]
        made_by = ["atari", VERSION, self.decoder, self.split, *games, self.frame_stride, self.resolution, self.resize]
        return hashlib.sha256(json.dumps(made_by).encode()).hexdigest()

    def _wanted(self, video: int, start: int, frames: int) -> range:
        end = start + span(frames, self.frame_stride)
        if start < 0 or end > self.lengths[video]:
            raise ValueError(
                f"{self.names[video]}: frames {start} to {end - 1} asked for, it has 0 to {self.lengths[video] - 1}"
            )
        return range(start, end, self.frame_stride)

    def _played(self, video: int) -> NDArray[np.uint8]:
        """All frames of a video, mapped from the cache; played first where it is not there."""
        kept = self._kept(video)
        shape = (self.lengths[video], self.resolution, self.resolution, 3)
        try:
            frames = np.load(kept, mmap_mode="r", allow_pickle=False)
            if frames.shape == shape and frames.dtype == np.uint8:
                return frames
        except (OSError, ValueError, EOFError):  # not there yet, or damaged
            pass
        frames = self._play(video)
        try:
            kept.parent.mkdir(parents=True, exist_ok=True)
            with atomic(kept) as temporary, temporary.open("wb") as file:
                np.save(file, frames)
        except OSError as error:
            logger.warning("%s: cannot be kept in %s: %s", self.names[video], kept.parent, error.strerror)
        return frames

    def _kept(self, video: int) -> Path:
        source = self.source
        play = [source.games[self.labels[video]], source.frames, source.frame_skip, source.seed, self.split, video]
        made_by = ["atari", VERSION, self.decoder, *play, self.resolution, self.resize]
        name = hashlib.sha256(json.dumps(made_by).encode()).hexdigest()
        return cache_folder() / "atari" / name[:2] / f"{name[2:]}.npy"

    def _play(self, video: int) -> NDArray[np.uint8]:
        emulator, rng = self._game(video)
        pieces, screens = [], []
        for action in _buttons(emulator, rng, self.lengths[video]):
            _step(emulator, action, self.source.frame_skip)
            screens.append(emulator.getScreenRGB())
            if len(screens) == AT_ONCE:
                pieces.append(crop_and_resize(np.stack(screens), self.resolution, self.source.crop))
                screens = []
        if screens:
            pieces.append(crop_and_resize(np.stack(screens), self.resolution, self.source.crop))
        return np.concatenate(pieces)

    def _game(self, video: int) -> "tuple[ALEInterface, np.random.Generator]":
        """A game that is warmed up, and what draws its buttons; both follow from (seed, split, index) alone."""
        rng = np.random.default_rng([self.source.seed, ("train", "test").index(self.split), video])
        emulator = _emulator(self.source.games[self.labels[video]], int(rng.integers(2**31)))
        for action in _buttons(emulator, rng, int(rng.integers(*WARM_UP))):
            _step(emulator, action, self.source.frame_skip)
        return emulator, rng


class Atari(VideoSource):
    """Games as a source of videos; the classes are the games."""

    def __init__(
        self,
        games: list[str],
        train_videos: int,
        test_videos: int,
        frames: int,
        resolution: int,
        frame_stride: int = 1,
        frame_skip: int = 4,
        seed: int = 0,
        crop: Crop = "stretch",
    ) -> None:
        """Choose games.

        Args:
            games: their names, as the emulator calls them.
            train_videos: videos of the train split.
            test_videos: videos of the test split; no video is in both.
            frames: of every video.
            resolution: height and width, in pixels.
            frame_stride: frames of a video from one frame of a clip to the next.
            frame_skip: emulated frames, 60 a second, from one frame of a video to the next.
            seed: of the games. More videos, or another resolution, leave them as they are.
            crop: what is done to the screens, which are 210 x 160.

        Raises:
            UserError: the emulator is not installed, has no such game, or a number is below what a game needs.
        """
        given = {"train_videos": train_videos, "test_videos": test_videos, "frames": frames, "resolution": resolution}
        given |= {"frame_stride": frame_stride, "frame_skip": frame_skip}
        for name, value in given.items():
            if value < 1:
                raise UserError(f"data.{name} must be at least 1, got {value}")
        for name in ("train_videos", "test_videos"):
            if given[name] > MOST_VIDEOS:
                raise UserError(
                    f"data.{name} must be at most {MOST_VIDEOS}, which are listed one by one, got {given[name]}"
                )
        if seed < 0:
            raise UserError(f"data.seed must not be negative, got {seed}")
        known = _known_games()
        for game in games:
            if game not in known:
                raise UserError(f"data.games: no game {game}; allowed: {', '.join(known)}")
        if not games or len(set(games)) != len(games):
            raise UserError("data.games: one game or more, each once")
        self.games, self.frames, self.resolution, self.seed = games, frames, resolution, seed
        self.frame_stride, self.frame_skip, self.crop = frame_stride, frame_skip, crop
        self.videos: dict[Split, int] = {"train": train_videos, "test": test_videos}

    def split(self, name: Split) -> AtariVideos:
        """The videos of a split."""
        return AtariVideos(self, name, self.videos[name])


def _known_games() -> list[str]:
    try:
        from ale_py import roms
    except ImportError:
        raise UserError("data=atari needs an emulator: pip install 'tats-exp[atari]'") from None
    return sorted(roms.get_all_rom_ids())


def _emulator(game: str, seed: int) -> "ALEInterface":
    """The emulator at the start of a game; nothing in it is left to chance."""
    from ale_py import ALEInterface, LoggerMode, roms

    ALEInterface.setLoggerMode(LoggerMode.Error)
    emulator = ALEInterface()
    emulator.setInt("random_seed", seed)
    emulator.setFloat("repeat_action_probability", 0.0)
    rom = roms.get_rom_path(game)
    if rom is None:
        raise UserError(f"data.games: the emulator knows {game} and does not have it")
    emulator.loadROM(rom)
    return emulator


def _buttons(emulator: "ALEInterface", rng: np.random.Generator, frames: int) -> list[int]:
    """The button of each of `frames` frames, held for a few frames each."""
    allowed = [action.value for action in emulator.getMinimalActionSet()]
    buttons: list[int] = []
    while len(buttons) < frames:
        buttons += [allowed[rng.integers(len(allowed))]] * int(rng.integers(*HELD))
    return buttons[:frames]


def _step(emulator: "ALEInterface", action: int, frame_skip: int) -> None:
    """Hold a button for a frame of the video; a game that is over begins anew."""
    for _ in range(frame_skip):
        emulator.act(action)
        if emulator.game_over():
            emulator.reset_game()
