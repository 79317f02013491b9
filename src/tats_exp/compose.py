"""Hydra's composing, with errors that are one line and name what is allowed."""

import re

from hydra import compose
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.errors import HydraException
from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException

from tats_exp import UserError
from tats_exp.config import allowed


def parse_overrides(lines: list[str]) -> list[Override]:
    """Read overrides as Hydra does.

    Raises:
        UserError: one of them cannot be read; one line.
    """
    try:
        return OverridesParser.create().parse_overrides(lines)
    except HydraException as error:
        raise UserError(str(error).splitlines()[0]) from None


def compose_run(overrides: list[str], with_hydra: bool = False, root: str = "config") -> DictConfig:
    """Compose a root config, inside `initialize_config_dir`; what Hydra says in many lines becomes one.

    Args:
        overrides: of a single run.
        with_hydra: whether the result holds Hydra's own section.
        root: which root config.

    Raises:
        UserError: they name an option or a key that there is not.
    """
    try:
        return compose(root, overrides=overrides, return_hydra_config=with_hydra)
    except (HydraException, OmegaConfBaseException) as error:
        raise UserError(_one_line(error, root, overrides)) from None


def _one_line(error: Exception, root: str, overrides: list[str]) -> str:
    """What Hydra says in several lines, with the keys or options that are allowed."""
    text = " ".join(line.strip() for line in str(error).splitlines() if line.strip())
    missing_option = re.search(
        r"Could not find '(.+)/(.+?)' Available options in '.+?': (.+?) Config search path", text
    )
    if missing_option:
        group, option, options = missing_option.groups()
        return f"{group}={option}: no such option; {allowed(option, options.split())}"
    unknown_key = re.search(r"Could not override '([^']+)'|Key '([^']+)' is not in struct", text)
    if unknown_key:
        path = unknown_key.group(1) or getattr(error.__cause__, "full_key", None) or unknown_key.group(2)
        if path == "experiment":
            return "experiment: write +experiment=NAME, with a plus"
        return _unknown_key(str(path), _with_groups(root, overrides, str(path)))
    return text


def _with_groups(root: str, overrides: list[str], left_out: str) -> DictConfig:
    """What the overrides compose without the key that failed and without values inside groups, of which more may."""
    kept = [o for o in parse_overrides(overrides) if "." not in o.key_or_group and o.key_or_group != left_out]
    try:
        return compose(root, overrides=[o.input_line or "" for o in kept])
    except (HydraException, OmegaConfBaseException):
        return compose(root)


def _unknown_key(path: str, section: DictConfig) -> str:
    """Which part of a path is unknown, and what is known in its place."""
    told: list[str] = []
    for part in path.split("."):
        told.append(part)
        if part not in list(section):
            break
        if isinstance(section.get(part), DictConfig):
            section = section[part]
    return f"{'.'.join(told)}: unknown key; {allowed(told[-1], [str(name) for name in section])}"
