"""The picture beside the answer as a figure of its own, for a README: a panel per choice."""

from __future__ import annotations

import base64
import io

import numpy as np
from matplotlib.figure import Figure
from PIL import Image

from tats_exp.report.panel import panels
from tats_exp.report.pictures import Picture
from tats_exp.report.style import Ink

ACROSS = 3
FEW = 8
"""Frames of a row whose numbers have room whatever they are."""
WIDTH, NARROWEST = 10.0, 5.0
"""Inches of the figure; less where few frames would be shown larger than an inch."""


def frames_figure(pictures: list[Picture], ink: Ink) -> Figure | None:
    """Videos (rows) of every choice at a few frames (columns); None where no run left a picture.

    Args:
        pictures: of the choices.
        ink: to draw with.
    """
    shown = [picture for picture in pictures if picture.frames]
    if not shown:
        return None
    across = min(ACROSS, len(shown))
    width = min(WIDTH, max(NARROWEST, 1.0 * across * max(picture.columns for picture in shown)))
    height = width / across * max(picture.rows / picture.columns for picture in shown)
    figure, axes = panels(len(shown), across, height + 0.6, width)  # for titles and numbers
    for axis, picture in zip(axes, shown, strict=True):
        with Image.open(io.BytesIO(base64.b64decode(picture.data))) as image:
            pixels = np.asarray(image.convert("RGB"))
        pixels = pixels[: len(pixels) * picture.rows // picture.of_all]
        axis.imshow(pixels, extent=(0, picture.columns, picture.rows, 0), interpolation="nearest", aspect="equal")
        axis.set_title(picture.choice.text, color=ink.colours[picture.choice.colour], fontweight="bold")
        small = 7.5 if picture.columns > FEW and max(picture.frames) >= 1000 else None  # or they run into one another
        axis.set_xticks([column + 0.5 for column in range(picture.columns)], map(str, picture.frames), fontsize=small)
        axis.set_yticks([])
        axis.xaxis.tick_top()
        for place in range(1, picture.columns):
            axis.axvline(place, color=ink.paper, linewidth=1)
        for place in range(1, picture.rows):
            axis.axhline(place, color=ink.paper, linewidth=1)
        axis.grid(visible=False)
        for spine in axis.spines.values():
            spine.set_visible(False)
    return figure
