"""Hydra's own section: what in it may be built or called when a command starts.

Launcher and sweeper are looked up by Hydra among its plugins, by name; everything else in the section that names code
is held to its kind here.
"""

import logging
from collections.abc import Iterator
from typing import Any

from hydra.experimental.callback import Callback
from hydra.utils import get_object
from omegaconf import DictConfig, OmegaConf

from tats_exp import UserError
from tats_exp.config.targets import check_target

LOGGING = {"handlers": logging.Handler, "formatters": logging.Formatter, "filters": logging.Filter}
"""Parts of a logging section that name code, and of which kind that must be."""
CALLABLES = ("()", "class")
"""Keys by which they do."""
PLUGINS = ("launcher", "sweeper")


def check_hydra(hydra: DictConfig) -> None:
    """Hold what Hydra would build or call against its kind.

    Args:
        hydra: the section, composed.

    Raises:
        UserError: something in it is of another kind; one line that names the key.
    """
    section: Any = OmegaConf.to_container(hydra, resolve=False)
    for name, node in (section.pop("callbacks", None) or {}).items():
        check_target(f"hydra.callbacks.{name}", node if isinstance(node, dict) else {}, Callback)
    for name in ("job_logging", "hydra_logging"):
        _check_logging(f"hydra.{name}", section.get(name))
    for path, target in _targets(section, "hydra"):
        if path not in {f"hydra.{name}" for name in PLUGINS}:
            raise UserError(f"{path}._target_={target}: nothing is built here; allowed: a plain value")


def _check_logging(path: str, section: Any) -> None:
    for part, kind in LOGGING.items():
        there = section.get(part) if isinstance(section, dict) else None
        for name, node in (there or {}).items():
            for key in CALLABLES:
                if isinstance(node, dict) and key in node:
                    _check_kind(f"{path}.{part}.{name}.{key}={node[key]}", node[key], kind)


def _check_kind(where: str, name: object, kind: type) -> None:
    wanted = f"allowed: subclasses of {kind.__module__}.{kind.__qualname__}"
    try:
        found = get_object(str(name))
    except Exception as error:  # whatever the module raises when it is imported
        raise UserError(f"{where}: cannot be imported; {wanted}") from error
    if not (isinstance(found, type) and issubclass(found, kind)):
        raise UserError(f"{where}: {wanted}")


def _targets(value: Any, path: str) -> Iterator[tuple[str, str]]:
    """Every section with a target in a value: its path, and the target."""
    if isinstance(value, dict) and value.get("_target_") is not None:
        yield path, str(value["_target_"])
    if isinstance(value, dict | list):
        for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
            yield from _targets(inner, f"{path}.{key}")
