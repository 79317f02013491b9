"""Figures of what is measured window by window."""

from __future__ import annotations

import math

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, MaxNLocator, ScalarFormatter

from tats_exp.report.columns import curve_columns, curve_of, endpoints, truth_of
from tats_exp.report.panel import add_legend, draw_floors, name_axes, panels
from tats_exp.report.runs import Group, Run
from tats_exp.report.statistics import mean
from tats_exp.report.style import Ink
from tats_exp.run_folder.columns import Column

TRUTH_DASHES = (0, (5, 3))
LITTLE, DECADES = 5, 500
"""Ratios of the ends of a logarithmic axis: below one ticks are as on a plain axis, below the other at 1, 2 and 5."""
MANY_WINDOWS = 128
"""From so many on they lie on a logarithmic axis, the first of them beside window 1: what is lost is lost early."""


def curves(groups: list[Group], ink: Ink) -> Figure | None:
    """Every metric over the windows of the sampled videos."""
    runs = [run for group in groups for run in group.runs]
    columns = curve_columns(runs)
    if not columns:
        return None
    figure, axes = panels(len(columns), 2, 2.5)
    for axis, column in zip(axes, columns, strict=True):
        _panel(axis, column, groups, ink)
    add_legend(figure, axes)
    return figure


def endpoint_curve(groups: list[Group], ink: Ink, width: float = 10.0) -> Figure | None:
    """The curve that the primary endpoint is taken from, alone; None where no endpoint was named, or it has none.

    Args:
        groups: finished runs by combination of choices.
        ink: how it looks.
        width: inches.
    """
    runs = [run for group in groups for run in group.runs]
    named = endpoints(runs)
    column = curve_of(named.primary, runs) if named else None
    if column is None:
        return None
    figure, axes = panels(1, 1, 3.5, width)
    _panel(axes[0], column, groups, ink)
    axes[0].set_title("")  # the page has it
    add_legend(figure, axes)
    return figure


def _panel(axis: Axes, column: Column, groups: list[Group], ink: Ink) -> None:
    """One curve: thin lines are trainings, bold ones their mean; dashed, real video without a transformer."""
    runs = [run for group in groups for run in group.runs]
    truth, by_ratio = truth_of(column, runs), _by_ratio(column, runs)
    for place, group in enumerate(groups):
        _curve(axis, _series(group, column.key), by_ratio, place, ink, group.label)
        if truth is not None:
            _truth(axis, _series(group, truth), place, ink)
    if truth is not None:
        axis.plot([], [], color=ink.floor, linestyle=TRUTH_DASHES, linewidth=1.2, label="real video, no transformer")
    draw_floors(axis, column.key, groups, ink)
    if column.better == "one":
        axis.axhline(1, color=ink.floor, linewidth=1, zorder=1)
    if by_ratio:
        axis.set_yscale("log")
    _see_lines(axis)
    if by_ratio:
        _number_ratios(axis)
    name_axes(axis, " ".join(column.title).strip(), _window_axis(runs), column.unit)
    if max(len(run.curves.get(column.key, ())) for run in runs) < MANY_WINDOWS:
        axis.xaxis.set_major_locator(MaxNLocator(integer=True))
    else:
        axis.set_xscale("symlog", linthresh=1)
        axis.xaxis.set_major_formatter(ScalarFormatter())
        axis.set_xlim(left=0)


def _number_ratios(axis: Axes) -> None:
    """Numbers on a logarithmic axis, two or more however little of it is seen."""
    low, high = axis.get_ylim()
    if high < LITTLE * low:
        axis.yaxis.set_major_locator(MaxNLocator(4))
    else:
        axis.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5) if high < DECADES * low else (1,)))
    axis.yaxis.set_major_formatter(ScalarFormatter())
    axis.yaxis.set_minor_formatter("")


def _series(group: Group, key: str) -> list[list[float]]:
    return [run.curves[key] for run in group.runs if key in run.curves]


def _curve(axis: Axes, series: list[list[float]], by_ratio: bool, place: int, ink: Ink, label: str) -> None:
    """The trainings of one choice: each, their mean, and from three on its 95 % interval."""
    if not series:
        return
    values = _cut(series)
    scaled, back = (np.log(values), np.exp) if by_ratio else (values, np.asarray)
    colour, windows, bold = ink.colour(place), np.arange(values.shape[1]), back(scaled.mean(axis=0))
    if len(series) > 1:
        for line in values:
            there = np.isfinite(line)
            axis.plot(windows[there], line[there], color=colour, linewidth=0.8, alpha=0.6)
    if len(series) > 2:  # the interval of two trainings is wider than the panel
        low, high = back(_intervals(scaled))
        axis.fill_between(windows, low, high, color=colour, alpha=0.1, linewidth=0)
    seen = np.isfinite(bold)  # where the networks looked at the ends only
    marker = None if seen.all() and len(windows) > 1 else "o"
    (line,) = axis.plot(windows[seen], bold[seen], color=colour, linewidth=2.4, marker=marker, label=label)
    line.set_linestyle(ink.dash(place))


def _truth(axis: Axes, series: list[list[float]], place: int, ink: Ink) -> None:
    """The mean over trainings of what real video gets."""
    if series:
        line = _cut(series).mean(axis=0)
        axis.plot(np.arange(len(line)), line, color=ink.colour(place), linestyle=TRUTH_DASHES, linewidth=1.2)


def _cut(series: list[list[float]]) -> np.ndarray:
    """Trainings x windows, as many windows as all of them have."""
    length = min(map(len, series))
    return np.asarray([values[:length] for values in series])


def _intervals(values: np.ndarray) -> np.ndarray:
    """Ends of the 95 % interval of the mean over trainings (rows) of every window; nan where there is none."""
    found = [mean(column.tolist()) if np.isfinite(column).all() else None for column in values.T]
    return np.array([[one.low, one.high] if one else [math.nan, math.nan] for one in found]).T


def _by_ratio(column: Column, runs: list[Run]) -> bool:
    """Whether a curve is drawn and averaged in logarithms."""
    values = [value for run in runs for value in run.curves.get(column.key, []) if math.isfinite(value)]
    return column.ratio and min(values, default=0) > 0


def _see_lines(axis: Axes) -> None:
    """Limits by what the lines reach: the interval of two trainings is wider than any figure."""
    drawn = [np.asarray(line.get_ydata(), dtype=float) for line in axis.get_lines()]
    values = np.concatenate([line[np.isfinite(line)] for line in drawn]) if drawn else np.zeros(0)
    if axis.get_yscale() == "log":  # a floor may be 0, which has no place there
        values = values[values > 0]
    if not len(values):
        return
    low, high = values.min(), values.max()
    if axis.get_yscale() == "log":
        room = max(high / low, 1.2) ** 0.08
        axis.set_ylim(low / room, high * room)
    else:
        room = 0.08 * (high - low) or 0.05 * abs(high) or 0.05
        axis.set_ylim(0 if 0 <= low < 0.5 * high else low - room, high + room)


def _window_axis(runs: list[Run]) -> str:
    frames = next((run.protocol.clip_length for run in runs if run.protocol), None)
    return f"window of {frames} frames" if frames else "window"
