"""Hydra's own section: what in it may be built or called when a command starts.

Launcher and sweeper are looked up by Hydra among its plugins, by name; everything else in the section that names code
is held to its kind here.
"""

import logging
import re
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
    """What a log is made of must be written out where it stands: no part may refer to one that stands elsewhere."""
    parts = _keys(path, section)
    for name, node in {"root": parts.get("root"), **_keys(f"{path}.loggers", parts.get("loggers"))}.items():
        _keys(f"{path}.{name}", node)
    for part, kind in LOGGING.items():
        for name, value in _keys(f"{path}.{part}", parts.get(part)).items():
            where = f"{path}.{part}.{name}"
            node = _keys(where, value)
            for key, inner in node.items():
                if key in CALLABLES:
                    _check_kind(f"{where}.{key}={inner}", inner, kind)
                elif key == ".":  # attributes that are set
                    for attribute, given in _keys(f"{where}..", inner).items():
                        _check_plain(f"{where}..{attribute}", given)
                else:
                    _check_plain(f"{where}.{key}", inner)


def _keys(path: str, value: Any) -> dict[str, Any]:
    """A section of keys, empty where there is none."""
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise UserError(f"{path}={value}: allowed: a section of keys")
    return value


def _check_plain(path: str, value: Any) -> None:
    """Refuse a section, and text that stands for one: a reference of the log's own, or nothing but an interpolation."""
    for one in value if isinstance(value, list) else [value]:
        reference = isinstance(one, str) and (one.startswith("cfg://") or re.fullmatch(r"\$\{.*\}", one.strip()))
        if isinstance(one, dict | list) or reference:
            raise UserError(f"{path}={one}: allowed: a plain value")


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
