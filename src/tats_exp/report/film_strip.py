"""Film strips: one video of every choice at the same frames, of sampled videos and of reconstructions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import AxesImage

from tats_exp.data.decoder import read_video
from tats_exp.report.runs import Group, Run
from tats_exp.report.style import Ink

FRAMES = 10
WIDTH = 10.0
LABEL_WIDTH = 1.6
LETTERS = 18  # as many fit beside the frames


@dataclass(frozen=True)
class Strip:
    """A few frames of one video.

    Attributes:
        label: what it shows.
        group: place of its choice among all, None for the data.
        numbers: which frames.
        frames: the frames, square, uint8 (H, W, 3).
    """

    label: str
    group: int | None
    numbers: list[int]
    frames: list[np.ndarray]


def read_strips(groups: list[Group], steps: Sequence[int | None] = (None,)) -> list[list[Strip]]:
    """Frames of the data, then of every choice (its first seed with a readable video), once for each step.

    Args:
        groups: finished runs by combination of choices.
        steps: from one frame to the next, from the first on; None spreads them over the whole video.

    Returns:
        For each step its strips; [] if no choice has any.
    """
    samples = [_strips(group.label, place, group.runs, "samples", steps=steps) for place, group in enumerate(groups)]
    data = _strips("data", None, [run for group in groups for run in group.runs], "real", steps=steps)
    there = [strips for strips in samples if strips]
    read = [data, *there] if there and data else there
    return [[strips[number] for strips in read] for number in range(len(steps))]


def read_reconstructions(groups: list[Group]) -> list[Strip]:
    """Frames of a held-out window, then of what every choice made of it; [] if no choice shows any."""
    rebuilt = [_strips(group.label, place, group.runs, "reconstruction", row=1) for place, group in enumerate(groups)]
    data = _strips("data", None, [run for group in groups for run in group.runs], "reconstruction", row=0)
    strips = [strip for strips in rebuilt for strip in strips]
    return [*data, *strips] if strips and data else []


def film_strip(strips: list[Strip], ink: Ink) -> Figure | None:
    """One row of frames per strip, each with its frame number; None without strips.

    Args:
        strips: as read by `read_strips` or `read_reconstructions`.
        ink: how it looks.
    """
    if not strips:
        return None
    cell = (WIDTH - LABEL_WIDTH) / FRAMES
    height = len(strips) * (cell + 0.16) + 0.3
    figure = Figure(figsize=(WIDTH, height))
    axis = figure.add_axes((0, 0, 1, 1), xlim=(0, WIDTH), ylim=(0, height))  # in inches
    axis.set_axis_off()
    for row, strip in enumerate(strips):
        bottom = height - 0.05 - (row + 1) * (cell + 0.16)
        colour = ink.text if strip.group is None else ink.colour(strip.group)
        name = axis.text(LABEL_WIDTH - 0.12, bottom + cell / 2, _broken(strip.label), ha="right", va="center")
        name.set(color=colour, weight="bold")
        for column, (number, frame) in enumerate(zip(strip.numbers, strip.frames, strict=True)):
            left, side = LABEL_WIDTH + column * cell, 0.94 * cell
            place = (left, left + side, bottom, bottom + side)
            axis.add_image(_still(axis, frame, place))
            axis.text(left, bottom + side + 0.02, f"{number:,}", fontsize=7.5)
    axis.text(LABEL_WIDTH, 0.08, "Small numbers: frame.", fontsize=8, color=ink.floor)
    return figure


def _still(axis: Axes, frame: np.ndarray, extent: tuple[float, float, float, float]) -> AxesImage:
    """A frame as it is, pixel by pixel, at a place."""
    image = AxesImage(axis, interpolation="nearest", extent=extent, origin="upper")
    image.set_data(frame)
    return image


def _broken(label: str) -> str:
    """One choice to a line; a long one has its value on a line of its own."""
    return "\n".join(choice.replace("=", "=\n") if len(choice) > LETTERS else choice for choice in label.split(" "))


def _strips(
    label: str,
    group: int | None,
    runs: list[Run],
    video: str,
    row: int | None = None,
    steps: Sequence[int | None] = (None,),
) -> list[Strip]:
    """The leftmost video in the first readable file of that name, for each step; [] if there is none.

    Of a file that shows two rows of videos, `row` chooses one.
    """
    paths = [path for run in runs if (path := run.video(video)) is not None]
    if not paths:
        return []
    for path in paths:
        try:
            frames = read_video(path)
        except (OSError, ValueError):
            continue
        spread = np.linspace(0, len(frames) - 1, min(FRAMES, len(frames))).round().astype(int).tolist()
        side = frames.shape[1] if row is None else frames.shape[1] // 2
        top = side * (row or 0)
        shown = [list(range(0, len(frames), step))[:FRAMES] if step else spread for step in steps]
        places = ((numbers, [frames[number, top : top + side, :side] for number in numbers]) for numbers in shown)
        return [Strip(label, group, numbers, pictures) for numbers, pictures in places]
    return []
