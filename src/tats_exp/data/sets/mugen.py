"""MUGEN: clips of a platform game, each with sound and texts (Hayes et al. 2022)."""

import json
from pathlib import Path
from typing import Any, Literal, get_args

from tats_exp import UserError
from tats_exp.data.file_videos import FileSource
from tats_exp.data.limits import DEFAULT, Limits
from tats_exp.data.listing import Listed, Listing, named
from tats_exp.data.resizing import Crop
from tats_exp.data.videos import Split

LISTS = "coinrun_dataset_jsons/release"
Texts = Literal["manual", "auto", "all"]
"""Which texts are captions: those that people wrote, those made from the game, or both."""


class Mugen(FileSource):
    """The clips that `train.json` and `test.json` list, with their texts and sound."""

    def __init__(
        self,
        root: str | Path,
        resolution: int,
        frame_stride: int = 1,
        seed: int = 0,
        crop: Crop = "centre",
        lists: str = LISTS,
        test: Literal["test", "val"] = "test",
        texts: Texts = "manual",
        complete: bool = True,
        limits: Limits = DEFAULT,
    ) -> None:
        """Look at the folder's layout; the videos themselves are opened by `split`.

        Args:
            root: folder that the paths in the lists lie below, datasets/coinrun of the release.
            resolution: height and width of the frames, in pixels.
            frame_stride: frames of a file from one frame of a clip to the next.
            seed: of every fixed list of windows that is drawn from the videos.
            crop: what is done to frames that are not square.
            lists: folder of the lists, below the root.
            test: name of the list that is taken for the test split, test or val.
            texts: which texts are captions.
            complete: whether to tell what of the data set is missing; a part of it may be meant.
            limits: budgets that what a file claims is held against.

        Raises:
            UserError: a list is missing.
        """
        super().__init__(root, resolution, frame_stride, seed, crop, complete, limits)
        if texts not in get_args(Texts):
            raise UserError(f"data.texts={texts}: allowed: {', '.join(get_args(Texts))}")
        self.texts, self.lists, self.test = texts, lists, test
        self._lists: dict[Split, Path] = {
            "train": self.root / lists / "train.json",
            "test": self.root / lists / f"{test}.json",
        }
        for path in self._lists.values():
            if not path.is_file():
                raise UserError(f"data.root={root}: has no list {path.relative_to(self.root)}")

    def list_split(self, name: Split) -> Listing:
        """As `FileSource`."""
        path = self._lists[name]
        listing = Listing(f"the list {path.relative_to(self.root)}")
        unrendered = 0
        try:
            for entry in json.loads(path.read_text(encoding="utf-8"))["data"]:
                video = self._listed(entry)
                if video.path.is_file():
                    listing.videos.append(video)
                    continue
                unrendered += "json_file" in entry["video"] and (self.root / entry["video"]["json_file"]).is_file()
                listing.missing.append(named(video.path, self.root))
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise UserError(f"{path}: cannot be read as a list of MUGEN ({error!r})") from error
        if unrendered:
            listing.left_out.append(
                f"{name}: {unrendered} games that are not rendered yet; the data set's own code makes videos of them, "
                f"the first of which belongs in {listing.missing[0]}"
            )
        return listing

    def _listed(self, entry: dict[str, Any]) -> Listed:
        """A video of a list; where that names its game alone, its rendering is `videos/<id>.mp4` of the agent."""
        about = entry["video"]
        beside = Path(about.get("json_file", "")).parent.parent / "videos" / f"{about['id']}.mp4"
        wanted = [text for text in entry.get("annotations", []) if self.texts in ("all", text["type"])]
        sound = about.get("audio_file")
        audio = self.root / sound if sound and (self.root / sound).is_file() else None
        path = self.root / about.get("video_file", beside)
        return Listed(path, captions=tuple(text["text"] for text in wanted), audio=audio)
