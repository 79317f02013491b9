"""What the panels of several figures share: floors, labels and a legend."""

from __future__ import annotations

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from tats_exp.report.runs import Group
from tats_exp.report.style import Ink
from tats_exp.report.tables import floor_cell, floors_of_choices

FLOOR_NAMES = {
    "real": "floor: real vs real",
    "rebuilt": "floor: rebuilt vs rebuilt",
    "reconstruction": "rebuilt vs real",
    "chance": "chance",
    "ceiling": "ceiling: real video",
}
FLOOR_DASHES = {
    "real": (0, (4, 2)),
    "rebuilt": (0, (2, 2)),
    "reconstruction": (0, (1, 1.5)),
    "chance": (0, (6, 1.5, 1.5, 1.5)),
    "ceiling": (0, (8, 2)),
}


def draw_floors(axis: Axes, key: str, groups: list[Group], ink: Ink) -> None:
    """A line for every floor that the runs have of a metric; where each choice has one of its own, in their colours."""
    runs = [run for group in groups for run in group.runs]
    for kind, name in FLOOR_NAMES.items():
        floor, of_choices = floor_cell(kind, key, runs).mean, floors_of_choices(kind, key, groups)
        if of_choices is not None:
            axis.plot([], [], color=ink.floor, linestyle=FLOOR_DASHES[kind], linewidth=1.2, label=f"{name}, by choice")
            for place, one in enumerate(of_choices):
                axis.axhline(one, color=ink.colour(place), linestyle=FLOOR_DASHES[kind], linewidth=1.2, zorder=1)
        elif floor is not None:
            axis.axhline(floor, color=ink.floor, linestyle=FLOOR_DASHES[kind], linewidth=1.2, label=name, zorder=1)


def name_axes(axis: Axes, title: str, x: str, y: str) -> None:
    """Title, and what either axis shows."""
    axis.set_title(title)
    axis.set_xlabel(x)
    axis.set_ylabel(y)


def add_legend(figure: Figure, axes: list[Axes]) -> None:
    """One legend above all panels, each name once."""
    entries = {
        label: handle
        for axis in axes
        for handle, label in zip(*axis.get_legend_handles_labels(), strict=True)
        if not label.startswith("_")
    }
    if entries:
        letters = int(12 * figure.get_figwidth())  # that fit beside each other
        columns = max(1, letters // (6 + max(map(len, entries))))
        figure.legend(entries.values(), entries.keys(), loc="outside upper left", ncols=columns)
