"""What the folders of a data set's splits are called."""

from pathlib import Path

from tats_exp import UserError
from tats_exp.data.regular_file import entering_folders
from tats_exp.data.videos import Split

NAMES: dict[Split, tuple[str, ...]] = {"train": ("train",), "test": ("test", "val", "validation")}
"""What the folder of a split is called; the first that is there is taken."""


def split_folders(root: Path, inside: str) -> dict[Split, Path]:
    """Find the folders of both splits.

    Args:
        root: of the data set.
        inside: what such a folder holds, in words.

    Raises:
        UserError: one is missing; the line says what it may be called.
    """
    with entering_folders():
        there = {split: [root / name for name in names if (root / name).is_dir()] for split, names in NAMES.items()}
    for split, found in there.items():
        if not found:
            names = " or ".join(NAMES[split])
            raise UserError(f"data.root={root}: has no folder {names}, it must hold train/{inside} and test/{inside}")
    return {split: found[0] for split, found in there.items()}
