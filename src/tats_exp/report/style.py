"""How figures look: one ink for paper, one for dark screens, colours that colour-blind readers tell apart."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib

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

    def path(self, folder: Path, figure: str) -> Path:
        """File of a figure in this look."""
        return folder / f"{figure}{'_' * bool(self.name)}{self.name}.png"

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
                "axes.titley": 1.0,
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


@dataclass(frozen=True)
class Chip:
    """A choice in its colour, as figures draw it; `colour` is a place in the palette."""

    text: str
    colour: int


def chips(texts: Iterable[str]) -> list[Chip]:
    """Choices in the colours of their places."""
    return [Chip(text, place % len(LIGHT.colours)) for place, text in enumerate(texts)]


LIGHT = Ink(
    name="",
    paper="#ffffff",
    text="#22262b",
    faint="#e3e6ea",
    floor="#767d86",
    colours=("#0072b2", "#d55e00", "#009e73", "#b5519a", "#bd8000", "#2f92c9", "#4b4f55"),
)
DARK = Ink(
    name="dark",
    paper="#16191d",
    text="#dfe3e8",
    faint="#2d3238",
    floor="#8d959f",
    colours=("#4aa8e8", "#ff8a3d", "#2fc79b", "#e08fc7", "#f0b93a", "#9bd3f5", "#c2c7ce"),
)


def settings() -> dict[str, Any]:
    """The user's own settings of matplotlib, on which those of an ink lie; but for the backend, which is looked for."""
    return {name: matplotlib.rcParams[name] for name in matplotlib.rcParams if name != "backend"}
