"""What the panels of several figures share: their places, floors, labels and a legend; and how a figure is written."""

from __future__ import annotations

from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine

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


def panels(count: int, columns: int, height: float, width: float = 10.0) -> tuple[Figure, list[Axes]]:
    """A figure with `count` panels in rows of `columns`, each `height` inches high; in pairs, an odd first is wide."""
    columns = min(columns, count)
    wide = columns == 2 and count % 2 == 1
    rows = -(-count // columns)
    # Padded so that the title of a panel stays clear of the axis label of the panel above.
    layout = ConstrainedLayoutEngine(h_pad=0.1, w_pad=0.08)
    figure = Figure(figsize=(width, rows * height + 0.35), layout=layout)
    grid = figure.add_gridspec(rows, columns)
    places = [grid[cell // columns, cell % columns] for cell in range(rows * columns)]
    if wide:
        places = [grid[0, :], *places[2:]]
    return figure, [figure.add_subplot(place) for place in places[:count]]


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


def lay_out_as(figure: Figure, other: Figure) -> None:
    """Give panels the places that they have in a drawn figure of the same panels: to find them is half the work."""
    figure.set_layout_engine("none")
    for panel, there in zip(figure.axes, other.axes, strict=True):
        panel.set_position(there.get_position())


def save(figure: Figure, path: Path) -> None:
    """Write a PNG sharp enough for screens with two dots per pixel."""
    figure.savefig(path, dpi=160)
