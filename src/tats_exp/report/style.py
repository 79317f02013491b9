"""How figures look: one ink for paper, one for dark screens, colours that colour-blind readers tell apart."""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure

DASHES = ("-", (0, (5, 1.5)), (0, (1, 1)))


@dataclass(frozen=True)
class Ink:
    """Colours of one look.

    Attributes:
        name: suffix of the look in file names, "" for paper.
        paper: background.
        text: words and dots.
        faint: axes and grid.
        floor: lines that nothing need beat.
        colours: of the choices, in the order of Okabe and Ito's palette, brightened where the background is dark.
    """

    name: str
    paper: str
    text: str
    faint: str
    floor: str
    colours: tuple[str, ...]

    def colour(self, place: int) -> str:
        """Colour of the choice at a place; after the last one the palette starts again (dashes then differ)."""
        return self.colours[place % len(self.colours)]

    def dash(self, place: int) -> Any:
        """Line style of the choice at a place."""
        return DASHES[place // len(self.colours) % len(DASHES)]

    def apply(self) -> AbstractContextManager[None]:
        """Context in which matplotlib draws with this ink."""
        return matplotlib.rc_context(
            {
                "font.size": 9.5,
                "axes.titlesize": 10.5,
                "axes.titleweight": "bold",
                "axes.titlelocation": "left",
                "axes.titlepad": 8,
                "axes.labelsize": 9,
                "axes.spines.top": False,
                "axes.spines.right": False,
                "axes.grid": True,
                "axes.grid.axis": "y",
                "axes.axisbelow": True,
                "grid.linewidth": 0.6,
                "grid.color": self.faint,
                "axes.edgecolor": self.faint,
                "xtick.color": self.text,
                "ytick.color": self.text,
                "xtick.major.size": 0,
                "ytick.major.size": 0,
                "text.color": self.text,
                "axes.labelcolor": self.text,
                "axes.titlecolor": self.text,
                "figure.facecolor": self.paper,
                "axes.facecolor": self.paper,
                "legend.frameon": False,
            }
        )


LIGHT = Ink(
    name="",
    paper="#ffffff",
    text="#22262b",
    faint="#e3e6ea",
    floor="#767d86",
    colours=("#0072b2", "#d55e00", "#009e73", "#b5519a", "#c98a00", "#3f9fd4", "#4b4f55"),
)
DARK = Ink(
    name="dark",
    paper="#16191d",
    text="#dfe3e8",
    faint="#2d3238",
    floor="#8d959f",
    colours=("#4aa8e8", "#ff8a3d", "#2fc79b", "#e08fc7", "#f0b93a", "#9bd3f5", "#c2c7ce"),
)


def panels(count: int, columns: int, height: float, width: float = 10.0) -> tuple[Figure, list[Axes]]:
    """A figure with `count` panels in rows of `columns`, each `height` inches high."""
    columns = min(columns, count)
    rows = -(-count // columns)
    figure = Figure(figsize=(width, rows * height + 0.35), layout="constrained")
    axes = list(figure.subplots(rows, columns, squeeze=False).flat)
    for spare in axes[count:]:
        spare.set_axis_off()
    return figure, axes[:count]


def save(figure: Figure, path: Path) -> None:
    """Write a PNG sharp enough for screens with two dots per pixel."""
    figure.savefig(path, dpi=160)
