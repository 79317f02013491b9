"""`python -m tats_exp.metrics`: all columns that a run may report, as `docs/metrics.md` lists them.

Takes keys as a run does, measures of your own among them: `+metrics.measures.mine._target_=my_package.Mine`.
"""

import argparse
import sys
from collections.abc import Iterable, Mapping

from tats_exp.cli import guarded
from tats_exp.config.compose import compose_run, configuration
from tats_exp.run_folder.columns import TO_REAL, TO_REBUILT, Column

_HEAD = """\
# What is measured

Made by `python -m tats_exp.metrics > docs/metrics.md` from the measures that `conf/metrics/shapes_cnn.yaml` names.

A measure is a class that declares its columns and gives their values; see `tats_exp/metrics/measure.py`. The table of
the report has the columns in **bold**; the others are in `metrics.json`, those of `curves.csv` are marked *per window*.
↑ higher is better, ↓ lower, →0 and →1 nearer is better; without a sign, values of different choices are not compared.
Distances are taken to windows that the VQGAN of the run rebuilt; those to real windows have the same keys with
`/to_real` behind, and in an evaluation of folders every key says `/to_real` or `/to_rebuilt`. `<network>` and
`<classifier>` are the names of the networks.
"""


def columns_table(columns: Iterable[Column]) -> str:
    """The columns of a measure as rows of Markdown."""
    lines = ["| key | title | good | unit | what it is |", "|---|---|---|---|---|"]
    for column in columns:
        if column.key.endswith((TO_REAL, TO_REBUILT)):  # the head of the page tells of these
            continue
        named = column.named("<network>", "<classifier>")
        key = f"`{named.key}`"
        key = f"**{key}**" if column.in_table else f"{key} *per window*" if column.is_curve else key
        title = " ".join(named.title).strip().replace("<", "\\<")
        cells = (key, title, named.arrow, named.unit, named.explanation)
        lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join(lines) + "\n"


def document(measures: Mapping[str, tuple[str, Iterable[Column]]]) -> str:
    """The page of all columns: name -> what it is about, and the columns."""
    parts = [f"\n## {name}\n\n{about}\n\n{columns_table(columns)}" for name, (about, columns) in measures.items()]
    return _HEAD + "".join(parts)


def made(overrides: list[str]) -> str:
    """The page of the measures that a run with these overrides asks."""
    from omegaconf import OmegaConf

    from tats_exp.config.measures import build_measures  # torch comes with these
    from tats_exp.stages.samples import SPEED_COLUMN

    with configuration():
        nodes = OmegaConf.to_container(compose_run(overrides).metrics.measures, resolve=True)
    assert isinstance(nodes, dict)
    measures = build_measures({str(name): node for name, node in nodes.items()})
    about = {name: ((type(one).__doc__ or "").partition("\n")[0], one.columns) for name, one in measures.items()}
    return document({**about, "speed": ("What the samples stage took; not a measure.", [SPEED_COLUMN])})


def main(arguments: list[str] | None = None) -> int:
    """Print the page; exit code as other commands."""
    parser = argparse.ArgumentParser(prog="python -m tats_exp.metrics", description=__doc__)
    parser.add_argument("overrides", nargs="*", metavar="KEY=VALUE", help="keys of a run")
    overrides = parser.parse_args(arguments).overrides

    def of_these() -> int:
        print(made(overrides), end="")
        return 0

    return guarded("tats_exp.metrics", of_these)


if __name__ == "__main__":
    sys.exit(main())
