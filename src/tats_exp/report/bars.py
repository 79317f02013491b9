"""Figures of headline values: bars with a dot per seed, floors as lines."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from tats_exp.report.headlines import Headline, headlines_in
from tats_exp.report.panel import add_legend, draw_floors, name_axes
from tats_exp.report.runs import Group, Run
from tats_exp.report.style import Ink, panels


def frechet(groups: list[Group], ink: Ink) -> Figure | None:
    """Fréchet distances as bars with a dot per seed, the floors as lines."""
    return _bars(groups, "fvd/", ink)


def reconstruction(groups: list[Group], ink: Ink) -> Figure | None:
    """Errors of the VQGAN alone as bars with a dot per seed, and its error at every place of a window."""
    return _bars(groups, "val/vqgan/", ink, beside=_error_by_frame)


def time_agnosticity(groups: list[Group], ink: Ink) -> Figure | None:
    """Metrics of the codes alone, as bars with a dot per seed."""
    return _bars(groups, "codes/", ink)


def _bars(
    groups: list[Group], prefix: str, ink: Ink, beside: Callable[[Axes, list[Group], Ink], None] | None = None
) -> Figure | None:
    """One panel of bars per headline metric, and one more that is drawn otherwise."""
    runs = [run for group in groups for run in group.runs]
    shown = [headline for headline in headlines_in(runs) if headline.key.startswith(prefix)]
    if not shown:
        return None
    tall = max(len(group.short) for group in groups) > 12 or len(groups) > 5
    figure, axes = panels(len(shown) + (beside is not None), 3, 3.2 if tall else 2.7)
    if beside is not None:
        beside(axes[-1], groups, ink)
    for axis, headline in zip(axes, shown, strict=False):
        _bar_panel(axis, headline, groups, ink)
        axis.set_xticks(range(len(groups)), [group.short.replace(", ", "\n") for group in groups])
        if tall:
            axis.tick_params(axis="x", rotation=40)
            for tick in axis.get_xticklabels():
                tick.set_horizontalalignment("right")
        draw_floors(axis, headline.key, runs, ink)
        title = " ".join(headline.title)
        name_axes(axis, f"{title}  {headline.arrow}".strip(), "", headline.unit)
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


def _bar_panel(axis: Axes, headline: Headline, groups: list[Group], ink: Ink) -> None:
    for place, group in enumerate(groups):
        numbers = [number for number in headline.numbers(group.values(headline.key)) if math.isfinite(number)]
        if not numbers:
            continue
        axis.bar(place, statistics.fmean(numbers), width=0.62, color=ink.colour(place), alpha=0.45, linewidth=0)
        spread = np.linspace(-0.14, 0.14, len(numbers)) if len(numbers) > 1 else np.zeros(1)
        dots = axis.scatter(place + spread, numbers, s=26, color=ink.colour(place), zorder=3)
        dots.set_edgecolor(ink.paper)
    axis.axhline(0, color=ink.floor, linewidth=0.8)
    if headline.better == "one":
        axis.axhline(1, color=ink.floor, linewidth=1, zorder=1)
    axis.set_xlim(-0.6, len(groups) - 0.4)
