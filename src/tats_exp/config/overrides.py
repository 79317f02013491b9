"""Overrides as Hydra's grammar reads them; a value that it cannot read, of a key that takes a path, is the path itself.

Names of checkpoints hold `=`, folders spaces, brackets and `~`. What the grammar does read keeps its meaning: lists,
sweeps, null, quotes. But what is there is meant where a path with commas is: folders of runs have them in their names.
"""

import hashlib
import shlex
from contextlib import suppress
from pathlib import Path
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override, Quote, QuotedString, ValueType
from hydra.errors import HydraException
from omegaconf import OmegaConf

from tats_exp import UserError

PATHS = {"checkpoint", "weights", "heads", "path", "root", "real", "generated", "clips", "run", "out", "store", "list"}
PATHS |= {"given", "clip"}
"""Last names of the keys that take paths, of all commands."""
LISTS = {"generated"}
"""Those among them that take a list."""
FOLDERS = {"hydra.run.dir", "hydra.sweep.dir"}
FILES = {"audio", "story"}
LONGEST_NAME = 160
"""Bytes of a run folder's name that are its choices: a file system takes 255, and some tools add to a name."""


def parse_overrides(lines: list[str]) -> list[Override]:
    """Read overrides as Hydra does, and paths that it cannot read as they stand.

    Returns:
        The overrides; their `input_line` is one that Hydra reads.

    Raises:
        UserError: one of them cannot be read; one line.
    """
    parser = OverridesParser.create()
    return [_parsed(parser, line) for line in lines]


def takes_path(key: str) -> bool:
    """Whether the values of a key are files or folders."""
    return key in FOLDERS | FILES or key.rpartition(".")[2] in PATHS


def at_home(path: str) -> str:
    """The path with the home folder in place of a `~` at its beginning, where there is such a user."""
    if not path.startswith("~"):
        return path
    try:
        return str(Path(path).expanduser())
    except RuntimeError:
        return path


def expanded(values: Any, key: str = "") -> Any:
    """The same values, a `~` at the beginning of a path replaced by the home folder.

    Args:
        values: of a config, or of a part of it.
        key: that they have.
    """
    if isinstance(values, dict):
        return {name: expanded(value, str(name)) for name, value in values.items()}
    if isinstance(values, list):
        return [expanded(value, key) for value in values]
    return at_home(values) if isinstance(values, str) and takes_path(key) else values


def assigned(key: str, value: object) -> str:
    """An override that gives a key a text, whatever is in it."""
    return f"{key}={QuotedString(str(value), Quote.single).with_quotes()}"


def unquoted(value: str) -> str:
    """The value of an override as it is written, of a quoted text what is between the quotes."""
    read = OverridesParser.create().parse_override(f"value={value}").value()
    return read if value[:1] in ("'", '"') and isinstance(read, str) else value


def refuse_several(overrides: list[Override], reason: str) -> None:
    """Refuse several values for a key where there is one run.

    Args:
        overrides: of it.
        reason: what the line says of them.

    Raises:
        UserError: in one line, with how a comma in a path is written.
    """
    for override in overrides:
        if override.is_sweep_override():
            line = override.input_line or ""
            commas = override.value_type == ValueType.SIMPLE_CHOICE_SWEEP  # no function, whose name tells what is meant
            path = f"; {_with_comma(line)}" if takes_path(override.key_or_group) and commas else ""
            raise UserError(f"{line}: {reason}{path}")


def _with_comma(line: str) -> str:
    """How to write a path with a comma in it, or several paths that Hydra cannot read: lines to copy into a shell."""
    key, _, value = line.partition("=")
    inside = value[1:-1] if value.startswith("[") and value.endswith("]") else value
    several = ",".join(QuotedString(path, Quote.double).with_quotes() for path in inside.split(","))
    if inside is not value:
        return f"a list of paths is written {shlex.quote(f'{key}=[{several}]')}"
    one = f"{key}={QuotedString(value, Quote.double).with_quotes()}"
    alone = f"a path with a comma in it is written {shlex.quote(one)}"
    if "." not in key and key not in LISTS:  # of a command that sweeps nothing
        return alone
    listed = f"[{several}]" if key in LISTS else several
    return f"{alone}, several paths {shlex.quote(f'{key}={listed}')}"


def _parsed(parser: OverridesParser, line: str) -> Override:
    key, equals, value = line.partition("=")
    if "," in value and takes_path(key.lstrip("+~")) and _is_there(at_home(value)):
        line = assigned(key, at_home(value))
    try:
        return parser.parse_override(line)
    except HydraException as error:
        if not equals or not key or not takes_path(key.lstrip("+~")):
            raise UserError(f"{line}: {_reason(error, key if equals else '', value)}") from error
    if "," in value:
        raise UserError(f"{line}: {_with_comma(line)}")
    try:
        return parser.parse_override(assigned(key, at_home(value)))
    except HydraException as error:  # it is the key that cannot be read
        raise UserError(f"{line}: {_reason(error, '', '')}") from error


def _is_there(path: str) -> bool:
    with suppress(OSError, ValueError):  # too long for a name, or none at all
        return Path(path).exists()
    return False


def _reason(error: HydraException, key: str, value: str) -> str:
    """What Hydra's grammar says of an override, and how a text that it cannot read is written."""
    reason = f"no override that Hydra can read ({str(error).splitlines()[0]})"
    quoted = f"{key}={QuotedString(value, Quote.double).with_quotes()}"
    try:
        OverridesParser.create().parse_override(quoted if key else "")
    except HydraException:  # it is the key that cannot be read
        return f"{reason}; overrides are written KEY=VALUE"
    return f"{reason}; a text is written {shlex.quote(quoted)}"


def folder_name(text: str) -> str:
    """A name for the folder of a run, of its choices; what is left out of it, a hash stands for.

    Args:
        text: the choices, which may hold paths.
    """
    plain = "".join("_" if letter in "/\\'\"\n" else letter for letter in text)
    short = plain.encode()[:LONGEST_NAME].decode(errors="ignore")
    if short == text:
        return text or "run"
    return f"{short}-{hashlib.sha256(text.encode()).hexdigest()[:12]}"


OmegaConf.register_new_resolver("folder_name", lambda text: folder_name(str(text)), replace=True)
