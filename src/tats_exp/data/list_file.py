"""A CSV that says which files, or folders of frames, are the videos of which split."""

import csv
import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from tats_exp import UserError
from tats_exp.data.listing import ONE_CLASS, Listed, Listing, with_captions_and_audio
from tats_exp.data.split_folders import NAMES
from tats_exp.data.videos import Split

COLUMNS = ("path", "split", "class", "caption", "audio")
LONGEST = 2**24
"""Characters of a field."""
SPLITS = {word: split for split, words in NAMES.items() for word in words}


class ListFile:
    """A table with the columns path and split and, if wanted, class, caption and audio, in any order.

    Paths are those below the folder of the data set, or absolute. A row whose path came before adds its caption. What
    lies beside a video, in a `.txt` or `.wav` of its name, counts where the table says nothing.
    """

    def __init__(self, path: Path, root: Path) -> None:
        """Read the table.

        Args:
            path: of the CSV, UTF-8.
            root: folder of the data set.

        Raises:
            UserError: it cannot be read, or a row is wrong; one line that names it.
        """
        self.path, self.root = path, root
        self._videos: dict[Path, tuple[Split, Listed]] = {}
        self._seen: dict[Path, Path] = {}  # where paths lead, so that a link is no second video
        csv.field_size_limit(LONGEST)
        try:
            with path.open(newline="", encoding="utf-8-sig") as file:
                rows = csv.DictReader(file)
                self._check_columns(rows.fieldnames or [])
                for row in rows:
                    self._add(rows.line_num, row)
        except OSError as error:
            raise UserError(f"data.list={path}: {error.strerror}") from error
        except (csv.Error, UnicodeDecodeError) as error:
            raise UserError(f"data.list={path}: cannot be read as a CSV in UTF-8 ({error})") from error

    def classes(self) -> list[str]:
        """Names of the classes of the train split, in order."""
        return sorted({video.label for split, video in self._videos.values() if split == "train"})

    def split(self, name: Split) -> Listing:
        """The videos of a split, in the order of the table; those that are not there are missing."""
        listing = Listing(f"the list {self.path}")
        for split, video in self._videos.values():
            if split != name:
                continue
            if not video.path.exists():
                listing.missing.append(str(video.path))
                continue
            if video.audio is not None and not video.audio.is_file():
                listing.left_out.append(f"the sound of {video.path}: {video.audio} is no file")
                video = replace(video, audio=None)
            listing.videos.append(with_captions_and_audio(video))
        return listing

    def _check_columns(self, names: Sequence[str]) -> None:
        unknown = [name for name in names if name not in COLUMNS]
        if unknown or not {"path", "split"} <= set(names) or len(set(names)) < len(names):
            raise UserError(
                f"data.list={self.path}: its columns are {', '.join(map(repr, names)) or 'none'}; allowed: "
                f"once each {', '.join(COLUMNS)}, "
                f"of which path and split have to be there"
            )

    def _add(self, line: int, row: dict[str, str]) -> None:
        where = f"data.list={self.path}, line {line}"
        if None in row or None in row.values():
            raise UserError(f"{where}: has another number of fields than the first line")
        if row["split"] not in SPLITS:
            raise UserError(f"{where}: split={row['split']}; allowed: {', '.join(SPLITS)}")
        if not row["path"]:
            raise UserError(f"{where}: names no path")
        path, split = Path(os.path.realpath(self.root / row["path"])), SPLITS[row["split"]]
        path = self._seen.setdefault(path, self.root / row["path"])
        captions = (row["caption"].strip(),) if row.get("caption", "").strip() else ()
        audio = self.root / row["audio"] if row.get("audio") else None
        video = Listed(path, row.get("class") or ONE_CLASS, captions, audio)
        if path in self._videos:
            before_split, before = self._videos[path]
            if (before_split, before.label) != (split, video.label) or audio not in (None, before.audio):
                raise UserError(f"{where}: {row['path']} was of another split, class or sound before")
            video = replace(before, captions=before.captions + captions)
        self._videos[path] = (split, video)
