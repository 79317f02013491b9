"""The runs that a command line asks for, composed with the pieces of Hydra that will start them, and where they go.

Nothing is built and torch is not imported: names of keys and options, and types, are told right away.
"""

import math
import os
from argparse import Namespace
from dataclasses import dataclass
from pathlib import Path

from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.types import Override, RangeSweep, ValueType
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf, open_dict
from omegaconf.errors import OmegaConfBaseException

from tats_exp import UserError
from tats_exp.cli import one_line
from tats_exp.config.compose import compose_run, configuration, refuse_taken
from tats_exp.config.hydra_section import check_hydra
from tats_exp.config.overrides import at_home, parse_overrides, refuse_several
from tats_exp.config.padding import with_halves
from tats_exp.config.schema import allowed

HOUSEKEEPING = {"store", "logger", "trainer", "workers", "compile", "threads", "progress", "hydra"}
HOUSEKEEPING |= {"endpoint", "secondary", "published"}
"""Keys that change where and how runs work, not what comes out."""
MOST_RUNS = 1000
LONGEST_PART = 255
"""Bytes of a name that a file system takes."""
SEARCHED = "hydra.searchpath"
SWEPT_BY_HYDRA = "hydra._internal.core_plugins.basic_sweeper.BasicSweeper"


@dataclass(frozen=True)
class Sweep:
    """What was asked for.

    Attributes:
        configs: the runs, composed, each with Hydra's section in it.
        jobs: the overrides of each.
        lines: overrides as Hydra is to be given them.
        said: what was said of each key, on the command line or by the experiment.
        swept: keys whose values differ between the runs.
        fixed: keys that are overridden alike in all runs, or not to be seen in their names.
        multirun: whether Hydra sweeps.
        hydra: Hydra's own section, of what all runs have in common.
        folder: where everything goes, the report included.
        run_folders: of the runs; empty where the sweeper chooses them as it goes.
    """

    configs: list[DictConfig]
    jobs: list[list[str]]
    lines: list[str]
    said: dict[str, str]
    swept: list[str]
    fixed: list[str]
    multirun: bool
    hydra: DictConfig
    folder: Path
    run_folders: list[Path]

    @property
    def asked(self) -> tuple[tuple[str, ...], ...]:
        """For each run, what was said of keys that change what comes out."""
        return tuple(
            tuple(line for line in job if line.partition("=")[0].lstrip("+~").split(".")[0] not in HOUSEKEEPING)
            for job in self.jobs
        )

    def runs(self) -> list[DictConfig]:
        """The configs as the runs get them, but for what is settled for the whole sweep."""
        return [without_hydra(with_halves(config)) for config in self.configs]


def compose_sweep(given: Namespace) -> Sweep:
    """Compose every run that a command line asks for.

    Args:
        given: the command line, as `read_command_line` reads it.

    Raises:
        UserError: one of the runs cannot be composed; one line.
    """
    with configuration(given.config_dir):
        overrides = parse_overrides(given.overrides)
        _refuse_of_hydra(overrides)
        searched = [_line(o) for o in overrides if o.key_or_group == SEARCHED]
        overrides = [_without_glob(o, searched) for o in overrides]
        whole = compose_run([_line(o) for o in overrides if not o.is_sweep_override()], with_hydra=True)
        _refuse_sections(whole.hydra)
        check_hydra(whole.hydra)
        multirun = bool(given.multirun) or str(whole.hydra.mode).endswith("MULTIRUN")
        lines = [_line(o) for o in overrides]
        if not multirun:
            refuse_several(overrides, "several values for a key need a sweep: add -m")
            said = {o.key_or_group: _line(o) for o in overrides}
            fixed = _fixed(overrides, [])
            folder, run_folder = _single_run_folders(whole)
            return Sweep([whole], [lines], lines, said, [], fixed, False, whole.hydra, folder, [run_folder])
        return _multirun(whole, overrides, lines, searched)


def without_hydra(config: DictConfig) -> DictConfig:
    """The config of a run as it is given to the run."""
    config = config.copy()
    with open_dict(config):
        del config["hydra"]
    return config


def _multirun(whole: DictConfig, overrides: list[Override], lines: list[str], searched: list[str]) -> Sweep:
    """The runs of a sweep; what the experiment sweeps comes first, what the command line says of the same key wins."""
    given_params = [f"{key}={value}" for key, value in (whole.hydra.sweeper.get("params") or {}).items()]
    params = [_without_glob(o, searched) for o in parse_overrides(given_params)]
    by_hydra = whole.hydra.sweeper._target_ == SWEPT_BY_HYDRA
    if by_hydra and [_line(o) for o in params] != given_params:  # Hydra would not read them
        lines = ["hydra.sweeper.params=null", *(_line(o) for o in params), *lines]
    parsed = [*params, *overrides]
    said = {o.key_or_group: _line(o) for o in parsed}
    folder = _folder(whole, "hydra.sweep.dir")
    if not by_hydra:  # it chooses the values as it goes: check the fixed part
        job = [_line(o) for o in parsed if not o.is_sweep_override()]
        config = compose_run(job, with_hydra=True)
        return Sweep([config], [job], lines, said, [], _fixed(overrides, []), True, whole.hydra, folder, [])
    try:
        _refuse_many(parsed)
        jobs = [list(job) for job in BasicSweeper.split_arguments(parsed, None)[0]]
    except (HydraException, AssertionError) as error:
        raise UserError(f"cannot sweep: {one_line(error)}") from error
    if not jobs:
        empty = next(_line(o) for o in parsed if o.is_sweep_override() and not list(o.sweep_iterator()))
        raise UserError(f"{empty}: no values, so no runs")
    last = {o.key_or_group: o for o in parsed}
    swept = [key for key, o in last.items() if o.is_sweep_override() or key in {p.key_or_group for p in params}]
    if reserved := [key for key in swept if key.partition(".")[0] == "reserve"]:
        raise UserError(f"{said[reserved[0]]}: all runs of a sweep keep the same frames free; allowed: one number")
    fixed = _fixed(overrides, swept)
    configs = [_job(job, number, whole, fixed) for number, job in enumerate(jobs)]
    run_folders = [folder / name for name in _names(configs)]
    return Sweep(configs, jobs, lines, said, swept, fixed, True, whole.hydra, folder, run_folders)


def _refuse_many(overrides: list[Override]) -> None:
    """Refuse a sweep of more runs than anyone waits for, before they are listed.

    Raises:
        UserError: it tells how many there are.
    """
    counts = {o.key_or_group: count for o in overrides if o.is_sweep_override() and (count := _values(o))}
    if (runs := math.prod(counts.values())) > MOST_RUNS:
        by_key = ", ".join(f"{key}: {count:,}" for key, count in counts.items())
        raise UserError(f"a sweep of {runs:,} runs ({by_key}); allowed: {MOST_RUNS:,} runs in one command")


def _values(override: Override) -> int:
    """How many values a key is swept over; those of a range are not listed."""
    swept = override.value()
    if isinstance(swept, RangeSweep) and swept.start is not None and swept.stop is not None:
        return max(0, math.ceil((swept.stop - swept.start) / (swept.step or 1)))
    return sum(1 for _ in override.sweep_iterator())


def _names(configs: list[DictConfig]) -> list[str]:
    """Names of the run folders.

    Raises:
        UserError: two runs would share one, or one lies outside of the sweep's folder.
    """
    names = [_select(config, "hydra.sweep.subdir") for config in configs]
    if outside := [name for name in names if Path(name).is_absolute() or ".." in Path(name).parts]:
        raise UserError(f"hydra.sweep.subdir={outside[0]}: allowed: a folder inside hydra.sweep.dir")
    for part in {part for name in names for part in Path(name).parts}:
        if len(os.fsencode(part)) > LONGEST_PART:
            raise UserError(
                f"hydra.sweep.subdir={part[:40]}...: {len(os.fsencode(part))} bytes; allowed: {LONGEST_PART}, to which "
                "${folder_name:TEXT} shortens a text"
            )
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise UserError(
            f"two runs of the sweep would share the folder {twice}; allowed: each value once, and a hydra.sweep.subdir "
            "that differs between them"
        )
    return names


def _refuse_of_hydra(overrides: list[Override]) -> None:
    """Refuse to sweep Hydra itself, and folders of options that would be hidden by ours."""
    for override in overrides:
        if override.is_hydra_override() and override.is_sweep_override():
            raise UserError(f"{_line(override)}: a key of hydra is not swept; a text with a comma in it is quoted")
        places = override.value() if override.key_or_group == SEARCHED else None
        for place in places if isinstance(places, list) else []:
            refuse_taken(f"hydra.searchpath: {place}", Path(str(place).removeprefix("file://")))


def _refuse_sections(hydra: DictConfig) -> None:
    """Refuse a launcher or a sweeper that is no section: the options of those groups are chosen with a slash."""
    for name in ("launcher", "sweeper"):
        if not isinstance(hydra[name], DictConfig) or "_target_" not in hydra[name]:
            raise UserError(f"hydra.{name}: no section with a _target_; an option is chosen as hydra/{name}=NAME")


def _without_glob(override: Override, searched: list[str]) -> Override:
    """The same override with the options that a glob means in its place; Hydra's own does not see a search path."""
    if override.value_type != ValueType.GLOB_CHOICE_SWEEP:
        return override
    loader = GlobalHydra.instance().config_loader()
    options = loader.get_group_options(override.key_or_group, config_name="config", overrides=searched)
    found = override._value.filter(options)  # type: ignore[union-attr]
    if not found:
        options_line = allowed("", options) if options else f"{override.key_or_group} is no group"
        raise UserError(f"{_line(override)}: no option is meant; {options_line}")
    return parse_overrides([f"{override.get_key_element()}=choice({','.join(found)})"])[0]


def _fixed(overrides: list[Override], swept: list[str]) -> list[str]:
    return sorted({o.key_or_group for o in overrides} - set(swept))


def _job(job: list[str], number: int, whole: DictConfig, fixed: list[str]) -> DictConfig:
    """One run of a sweep with Hydra's section in it, which names its folder."""
    named = [f"hydra.job.num={number}", f"hydra.job.id={number}", hidden(whole.hydra, fixed)]
    config = compose_run([*job, *named], with_hydra=True)
    check_hydra(config.hydra)  # what an experiment sweeps may be keys of it
    return config


def hidden(hydra: DictConfig, fixed: list[str]) -> str:
    """The override that keeps keys out of the names of run folders, those among them that the user keeps out."""
    keys = [*fixed, *hydra.job.config.override_dirname.exclude_keys]
    return f"hydra.job.config.override_dirname.exclude_keys=[{','.join(dict.fromkeys(keys))}]"


def _single_run_folders(whole: DictConfig) -> tuple[Path, Path]:
    """Where a single run and its report go: the report beside the run's folder, unless that was chosen by itself."""
    outer, inner = _folder(whole, "hydra.sweep.dir"), _folder(whole, "hydra.run.dir")
    return (outer if inner.parent == outer else inner), inner


def _folder(config: DictConfig, key: str) -> Path:
    folder = _select(config, key)
    if not folder:
        raise UserError(f"{key} is empty; allowed: a folder")
    return Path(at_home(folder))


def _select(config: DictConfig, key: str) -> str:
    try:
        return str(OmegaConf.select(config, key, throw_on_missing=True))
    except OmegaConfBaseException as error:
        raise UserError(f"{key}: {one_line(error)}") from error


def _line(override: Override) -> str:
    return override.input_line or ""
