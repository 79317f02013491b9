"""The videos of the page: real clips once, then for every seed the sampled videos of all choices side by side."""

from __future__ import annotations

import base64
from html import escape
from pathlib import Path

from tats_exp.report.runs import Group, Run, natural

# A page that grows past this is no longer one that is mailed or opened at a glance.
EMBED_BYTES = 48_000_000


def videos_section(groups: list[Group], names: list[str], limit: int = EMBED_BYTES) -> str:
    """Videos in a grid, one row per seed, with one player for all of them.

    Args:
        groups: finished runs by combination of choices.
        names: HTML that names each group.
        limit: bytes of video to embed; what no longer fits is counted on the page, never dropped in silence.

    Returns:
        A section, or "" if no run made a video.
    """
    runs = [run for group in groups for run in group.runs]
    seeds = sorted({run.seed for run in runs}, key=natural)
    embed = _Embedder(limit)
    rows = [_row(groups, names, seed, "samples", "sampled", embed) for seed in seeds]
    if not any(rows):
        return ""
    real = next((path for run in runs if (path := run.video("real")) is not None), None)
    first = _grid("the data", embed.figure(real, "real video, never through a model") if real else "")
    reconstructions = _row(groups, names, seeds[0], "reconstruction", "real above, reconstructed below", embed)
    left = f'<p class="note">{embed.left_out} more videos are left out of this page; they lie in the run folders.</p>'
    windows = max((len(curve) for run in runs for curve in run.curves.values()), default=0)
    return (
        "<section><h2>Sampled videos, side by side</h2>"
        '<p class="note">All on one clock: drag to see how the videos hold up as the window slides on.</p>'
        f'<div class="player" data-windows="{windows}"><button type="button">Pause</button>'
        '<input type="range" min="0" max="1" step="0.001" value="0" aria-label="place in the videos">'
        f"<output></output></div>{''.join(rows)}{first}{reconstructions}{left if embed.left_out else ''}</section>"
    )


class _Embedder:
    """Turns video files into figures until the limit is reached."""

    def __init__(self, limit: int) -> None:
        self.left = limit
        self.left_out = 0

    def figure(self, path: Path, caption: str) -> str:
        """One video with its caption; "" once the page is full. The caption is HTML."""
        size = path.stat().st_size
        if size > self.left:
            self.left_out += 1
            return ""
        self.left -= size
        data = base64.b64encode(path.read_bytes()).decode()
        video = f'<video src="data:video/mp4;base64,{data}" autoplay loop muted playsinline></video>'
        return f"<figure>{video}<figcaption>{caption}</figcaption></figure>"


def _row(groups: list[Group], names: list[str], seed: str, video: str, what: str, embed: _Embedder) -> str:
    cells = ""
    for group, name in zip(groups, names, strict=True):
        run: Run | None = next((run for run in group.runs if run.seed == seed), None)
        path = run.video(video) if run is not None else None
        cells += embed.figure(path, name) if path is not None else ""
    return _grid(f"{what}, seed {escape(seed)}" if seed else what, cells)


def _grid(heading: str, cells: str) -> str:
    return f'<h3>{heading}</h3><div class="videos">{cells}</div>' if cells else ""
