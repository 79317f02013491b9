"""The videos of the page: real clips once, then for every seed the sampled videos of all choices side by side."""

from __future__ import annotations

import base64
from dataclasses import dataclass, field
from pathlib import Path

import av

from tats_exp.report.runs import Group, natural
from tats_exp.report.style import Chip, chips
from tats_exp.run_folder import Told
from tats_exp.run_folder.pictures import SHOWN_VIDEOS, SOUND

# A page that grows past this is no longer one that is mailed or opened at a glance.
EMBED_BYTES = 48_000_000

_NOTHING = Told()
_SOUNDING = [f"{SOUND}_{number}" for number in range(1, SHOWN_VIDEOS + 1)]


@dataclass(frozen=True)
class Film:
    """One video: its MP4 in base64, what it shows in words or as a choice in its colour, and what it was asked for."""

    data: str
    caption: str | Chip
    told: Told = field(default_factory=Told)


@dataclass(frozen=True)
class Films:
    """Videos in a grid, one row per seed, with one player for all of them.

    Attributes:
        sampled: seed -> a video of each choice.
        sounding: sampled videos with the sound that they were made for, of each choice, of the first seed.
        real: a video of the data, at most one.
        rebuilt: reconstructions by each choice, of the first seed.
        first_seed: that seed.
        windows: how many windows the longest of the videos have.
        rate: frames a second of the first of them; 0 if it cannot be read.
        left_out: videos that no longer fitted.
    """

    sampled: dict[str, list[Film]]
    sounding: list[Film]
    real: list[Film]
    rebuilt: list[Film]
    first_seed: str
    windows: int
    rate: float
    left_out: int


def films_of(groups: list[Group], limit: int = EMBED_BYTES) -> Films | None:
    """Gather the videos of the runs, ready to be embedded.

    Args:
        groups: finished runs by combination of choices.
        limit: bytes of video to embed; what no longer fits is counted, never dropped in silence.

    Returns:
        None if no run sampled a video that fits.
    """
    runs = [run for group in groups for run in group.runs]
    seeds = sorted({run.seed for run in runs}, key=natural)
    embedder = _Embedder(limit)
    sampled = {seed: _by_choice(groups, seed, "samples", embedder) for seed in seeds}
    if not any(sampled.values()):
        return None
    real = next((path for run in runs if (path := run.video("real")) is not None), None)
    return Films(
        sampled=sampled,
        sounding=[film for name in _SOUNDING for film in _by_choice(groups, seeds[0], name, embedder)],
        real=embedder.films(real, "real video, never through a model"),
        rebuilt=_by_choice(groups, seeds[0], "reconstruction", embedder),
        first_seed=seeds[0],
        windows=max((len(curve) for run in runs for curve in run.curves.values()), default=0),
        rate=_rate(next(path for run in runs if (path := run.video("samples")) is not None)),
        left_out=embedder.left_out,
    )


def _rate(path: Path) -> float:
    try:
        with av.open(str(path)) as container:
            return float(container.streams.video[0].average_rate or 0)
    except (OSError, ValueError, IndexError):
        return 0.0


class _Embedder:
    """Reads video files until the limit is reached."""

    def __init__(self, limit: int) -> None:
        self.left = limit
        self.left_out = 0

    def films(self, path: Path | None, caption: str | Chip, told: Told = _NOTHING) -> list[Film]:
        """The video in a file; none where there is no file, or once the page is full."""
        if path is None:
            return []
        size = path.stat().st_size
        if size > self.left:
            self.left_out += 1
            return []
        self.left -= size
        return [Film(base64.b64encode(path.read_bytes()).decode(), caption, told)]


def _by_choice(groups: list[Group], seed: str, video: str, embedder: _Embedder) -> list[Film]:
    films = []
    for group, caption in zip(groups, chips(group.label for group in groups), strict=True):
        run = next((run for run in group.runs if run.seed == seed), None)
        if run is not None:
            films += embedder.films(run.video(video), caption, _told(run.told, video))
    return films


def _told(told: Told, video: str) -> Told:
    """What is shown in one file was asked for."""
    if video in _SOUNDING:
        number = _SOUNDING.index(video)
        return Told(asked=told.asked[number : number + 1])
    return told if video == "samples" else _NOTHING
