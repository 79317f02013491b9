"""What the commands beside the suite share: keys on the command line, a root config each, one line for errors."""

import argparse
import logging
import sys
from collections.abc import Callable

import torch
from hydra import initialize_config_dir

from tats_exp import UserError
from tats_exp.compose import compose_run, parse_overrides
from tats_exp.config import SectionType, conf_dir, validated


def command(name: str, description: str | None, run: Callable[[list[str]], None], arguments: list[str] | None) -> int:
    """Run a command that takes the keys of `conf/<name>.yaml`.

    Args:
        name: of the command, `python -m tats_exp.<name>`, and of its root config, which is part of its help.
        description: for the help.
        run: takes the overrides.
        arguments: instead of the command line's own.

    Returns:
        0, or 2 if the input is wrong; the reason is then one line on stderr.
    """
    parser = argparse.ArgumentParser(
        prog=f"python -m tats_exp.{name}",
        description=description,
        epilog=(conf_dir() / f"{name}.yaml").read_text(),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("overrides", nargs="*", metavar="KEY=VALUE", help=f"keys of conf/{name}.yaml, below")
    overrides = parser.parse_args(arguments).overrides
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    try:
        run(overrides)
    except (ValueError, OSError) as error:
        print(f"tats_exp.{name}: {' '.join(str(error).split())}", file=sys.stderr)
        return 2
    return 0


def read_config(name: str, overrides: list[str], schema: type[SectionType]) -> SectionType:
    """Compose and check a root config.

    Args:
        name: of the config, `conf/<name>.yaml`.
        overrides: as given on the command line.
        schema: what it must hold.

    Raises:
        UserError: one line about what is wrong.
    """
    with initialize_config_dir(str(conf_dir()), version_base="1.3"):
        parse_overrides(overrides)
        return validated(compose_run(overrides, root=name), schema)


def chosen_device(name: str) -> torch.device:
    """The device of that name; `auto` is the GPU where there is one.

    Raises:
        UserError: a GPU is asked for where there is none.
    """
    there = torch.cuda.is_available()
    if name == "cuda" and not there:
        raise UserError("device=cuda: torch finds no CUDA device; allowed here: auto, cpu")
    return torch.device(("cuda" if there else "cpu") if name == "auto" else name)
