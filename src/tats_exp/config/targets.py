"""Sections with `_target_`: of which kind the target must be, and what such a section may hold.

A section may hold the parameters of its target, with their types. What does not fit is one line of `UserError`, told
before anything of the target is called.
"""

import inspect
import logging
import typing
from collections.abc import Callable, Collection
from pathlib import Path
from types import UnionType
from typing import Any, Literal

from hydra.utils import get_object
from pydantic import TypeAdapter, ValidationError

from tats_exp import UserError
from tats_exp.cli import error_line
from tats_exp.config.build import blamed_on
from tats_exp.config.schema import allowed
from tats_exp.config.sections import Node

# Hydra logs in several lines, on the console, what it then raises.
logging.getLogger("hydra.utils").setLevel(logging.CRITICAL)

INSTANTIATE_KEYS = {"_target_", "_partial_", "_recursive_", "_convert_"}


def check_target(
    path: str, node: Node, kind: type | None = None, supplied: Collection[str] = (), partial: bool = False
) -> None:
    """Hold a section against its target, and the sections inside it against theirs.

    Args:
        path: of the section.
        node: the section.
        kind: what it must make; None where anything will do.
        supplied: parameters of the target that the code computes.
        partial: whether the code calls the target later, with the rest of its arguments.

    Raises:
        UserError: in one line: no such target, one of another kind, or a key or value that it does not take.
    """
    target = _imported(path, node)
    if node.get("_partial_") and not partial:
        raise UserError(f"{path}._partial_=true: it is to be built; allowed: without _partial_")
    where = f"{path}._target_={node['_target_']}"
    if kind is not None:
        _check_kind(where, target, kind)
    with blamed_on(where):
        parameters = inspect.signature(target).parameters
        hints = typing.get_type_hints(target.__init__ if inspect.isclass(target) else target)
    takes = [name for name, p in parameters.items() if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]
    for key in list(node):
        if key not in INSTANTIATE_KEYS:
            _check_key(path, node, key, [name for name in takes if name not in supplied], hints)
    missing = [n for n in takes if parameters[n].default is inspect.Parameter.empty and n not in {*node, *supplied}]
    if missing:
        raise UserError(f"{path}.{missing[0]} is missing")


def _imported(path: str, node: Node) -> Callable[..., object]:
    if "_target_" not in node:
        raise UserError(f"{path}._target_ is missing: name the class or function to build")
    try:
        return get_object(str(node["_target_"]))
    except Exception as error:  # whatever the module raises when it is imported
        raise UserError(f"{path}._target_: cannot import {node['_target_']!r}: {_innermost(error)}") from error


def _check_kind(where: str, target: Callable[..., object], kind: type) -> None:
    """Refuse a class of another kind, and a function whose return annotation is."""
    wanted = f"{kind.__module__}.{kind.__qualname__}"
    if inspect.isclass(target):
        if not issubclass(target, kind):
            raise UserError(f"{where}: no {kind.__name__}; allowed: subclasses of {wanted}")
        return
    with blamed_on(where):
        made = typing.get_type_hints(target).get("return")
    if made is typing.Self:
        made = getattr(target, "__self__", None)
    if not (inspect.isclass(made) and issubclass(made, kind)):
        says = "names no class" if not inspect.isclass(made) else f"is {made.__name__}"
        raise UserError(f"{where}: its return annotation {says}; allowed: {wanted} or a subclass")


def _check_key(path: str, node: Node, key: str, names: list[str], hints: dict[str, Any]) -> None:
    value = node[key]
    if key not in names:
        raise UserError(f"{path}.{key}: unknown key; {allowed(key, names)}")
    if not (key in hints and _is_plain(hints[key])):
        _check_inside(f"{path}.{key}", value, hints.get(key))
    if key in hints and _is_plain(hints[key]):
        try:
            taken = TypeAdapter(hints[key]).validate_python(value)
            if type(taken) is float:  # 1 and 1.0 are one value, and one key in the store
                node[key] = taken
        except ValidationError as error:
            raise UserError(f"{path}.{key}={value!r}: {error.errors()[0]['msg']}") from None
    elif value is None and key in hints and not _takes_none(hints[key]):
        raise UserError(f"{path}.{key}=null: it has to be given")


def _check_inside(path: str, value: object, hint: Any) -> None:
    """Hold every section with a target in a value against that, which must be of the class that the hint names."""
    if isinstance(value, dict) and "_target_" in value:
        kind = _class_of(hint)
        if kind is None:
            raise UserError(f"{path}._target_={value['_target_']}: no class can be built here; allowed: a plain value")
        check_target(path, value, kind)
    elif isinstance(value, dict | list):
        within = typing.get_args(hint)[-1:] if typing.get_origin(hint) is not None else ()
        items = value.items() if isinstance(value, dict) else enumerate(value)
        for key, inner in items:
            _check_inside(f"{path}.{key}", inner, within[0] if within else None)


def _innermost(error: BaseException) -> str:
    """What is at the bottom of an error that Hydra wrapped."""
    while error.__cause__ is not None:
        error = error.__cause__
    return error_line(error)


def _class_of(hint: Any) -> type | None:
    """The class that a type hint names, `X` in `X | None`; None where it names none, several, or a protocol."""
    union = typing.get_origin(hint) in (typing.Union, UnionType)
    found = [arg for arg in (typing.get_args(hint) if union else (hint,)) if arg is not type(None)]
    nominal = len(found) == 1 and inspect.isclass(found[0]) and not getattr(found[0], "_is_protocol", False)
    return found[0] if nominal and found[0] not in (object, type, dict, list, tuple, set) else None


def _is_plain(hint: Any) -> bool:
    """Whether a type hint speaks of plain values only, so that a config value can be held against it."""
    origin = typing.get_origin(hint)
    if origin is Literal:
        return True
    if origin in (typing.Union, UnionType, list, tuple) or getattr(origin, "__name__", "") in ("Sequence", "Iterable"):
        return all(arg is Ellipsis or _is_plain(arg) for arg in typing.get_args(hint))
    return hint in (int, float, str, bool, type(None), Path)


def _takes_none(hint: Any) -> bool:
    """Whether a type hint allows None."""
    return hint in (Any, type(None)) or any(_takes_none(arg) for arg in typing.get_args(hint))
