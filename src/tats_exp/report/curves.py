"""Figures of what is measured window by window."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from tats_exp.report.panel import add_legend, draw_floors, name_axes
from tats_exp.report.runs import Group, Run
from tats_exp.report.style import Ink, panels

# Key of a curve -> title and unit. A ratio to real is best at 1.
CURVES = {
    "codes/js_divergence": ("Code histogram against real codes", "JS divergence, nats"),
    "codes/perplexity": ("Code perplexity", "codes in use"),
    "drift/motion": ("Motion energy", "ratio to real"),
    "drift/contrast": ("Contrast", "ratio to real"),
    "drift/brightness": ("Brightness", "ratio to real"),
    "drift/saturation": ("Saturation", "ratio to real"),
    "drift/frozen": ("Frozen videos", "share of videos"),
}
# The same for metrics that a network gives, whose key ends in its name.
NETWORK_CURVES = {
    "fvd": ("FVD", "Fréchet distance"),
    "kvd": ("KVD", "MMD²"),
    "is": ("Inception score,", "score"),
    "ccs": ("Class of window 0 kept,", "share of videos"),
    "ics": ("Inception coherence,", "KL to window 0, nats"),
    "label": ("Class asked for kept,", "share of videos"),
}


def curves(groups: list[Group], ink: Ink) -> Figure | None:
    """Every metric over the windows of the sampled videos: thin lines seeds, bold their mean, band one std."""
    runs = [run for group in groups for run in group.runs]
    keys = list(dict.fromkeys(key for run in runs for key in run.curves))
    # Fréchet distances first: they are what the other curves explain.
    keys.sort(key=lambda key: not key.startswith("fvd/"))
    if not keys:
        return None
    figure, axes = panels(len(keys), 2, 2.5)
    for axis, key in zip(axes, keys, strict=True):
        for place, group in enumerate(groups):
            _curve(axis, group, key, place, ink)
        draw_floors(axis, key, runs, ink)
        title, unit = _named(key)
        if unit == "ratio to real":
            axis.axhline(1, color=ink.floor, linewidth=1, zorder=1)
        name_axes(axis, title, _window_axis(runs), unit)
        axis.xaxis.set_major_locator(MaxNLocator(integer=True))
        if key.startswith("fvd/"):
            axis.set_ylim(bottom=0)
    add_legend(figure, axes)
    return figure


def _named(key: str) -> tuple[str, str]:
    """Title and unit of a curve; those of a network's metrics name the network."""
    metric, _, network = key.partition("/")
    if metric in NETWORK_CURVES:
        title, unit = NETWORK_CURVES[metric]
        return f"{title} {network}", unit
    return CURVES.get(key, (key, ""))


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
