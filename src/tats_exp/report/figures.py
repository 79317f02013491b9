"""Figures of a sweep: every seed visible, floors drawn, axes with units.

Each function draws one figure from the finished runs and returns None where the runs left nothing to draw.
"""

from __future__ import annotations

import math
import re
import statistics
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from tats_exp.columns import Column
from tats_exp.report.columns import curve_columns, table_columns
from tats_exp.report.film_strip import film_strip, read_reconstructions, read_strips
from tats_exp.report.masks import masks
from tats_exp.report.runs import Group, Run
from tats_exp.report.style import DARK, LIGHT, Ink, panels, save
from tats_exp.report.tables import floor_cell

FLOOR_NAMES = {"real": "real vs real", "reconstruction": "reconstruction vs real", "chance": "chance"}
FLOOR_DASHES = {"real": (0, (4, 2)), "reconstruction": (0, (1, 1.5)), "chance": (0, (4, 2))}
LOSS_PANELS = 12
LETTERS = 40
"""Letters of one choice that fit into a figure."""


def draw_figures(groups: list[Group], folder: Path) -> dict[str, tuple[Path, Path]]:
    """Draw every figure the runs allow, on paper (`name.png`) and for dark screens (`name_dark.png`).

    Args:
        groups: finished runs by combination of choices.
        folder: where the PNGs go; made if need be.

    Returns:
        Name -> (light PNG, dark PNG), in reading order.
    """
    folder.mkdir(parents=True, exist_ok=True)
    groups = [replace(group, label=_brief(group.label), short=_brief(group.short)) for group in groups]
    strips, beginnings, rebuilt = read_strips(groups), read_strips(groups, step=2), read_reconstructions(groups)
    drawings: dict[str, Callable[[list[Group], Ink], Figure | None]] = {
        "film_strip": lambda _, ink: film_strip(strips, ink),
        "first_frames": lambda _, ink: film_strip(beginnings, ink),
        "curves": curves,
        "rebuilt_strip": lambda _, ink: film_strip(rebuilt, ink),
        **{name: partial(bars, name=name) for name in _bar_figures(groups)},
        "masks": masks,
        "code_histogram": code_histogram,
        "losses": losses,
    }
    drawn = {}
    for name, draw in drawings.items():
        paths = folder / f"{name}.png", folder / f"{name}_dark.png"
        for path, ink in zip(paths, (LIGHT, DARK), strict=True):
            with ink.apply():
                figure = draw(groups, ink)
                if figure is not None:
                    save(figure, path)
                    drawn[name] = paths
    return drawn


def _brief(text: str) -> str:
    """Choices without the middle of long ones, such as paths, which would leave no room for what is drawn."""
    return re.sub(rf"\S{{{LETTERS + 1},}}", lambda found: f"{found[0][:14]}…{found[0][15 - LETTERS :]}", text)


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
        _floor_lines(axis, column.key, runs, ink)
        if column.better == "one":
            axis.axhline(1, color=ink.floor, linewidth=1, zorder=1)
        _label(axis, " ".join(column.title).strip(), _window_axis(runs), column.unit)
        axis.xaxis.set_major_locator(MaxNLocator(integer=True))
        if column.floored:
            axis.set_ylim(bottom=0)
    _legend(figure, axes)
    return figure


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
        _label(axis, title, "code, by rank among real codes", "share of codes, %")
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
        _label(axis, key if key.startswith(("train/", "val/")) else f"{stage}: {key}", "step", "")
    _legend(figure, axes)
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


def _bar_figures(groups: list[Group]) -> list[str]:
    """Names of the figures of bars that the columns of the runs ask for."""
    columns = table_columns([run for group in groups for run in group.runs])
    return list(dict.fromkeys(column.figure for column in columns if column.figure))


def bars(groups: list[Group], ink: Ink, name: str) -> Figure | None:
    """Values as bars with a dot per seed, the floors as lines: one panel per column that asks for this figure."""
    beside = BESIDE.get(name)
    runs = [run for group in groups for run in group.runs]
    shown = [column for column in table_columns(runs) if column.figure == name]
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
        _floor_lines(axis, column.key, runs, ink)
        title = " ".join(column.title)
        _label(axis, f"{title}  {column.arrow}".strip(), "", column.unit)
    _legend(figure, axes)
    return figure


def _error_by_frame(axis: Axes, groups: list[Group], ink: Ink) -> None:
    """L1 error over the frames of a window, mean of all seeds: where padding shows, its ends rise."""
    for place, group in enumerate(groups):
        series = [errors for run in group.runs if (errors := _by_frame(run))]
        if series:
            mean = [statistics.fmean(errors) for errors in zip(*series, strict=False)]
            axis.plot(mean, color=ink.colour(place), linestyle=ink.dash(place), linewidth=1.8, label=group.label)
    axis.set_ylim(bottom=0)
    _label(axis, "Error by place in the window", "frame", "L1, share of the grey range")


def _by_frame(run: Run) -> list[float]:
    keys = (f"val/vqgan/l1/frame_{frame}" for frame in range(len(run.values)))
    return [value for key in keys if (value := run.values.get(key)) is not None]


BESIDE = {"reconstruction": _error_by_frame}
"""What one more panel of a figure of bars shows."""


def _bar_panel(axis: Axes, column: Column, groups: list[Group], ink: Ink) -> None:
    for place, group in enumerate(groups):
        numbers = [number for number in column.numbers(group.values(column.key)) if math.isfinite(number)]
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


def _floor_lines(axis: Axes, key: str, runs: list[Run], ink: Ink) -> None:
    for kind, name in FLOOR_NAMES.items():
        floor = floor_cell(kind, key, runs).mean
        if floor is not None:
            axis.axhline(floor, color=ink.floor, linestyle=FLOOR_DASHES[kind], linewidth=1.2, label=name, zorder=1)


def _window_axis(runs: list[Run]) -> str:
    frames = next((run.protocol["clip_length"] for run in runs if "clip_length" in run.protocol), None)
    return f"window of {frames} frames" if frames else "window"


def _label(axis: Axes, title: str, x: str, y: str) -> None:
    axis.set_title(title)
    axis.set_xlabel(x)
    axis.set_ylabel(y)


def _legend(figure: Figure, axes: list[Axes]) -> None:
    entries = {
        label: handle
        for axis in axes
        for handle, label in zip(*axis.get_legend_handles_labels(), strict=True)
        if not label.startswith("_")
    }
    if entries:
        columns = max(1, 120 // (6 + max(map(len, entries))))  # some 120 letters fit beside each other
        figure.legend(entries.values(), entries.keys(), loc="outside upper left", ncols=columns)
