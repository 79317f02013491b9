"""Headings of the figures, and what to know when reading them."""

from __future__ import annotations

ENDPOINT, NARROW = "endpoint", "endpoint_narrow"
"""The figure that follows the answer, and how a phone shows it."""
CAPTIONS = {
    "film_strip": (
        "From beginning to end",
        "The first video of each choice, over its whole length.",
    ),
    "first_frames": (
        "Frame by frame",
        "The same videos from their first frame on, every second frame; what was given comes first.",
    ),
    "curves": (
        "Window by window",
        "Thin lines are trainings, bold ones their mean, the band its 95 % interval (of three trainings or more); "
        "dashed: real video through the VQGAN, without a transformer.",
    ),
    "rebuilt_strip": (
        "What the VQGAN gives back",
        "A held-out window and its reconstruction by each choice, first seed.",
    ),
    "reconstruction": (
        "How well it gives it back",
        "Held-out windows. Dots are trainings, bars their mean. Gradients: 1 is as sharp as real, below is blurred; "
        "noise and wrong edges raise them.",
    ),
    "time_agnosticity": (
        "Does a code depend on where in the clip it stands?",
        "No sampling involved. Dots are trainings, bars their mean.",
    ),
    "masks": (
        "Who may look at whom",
        "By latent frames of a gap. Left: share of pairs. Right: gradient from codes that sampling does not know yet.",
    ),
    "code_histogram": (
        "Which codes are used",
        "Grey: real videos. Lines: sampled ones.",
    ),
    "losses": ("Training", "One line per run."),
}
OF_FOLDERS = {
    "film_strip": ("From beginning to end", "The first video of each folder, over its whole length."),
    "first_frames": ("Frame by frame", "The same videos from their first frame on, every second frame."),
    "curves": ("Window by window", "One line per folder."),
}
"""Where folders of videos were measured, and nothing was trained."""


def caption_of(figure: str, trained: bool) -> tuple[str, str]:
    """Heading of a figure and what to know of it; a figure of bars of an unknown measure gets its name.

    Args:
        figure: its name.
        trained: whether trainings were compared, not folders of videos.
    """
    ones = "trainings, bars their mean" if trained else "folders"
    unknown = (figure.replace("_", " ").capitalize(), f"Dots are {ones}.")
    return (CAPTIONS if trained else OF_FOLDERS).get(figure, unknown)
