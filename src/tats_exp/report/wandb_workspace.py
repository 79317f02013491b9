"""`python -m tats_exp.report.wandb_workspace ENTITY/PROJECT`: a W&B workspace that shows sweeps as their page does.

It is made from what the measures declare: the endpoint of an experiment first, curves along the videos with runs
grouped by choice, losses by stage, time-agnosticity, videos side by side, what differs between configs and protocols.
`--print` prints its definition as JSON, which needs no login; saving it needs one. `--report` saves the same charts as
a W&B report, to be written around and handed on. Needs `tats-exp[workspace]`.
Takes keys as a run does: `+experiment=padding_ablation`, whose endpoint then comes first, or measures of your own.
"""

import argparse
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from tats_exp import UserError
from tats_exp.cli import guarded
from tats_exp.run_folder import Column
from tats_exp.run_folder.columns import TO_REBUILT

if TYPE_CHECKING:
    from wandb_workspaces.reports.v2 import Report
    from wandb_workspaces.workspaces import Section, Workspace

STAGES = ("vqgan", "audio_vqgan", "transformer", "interpolation")
"""Stages whose losses are logged, each over its own step."""
VIDEOS = ("samples", "real", "reconstruction", "sound_1", "sound_2", "sound_3", "sound_4")
CHOICE = "choice"
"""Key of the config of a W&B run that says what was chosen beside the seed."""


@dataclass(frozen=True)
class Shown:
    """What a workspace shows.

    Attributes:
        name: of the experiment.
        question: that it asks, "" for none.
        endpoint: key of the column that it is decided by; "" for none.
        secondary: keys of the others that are compared.
        columns: all that its runs may report, with the names of networks in their keys.
        agnostic: keys of those that say how time-agnostic codes are.
    """

    name: str
    endpoint: str
    secondary: tuple[str, ...]
    columns: Sequence[Column]
    agnostic: frozenset[str] = frozenset()
    question: str = ""


def make_workspace(entity: str, project: str, shown: Shown) -> "Workspace":
    """The workspace, not saved.

    Args:
        entity: of W&B: a user or a team.
        project: of W&B.
        shown: what it shows; what was asked comes first.

    Raises:
        UserError: the endpoint or a secondary one is no column; one line.
    """
    from wandb_workspaces.workspaces import Workspace

    known, named = {column.key: column for column in shown.columns}, [shown.endpoint, *shown.secondary]
    if lacking := [key for key in named if key and key not in known]:
        raise UserError(f"{lacking[0]}: no column of these measures")
    curves = [column for column in shown.columns if column.is_curve]
    single = [column for column in shown.columns if not column.is_curve and "*" not in column.key]
    first = [known[key] for key in named if key]
    first = first or [column for column in single if column.in_table]
    return Workspace(
        entity=entity,
        project=project,
        name=f"tats_exp: {shown.name}",
        sections=[
            _section("What was asked", map(_bar, first), is_open=True),
            _section("Along the videos", map(_curve, curves), is_open=True),
            _videos(),
            _section("Time-agnosticity", (_bar(column) for column in single if column.key in shown.agnostic)),
            _section("Losses", map(_losses, STAGES)),
            _section("All values", (_bar(column) for column in single if column not in first)),
            _section("Config and protocol", [_differences()], columns=1),
        ],
    )


def make_report(entity: str, project: str, shown: Shown) -> "Report":
    """A W&B report with the question, and the charts of the workspace section by section; not saved.

    Args:
        entity: of W&B: a user or a team.
        project: of W&B.
        shown: as for `make_workspace`.

    Raises:
        UserError: as `make_workspace`.
    """
    from wandb_workspaces.reports.v2 import H2, PanelGrid, Report, Runset

    blocks: list[Any] = []
    for section in make_workspace(entity, project, shown).sections:
        runs = Runset(entity=entity, project=project, name="runs")
        blocks += [H2(text=section.name), PanelGrid(runsets=[runs], panels=section.panels)]
    return Report(
        entity=entity, project=project, title=f"tats_exp: {shown.name}", description=shown.question, blocks=blocks
    )


def _section(name: str, panels: Iterable[Any], is_open: bool = False, columns: int = 3) -> "Section":
    from wandb_workspaces.workspaces import Section, SectionLayoutSettings

    layout = SectionLayoutSettings(columns=columns, rows=2)
    return Section(name=name, panels=list(panels), is_open=is_open, layout_settings=layout)


def _bar(column: Column) -> object:
    """The mean over the runs of a choice, and their standard deviation."""
    from wandb_workspaces.reports.v2 import BarPlot, Config

    return BarPlot(
        title=_title(column),
        metrics=[column.key],
        title_x=column.unit or None,
        groupby=Config(CHOICE),
        groupby_aggfunc="mean",
        groupby_rangefunc="stddev",
    )


def _curve(column: Column) -> object:
    """The same, window by window."""
    from wandb_workspaces.reports.v2 import Config, LinePlot

    return LinePlot(
        title=_title(column),
        x="window",
        y=[column.key],
        title_x="window of the sampled videos",
        title_y=column.unit or None,
        groupby=Config(CHOICE),
        groupby_aggfunc="mean",
        groupby_rangefunc="stddev",
    )


def _losses(stage: str) -> object:
    from wandb_workspaces.reports.v2 import LinePlot

    return LinePlot(title=stage, x=f"step/{stage}", metric_regex=f"train/{stage}/.*", title_x="step")


def _videos() -> "Section":
    from wandb_workspaces.reports.v2 import MediaBrowser

    keys = [f"videos/{name}" for name in VIDEOS]
    panel = MediaBrowser(title="sampled videos, run by run", media_keys=keys[:1], num_columns=2)
    others = MediaBrowser(title="the data, rebuilt, and with sound", media_keys=keys[1:], num_columns=2)
    return _section("Videos", [panel, others], is_open=True, columns=2)


def _differences() -> object:
    from wandb_workspaces.reports.v2 import RunComparer

    return RunComparer(diff_only=True)


def _title(column: Column) -> str:
    return " ".join(part for part in (*column.title, column.arrow) if part)


def main(arguments: list[str] | None = None) -> int:
    """Print or save the workspace that the command line asks for.

    Args:
        arguments: instead of the command line's own.

    Returns:
        As `guarded`.
    """
    parser = argparse.ArgumentParser(
        prog="python -m tats_exp.report.wandb_workspace",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("place", metavar="ENTITY/PROJECT", help="of W&B")
    parser.add_argument("overrides", nargs="*", metavar="KEY=VALUE", help="keys of a run")
    parser.add_argument("--network", default="shapes_cnn", help="name of the feature network in the keys of the runs")
    parser.add_argument("--classifier", help="name of the network that is asked for classes; that of --network")
    kind = parser.add_mutually_exclusive_group()
    kind.add_argument("--print", action="store_true", dest="printed", help="the definition as JSON; nothing is saved")
    kind.add_argument("--report", action="store_true", help="a W&B report in place of a workspace; it needs a login")
    given = parser.parse_intermixed_args(arguments)

    def run() -> int:
        entity, _, project = given.place.partition("/")
        if not entity or not project or "/" in project:
            raise UserError(f"{given.place}: allowed: ENTITY/PROJECT")
        if find_spec("wandb_workspaces") is None:
            raise UserError("wandb-workspaces is missing: pip install 'tats-exp[workspace]'")
        shown = _shown(given.overrides, given.network, given.classifier or given.network)
        if given.printed:
            print(make_workspace(entity, project, shown)._to_model().model_dump_json(indent=1))
        elif given.report:
            _save("report", make_report(entity, project, shown))
        else:
            _save("workspace", make_workspace(entity, project, shown))
        return 0

    return guarded("tats_exp.report.wandb_workspace", run)


def _shown(overrides: list[str], network: str, classifier: str) -> Shown:
    """What runs with these overrides report."""
    from omegaconf import OmegaConf

    from tats_exp.config.compose import compose_run, configuration
    from tats_exp.config.measures import build_measures  # torch comes with these
    from tats_exp.stages.samples import SPEED_COLUMN

    with configuration():
        cfg = compose_run(overrides)
        nodes = OmegaConf.to_container(cfg.metrics.measures, resolve=True)
    assert isinstance(nodes, dict)
    columns = {  # runs rebuild their own reference: the plain keys mean it
        name: [c.named(network, classifier) for c in measure.columns if not c.key.endswith(TO_REBUILT)]
        for name, measure in build_measures({str(name): node for name, node in nodes.items()}).items()
    }
    names = {"network": network, "classifier": classifier}
    return Shown(
        name=cfg.name.replace("_", " "),
        endpoint=(cfg.endpoint or "").format(**names),
        secondary=tuple(key.format(**names) for key in cfg.secondary),
        columns=[*(column for several in columns.values() for column in several), SPEED_COLUMN],
        agnostic=frozenset(column.key for column in columns.get("time_agnosticity", ())),
        question=cfg.question or "",
    )


def _save(what: str, made: "Workspace | Report") -> None:
    try:
        saved = made.save()
    except Exception as error:  # whatever W&B raises over a login, a network or a name
        line = " ".join(str(error).split())[:200]
        raise UserError(f"the {what} was not saved: {line}; log in with `wandb login`, or take --print") from error
    print(saved.url)


if __name__ == "__main__":
    sys.exit(main())
