"""Film strips: one video of every choice at the same frames, of sampled videos and of reconstructions."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure

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


def read_strips(groups: list[Group], step: int | None = None) -> list[Strip]:
    """Frames of the data, then of every choice (its first seed with a readable video); [] if no choice has any.

    Args:
        groups: finished runs by combination of choices.
        step: from one frame to the next, from the first on; None spreads them over the whole video.
    """
    samples = [_strip(group.label, place, group.runs, "samples", step=step) for place, group in enumerate(groups)]
    data = _strip("data", None, [run for group in groups for run in group.runs], "real", step=step)
    strips = [strip for strip in samples if strip is not None]
    return [data, *strips] if strips and data is not None else strips


def read_reconstructions(groups: list[Group]) -> list[Strip]:
    """Frames of a held-out window, then of what every choice made of it; [] if no choice shows any."""
    rebuilt = [_strip(group.label, place, group.runs, "reconstruction", row=1) for place, group in enumerate(groups)]
    data = _strip("data", None, [run for group in groups for run in group.runs], "reconstruction", row=0)
    strips = [strip for strip in rebuilt if strip is not None]
    return [data, *strips] if strips and data is not None else []


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
    for row, strip in enumerate(strips):
        bottom = height - 0.05 - (row + 1) * (cell + 0.16)
        middle = (bottom + cell / 2) / height
        name = figure.text(LABEL_WIDTH / WIDTH - 0.012, middle, _broken(strip.label), ha="right", va="center")
        name.set(color=ink.text if strip.group is None else ink.colour(strip.group), weight="bold")
        for column, (number, frame) in enumerate(zip(strip.numbers, strip.frames, strict=True)):
            left = LABEL_WIDTH + column * cell
            axis = figure.add_axes((left / WIDTH, bottom / height, 0.94 * cell / WIDTH, 0.94 * cell / height))
            axis.imshow(frame, interpolation="nearest")
            axis.set_axis_off()
            axis.set_title(f"{number:,}", loc="left", fontsize=7.5, weight="normal", pad=1.5)
    figure.text(LABEL_WIDTH / WIDTH, 0.08 / height, "Small numbers: frame.", fontsize=8, color=ink.floor)
    return figure


def _broken(label: str) -> str:
    """One choice to a line; a long one has its value on a line of its own."""
    return "\n".join(choice.replace("=", "=\n") if len(choice) > LETTERS else choice for choice in label.split(" "))


def _strip(
    label: str, group: int | None, runs: list[Run], video: str, row: int | None = None, step: int | None = None
) -> Strip | None:
    """The leftmost video in the first readable file of that name; None if there is none.

    Of a file that shows two rows of videos, `row` chooses one.
    """
    paths = [path for run in runs if (path := run.video(video)) is not None]
    if not paths:
        return None
    # Not before it is needed: torch comes with it, and a report of runs without videos does without.
    from tats_exp.data.video_writer import read_video

    for path in paths:
        try:
            frames = read_video(path)
        except (OSError, ValueError):
            continue
        spread = np.linspace(0, len(frames) - 1, min(FRAMES, len(frames))).round().astype(int).tolist()
        numbers = list(range(0, len(frames), step))[:FRAMES] if step else spread
        side = frames.shape[1] if row is None else frames.shape[1] // 2
        top = side * (row or 0)
        return Strip(label, group, numbers, [frames[number, top : top + side, :side] for number in numbers])
    return None
