"""Experiments on long video generation: time-agnostic VQGAN, time-sensitive transformer (Ge et al., ECCV 2022)."""

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tats_exp.run.load_run import LoadedRun, load_run

__all__ = ["LoadedRun", "NotFiniteError", "UserError", "load_run", "printable"]

# Halves of UTF-16 pairs, by which Python stands for bytes that are no UTF-8, cannot be written; the others are control
# characters, and what ends a line.
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")


class UserError(ValueError):
    """A mistake of the user, who can mend it: a wrong key, a missing file, a damaged video. The message is one line.

    Commands print it and exit with 2. Every other exception is a mistake of ours, and shows as one.
    """

    def __init__(self, message: object) -> None:
        """Make the message one line that any terminal and log can take."""
        super().__init__(printable(message))


class NotFiniteError(UserError):
    """A loss, a weight, a latent or a metric is not finite: what was trained diverged, and nothing is made of it."""


def printable(text: object) -> str:
    r"""Text for an error or a log that may hold a path: a byte that is no UTF-8 becomes `\xe9`, a new line `\n`."""
    return _UNPRINTABLE.sub(_escaped, str(text))


def _escaped(found: re.Match[str]) -> str:
    code = ord(found[0])
    return f"\\x{code - 0xDC00:02x}" if 0xDC80 <= code <= 0xDCFF else found[0].encode("unicode_escape").decode()


def __getattr__(name: str) -> object:
    """`load_run` and `LoadedRun`, imported when they are asked for: torch comes with them."""
    if name not in ("LoadedRun", "load_run"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from tats_exp.run import load_run as module

    return getattr(module, name)
