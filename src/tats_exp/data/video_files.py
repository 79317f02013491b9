"""Videos in files: `train/<class>/*` and `test/<class>/*`, or as a list in a CSV says."""

from pathlib import Path

from tats_exp.data.file_videos import FileSource
from tats_exp.data.limits import DEFAULT, Limits
from tats_exp.data.list_file import ListFile
from tats_exp.data.listing import ONE_CLASS, Listing, folders, videos_in
from tats_exp.data.resizing import Crop
from tats_exp.data.split_folders import split_folders
from tats_exp.data.video_decoding import SUFFIXES
from tats_exp.data.videos import Split


class VideoFiles(FileSource):
    """A folder of videos. The classes are the folders in its train split; without any, there is one class."""

    def __init__(
        self,
        root: str | Path,
        resolution: int,
        frame_stride: int = 1,
        seed: int = 0,
        crop: Crop = "centre",
        list: str | Path | None = None,
        limits: Limits = DEFAULT,
    ) -> None:
        """Look at the folder's layout; the videos themselves are opened by `split`.

        Args:
            root: folder that holds train/<class>/* and test/<class>/* (or val, or validation, where there is no test).
            resolution: height and width of the frames, in pixels.
            frame_stride: frames of the file from one frame of a clip to the next.
            seed: of every fixed list of windows that is drawn from the videos.
            crop: what is done to frames that are not square.
            list: a CSV that says which files are the videos of which split; the folders then say nothing.
            limits: budgets that what a file claims is held against.

        Raises:
            UserError: there is no such folder or split, the list is none, or a number is below 1.
        """
        super().__init__(root, resolution, frame_stride, seed, crop, limits=limits)
        self.list_path = None if list is None else str(Path(list).absolute())
        self._list = None if list is None else ListFile(Path(list), self.root)
        self._folders = {} if self._list else split_folders(self.root, "<class>/*")

    def list_classes(self) -> list[str]:
        """As `FileSource`."""
        if self._list:
            return self._list.classes()
        train = self._folders["train"]
        return folders(train) or [ONE_CLASS]

    def list_split(self, name: Split) -> Listing:
        """As `FileSource`."""
        if self._list:
            return self._list.split(name)
        root = self._folders[name]
        classes = folders(root)
        listing = Listing(f"{root.name}/<class>/* (read are {' '.join(SUFFIXES)})")
        direct, others = videos_in(root)
        if not classes:
            listing.videos = direct
        elif count := len(direct) + others:
            listing.left_out.append(f"{root.name}: {count} files outside of a class folder")
        for label in classes:
            videos, count = videos_in(root / label, label)
            listing.videos += videos
            if count:
                listing.left_out.append(f"{root.name}/{label}: {count} files of other kinds than are read")
        return listing
