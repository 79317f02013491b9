"""Draw the pictures of docs/concepts.md: `python docs/draw.py`, from the masks and windows as the code has them."""

from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from tats_exp.transformer.masks import visible_blocks

matplotlib.rcParams.update({"svg.hashsalt": "tats_exp", "svg.fonttype": "none", "font.size": 9})
PICTURES = Path(__file__).resolve().parent / "pictures"
BLUE, ORANGE, GREY, PALE = "#0072b2", "#e69f00", "#999999", "#e8eef4"
WINDOW = 4
GAP = ["start", "anchor", "1", "2", "3", "anchor"]


def box(axis: Axes, left: float, top: float, colour: str, text: str = "", hatched: bool = False) -> None:
    """One latent frame."""
    edge = "white" if colour == BLUE else GREY
    hatch = "///" if hatched else None
    axis.add_patch(Rectangle((left + 0.06, -top - 0.9), 0.88, 0.8, facecolor=colour, edgecolor=edge, hatch=hatch))
    ink = "white" if colour == BLUE else "black"
    behind = {"boxstyle": "round,pad=0.15", "facecolor": colour, "edgecolor": "none"} if text else None
    axis.text(left + 0.5, -top - 0.5, text, ha="center", va="center", color=ink, bbox=behind)


def note(axis: Axes, top: float, text: str) -> None:
    """Words to the left of a row."""
    axis.text(-0.3, -top - 0.5, text, ha="right", va="center")


def blank(width: float, height: float, columns: float, rows: float) -> tuple[Figure, Axes]:
    """A figure without axes, with room for words on the left."""
    figure = Figure(figsize=(width, height), layout="constrained", facecolor="white")
    axis = figure.add_subplot()
    axis.set(xlim=(-5.2, columns + 0.2), ylim=(-rows - 0.1, 0.1), aspect="equal")
    axis.axis("off")
    return figure, axis


def sliding() -> Figure:
    """Codes of an edge, and where a sliding window takes them."""
    figure, axis = blank(8.2, 3.9, 9, 6.4)
    for place in range(WINDOW):
        box(axis, place, 0, PALE, str(place + 1), hatched=place in (0, WINDOW - 1))
    note(axis, 0, "a clip of the training, encoded alone")
    axis.text(WINDOW + 0.3, -0.5, "hatched: codes as they are beside padding", va="center", color=GREY)
    for slide in range(4):
        top, last = 1.5 + 1.2 * slide, slide + WINDOW - 1
        for place in range(last + 1):
            drawn, passed = slide == 0 or place == last, place < slide
            colour = BLUE if drawn else "white" if passed else PALE
            box(axis, place, top, colour, str(place + 1), hatched=place == 0 or place >= WINDOW - 1)
        note(axis, top, "the first window is drawn" if slide == 0 else f"it slides by one: {last + 1} is drawn")
    axis.text(7.3, -5.6, "a window of edges alone:\ntraining has none", va="center", color=GREY)
    return figure


def hierarchy() -> Figure:
    """Key frames first, then the gaps."""
    figure, axis = blank(8.2, 1.9, 13, 2.6)
    for place in range(13):
        key = place % 4 == 0
        box(axis, place, 0, BLUE if key else "white", str(place + 1) if key else "")
        box(axis, place, 1.4, PALE if key else ORANGE, str(place + 1))
    note(axis, 0, "1. key frames, by a sliding window")
    note(axis, 1.4, "2. all gaps between them at once")
    return figure


def masks() -> Figure:
    """Who sees whom in a gap of three latent frames."""
    figure = Figure(figsize=(8.2, 3.0), layout="constrained", facecolor="white")
    for axis, mask in zip(figure.subplots(1, 3), ("a", "b", "c"), strict=True):
        seen = np.asarray(visible_blocks(mask, 1, (len(GAP) - 1, 1, 2)))
        axis.imshow(seen, cmap="Blues", vmin=0, vmax=1.2)
        axis.set_xticks(range(len(GAP)), GAP, rotation=60)
        axis.set_yticks(range(len(GAP)), GAP)
        axis.set_title(f"mask {mask}")
        if mask == "b":
            axis.add_patch(Rectangle((1.5, 4.5), 3, 1, fill=False, edgecolor=ORANGE, linewidth=2.5))
    return figure


def main() -> None:
    """Write the pictures."""
    for draw in (sliding, hierarchy, masks):
        draw().savefig(PICTURES / f"{draw.__name__}.svg", metadata={"Date": None})


if __name__ == "__main__":
    main()
