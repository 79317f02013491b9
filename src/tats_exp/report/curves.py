"""Figures of what is measured window by window."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from tats_exp.report.columns import curve_columns
from tats_exp.report.panel import add_legend, draw_floors, name_axes
from tats_exp.report.runs import Group, Run
from tats_exp.report.style import Ink, panels


def curves(groups: list[Group], ink: Ink) -> Figure | None:
    """Every metric over the windows of the sampled videos: thin lines seeds, bold their mean, band one std."""
    runs = [run for group in groups for run in group.runs]
    columns = curve_columns(runs)
    if not columns:
        return None
    figure, axes = panels(len(columns), 2, 2.5)
    for axis, column in zip(axes, columns, strict=True):
        for place, group in enumerate(groups):
            _curve(axis, group, column.key, place, ink)
        draw_floors(axis, column.key, runs, ink)
        if column.better == "one":
            axis.axhline(1, color=ink.floor, linewidth=1, zorder=1)
        name_axes(axis, " ".join(column.title).strip(), _window_axis(runs), column.unit)
        axis.xaxis.set_major_locator(MaxNLocator(integer=True))
        if column.floored:
            axis.set_ylim(bottom=0)
    add_legend(figure, axes)
    return figure


def _curve(axis: Axes, group: Group, key: str, place: int, ink: Ink) -> None:
    series = [run.curves[key] for run in group.runs if key in run.curves]
    if not series:
        return
    length = min(len(values) for values in series)
    values = np.asarray([values[:length] for values in series])
    colour, windows = ink.colour(place), np.arange(length)
    mean = values.mean(axis=0)
    if len(series) > 1:
        for line in values:
            there = np.isfinite(line)
            axis.plot(windows[there], line[there], color=colour, linewidth=0.7, alpha=0.55)
        std = values.std(axis=0, ddof=1)
        axis.fill_between(windows, mean - std, mean + std, color=colour, alpha=0.14, linewidth=0)
    seen = np.isfinite(mean)  # where the networks looked at the ends only
    marker = None if seen.all() and length > 1 else "o"
    axis.plot(
        windows[seen],
        mean[seen],
        color=colour,
        linestyle=ink.dash(place),
        linewidth=2.2,
        marker=marker,
        label=group.label,
    )


def _window_axis(runs: list[Run]) -> str:
    frames = next((run.protocol.clip_length for run in runs if run.protocol), None)
    return f"window of {frames} frames" if frames else "window"
