"""Videos as folders of frames: `train/<class>/<video>/*.jpg`, or `train/<video>/*.jpg` of one class."""

from pathlib import Path

from tats_exp import UserError
from tats_exp.data.file_videos import FileSource
from tats_exp.data.image_reader import IMAGES
from tats_exp.data.limits import DEFAULT, Limits
from tats_exp.data.list_file import ListFile
from tats_exp.data.listing import ONE_CLASS, Listed, Listing, folders, with_captions_and_audio
from tats_exp.data.resizing import Crop
from tats_exp.data.split_folders import split_folders
from tats_exp.data.video_folder import find
from tats_exp.data.videos import Split


class FrameFolders(FileSource):
    """Folders of images, each a video, at any depth below its split."""

    def __init__(
        self,
        root: str | Path,
        resolution: int,
        frame_stride: int = 1,
        seed: int = 0,
        crop: Crop = "centre",
        classes: bool = True,
        fps: float | None = None,
        list: str | Path | None = None,
        limits: Limits = DEFAULT,
    ) -> None:
        """Look at the folder's layout; the videos themselves are opened by `split`.

        Args:
            root: folder that holds train/ and test/ (or val, or validation, where there is no test).
            resolution: height and width of the frames, in pixels.
            frame_stride: images from one frame of a clip to the next.
            seed: of every fixed list of windows that is drawn from the videos.
            crop: what is done to frames that are not square.
            classes: whether the first folder below a split is the class; otherwise there is one class.
            fps: images a second, for the sound beside the folders.
            list: a CSV that says which folders are the videos of which split; the layout then says nothing.
            limits: budgets that what a file claims is held against.

        Raises:
            UserError: there is no such folder or split, the list is none, or a number is out of range.
        """
        super().__init__(root, resolution, frame_stride, seed, crop, limits=limits)
        self.list_path = None if list is None else str(Path(list).absolute())
        if fps is not None and not 0 < fps < float("inf"):
            raise UserError(f"data.fps must be a number above 0, got {fps}")
        self.fps, self._classes = fps, classes
        self._list = None if list is None else ListFile(Path(list), self.root)
        self._folders = {} if self._list else split_folders(self.root, "<class>/<video>/*.jpg")

    def list_classes(self) -> list[str]:
        """As `FileSource`."""
        if self._list:
            return self._list.classes()
        if not self._classes:
            return [ONE_CLASS]
        train = self._folders["train"]
        if flat := [name for name in folders(train) if holds_images(train / name)]:
            raise UserError(
                f"data.root={self.root}: {train.name}/{flat[0]} holds images, so it is a video and no class; allowed: "
                f"{train.name}/<class>/<video>/*.jpg, or data.classes=false where there are no classes"
            )
        return folders(train)

    def list_split(self, name: Split) -> Listing:
        """As `FileSource`."""
        return self._list.split(name) if self._list else frames_below(self._folders[name], self._classes)


def frames_below(root: Path, classes: bool) -> Listing:
    """List the folders of frames below the folder of a split.

    Args:
        root: of the split.
        classes: whether the first folder below it is the class.
    """
    paths, closed, beside = find(root)
    listing = Listing(f"{root.name} (read are folders of {' '.join(IMAGES)})", left_out=[*closed, *beside])
    for path in paths:
        if path.is_dir() and path != root:
            label = path.relative_to(root).parts[0] if classes else ONE_CLASS
            listing.videos.append(with_captions_and_audio(Listed(path, label)))
    if root in paths:
        listing.left_out.append(f"{root.name}: images right in it, in no folder of a video")
    if others := len(paths) - len(listing.videos) - (root in paths):
        listing.left_out.append(f"{root.name}: {others} video files, which are no folders of frames")
    return listing


def holds_images(folder: Path) -> bool:
    """Whether there is an image right in a folder."""
    return any(entry.suffix.lower() in IMAGES and not entry.name.startswith(".") for entry in folder.iterdir())
