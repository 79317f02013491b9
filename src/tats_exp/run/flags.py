"""The flags of `python -m tats_exp`, which are Hydra's, and what those show that run nothing. Torch is not imported."""

from argparse import ArgumentParser, Namespace
from importlib.metadata import PackageNotFoundError, version
from textwrap import fill
from typing import NoReturn

from hydra._internal.utils import get_args_parser
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from tats_exp import UserError
from tats_exp.cli import one_line
from tats_exp.config.compose import configuration, unknown_key_line
from tats_exp.config.overrides import parse_overrides
from tats_exp.run.sweep import compose_sweep, without_hydra

PACKAGES = ("torch", "lightning", "hydra-core")

HELP = """\
python -m tats_exp [FLAG ...] [GROUP=OPTION ...] [KEY=VALUE ...]

Trains a VQGAN and a transformer, samples long videos, measures how they hold,
and writes the answer with its page to runs/. Alone: one run at toy scale.

  +experiment=NAME     a named question; the page compares what it sweeps:
{experiments}
  -m KEY=A,B seed=0,1  a comparison of your own, e.g. -m padding=zero,replicate
  scale=smoke          seconds, for a first look; toy: minutes; paper: large GPU
  resume=DIR           go on with what was stopped; the same command does it too
  --groups             every group, its options and the config that is composed
  --cfg job            that config alone, as YAML; with -p KEY a section of it
  --config-dir DIR     options of your own, in DIR/<group>/<option>.yaml
  --hydra-help         the other flags; also --version, --shell-completion

  python -m tats_exp.sample    one video, of any length, from a finished run
  python -m tats_exp.report    the page of some runs; --index: of experiments
  python -m tats_exp.evaluate  FVD and the rest between two folders of videos
  python -m tats_exp.data      inspect: what of a data set can be used; pictures
  python -m tats_exp.store     check, size, gc of what runs have made
  python -m tats_exp.metrics   every column that a run may report, explained
  python -m tats_exp.sanity    which damage of real clips the distances see
  python -m tats_exp.export    the VQGAN of a run as a file of the official code
  python -m tats_exp.features.weights        i3d: weights of the usual network
  python -m tats_exp.report.wandb_workspace  charts in W&B as the page has them

Each of these has --help. The README has examples; docs/ says the rest.
"""
WIDTH = 80


class _Parser(ArgumentParser):
    def error(self, message: str) -> NoReturn:
        """Tell what is wrong as every other mistake is told."""
        raise UserError(f"{message}; see --help")


def read_command_line(arguments: list[str]) -> Namespace:
    """Read flags and overrides, in any order.

    Args:
        arguments: as given to `python -m tats_exp`.

    Raises:
        UserError: a flag is unknown, does not go with another, or has no meaning here; one line.
    """
    parser = _Parser(add_help=False, parents=[get_args_parser()], conflict_handler="resolve", allow_abbrev=False)
    parser.add_argument("--version", action="store_true")
    parser.add_argument("--groups", action="store_true")
    given, unknown = parser.parse_known_intermixed_args(arguments)
    if unknown:
        raise UserError(f"unknown flag {unknown[0]}; see --help")
    if given.config_name or given.config_path:
        raise UserError(
            "the root config is the one that ships with tats_exp: --config-name and --config-path are not taken; "
            "allowed: --config-dir DIR, a folder with options of your own"
        )
    if given.experimental_rerun:
        raise UserError("--experimental-rerun is not taken: start the same command again, finished stages are kept")
    shows = ("help", "groups", "hydra_help", "cfg", "info", "shell_completion")
    doing = [flag for flag in (*shows, "run") if getattr(given, flag)]
    if given.multirun and given.run:
        doing.append("multirun")
    if len(doing) > 1:
        raise UserError(f"{' and '.join('--' + flag.replace('_', '-') for flag in doing)} do not go together")
    for flag in ("resolve", "package"):
        if getattr(given, flag) and not given.cfg:
            raise UserError(f"--{flag} goes with --cfg job, --cfg hydra or --cfg all")
    return given


def show(given: Namespace) -> bool:
    """Do what is asked by a flag that runs nothing.

    Args:
        given: the command line.

    Returns:
        Whether there was one.

    Raises:
        UserError: what shall be shown cannot be composed; one line.
    """
    if given.version:
        print(f"tats_exp {_version('tats-exp')} ({', '.join(f'{name} {_version(name)}' for name in PACKAGES)})")
    elif given.hydra_help or given.shell_completion:
        _show(given)
    elif given.cfg:
        _show_configs(given)
    elif given.help:
        _show_help(given)
    elif given.groups or given.info:
        compose_sweep(given)  # to tell in one line what Hydra would tell in many
        _show(given)
    else:
        return False
    return True


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:  # a checkout that is not installed
        return "of a checkout"


def _show_help(given: Namespace) -> None:
    """Print what there is, on one screen."""
    with configuration(given.config_dir) as hydra:
        names = hydra.config_loader.get_group_options("experiment")
    indent = " " * 23
    print(end=HELP.format(experiments=fill(", ".join(names), WIDTH, initial_indent=indent, subsequent_indent=indent)))


def _show(given: Namespace) -> None:
    """Have Hydra show what a flag asks for."""
    flag = next(flag for flag in ("groups", "hydra_help", "info", "shell_completion") if getattr(given, flag))
    alone = [o.input_line or "" for o in parse_overrides(given.overrides) if not o.is_sweep_override()]
    asked = Namespace(**{**vars(given), "overrides": alone})
    with configuration(given.config_dir) as hydra:
        try:
            if flag == "groups":
                hydra.app_help("config", get_args_parser(), asked)
            elif flag == "hydra_help":
                hydra.hydra_help("config", get_args_parser(), asked)
            elif flag == "info":
                hydra.show_info(given.info, "config", alone)
            else:
                hydra.shell_completion("config", given.overrides)
        except Exception as error:  # what it refuses is an argument
            raise UserError(f"--{flag.replace('_', '-')}: {one_line(error)}") from error


def _show_configs(given: Namespace) -> None:
    """Print the config of every run that is asked for, as YAML documents."""
    sweep = compose_sweep(given)
    for job, config in zip(sweep.jobs, sweep.configs, strict=True):
        if sweep.multirun:
            print(f"---\n# {' '.join(line for line in job if line.partition('=')[0].lstrip('+') in sweep.swept)}")
        shown = without_hydra(config) if given.cfg == "job" else config
        package = given.package or ("hydra" if given.cfg == "hydra" else None)
        if package:
            shown = _part(shown, package)
        try:
            print(OmegaConf.to_yaml(shown, resolve=given.resolve), end="")
        except OmegaConfBaseException as error:
            raise UserError(f"{getattr(error, 'full_key', '')}: {one_line(error)}") from error


def _part(config: DictConfig, package: str) -> DictConfig:
    part = OmegaConf.select(config, package)
    if part is not None and not isinstance(part, DictConfig):
        raise UserError(f"--package {package}: a value, no section: {part}")
    if part is None:
        raise UserError(f"--package {package}: {unknown_key_line(package, config)}")
    return part
