"""Models that are read from files of the official code instead of trained: what `vqgan.checkpoint` and the like share.

Sizes come from the file, whatever the scale says; the store knows a model by the checksum of its file; and what an
ablation would swap inside it, or change in its training, is refused.
"""

import hashlib
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path

from tats_exp import UserError

INSIDE = {
    "vqgan": ("discriminators", "perceptual", "vqgan"),
    "transformer": ("transformer",),
    "interpolation": ("interpolation",),
}
"""Groups and sections that say how each model is built or trained; groups held against the file are not among them."""
NAMES = {"vqgan": "VQGAN", "transformer": "transformer", "interpolation": "interpolation transformer"}


def checksum(path: str) -> str:
    """SHA-256 of a file, by which the store knows what is made with it."""
    return _checksum(path, Path(path).stat().st_mtime_ns)


@lru_cache
def _checksum(path: str, _changed: int) -> str:
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def refuse_training_keys(section: str, keys: Iterable[str]) -> None:
    """Refuse overrides, the keys of a sweep among them, that have nothing to change in a model that is not trained.

    Args:
        section: `vqgan`, `transformer` or `interpolation`.
        keys: what is overridden.

    Raises:
        UserError: in one line.
    """
    for key in keys:
        if key.split(".")[0] in INSIDE[section] and key != f"{section}.checkpoint":
            raise UserError(f"{key}: {_owner(section)} is neither built nor trained anew; {_or_none(f'without {key}')}")


def refuse_other(section: str, group: str, asked: object, there: object) -> None:
    """Refuse a value of a group that is another than the file's.

    Raises:
        UserError: in one line.
    """
    if asked != there:
        raise UserError(f"{group}={asked}: {_owner(section)} has {there}; {_or_none(str(there))}")


def _owner(section: str) -> str:
    return f"the {NAMES[section]} of {section}.checkpoint"


def _or_none(allowed: str) -> str:
    return f"allowed: {allowed}, or no checkpoint"
