"""Figures of a sweep: every seed visible, floors drawn, axes with units.

Each function draws one figure from the finished runs and returns None where the runs left nothing to draw.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any

import matplotlib
import numpy as np
from matplotlib.figure import Figure
from pydantic import ConfigDict, TypeAdapter

from tats_exp.cli import end_with
from tats_exp.report.bars import bar_figures, bars
from tats_exp.report.captions import ENDPOINT, NARROW
from tats_exp.report.curves import curves, endpoint_curve
from tats_exp.report.film_strip import film_strip, read_reconstructions, read_strips
from tats_exp.report.frames_figure import frames_figure
from tats_exp.report.masks import masks
from tats_exp.report.panel import add_legend, lay_out_as, name_axes, panels, save
from tats_exp.report.pictures import pictures_of
from tats_exp.report.runs import Group
from tats_exp.report.style import DARK, LIGHT, Ink, settings
from tats_exp.run_folder import Told

Draw = Callable[[list[Group], Ink], Figure | None]
LOSS_PANELS = 12
NARROW_WIDTH = 4.4
CURVES: dict[str, Draw] = {
    "curves": curves,
    ENDPOINT: endpoint_curve,
    NARROW: partial(endpoint_curve, width=NARROW_WIDTH),
}
"""Figures of what is measured window by window: half of the work of most reports."""
APART = """
import json, sys
sent = json.load(sys.stdin)
sys.path[:] = sent["path"]
from tats_exp.report.figures import _draw_sent
_draw_sent(sent)
"""
"""What the process does that draws the curves: it imports what this one would."""
SENT = TypeAdapter(list[Group], config=ConfigDict(ser_json_inf_nan="constants"))
"""Runs as JSON and back, to the last digit."""
LETTERS = 40
"""Letters of one choice that fit into a figure."""


def draw_figures(groups: list[Group], folder: Path, side_by_side: bool = False) -> dict[str, tuple[Path, Path]]:
    """Draw every figure the runs allow, on paper (`name.png`) and for dark screens (`name_dark.png`).

    Args:
        groups: finished runs by combination of choices.
        folder: where the PNGs go; made if need be. Earlier ones of the same names are replaced.
        side_by_side: draw the curves in a process of their own, which takes a while to start. What it does not draw,
            as where it is killed, is drawn here.

    Returns:
        Name -> (light PNG, dark PNG), in reading order.
    """
    folder.mkdir(parents=True, exist_ok=True)
    groups = [replace(group, label=_brief(group.label), short=_brief(group.short)) for group in groups]
    with _curves_apart(groups, folder, side_by_side) as drawn_apart:
        drawings = _drawings(groups)
        drawn = _draw({name: draw for name, draw in drawings.items() if name not in CURVES}, groups, folder)
        draw_frames(groups, folder)
        if drawn_apart():
            drawn |= {name for name in CURVES if DARK.path(folder, name).is_file()}
        else:
            drawn |= _draw(CURVES, groups, folder)
    return {name: (LIGHT.path(folder, name), DARK.path(folder, name)) for name in drawings if name in drawn}


def _drawings(groups: list[Group]) -> dict[str, Draw]:
    """All figures that there may be, in reading order."""
    whole, beginnings = read_strips(groups, steps=(None, 2))
    rebuilt = read_reconstructions(groups)
    return {
        ENDPOINT: CURVES[ENDPOINT],
        NARROW: CURVES[NARROW],
        "film_strip": lambda _, ink: film_strip(whole, ink),
        "first_frames": lambda _, ink: film_strip(beginnings, ink),
        "curves": CURVES["curves"],
        "rebuilt_strip": lambda _, ink: film_strip(rebuilt, ink),
        **{name: partial(bars, name=name) for name in bar_figures(groups)},
        "masks": masks,
        "code_histogram": code_histogram,
        "losses": losses,
    }


@contextmanager
def _curves_apart(groups: list[Group], folder: Path, asked: bool) -> Iterator[Callable[[], bool]]:
    """A block beside which a process of its own draws the curves; gives what waits for it and tells whether it did.

    Args:
        groups: as they are drawn.
        folder: for the PNGs.
        asked: whether to start the process; where none can be started, the curves are left to the block as well.
    """
    if not asked:
        yield lambda: False
        return
    try:
        with TemporaryFile("w+") as sent:  # a pipe would block before the process has imported what reads it
            json.dump(_sent(groups, folder), sent, default=repr)
            sent.seek(0)
            other = subprocess.Popen(
                [sys.executable, "-P", "-c", APART],
                stdin=sent,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,  # Ctrl-C, which a terminal sends to all, is answered here
            )
    except (OSError, TypeError, ValueError):  # TypeError: no sys.executable
        yield lambda: False
        return
    with other:
        try:
            yield lambda: other.wait() == 0
        finally:
            other.kill()


def _sent(groups: list[Group], folder: Path) -> dict[str, Any]:
    """What the process that draws the curves is told, as JSON values; of runs what no curve shows is left out."""
    no_curve: dict[str, Any] = {"losses": {}, "code_histogram": {}, "mask": None, "told": Told()}
    shown = [replace(group, runs=[replace(run, **no_curve) for run in group.runs]) for group in groups]
    return {
        "path": [place for place in sys.path if isinstance(place, str)],
        "settings": settings(),
        "groups": SENT.dump_python(shown, mode="json"),
        "folder": str(folder.absolute()),
        "parent": os.getpid(),
    }


def _draw_sent(sent: dict[str, Any]) -> None:
    """Draw the curves of what `_sent` told; what goes wrong is told by who draws them again."""
    end_with(sent["parent"])
    matplotlib.rcParams.update(sent["settings"])
    _draw(CURVES, SENT.validate_python(sent["groups"]), Path(sent["folder"]))


def _draw(drawings: dict[str, Draw], groups: list[Group], folder: Path) -> set[str]:
    """Draw figures with both inks, the dark ones laid out as the light ones; returns the names of those drawn."""
    drawn = set()
    for name, draw in drawings.items():
        first = None
        for ink in (LIGHT, DARK):
            ink.path(folder, name).unlink(missing_ok=True)
            with ink.apply():
                figure = draw(groups, ink)
                if figure is None:
                    continue
                if first is not None:
                    lay_out_as(figure, first)
                save(figure, ink.path(folder, name))
                first = figure
        if first is not None:
            drawn.add(name)
    return drawn


def draw_frames(groups: list[Group], folder: Path) -> None:
    """Draw the picture that the page shows beside its answer as `frames.png`, where runs left any."""
    with LIGHT.apply():
        figure = frames_figure(pictures_of(groups), LIGHT)
        if figure is not None:
            save(figure, folder / "frames.png")


def _brief(text: str) -> str:
    """Choices without the middle of long ones, such as paths, which would leave no room for what is drawn."""
    return re.sub(rf"\S{{{LETTERS + 1},}}", lambda long: f"{long[0][:14]}…{long[0][15 - LETTERS :]}", text)


def code_histogram(groups: list[Group], ink: Ink) -> Figure | None:
    """Shares of the codes, ordered by how often real videos use them; the first seed of every choice."""
    columns = {"real", "generated"}
    shown = [
        (place, group, next(run for run in group.runs if columns <= set(run.code_histogram)))
        for place, group in enumerate(groups)
        if any(columns <= set(run.code_histogram) for run in group.runs)
    ]
    if not shown:
        return None
    figure, axes = panels(len(shown), 3, 2.3)
    for axis, (place, group, run) in zip(axes, shown, strict=True):
        real, generated = (np.asarray(run.code_histogram[column]) for column in ("real", "generated"))
        order = np.argsort(-real, kind="stable")
        rank = np.arange(len(real))
        shares = [100 * counts[order] / max(counts.sum(), 1e-12) for counts in (real, generated)]
        axis.fill_between(rank, shares[0], step="mid", color=ink.floor, alpha=0.35, linewidth=0, label="real")
        axis.step(rank, shares[1], where="mid", color=ink.colour(place), linewidth=1.1, label="generated")
        title = f"{group.label}, seed {run.seed}" if run.seed else group.label
        name_axes(axis, title, "code, by rank among real codes", "share of codes, %")
        axis.set_ylim(bottom=0)
        axis.legend(loc="upper right", fontsize=8)
    return figure


def losses(groups: list[Group], ink: Ink) -> Figure | None:
    """What training logged but alarms, one thin line per run; transformers before the VQGAN's many terms."""
    runs = [run for group in groups for run in group.runs]
    logged = dict.fromkeys(key for run in runs for key in run.losses if not key[1].startswith("alarm/"))
    keys = sorted(logged, key=lambda key: key[0] == "vqgan")[:LOSS_PANELS]
    if not keys:
        return None
    figure, axes = panels(len(keys), 3, 2.1)
    for axis, (stage, key) in zip(axes, keys, strict=True):
        values: list[float] = []
        for place, group in enumerate(groups):
            for number, run in enumerate(run for run in group.runs if (stage, key) in run.losses):
                steps, series = run.losses[stage, key]
                values += series
                label = group.label if number == 0 else None
                axis.plot(steps, series, color=ink.colour(place), linestyle=ink.dash(place), linewidth=1, label=label)
        if min(values) > 0 and max(values) > 20 * min(values):
            axis.set_yscale("log")
        name_axes(axis, key if key.startswith(("train/", "val/")) else f"{stage}: {key}", "step", "")
    add_legend(figure, axes)
    return figure
