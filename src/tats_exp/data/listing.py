"""What a data set in files consists of: its videos, their classes, captions and sound, and what is amiss."""

import json
import os
from dataclasses import dataclass, field
from pathlib import Path

from tats_exp.data.video_decoding import SUFFIXES

ONE_CLASS = "all"
"""Name of the only class, where a data set has none."""


@dataclass(frozen=True)
class Listed:
    """A video of a data set.

    Attributes:
        path: of its file, or of its folder of frames.
        label: name of its class.
        captions: texts that describe it.
        audio: a file that holds its sound; None: its own track, if it has one.
    """

    path: Path
    label: str = ONE_CLASS
    captions: tuple[str, ...] = ()
    audio: Path | None = None

    def as_json(self, root: Path) -> str:
        """A line of JSON, in which paths are those below a folder; `from_json` reads it back."""
        audio = None if self.audio is None else named(self.audio, root)
        return json.dumps([named(self.path, root), self.label, self.captions, audio])

    @classmethod
    def from_json(cls, line: str, root: Path) -> "Listed":
        """Read what `as_json` made."""
        path, label, captions, audio = json.loads(line)
        return cls(root / path, label, tuple(captions), None if audio is None else root / audio)


@dataclass
class Listing:
    """One split of a data set, before any of its videos is opened.

    Attributes:
        where: where its videos lie, in words.
        videos: what it consists of.
        left_out: a line for each file or folder that is not taken, and why.
        missing: names of videos that the data set's own list has and the disk has not.
    """

    where: str
    videos: list[Listed] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)


def named(path: Path, root: Path) -> str:
    """Name of a file: its path below the data set's folder, or the whole of it where it lies elsewhere."""
    inside, folder = (Path(os.path.abspath(there)) for there in (path, root))  # noqa: PTH100  (links stay)
    return inside.relative_to(folder).as_posix() if inside.is_relative_to(folder) else str(inside)


def folders(path: Path) -> list[str]:
    """Names of the folders in a folder, in order; hidden ones are left out."""
    return sorted(entry.name for entry in path.iterdir() if entry.is_dir() and not entry.name.startswith("."))


def videos_in(folder: Path, label: str = ONE_CLASS) -> tuple[list[Listed], int]:
    """The video files in a folder, in order, and how many of its files are none.

    Beside a video may lie its captions, one a line, in a `.txt` of its name, and its sound in a `.wav`. Hidden files
    and folders are passed over.

    Args:
        folder: to look in.
        label: of the videos.
    """
    files = [entry for entry in folder.iterdir() if not entry.name.startswith(".") and not entry.is_dir()]
    names = {entry.name for entry in files}
    found, beside = [], set()
    for path in sorted(entry for entry in files if entry.suffix.lower() in SUFFIXES):
        listed = with_captions_and_audio(Listed(path, label), names)
        found.append(listed)
        beside |= {path.with_suffix(suffix).name for suffix in (".txt", ".wav")} & names
    return found, len(files) - len(found) - len(beside)


def with_captions_and_audio(video: Listed, names: set[str] | None = None) -> Listed:
    """A video with what lies beside it: captions in a `.txt` of its name, one a line, and sound in a `.wav`.

    What is known of it already comes before what lies beside it.

    Args:
        video: a file, or a folder of frames.
        names: of the files beside it, where they are known.
    """
    stem = video.path.name if video.path.is_dir() else video.path.stem  # a folder's name has no suffix, dots or not
    words, audio = (video.path.with_name(stem + suffix) for suffix in (".txt", ".wav"))
    there = [path.name in names if names is not None else path.is_file() for path in (words, audio)]
    captions = video.captions or (captions_in(words) if there[0] else ())
    return Listed(video.path, video.label, captions, video.audio or (audio if there[1] else None))


def captions_in(path: Path) -> tuple[str, ...]:
    """The lines of a text file that are not empty; what is no UTF-8 is replaced."""
    lines = path.read_text(encoding="utf-8-sig", errors="replace").splitlines()
    return tuple(line.strip() for line in lines if line.strip())
