"""From a section of the config to what it describes. What a constructor refuses begins with the path of the key."""

import re
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from typing import Any

from hydra.errors import InstantiationException
from hydra.utils import instantiate

from tats_exp import UserError
from tats_exp.cli import disk_is_full, error_line, one_line
from tats_exp.config.sections import Node


def build(node: Node, path: str, **computed: Any) -> Any:
    """What a section with `_target_` describes.

    Args:
        node: the section.
        path: of its key, with which errors begin.
        computed: parameters of the target that follow from the rest of the config.

    Raises:
        UserError: whatever the target raises over its arguments, in one line. A full disk stays an OSError.
    """
    with blamed_on(path, node):
        return instantiate(node, _convert_="all", **computed)


@contextmanager
def blamed_on(path: str, keys: Collection[str] = (), kinds: type[Exception] = Exception) -> Iterator[None]:
    """A block in which values of the config are tried out: what it raises is theirs to answer for.

    To be put around a constructor, or the first use of what it made, and around nothing else: a mistake of ours
    inside would look like one of the user's.

    Args:
        path: of the key whose values are tried; empty for those at the root.
        keys: below it; an error that begins with one of them continues the path.
        kinds: class of the exceptions that the values answer for.

    Raises:
        UserError: in one line, with what was raised as its cause. A full disk stays an OSError.
    """
    try:
        yield
    except kinds as error:
        cause = error.__cause__ if isinstance(error, InstantiationException) and error.__cause__ else error
        if disk_is_full(cause):
            raise cause from None
        inner = re.search(r"^full_key: ([\w.]+)$", str(error), re.MULTILINE) if cause is not error else None
        raise UserError(_behind(f"{path}.{inner[1]}" if inner else path, keys, cause)) from cause


def _behind(path: str, keys: Collection[str], error: BaseException) -> str:
    """The line of an error behind the path of its key, which it may name already."""
    text = one_line(error) if isinstance(error, ValueError | OSError) else error_line(error)
    if not path or re.match(rf"{re.escape(path)}[.=:]", text):
        return text
    first = re.match(r"(\w+)[.=:]", text)
    return f"{path}.{text}" if first and first[1] in keys else f"{path}: {text}"
