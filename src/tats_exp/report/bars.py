"""Figures of values: bars with a dot per seed, floors as lines."""

from __future__ import annotations

import math
import statistics

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from tats_exp.report.columns import value_columns
from tats_exp.report.panel import add_legend, draw_floors, name_axes, panels
from tats_exp.report.runs import Group, Run
from tats_exp.report.style import Ink
from tats_exp.run_folder import Column


def bar_figures(groups: list[Group]) -> list[str]:
    """Names of the figures of bars that the columns of the runs ask for."""
    columns = value_columns([run for group in groups for run in group.runs])
    return list(dict.fromkeys(column.figure for column in columns if column.figure))


def bars(groups: list[Group], ink: Ink, name: str) -> Figure | None:
    """Values as bars with a dot per seed, the floors as lines: one panel per column that asks for this figure."""
    beside = BESIDE.get(name)
    runs = [run for group in groups for run in group.runs]
    shown = [column for column in value_columns(runs) if column.figure == name]
    if not shown:
        return None
    tall = max(len(group.short) for group in groups) > 12 or len(groups) > 5
    figure, axes = panels(len(shown) + (beside is not None), 3, 3.2 if tall else 2.7)
    if beside is not None:
        beside(axes[-1], groups, ink)
    for axis, column in zip(axes, shown, strict=False):
        _bar_panel(axis, column, groups, ink)
        axis.set_xticks(range(len(groups)), [group.short.replace(", ", "\n") for group in groups])
        if tall:
            axis.tick_params(axis="x", rotation=40)
            for tick in axis.get_xticklabels():
                tick.set_horizontalalignment("right")
        draw_floors(axis, column.key, groups, ink)
        name_axes(axis, f"{' '.join(column.title)}  {column.arrow}".strip(), "", column.unit)
    add_legend(figure, axes)
    return figure


def _error_by_frame(axis: Axes, groups: list[Group], ink: Ink) -> None:
    """L1 error over the frames of a window, mean of all seeds: where padding shows, its ends rise."""
    for place, group in enumerate(groups):
        series = [errors for run in group.runs if (errors := _by_frame(run))]
        if series:
            mean = [statistics.fmean(errors) for errors in zip(*series, strict=False)]
            axis.plot(mean, color=ink.colour(place), linestyle=ink.dash(place), linewidth=1.8, label=group.label)
    axis.set_ylim(bottom=0)
    name_axes(axis, "Error by place in the window", "frame", "L1, share of the grey range")


def _by_frame(run: Run) -> list[float]:
    keys = (f"val/vqgan/l1/frame_{frame}" for frame in range(len(run.values)))
    return [value for key in keys if (value := run.values.get(key)) is not None]


BESIDE = {"reconstruction": _error_by_frame}
"""What one more panel of a figure of bars shows."""


def _bar_panel(axis: Axes, column: Column, groups: list[Group], ink: Ink) -> None:
    for place, group in enumerate(groups):
        numbers = [number for number in group.values(column.key) if math.isfinite(number)]
        if not numbers:
            continue
        axis.bar(place, statistics.fmean(numbers), width=0.62, color=ink.colour(place), alpha=0.45, linewidth=0)
        spread = np.linspace(-0.14, 0.14, len(numbers)) if len(numbers) > 1 else np.zeros(1)
        dots = axis.scatter(place + spread, numbers, s=26, color=ink.colour(place), zorder=3)
        dots.set_edgecolor(ink.paper)
    axis.axhline(0, color=ink.floor, linewidth=0.8)
    if column.better == "one":
        axis.axhline(1, color=ink.floor, linewidth=1, zorder=1)
    axis.set_xlim(-0.6, len(groups) - 0.4)
