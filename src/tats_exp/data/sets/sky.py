"""Sky Time-lapse: skies in folders of frames, one for each clip (Xiong et al. 2018)."""

from collections.abc import Mapping

from tats_exp.data.file_videos import FileSource
from tats_exp.data.frame_folders import frames_below
from tats_exp.data.listing import Listing
from tats_exp.data.videos import Split

COUNTS: Mapping[Split, int] = {"train": 2392, "test": 225}
"""Folders of frames. The 35,392 and 2,815 of its paper are pieces of 32 frames."""


class SkyTimelapse(FileSource):
    """`sky_train/<video>/<clip>/*.jpg` and `sky_test/...`, of one class."""

    whole = COUNTS
    inside = ("sky_train", "sky_test")

    def list_split(self, name: Split) -> Listing:
        """As `FileSource`."""
        return frames_below(self.root / f"sky_{name}", classes=False)
