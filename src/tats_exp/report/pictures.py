"""The picture beside the answer: of each choice the frames of a few sampled videos, as its first run left them."""

from __future__ import annotations

import base64
from dataclasses import dataclass

from PIL import Image

from tats_exp.report.runs import Group, Run
from tats_exp.report.style import Chip, chips
from tats_exp.run_folder import VIDEOS
from tats_exp.run_folder.pictures import FRAMES_PICTURE, shown_frames

ROWS = ((3, 8), (8, 4))
"""Up to so many choices, so many videos of each are shown; of more, `FEWEST`."""
FEWEST = 2


@dataclass(frozen=True)
class Picture:
    """Videos (rows) of one choice at a few frames (columns).

    Attributes:
        data: the PNG in base64.
        choice: in its colour.
        frames: numbers of the frames, one per column; empty where they are not known.
        columns: of the picture.
        rows: videos that are shown; the picture may have more.
        of_all: videos that it has.
        seed: of the run, "" if it has none.
    """

    data: str
    choice: Chip
    frames: list[int]
    columns: int
    rows: int
    of_all: int
    seed: str

    @property
    def words(self) -> str:
        """What it shows, for those who do not see it."""
        at = f" at frames {', '.join(map(str, self.frames))}" if self.frames else ""
        return f"{self.rows} videos of {self.choice.text}{at}"


def pictures_of(groups: list[Group]) -> list[Picture]:
    """The picture of every choice whose first run with one left it."""
    rows = next((rows for most, rows in ROWS if len(groups) <= most), FEWEST)
    labels = chips(group.short for group in groups)
    found = [(next(filter(_has_picture, group.runs), None), label) for group, label in zip(groups, labels, strict=True)]
    return [_picture(run, label, rows) for run, label in found if run is not None]


def _has_picture(run: Run) -> bool:
    return (run.folder / VIDEOS / FRAMES_PICTURE).is_file()


def _picture(run: Run, choice: Chip, most: int) -> Picture:
    path = run.folder / VIDEOS / FRAMES_PICTURE
    with Image.open(path) as image:
        width, height = image.size
    protocol = run.protocol
    count = protocol.given_frames + protocol.windows * protocol.clip_length if protocol else 0
    frames = shown_frames(count)
    if not frames or width % len(frames) or height % (width // len(frames)):
        frames = []
    columns, rows = (len(frames), height * len(frames) // width) if frames else (1, 1)
    data = base64.b64encode(path.read_bytes()).decode()
    return Picture(data, choice, frames, columns, min(rows, most) if frames else rows, rows, run.seed)
