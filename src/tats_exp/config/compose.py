"""Hydra's composing, with errors that are one line and name what is allowed."""

import difflib
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hydra import compose, initialize_config_dir
from hydra._internal.hydra import Hydra
from hydra._internal.utils import create_config_search_path
from hydra.core.config_search_path import SearchPathQuery
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.types import Override, Sweep
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from tats_exp import UserError
from tats_exp.cli import one_line
from tats_exp.config.overrides import at_home, parse_overrides
from tats_exp.config.schema import allowed, conf_dir

OVER_OVERRIDES = (HydraException, OmegaConfBaseException, ValueError, AssertionError, AttributeError)
"""What Hydra raises over overrides; the last two where a key below null is set."""

FEW = 8
"""Keys of one name that an error line lists."""
SET_ELSEWHERE = {"vqgan.model.encoder_padding": "padding.encoder", "vqgan.model.decoder_padding": "padding.decoder"}
"""Parameters of models that other keys decide."""


@contextmanager
def configuration(own: str | None = None) -> Iterator[Hydra]:
    """A block in which configs are composed: from our groups and, where a user has some, from his own.

    Args:
        own: his folder, as `--config-dir` names it: laid out as ours, `<group>/<option>.yaml`.

    Yields:
        What composes them, and starts runs of them.

    Raises:
        UserError: the working directory is gone, there is no such folder, or it holds an option whose name is taken.
    """
    try:
        Path.cwd()  # Hydra asks for it
    except FileNotFoundError:
        raise UserError("the working directory is not there any more; allowed: to start from one that is") from None
    with initialize_config_dir(str(conf_dir()), job_name="tats_exp", version_base="1.3"):
        if own is not None:
            folder = Path(at_home(own)).absolute()
            if not folder.is_dir():
                raise UserError(f"--config-dir {own}: no such folder")
            refuse_taken(f"--config-dir {own}", folder)
            search_path = create_config_search_path(str(conf_dir()))
            search_path.prepend("command-line", f"file://{folder}", SearchPathQuery(provider="schema"))
            GlobalHydra.instance().clear()
            Hydra.create_main_hydra2("tats_exp", search_path)
        hydra = GlobalHydra.instance().hydra
        assert hydra is not None
        yield hydra


def refuse_taken(key: str, folder: Path) -> None:
    """Refuse a folder of options one of which has the name of one of ours: Hydra would silently take ours.

    Raises:
        UserError: in one line.
    """
    if folder.resolve() == conf_dir().resolve():
        return
    for path in sorted(conf_dir().glob("*/*.yaml")):
        name = path.relative_to(conf_dir())
        if (folder / name).is_file():
            raise UserError(f"{key}: {name} is an option of tats_exp already; give yours another name")


def compose_run(overrides: list[str], with_hydra: bool = False, root: str = "config") -> DictConfig:
    """Compose a root config, inside `configuration`; what Hydra says in many lines becomes one.

    Args:
        overrides: of a single run.
        with_hydra: whether the result holds Hydra's own section.
        root: which root config.

    Raises:
        UserError: they name an option or a key that there is not.
    """
    for override in parse_overrides(overrides):
        if (key := SET_ELSEWHERE.get(override.key_or_group)) is not None:
            raise UserError(f"{override.input_line}: not to be set here; allowed: {key}=NAME")
        _refuse_value_of_group(override)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("error", message="provider=.* is not available")
            return compose(root, overrides=overrides, return_hydra_config=with_hydra)
    except UserWarning as warning:
        raise UserError(f"hydra.searchpath: {re.sub('provider=.*?, path=', '', str(warning))}") from warning
    except OVER_OVERRIDES as error:
        raise UserError(_one_line(error, root, overrides)) from error


def _refuse_value_of_group(override: Override) -> None:
    """Refuse what is no name where the option of a group is chosen; Hydra's line does not say which."""
    group, loader = override.key_or_group, GlobalHydra.instance().config_loader()
    value = override.value()
    names = value if isinstance(value, list) else [value]
    if not group or "." in group or override.is_delete() or all(isinstance(name, str | Sweep) for name in names):
        return
    if options := loader.get_group_options(group):
        raise UserError(f"{override.input_line}: no such option; {allowed('', options)}")


def _one_line(error: Exception, root: str, overrides: list[str]) -> str:
    """What Hydra says in several lines, with the keys or options that are allowed."""
    text = one_line(error)
    missing_option = re.search(
        r"Could not find '(.+)/(.*?)' Available options in '.+?': (.+?) Config search path", text
    )
    if missing_option:
        group, option, options = missing_option.groups()
        line = f"{group}={option}: no such option; {allowed(option, options.split())}"
        return f"{line}; with --config-dir=DIR also DIR/experiment/NAME.yaml" if group == "experiment" else line
    unknown_key = re.search(r"Could not override '([^']+)'|Key '([^']+)' is not in struct", text)
    if unknown_key:
        path = unknown_key.group(1) or getattr(error.__cause__, "full_key", None) or unknown_key.group(2)
        if path == "experiment":
            return "experiment: write +experiment=NAME, with a plus"
        line = unknown_key_line(str(path), _with_groups(root, overrides, str(path)))
        return f"{line}, or arguments of the option chosen as padding=NAME" if path.startswith("padding.") else line
    cause = error.__cause__
    return f"{text}: {one_line(cause)}" if isinstance(cause, OmegaConfBaseException) else text


def _with_groups(root: str, overrides: list[str], left_out: str) -> DictConfig:
    """What the overrides compose without the key that failed and without values inside groups, of which more may."""
    kept = [
        o.input_line or ""
        for o in parse_overrides(overrides)
        if o.key_or_group == "hydra.searchpath" or ("." not in o.key_or_group and o.key_or_group != left_out)
    ]
    try:
        return compose(root, overrides=kept, return_hydra_config=left_out.startswith("hydra"))
    except (HydraException, OmegaConfBaseException):
        return compose(root)


def unknown_key_line(path: str, config: DictConfig) -> str:
    """Which part of a path is unknown in a config, where keys of its last name lie, and what is known in its place."""
    section, path_so_far = config, list[str]()
    for part in path.split("."):
        path_so_far.append(part)
        if part not in list(section):
            break
        if isinstance(section.get(part), DictConfig):
            section = section[part]
    names = [str(name) for name in section]
    if section is config and not path.startswith("hydra"):
        names += [group for group in _groups() if group not in names]
    known = allowed(path_so_far[-1], names)
    if options := _options_with(path):
        known = f"it is one of {', '.join(options)}; {known}"
    elif elsewhere := _elsewhere(path.split("."), config):
        known = f"did you mean {' or '.join(elsewhere)}? allowed: {known.rpartition('allowed: ')[2]}"
    return f"{'.'.join(path_so_far)}: unknown key; {known}"


def _groups() -> list[str]:
    """Names of the groups whose options are chosen as NAME=OPTION."""
    return sorted(place.name for place in conf_dir().iterdir() if place.is_dir() and place.name != "experiment")


def _options_with(path: str) -> list[str]:
    """The options of a group that have a key which the chosen one lacks: `data.root` is one of `data=video_files`."""
    group, _, key = path.partition(".")
    files = sorted((conf_dir() / group).glob("*.yaml")) if group in _groups() and key.isidentifier() else []
    return [f"{group}={file.stem}" for file in files if re.search(rf"^{key}:", file.read_text(), re.MULTILINE)]


def _elsewhere(parts: list[str], config: DictConfig) -> list[str]:
    """The keys of the same last name, if they are few: with all parts in that order, or of a section of a like name."""
    paths = [path for path in _paths(OmegaConf.to_container(config)) if path[-1] == parts[-1]]
    sections = difflib.get_close_matches(parts[0], {path[0] for path in paths}, n=1)
    alike = [path for path in paths if _in_order(parts, path)] or [path for path in paths if path[0] in sections]
    return [".".join(path) for path in alike] if len(alike) <= FEW else []


def _paths(config: object, above: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """The paths of all keys of a config."""
    for name, value in config.items() if isinstance(config, dict) else ():
        yield (*above, str(name))
        yield from _paths(value, (*above, str(name)))


def _in_order(parts: list[str], path: tuple[str, ...]) -> bool:
    left = iter(path)
    return all(part in left for part in parts)
