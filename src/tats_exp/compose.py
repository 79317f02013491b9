"""Hydra's composing, with errors that are one line and name what is allowed."""

import re

from hydra import compose
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from tats_exp.config import ConfigError, allowed


def parse_overrides(lines: list[str]) -> list[Override]:
    """Read overrides as Hydra does.

    Raises:
        ConfigError: one of them cannot be read; one line.
    """
    try:
        return OverridesParser.create().parse_overrides(lines)
    except HydraException as error:
        raise ConfigError(str(error).splitlines()[0]) from None


def compose_run(overrides: list[str], with_hydra: bool = False, root: str = "config") -> DictConfig:
    """Compose a root config, inside `initialize_config_dir`; what Hydra says in many lines becomes one.

    Args:
        overrides: of a single run.
        with_hydra: whether the result holds Hydra's own section.
        root: which root config.

    Raises:
        ConfigError: they name an option or a key that there is not.
    """
    try:
        return compose(root, overrides=overrides, return_hydra_config=with_hydra)
    except (HydraException, OmegaConfBaseException) as error:
        raise ConfigError(_one_line(error, root)) from None


def _one_line(error: Exception, root: str) -> str:
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
        parent, _, key = str(path).rpartition(".")
        whole = compose(root)
        section = OmegaConf.select(whole, parent) if parent else whole
        known = [str(name) for name in section] if isinstance(section, DictConfig) else [str(name) for name in whole]
        return f"{path}: unknown key; {allowed(key, known)}"
    return text
