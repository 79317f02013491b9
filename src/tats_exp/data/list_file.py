"""A CSV that says which files, or folders of frames, are the videos of which split."""

import csv
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from tats_exp import UserError
from tats_exp.data.listing import ONE_CLASS, Listed, Listing, with_captions_and_audio
from tats_exp.data.split_folders import NAMES
from tats_exp.data.videos import Split

COLUMNS = ("path", "split", "class", "caption", "audio")
SPLITS = {word: split for split, words in NAMES.items() for word in words}


class ListFile:
    """A table with the columns path and split and, if wanted, class, caption and audio, in any order.

    Paths are those below the folder of the data set, or absolute. A row whose path came before adds its caption.
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
        try:
            with path.open(newline="", encoding="utf-8-sig") as file:
                rows = csv.DictReader(file)
                self._check_columns(rows.fieldnames or [])
                for row in rows:
                    self._add(rows.line_num, row)
        except OSError as error:
            raise UserError(f"data.list={path}: {error.strerror}") from error
        except (csv.Error, UnicodeDecodeError) as error:
            raise UserError(f"data.list={path}: no CSV in UTF-8 ({error})") from error

    def classes(self) -> list[str]:
        """Names of the classes of the train split, in order."""
        return sorted({video.label for split, video in self._videos.values() if split == "train"})

    def split(self, name: Split) -> Listing:
        """The videos of a split, in the order of the table; those that are not there are missing."""
        listing = Listing(f"the list {self.path}")
        for split, video in self._videos.values():
            if split != name:
                continue
            if video.path.exists():
                listing.videos.append(video if video.path.is_dir() else with_captions_and_audio(video))
            else:
                listing.missing.append(str(video.path))
        return listing

    def _check_columns(self, names: Sequence[str]) -> None:
        unknown = [name for name in names if name not in COLUMNS]
        if unknown or not {"path", "split"} <= set(names):
            raise UserError(
                f"data.list={self.path}: its columns are {', '.join(names) or 'none'}; allowed: {', '.join(COLUMNS)}, "
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
        path, split = self.root / row["path"], SPLITS[row["split"]]
        captions = (row["caption"].strip(),) if row.get("caption", "").strip() else ()
        audio = self.root / row["audio"] if row.get("audio") else None
        video = Listed(path, row.get("class") or ONE_CLASS, captions, audio)
        if path in self._videos:
            before_split, before = self._videos[path]
            if (before_split, before.label) != (split, video.label):
                raise UserError(f"{where}: {row['path']} was of another split or class before")
            video = replace(before, captions=before.captions + captions)
        self._videos[path] = (split, video)
