"""The film strip: one sampled video of every choice, at the same frames, down to the end of the video."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure

from tats_exp.report.runs import Group, Run
from tats_exp.report.style import Ink

FRAMES = 10
WIDTH = 10.0
LABEL_WIDTH = 1.3


def film_strip(groups: list[Group], ink: Ink) -> Figure | None:
    """Frames of the first sampled video of every choice (its first seed that has one), real frames on top.

    Args:
        groups: finished runs by combination of choices.
        ink: how it looks.
    """
    samples = [(group.short, ink.colour(place), _first(group.runs, "samples")) for place, group in enumerate(groups)]
    real = ("real video", ink.text, _first([run for group in groups for run in group.runs], "real"))
    strips = [(label, colour, strip) for label, colour, strip in [real, *samples] if strip is not None]
    if all(strip is None for _, _, strip in samples):
        return None
    cell = (WIDTH - LABEL_WIDTH) / FRAMES
    height = len(strips) * (cell + 0.16) + 0.3
    figure = Figure(figsize=(WIDTH, height))
    for row, (label, colour, (numbers, frames)) in enumerate(strips):
        bottom = height - 0.05 - (row + 1) * (cell + 0.16)
        middle = (bottom + cell / 2) / height
        figure.text(LABEL_WIDTH / WIDTH - 0.012, middle, label, ha="right", va="center", color=colour, weight="bold")
        for column, (number, frame) in enumerate(zip(numbers, frames, strict=True)):
            left = LABEL_WIDTH + column * cell
            axis = figure.add_axes((left / WIDTH, bottom / height, 0.94 * cell / WIDTH, 0.94 * cell / height))
            axis.imshow(frame, interpolation="nearest")
            axis.set_axis_off()
            axis.set_title(f"{number:,}", loc="left", fontsize=7.5, weight="normal", pad=1.5)
    figure.text(LABEL_WIDTH / WIDTH, 0.08 / height, "Small numbers: frame.", fontsize=8, color=ink.floor)
    return figure


def _first(runs: list[Run], video: str) -> tuple[list[int], list[np.ndarray]] | None:
    """Frame numbers and square frames of the leftmost video in the first readable file; None if there is none."""
    # Imported here: reading video needs the data package, and most reports are looked at, not made.
    from tats_exp.data.video_writer import read_video

    for path in (run.video(video) for run in runs):
        if path is None:
            continue
        try:
            frames = np.asarray(read_video(path))
        except (OSError, ValueError):
            continue
        if len(frames):
            numbers = np.linspace(0, len(frames) - 1, min(FRAMES, len(frames))).round().astype(int)
            side = frames.shape[1]
            return numbers.tolist(), [frames[number, :, :side] for number in numbers]
    return None
