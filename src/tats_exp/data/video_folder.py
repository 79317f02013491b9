"""All videos below a folder, whoever made them: video files, GIFs, folders of frames, arrays, at any depth.

Windows are read as they are asked for; a few readers stay open, so that going through videos window after window, one
by one or a batch side by side, decodes every frame once.

Axes: T frames, H W pixels, C = 3 colour channels.
"""

import hashlib
import json
import logging
import os
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tats_exp import UserError, printable
from tats_exp.data.file_videos import tell_of_concealed
from tats_exp.data.gif_reader import GifReader, told_length
from tats_exp.data.image_reader import IMAGES
from tats_exp.data.judge import Verdict
from tats_exp.data.judging import judge_all, stamp
from tats_exp.data.limits import DEFAULT, Limits
from tats_exp.data.resizing import CROP_AND_RESIZE, VERSION, chunks, crop_and_resize
from tats_exp.data.video_readers import FILES, Reader, open_reader
from tats_exp.data.videos import Videos
from tats_exp.data.windows import span

OPEN_PIXELS, OPEN_FILES = 2**21, 64
"""Readers kept open: so many that their frames have no more pixels than this. One takes about 300 bytes a pixel."""

NAMED = 10
"""Videos that one line of the log names at most; the attributes name all."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Found:
    """A readable video.

    Attributes:
        name: its path below the root, for one of several in an array with its number.
        path: of the file, or of the folder of frames.
        index: of the video, in an array of several.
        length: in frames.
        verdict: what is known of the file or folder.
        stamp: of it, when it was judged.
        pause: frames that the last picture of a GIF counts as, where no other counts as many; else 1.
    """

    name: str
    path: Path
    index: int
    length: int
    verdict: Verdict
    stamp: str
    pause: int = 1


class VideoFolder(Videos):
    """All videos below a folder, of one class. Not for loader workers: its readers survive no fork.

    Attributes:
        size: height and width of every frame, in pixels.
        resolution: the height; `size` is the whole truth.
        unreadable: a line for each file that cannot be read, its path and why; they are left out.
        too_short: name and length of each video that is shorter than was asked for; they are left out.
        pauses: name of each GIF whose last picture counts as more frames than any other, and how many.
        stretched: a line for each GIF that has more frames than pictures, since some are shown longer than most.
    """

    def __init__(
        self,
        root: str | Path,
        resolution: int | None,
        frame_stride: int = 1,
        shortest: int = 1,
        progress: Callable[[int, int], None] | None = None,
        limits: Limits = DEFAULT,
    ) -> None:
        """Find every video below a folder, judge each whole, and keep those that can be read.

        Args:
            root: the folder. Hidden files and folders are passed over, links are followed.
            resolution: height and width that frames are cropped and resized to, in pixels; None leaves them as they
                are, all videos must then have the same size.
            frame_stride: frames of a video from one frame of a clip to the next.
            shortest: frames of a clip that a video must have.
            progress: told how many of how many files are judged.
            limits: budgets that what a file claims is held against.

        Raises:
            UserError: there is no such folder, no video in it, or they differ in size; one line that names the folder.
        """
        for name, value in {"resolution": resolution, "frame_stride": frame_stride, "shortest": shortest}.items():
            if value is not None and value < 1:
                raise UserError(f"{name} must be at least 1, got {value}")
        self.root = Path(root)
        self.frame_stride = frame_stride
        self.limits = limits
        paths, self.unreadable, beside = find(self.root)
        self.stretched: list[str] = []
        found = self._judge(paths, progress)
        need = span(shortest, frame_stride)
        self.too_short = [f"{video.name} ({video.length} frames)" for video in found if video.length < need]
        self._found = [video for video in found if video.length >= need]
        self._tell(len(paths), beside, f"{shortest} frames at stride {frame_stride} need {need}")
        sizes = {video.verdict.size: video for video in self._found}
        if resolution is None and len(sizes) > 1:
            first, other, *_ = (f"{video.name} is {_told(size)}" for size, video in sizes.items())
            raise UserError(f"{self.root}: frames differ in size, {first}, {other}: resolution=N brings all to N x N")
        self.size = self._found[0].verdict.size if resolution is None else (resolution, resolution)
        self.resolution = self.size[0]
        self.resize = "none" if set(sizes) == {self.size} else CROP_AND_RESIZE
        self.codec = "+".join(sorted({video.verdict.codec for video in self._found}))
        self.decoder = "+".join(sorted({video.verdict.decoder for video in self._found}))
        self.names = [video.name for video in self._found]
        self.lengths = [video.length for video in self._found]
        self.pauses = [f"{video.name} ({video.pause} frames)" for video in self._found if video.pause > 1]
        self.labels, self.label_names = [0] * len(self._found), ["all"]
        self._open: OrderedDict[int, Reader] = OrderedDict()
        self._keep = max(1, min(OPEN_FILES, OPEN_PIXELS // max(height * width for height, width in sizes)))

    def read(self, video: int, start: int, frames: int) -> NDArray[np.uint8]:
        """Read (frames, H, W, 3) uint8: frames start, start + frame_stride, ...

        Raises:
            ValueError: the frames are not all inside the video.
            UserError: it is damaged, gone or no longer what it was when the folder was opened; one line that names it.
        """
        found = self._found[video]
        end = start + span(frames, self.frame_stride)
        if start < 0 or end > found.length:
            raise ValueError(
                f"{self.root / found.name}: frames {start} to {end - 1} asked for, it has 0 to {found.length - 1}"
            )
        wanted = range(start, end, self.frame_stride)
        read = np.empty((frames, *self.size, 3), dtype=np.uint8)
        done = 0
        for piece in chunks(wanted, *found.verdict.size):
            whole = self._reader(video).read(piece)
            fits = found.verdict.size == self.size
            read[done : done + len(piece)] = whole if fits else crop_and_resize(whole, self.resolution)
            done += len(piece)
        return read

    def fingerprint(self) -> str:
        """SHA-256 of each file's relative path, size and content, of its decoder, and of what is done to its frames."""
        files = [
            [video.name, video.verdict.bytes, video.verdict.sha256, video.verdict.decoder] for video in self._found
        ]
        made_by = ["video_folder", VERSION, self.size, self.frame_stride, files]
        return hashlib.sha256(json.dumps(made_by).encode()).hexdigest()

    def _reader(self, video: int) -> Reader:
        if video not in self._open:
            found = self._found[video]
            while len(self._open) >= self._keep:
                self._open.popitem(last=False)
            reader = open_reader(found.path, found.index, self.limits, found.verdict)
            if stamp(found.path) != found.stamp:
                raise UserError(f"{found.path}: has changed since the folder was opened")
            self._open[video] = reader
        self._open.move_to_end(video)
        return self._open[video]

    def _judge(self, paths: list[Path], progress: Callable[[int, int], None] | None) -> list[Found]:
        """The videos at paths; what cannot be read, and GIFs that count as more frames than pictures, are noted."""
        found: list[Found] = []
        for path, verdict in zip(paths, judge_all(paths, self.limits, progress), strict=True):
            if isinstance(verdict, str):
                self.unreadable.append(verdict)
                continue
            name = path.relative_to(self.root).as_posix() if path != self.root else self.root.resolve().name
            if path.suffix.lower() == ".gif" and path.is_file():
                try:
                    gif = GifReader(path, self.limits, verdict)
                except UserError as error:
                    self.unreadable.append(str(error))
                    continue
                if gif.length != gif.pictures:
                    self.stretched.append(f"{name}: {told_length(gif.pictures, gif.length)}")
                found.append(Found(name, path, 0, gif.length, verdict, stamp(path), gif.pause))
                continue
            names = [name] if verdict.videos is None else [f"{name}[{index}]" for index in range(verdict.videos)]
            found += [Found(n, path, index, verdict.length, verdict, stamp(path)) for index, n in enumerate(names)]
        return found

    def _tell(self, files: int, beside: list[str], need: str) -> None:
        """Log what was left out.

        Raises:
            UserError: that was everything.
        """
        for line in [*self.unreadable, *beside]:
            logger.warning("left out %s", printable(line))
        for line in self.stretched:
            logger.warning("%s", line)
        tell_of_concealed({video.path: video.verdict for video in self._found})
        if self.unreadable:
            logger.warning("%s: left out %d of %d files as unreadable", self.root, len(self.unreadable), files)
        if self.too_short:
            some = ", ".join(self.too_short[:NAMED]) + (", ..." if len(self.too_short) > NAMED else "")
            logger.warning("%s: left out %d videos as too short, %s: %s", self.root, len(self.too_short), need, some)
        if self._found:
            return
        why = [f"{len(self.unreadable)} unreadable, first {self.unreadable[0]}"] if self.unreadable else []
        if self.too_short:
            why.append(f"{len(self.too_short)} too short, {need}, first {self.too_short[0]}")
        if why:
            raise UserError(f"{self.root}: no video is left ({'; '.join(why)})")
        nearest = f" ({beside[0]})" if beside else ""
        raise UserError(
            f"{self.root}: holds no video{nearest}; read are {' '.join(FILES)} and folders of {' '.join(IMAGES)}"
        )


def find(root: Path) -> tuple[list[Path], list[str], list[str]]:
    """Find what may be a video.

    Args:
        root: the folder to look in, at any depth.

    Returns:
        The paths of files and of folders of images, in order; a line for each folder that cannot be entered; and one
        for each folder whose images lie beside videos or folders, and are therefore not taken for frames.

    Raises:
        UserError: there is no such folder.
    """
    if not root.is_dir():
        raise UserError(f"{root}: no such folder")
    paths: list[Path] = []
    closed: list[str] = []
    beside: list[str] = []
    for here, folders, files in os.walk(
        root, followlinks=True, onerror=lambda error: closed.append(f"{error.filename}: {error.strerror}")
    ):
        folder = Path(here)
        folders[:] = [name for name in folders if name[0] != "." and not _leads_back(folder / name, root)]
        visible = [folder / name for name in files if name[0] != "."]
        videos = [path for path in visible if path.suffix.lower() in FILES]
        images = sum(path.suffix.lower() in IMAGES for path in visible)
        if images and (videos or folders):
            beside.append(f"{folder}: {images} images beside videos or folders are no frames of a video")
        elif images:
            videos = [folder]
        paths += videos
    return sorted(paths), closed, beside


def _leads_back(folder: Path, root: Path) -> bool:
    """Whether a folder is a link to one that it lies in, or that was gone through on the way to it."""
    if not os.path.islink(folder):  # noqa: PTH114  (`Path.is_symlink` raises where the folder around it is closed)
        return False
    way = [parent for parent in folder.parents if parent.is_relative_to(root)]
    return any(parent.resolve().is_relative_to(folder.resolve()) for parent in way)


def _told(size: tuple[int, ...]) -> str:
    return f"{size[0]}x{size[1]}"
