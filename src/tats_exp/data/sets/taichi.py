"""Taichi-HD: people who practise tai chi, 256 pixels a side (Siarohin et al. 2019)."""

import csv
from collections.abc import Mapping

from tats_exp import UserError
from tats_exp.data.file_videos import FileSource
from tats_exp.data.listing import Listed, Listing, folders, videos_in
from tats_exp.data.videos import Split

COUNTS: Mapping[Split, int] = {"train": 3049, "test": 285}
METADATA = "taichi-metadata.csv"


class TaichiHD(FileSource):
    """`train/<id>#<start>#<end>.mp4` and `test/...`, files or folders of frames of such names, of one class.

    With `taichi-metadata.csv` in the root it tells which are missing; some of them can no longer be had.
    """

    whole = COUNTS
    inside = ("train", "test")

    def list_split(self, name: Split) -> Listing:
        """As `FileSource`."""
        root = self.root / name
        videos, others = videos_in(root)
        videos += [Listed(root / folder) for folder in folders(root)]
        listing = Listing(f"{name}/*.mp4", sorted(videos, key=lambda video: video.path))
        if others:
            listing.left_out.append(f"{name}: {others} files of other kinds than are read")
        there = {video.path.name.removesuffix(".mp4") for video in videos}
        listing.missing = [wanted for wanted in self._wanted(name) if wanted not in there]
        return listing

    def _wanted(self, name: Split) -> list[str]:
        """Names of the files that the metadata of the data set list; none where there are no metadata."""
        path = self.root / METADATA
        if not path.is_file():
            return []
        try:
            with path.open(newline="", encoding="utf-8-sig") as file:
                rows = [row for row in csv.DictReader(file) if row["partition"] == name]
            return [f"{row['video_id']}#{int(row['start']):06d}#{int(row['end']):06d}" for row in rows]
        except (OSError, csv.Error, KeyError, ValueError, TypeError) as error:
            raise UserError(f"{path}: cannot be read as metadata of Taichi-HD ({error!r})") from error
