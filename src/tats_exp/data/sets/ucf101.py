"""UCF-101: 13,320 clips of 101 actions, split by lists of three folds (Soomro et al. 2012)."""

from pathlib import Path

from tats_exp import UserError
from tats_exp.data.file_videos import FileSource
from tats_exp.data.limits import DEFAULT, Limits
from tats_exp.data.listing import Listed, Listing
from tats_exp.data.resizing import Crop
from tats_exp.data.videos import Split

VIDEOS, LISTS = "UCF-101", "ucfTrainTestlist"
COUNTS: dict[int, dict[Split, int]] = {
    1: {"train": 9537, "test": 3783},
    2: {"train": 9586, "test": 3734},
    3: {"train": 9624, "test": 3696},
}
"""Videos of each official fold."""


class UCF101(FileSource):
    """`UCF-101/<Class>/*.avi`, split as the official lists say."""

    inside = (VIDEOS, LISTS)

    def __init__(
        self,
        root: str | Path,
        resolution: int,
        frame_stride: int = 1,
        seed: int = 0,
        crop: Crop = "centre",
        fold: int = 1,
        complete: bool = True,
        limits: Limits = DEFAULT,
    ) -> None:
        """Look at the folder's layout; the videos themselves are opened by `split`.

        Args:
            root: folder that holds UCF-101/ and ucfTrainTestlist/.
            resolution: height and width of the frames, in pixels.
            frame_stride: frames of a file from one frame of a clip to the next.
            seed: of every fixed list of windows that is drawn from the videos.
            crop: what is done to frames that are not square.
            fold: 1, 2 or 3; the paper takes 1.
            complete: whether to tell what of the data set is missing; a part of it may be meant.
            limits: budgets that what a file claims is held against.

        Raises:
            UserError: a folder or a list is missing, or there is no such fold.
        """
        super().__init__(root, resolution, frame_stride, seed, crop, complete, limits)
        if fold not in COUNTS:
            raise UserError(f"data.fold={fold}: allowed: {', '.join(map(str, COUNTS))}")
        self.fold, self.whole = fold, COUNTS[fold]

    def list_classes(self) -> list[str]:
        """The 101 classes in their official order; their number there, less 1, is the label."""
        return [line.split()[1] for line in self._lines("classInd.txt", fields=2)]

    def list_split(self, name: Split) -> Listing:
        """As `FileSource`. Names are compared without regard to case, as copies of the data set differ."""
        listing = Listing(f"{LISTS}/{name}list{self.fold:02d}.txt")
        there: dict[str, dict[str, Path]] = {}
        folders = {path.name.lower(): path for path in (self.root / VIDEOS).iterdir() if path.is_dir()}
        for line in self._lines(f"{name}list{self.fold:02d}.txt", fields=1):
            label, _, file = line.split()[0].partition("/")
            if label not in there:
                folder = folders.get(label.lower())
                there[label] = {} if folder is None else {path.name.lower(): path for path in folder.iterdir()}
            path = there[label].get(file.lower())
            if path is not None:
                listing.videos.append(Listed(path, label))
            else:
                listing.missing.append(Path(file).stem)
        return listing

    def _lines(self, name: str, fields: int) -> list[str]:
        """The lines of an official list."""
        path = self.root / LISTS / name
        try:
            lines = [line for line in path.read_text(encoding="utf-8-sig").splitlines() if line.strip()]
        except (OSError, UnicodeDecodeError) as error:
            raise UserError(f"{path}: cannot be read as a list of UCF-101 ({error})") from error
        for number, line in enumerate(lines, start=1):
            if len(line.split()) < fields or (fields == 1 and "/" not in line):
                raise UserError(f"{path}, line {number}: {line!r} is no line of a list of UCF-101")
        return lines
