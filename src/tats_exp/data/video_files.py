"""Videos in files: `train/<class>/*` and `test/<class>/*`, decoded by decord.

Frames are cropped to the square in their middle and resized with an antialiased bilinear filter.
A reader is opened for every read: one kept open does not survive the spawning of loader workers reliably.
A random clip costs some 0.1 s, most of it spent between the key frame before it and its start; a split that is small
once resized is therefore decoded once and kept in memory.
"""

import hashlib
import json
import logging
import os
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tats_exp import UserError
from tats_exp.data.clips import Split, span
from tats_exp.data.video_decoding import CROP_AND_RESIZE, SUFFIXES, VERSION, codec_of, crop_and_resize, decode

KEPT_BYTES = 64 * 2**20
"""A split whose resized frames take no more than this is kept in memory, each video from its first use on."""

CHUNK = 64
"""Frames decoded at once where a whole video is read: bounds what they take at their full size."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class VideoFile:
    """A readable file.

    Attributes:
        path: of the file.
        label: its class, an index.
        frames: its length.
        size: in bytes.
        changed: time of its last change, in nanoseconds.
        codec: it is stored in.
    """

    path: Path
    label: int
    frames: int
    size: int
    changed: int
    codec: str


class VideoFilesSplit:
    """One split of a folder of videos; a `Videos`."""

    def __init__(
        self, root: Path, files: list[VideoFile], label_names: list[str], resolution: int, frame_stride: int
    ) -> None:
        """Hold the readable files of a split; `VideoFiles.split` finds them."""
        self.root = root
        self.files = files
        self.label_names = label_names
        self.resolution = resolution
        self.frame_stride = frame_stride
        self.resize = CROP_AND_RESIZE
        self.codec = "+".join(sorted({file.codec for file in files}))
        self.names = [file.path.relative_to(root).as_posix() for file in files]
        self.labels = [file.label for file in files]
        self.lengths = [file.frames for file in files]
        self.keeps = sum(self.lengths) * resolution * resolution * 3 <= KEPT_BYTES
        self._kept: dict[int, NDArray[np.uint8]] = {}

    def read(self, video: int, start: int, frames: int) -> NDArray[np.uint8]:
        """Read (frames, resolution, resolution, 3) uint8: frames start, start + frame_stride, ...

        Raises:
            UserError: the frames are not all inside the video, or the file is gone or damaged; one line that names it.
        """
        file = self.files[video]
        end = start + span(frames, self.frame_stride)
        if start < 0 or end > file.frames:
            raise UserError(f"{file.path}: frames {start} to {end - 1} asked for, it has 0 to {file.frames - 1}")
        if self.keeps:
            return self._whole(video)[start : end : self.frame_stride].copy()
        decoded, _ = decode(file.path, range(start, end, self.frame_stride))
        return crop_and_resize(decoded, self.resolution)

    def _whole(self, video: int) -> NDArray[np.uint8]:
        if video not in self._kept:
            file = self.files[video]
            chunks = [range(first, min(first + CHUNK, file.frames)) for first in range(0, file.frames, CHUNK)]
            self._kept[video] = np.concatenate(
                [crop_and_resize(decode(file.path, chunk)[0], self.resolution) for chunk in chunks]
            )
        return self._kept[video]

    def fingerprint(self) -> str:
        """SHA-256 of each file's relative path, size and time of change, and of what is done to its frames."""
        files = [[name, file.size, file.changed] for name, file in zip(self.names, self.files, strict=True)]
        made_by = ["video_files", VERSION, self.resolution, self.frame_stride, self.label_names, files]
        return hashlib.sha256(json.dumps(made_by).encode()).hexdigest()


class VideoFiles:
    """A folder of videos as a source; a `VideoSource`. The classes are the folders in its train split."""

    def __init__(self, root: str | Path, resolution: int, frame_stride: int = 1, seed: int = 0) -> None:
        """Look at the folder's layout; the videos themselves are opened by `split`.

        Args:
            root: folder that holds train/<class>/* and test/<class>/*.
            resolution: height and width of the frames, in pixels.
            frame_stride: frames of the file from one frame of a clip to the next.
            seed: of every fixed list of windows that is drawn from the videos.

        Raises:
            UserError: there is no such folder or split, or a number is below 1.
        """
        for name, value in {"resolution": resolution, "frame_stride": frame_stride}.items():
            if value < 1:
                raise UserError(f"data.{name} must be at least 1, got {value}")
        self.root = Path(root)
        self.seed = seed
        self.resolution = resolution
        self.frame_stride = frame_stride
        if not self.root.is_dir():
            raise UserError(f"data.root={root}: no such folder")
        for split in ("train", "test"):
            if not (self.root / split).is_dir():
                raise UserError(
                    f"data.root={root}: has no folder {split}, it must hold train/<class>/* and test/<class>/*"
                )
        self.label_names = folders(self.root / "train")

    def split(self, name: Split) -> VideoFilesSplit:
        """Open every video of a split once and keep those whose first and last frame can be read.

        Files that cannot be read, and classes that are not in train, are named and counted in the log.

        Raises:
            UserError: no video is left.
        """
        paths: list[tuple[Path, int]] = []
        unknown = 0
        for folder in folders(self.root / name):
            videos = video_paths(self.root / name / folder)
            if folder in self.label_names:
                paths += [(path, self.label_names.index(folder)) for path in videos]
            else:
                unknown += len(videos)
                logger.warning(
                    "left out %d videos of %s/%s: there is no such class in train", len(videos), name, folder
                )
        files = probe_all(paths)
        broken = len(paths) - len(files)
        if broken:
            logger.warning("left out %d of %d videos of %s as unreadable", broken, len(paths), name)
        if not files:
            raise UserError(
                f"data.root={self.root}: no video is left in {name}/<class>/* "
                f"({broken} unreadable, {unknown} of classes that are not in train; read are {' '.join(SUFFIXES)})"
            )
        return VideoFilesSplit(self.root, files, self.label_names, self.resolution, self.frame_stride)


def folders(path: Path) -> list[str]:
    """Names of the folders in a folder, in order; hidden ones are left out."""
    return sorted(entry.name for entry in path.iterdir() if entry.is_dir() and not entry.name.startswith("."))


def video_paths(path: Path) -> list[Path]:
    """The video files in a folder, by their suffix, in order; hidden ones are left out."""
    return sorted(
        entry for entry in path.iterdir() if entry.suffix.lower() in SUFFIXES and not entry.name.startswith(".")
    )


def probe(path: Path, label: int) -> VideoFile | None:
    """Open a file and read its first and last frame: None, and a line in the log, if that fails."""
    try:
        codec = codec_of(path)  # before decord sees the file, which would write about a broken one past every log
        _, frames = decode(path, (0, -1))
        state = path.stat()
    except (ValueError, OSError) as error:
        logger.warning("left out %s", error)
        return None
    return VideoFile(path, label, frames, state.st_size, state.st_mtime_ns, codec)


def probe_all(paths: Iterable[tuple[Path, int]]) -> list[VideoFile]:
    """Probe files side by side and keep the readable ones, in their order."""
    with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
        return [file for file in pool.map(lambda job: probe(*job), paths) if file is not None]
