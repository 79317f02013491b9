"""What the commands beside the suite share: keys on the command line, a root config each, one line for errors."""

import argparse
import logging
import typing
from collections.abc import Callable

from tats_exp import UserError
from tats_exp.cli import guarded
from tats_exp.config.compose import compose_run, configuration
from tats_exp.config.overrides import parse_overrides, refuse_several
from tats_exp.config.schema import SectionType, conf_dir, validated

if typing.TYPE_CHECKING:
    import torch


def command(
    name: str,
    description: str | None,
    run: Callable[[list[str]], None],
    arguments: list[str] | None,
    root: str | None = None,
) -> int:
    """Run a command that takes the keys of `conf/<root>.yaml`.

    Args:
        name: of the command, `python -m tats_exp.<name>`.
        description: for the help.
        run: takes the overrides.
        arguments: instead of the command line's own.
        root: name of the root config, which is part of the help; None: that of the command.

    Returns:
        0, 2 if the input is wrong, 1 if anything else is; the reason is then one line on stderr.
    """
    parser = argparse.ArgumentParser(
        prog=f"python -m tats_exp.{name}",
        description=description,
        epilog=(conf_dir() / f"{root or name}.yaml").read_text(),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("overrides", nargs="*", metavar="KEY=VALUE", help=f"keys of conf/{root or name}.yaml, below")
    overrides = parser.parse_args(arguments).overrides
    logging.basicConfig(level=logging.WARNING, format="%(message)s")

    def of_these() -> int:
        run(overrides)
        return 0

    return guarded(f"tats_exp.{name}", of_these)


def read_config(name: str, overrides: list[str], schema: type[SectionType]) -> SectionType:
    """Compose and check a root config.

    Args:
        name: of the config, `conf/<name>.yaml`.
        overrides: as given on the command line.
        schema: what it must hold.

    Raises:
        UserError: one line about what is wrong.
    """
    with configuration():
        parsed = parse_overrides(overrides)
        refuse_several(parsed, "one value is taken")
        return validated(compose_run([o.input_line or "" for o in parsed], root=name), schema)


def chosen_device(name: str) -> "torch.device":
    """The device of that name; `auto` is the GPU where there is one.

    Raises:
        UserError: a GPU is asked for where there is none.
    """
    import torch  # not before it is needed

    there = torch.cuda.is_available()
    if name == "cuda" and not there:
        raise UserError("device=cuda: torch finds no CUDA device; allowed here: auto, cpu")
    return torch.device(("cuda" if there else "cpu") if name == "auto" else name)
