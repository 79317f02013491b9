"""Videos in files: `train/<class>/*` and `test/<class>/*`, or `val` or `validation` for `test`.

Frames are cropped to the square in their middle and resized with an antialiased bilinear filter. A file is opened for
every read, so that loader workers may be forked or spawned. A split that is small once resized is decoded once and kept
in memory.
"""

import hashlib
import json
import logging
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from tats_exp import UserError, printable
from tats_exp.data import judging
from tats_exp.data.judge import Verdict
from tats_exp.data.limits import DEFAULT, Limits
from tats_exp.data.regular_file import entering_folders
from tats_exp.data.resizing import CROP_AND_RESIZE, VERSION, chunks, crop_and_resize
from tats_exp.data.video_decoding import SUFFIXES, VideoFileReader
from tats_exp.data.videos import Split, VideoSource
from tats_exp.data.windows import span

KEPT_BYTES = 64 * 2**20
"""A split whose resized frames take no more than this is kept in memory, each video from its first use on."""

FOLDERS: dict[Split, tuple[str, ...]] = {"train": ("train",), "test": ("test", "val", "validation")}
"""What the folder of a split is called; the first that is there is taken."""

logger = logging.getLogger(__name__)


class VideoFilesSplit:
    """One split of a folder of videos; a `Videos`."""

    def __init__(
        self,
        root: Path,
        files: dict[Path, Verdict],
        label_names: list[str],
        resolution: int,
        frame_stride: int,
        limits: Limits,
    ) -> None:
        """Hold the readable files of a split; `VideoFiles.split` finds them."""
        self.root = root
        self.paths, self.verdicts = list(files), list(files.values())
        self.label_names = label_names
        self.resolution = resolution
        self.frame_stride = frame_stride
        self.limits = limits
        self.resize = CROP_AND_RESIZE
        self.codec = "+".join(sorted({verdict.codec for verdict in self.verdicts}))
        self.decoder = "+".join(sorted({verdict.decoder for verdict in self.verdicts}))
        self.names = [path.relative_to(root).as_posix() for path in self.paths]
        self.labels = [label_names.index(path.parent.name) for path in self.paths]
        self.lengths = [verdict.length for verdict in self.verdicts]
        self.keeps = sum(self.lengths) * resolution * resolution * 3 <= KEPT_BYTES
        self._stamps = [judging.stamp(path) for path in self.paths]
        self._kept: dict[int, NDArray[np.uint8]] = {}

    def read(self, video: int, start: int, frames: int) -> NDArray[np.uint8]:
        """Read (frames, resolution, resolution, 3) uint8: frames start, start + frame_stride, ...

        Raises:
            ValueError: the frames are not all inside the video.
            UserError: the file is gone, or no longer what it was; one line that names it.
        """
        length, end = self.lengths[video], start + span(frames, self.frame_stride)
        if start < 0 or end > length:
            raise ValueError(f"{self.paths[video]}: frames {start} to {end - 1} asked for, it has 0 to {length - 1}")
        if not self.keeps:
            return self._resized(video, range(start, end, self.frame_stride))
        if video not in self._kept:
            self._kept[video] = self._resized(video, range(length))
        return self._kept[video][start : end : self.frame_stride].copy()

    def _resized(self, video: int, wanted: range) -> NDArray[np.uint8]:
        path, verdict = self.paths[video], self.verdicts[video]
        reader = VideoFileReader(path, self.limits, verdict)
        if judging.stamp(path) != self._stamps[video]:
            raise UserError(f"{path}: has changed since the folder was opened")
        pieces = [crop_and_resize(reader.read(piece), self.resolution) for piece in chunks(wanted, *verdict.size)]
        reader.close()
        return np.concatenate(pieces)

    def fingerprint(self) -> str:
        """SHA-256 of each file's relative path, size and content, of its decoder, and of what is done to its frames."""
        files = [
            [name, verdict.bytes, verdict.sha256, verdict.decoder]
            for name, verdict in zip(self.names, self.verdicts, strict=True)
        ]
        made_by = ["video_files", VERSION, self.resolution, self.frame_stride, self.label_names, files]
        return hashlib.sha256(json.dumps(made_by).encode()).hexdigest()


class VideoFiles(VideoSource):
    """A folder of videos as a source. The classes are the folders in its train split."""

    def __init__(
        self,
        root: str | Path,
        resolution: int,
        frame_stride: int = 1,
        seed: int = 0,
        limits: Limits = DEFAULT,
    ) -> None:
        """Look at the folder's layout; the videos themselves are opened by `split`.

        Args:
            root: folder that holds train/<class>/* and test/<class>/* (or val, or validation, where there is no test).
            resolution: height and width of the frames, in pixels.
            frame_stride: frames of the file from one frame of a clip to the next.
            seed: of every fixed list of windows that is drawn from the videos.
            limits: budgets that what a file claims is held against.

        Raises:
            UserError: there is no such folder or split, it cannot be entered, or a number is below 1.
        """
        for name, value in {"resolution": resolution, "frame_stride": frame_stride}.items():
            if value < 1:
                raise UserError(f"data.{name} must be at least 1, got {value}")
        self.root = Path(root)
        self.seed = seed
        self.resolution = resolution
        self.frame_stride = frame_stride
        self.limits = limits
        with entering_folders():
            if not self.root.is_dir():
                raise UserError(f"data.root={root}: no such folder")
            there = {split: [name for name in names if (self.root / name).is_dir()] for split, names in FOLDERS.items()}
        if missing := [FOLDERS[split] for split, names in there.items() if not names]:
            names = " or ".join(missing[0])
            raise UserError(f"data.root={root}: has no folder {names}, it must hold train/<class>/* and test/<class>/*")
        self._folders = {split: names[0] for split, names in there.items()}
        key = f"{self.root.absolute()} classes"
        self._left_out: dict[Split, list[str]] = {}
        with entering_folders():
            self.label_names = judging.handed(key) or folders(self.root / "train")
        judging.plan_with(key, self.label_names)

    def split(self, name: Split) -> VideoFilesSplit:
        """The readable videos of a split, each judged whole; the runs of a sweep take the list that was planned with.

        Files that cannot be read, and classes that are not in train, are named and counted in the log.

        Raises:
            UserError: no video is left, a folder cannot be entered, or a video of the sweep's list is no longer
                readable and its verdict was not kept.
        """
        key = f"{self.root.absolute()} {name} {self.limits}"
        planned = judging.handed(key)
        unknown = 0
        left_out = self._left_out[name] = []
        if planned is None:
            with entering_folders():
                paths, unknown = self._find(name)
        else:
            paths = [self.root / path for path in planned]
        with tqdm(desc=f"looking at {name} videos", unit="file", delay=2, disable=None) as bar:

            def progress(done: int, total: int) -> None:
                bar.total = total
                bar.update(done - bar.n)

            judge = judging.judge_all if planned is None else judging.as_planned
            verdicts = judge(paths, self.limits, progress)
        files: dict[Path, Verdict] = {}
        broken = 0
        for path, verdict in zip(paths, verdicts, strict=True):
            if not isinstance(verdict, str):
                files[path] = verdict
            elif planned is not None:
                raise UserError(f"{verdict} (it was readable when the sweep was planned)")
            else:
                broken += 1
                left_out.append(verdict)
                logger.warning("left out %s", verdict)
        if broken:
            logger.warning("left out %d of %d videos of %s as unreadable", broken, len(paths), name)
        if not files:
            raise UserError(
                f"data.root={self.root}: no video is left in {self._folders[name]}/<class>/* "
                f"({broken} unreadable, {unknown} of classes that are not in train; read are {' '.join(SUFFIXES)})"
            )
        tell_of_concealed(files)
        judging.plan_with(key, [str(path.relative_to(self.root)) for path in files])
        return VideoFilesSplit(self.root, files, self.label_names, self.resolution, self.frame_stride, self.limits)

    def left_out(self, name: Split) -> list[str]:
        """As `VideoSource`; of a split that was not opened yet, nothing is known."""
        return self._left_out.get(name, [])

    def _find(self, name: Split) -> tuple[list[Path], int]:
        """The files of a split in classes that are in train, and how many are in others."""
        paths: list[Path] = []
        unknown = 0
        root = self.root / self._folders[name]
        passed = [(root, not_videos(root, but_folders=True), "outside of a class folder")]
        for folder in folders(root):
            videos = video_paths(root / folder)
            passed.append((root / folder, not_videos(root / folder), "of other kinds than are read"))
            if folder in self.label_names:
                paths += videos
            else:
                unknown += len(videos)
                line = printable(f"{len(videos)} videos of {root.name}/{folder}: there is no such class in train")
                self._left_out[name].append(line)
                logger.warning("left out %s", line)
        self._left_out[name] += [
            f"{where.relative_to(self.root)}: {count} files {why}" for where, count, why in passed if count
        ]
        return paths, unknown


def tell_of_concealed(files: dict[Path, Verdict]) -> None:
    """Log which videos have frames that their decoder calls damaged, and patches from their neighbours."""
    concealed = {path: v.frames.concealed for path, v in files.items() if v.frames is not None and v.frames.concealed}
    for path, count in concealed.items():
        logger.warning("%s: the decoder patches %d damaged frames", printable(path), count)


def folders(path: Path) -> list[str]:
    """Names of the folders in a folder, in order; hidden ones are left out."""
    return sorted(entry.name for entry in path.iterdir() if entry.is_dir() and not entry.name.startswith("."))


def not_videos(path: Path, but_folders: bool = False) -> int:
    """How many files in a folder are not read as videos; hidden ones are left aside.

    Args:
        path: the folder.
        but_folders: whether none of its files is read, only those in its folders.
    """
    files = [entry for entry in path.iterdir() if not entry.is_dir() and not entry.name.startswith(".")]
    return len(files) if but_folders else len(files) - len(video_paths(path))


def video_paths(path: Path) -> list[Path]:
    """The video files in a folder, by their suffix, in order; hidden ones and folders are left out."""
    return sorted(
        entry
        for entry in path.iterdir()
        if entry.suffix.lower() in SUFFIXES and not entry.name.startswith(".") and not entry.is_dir()
    )
