"""AudioSet-Drums: people who play the drums, with sound (Chatterjee and Cherian 2020, out of AudioSet)."""

from collections.abc import Mapping

from tats_exp import UserError
from tats_exp.data.file_videos import FileSource
from tats_exp.data.listing import Listed, Listing, videos_in
from tats_exp.data.videos import Split

COUNTS: Mapping[Split, int] = {"train": 6000, "test": 1000}


class AudioSetDrums(FileSource):
    """`train/mp4/*.mp4` and `test/mp4/*.mp4`, or `video/train/*.mp4` as the original code wants them, of one class.

    The sound of a video is its own track, or `train/wav/<name>.wav` where there is one.
    """

    whole = COUNTS

    def list_split(self, name: Split) -> Listing:
        """As `FileSource`."""
        there = [self.root / name / "mp4", self.root / "video" / name]
        folder = next((folder for folder in there if folder.is_dir()), None)
        if folder is None:
            raise UserError(f"data.root={self.root}: has no folder {name}/mp4; it must hold train/mp4 and test/mp4")
        videos, others = videos_in(folder)
        where = folder.relative_to(self.root)
        listing = Listing(f"{where}/*.mp4", [self._with_sound(name, video) for video in videos])
        if others:
            listing.left_out.append(f"{where}: {others} files of other kinds than are read")
        return listing

    def _with_sound(self, name: Split, video: Listed) -> Listed:
        sound = self.root / name / "wav" / f"{video.path.stem}.wav"
        return Listed(video.path, video.label, video.captions, sound if sound.is_file() else video.audio)
