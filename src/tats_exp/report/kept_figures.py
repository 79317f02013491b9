"""Figures that were drawn before are copied: they are kept by all that is drawn, and by the code that draws it.

They lie in `figures` in the user's cache folder, or where `TATS_EXP_FIGURES` says. To draw takes most of the time of a
report, and a run that is found in the store is reported on again.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from functools import cache
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory

import matplotlib

from tats_exp import UserError
from tats_exp.files import cache_folder, sha256
from tats_exp.report.runs import Group, Run
from tats_exp.report.style import DARK, LIGHT
from tats_exp.run_folder import VIDEOS

KEPT = "TATS_EXP_FIGURES"
"""Environment variable with the folder to keep them in."""
LIMIT = 200_000_000
"""Bytes that are kept; what was not used for longest goes first."""
LIST = "figures.json"
DRAWN_BY = ("data", "report", "run_folder")
"""Parts of this package whose code decides how a figure looks."""
DRAWN_WITH = ("av", "matplotlib", "numpy", "pillow", "scipy")


def figures_of(groups: list[Group], folder: Path, side_by_side: bool = False) -> dict[str, tuple[Path, Path]]:
    """Every figure that the runs allow, copied if it was drawn before and drawn if not.

    Args:
        groups: as in `draw_figures`, as are the others and what is returned.
        folder: where the PNGs go; made if need be.
        side_by_side: draw in two processes.
    """
    groups = [replace(group, runs=[_as_drawn(run) for run in group.runs]) for group in groups]
    place = _place(groups)
    folder.mkdir(parents=True, exist_ok=True)
    names = _copied(place, folder) if place is not None else None
    if names is None:
        from tats_exp.report.figures import draw_figures  # most of matplotlib comes with it

        names = list(draw_figures(groups, folder, side_by_side))
        if place is not None:
            _keep(place, folder, names)
    return {name: (LIGHT.path(folder, name), DARK.path(folder, name)) for name in names}


def _as_drawn(run: Run) -> Run:
    """A run without what no figure shows, and what differs between two runs that came to the same."""
    return replace(run, name="", seconds={}, reused=(), stages={}, version={}, record=None)


def _place(groups: list[Group]) -> Path | None:
    """Where the figures of these runs are kept; None where nothing can be kept."""
    try:
        kept = os.environ.get(KEPT) or cache_folder() / "figures"
        return Path(kept) / _key(groups)
    except (OSError, UserError):
        return None


def _key(groups: list[Group]) -> str:
    """A hash of the runs as they are drawn, wherever they lie, of their videos and pictures, and of what draws them."""
    nowhere = [replace(group, runs=[replace(run, folder=Path()) for run in group.runs]) for group in groups]
    pictures = [list(_sums(run.folder / VIDEOS)) for group in groups for run in group.runs]
    look = [(name, matplotlib.rcParams[name]) for name in matplotlib.rcParams if name != "backend"]  # is looked for
    return hashlib.sha256(repr((nowhere, pictures, look, _code())).encode()).hexdigest()[:20]


def _sums(folder: Path) -> Iterator[tuple[str, str]]:
    return ((path.name, sha256(path)) for path in sorted(folder.glob("*")) if path.is_file())


@cache
def _code() -> str:
    """A hash of the code that draws, and of the versions of the packages that it draws with."""
    found = hashlib.sha256(repr([version(name) for name in DRAWN_WITH]).encode())
    package = Path(__file__).parents[1]
    for path in sorted(path for part in DRAWN_BY for path in (package / part).rglob("*.py")):
        found.update(path.read_bytes())
    return found.hexdigest()


def _copied(place: Path, folder: Path) -> list[str] | None:
    """Copy what is kept; returns the names of the figures, None where they are not there or not whole."""
    try:
        listed = json.loads((place / LIST).read_text())
        pngs = {path.name: path.read_bytes() for path in place.glob("*.png")}
        if {name: hashlib.sha256(png).hexdigest() for name, png in pngs.items()} != listed["sums"]:
            return None
        for name, png in pngs.items():
            (folder / name).write_bytes(png)
        os.utime(place)
        return [str(name) for name in listed["names"]]
    except (OSError, ValueError, TypeError, KeyError):
        return None


def _keep(place: Path, folder: Path, names: list[str]) -> None:
    """Keep what was drawn, as far as there is room for it."""
    with suppress(OSError):
        place.parent.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(dir=place.parent) as temporary:
            copies = Path(temporary) / place.name
            copies.mkdir()
            for path in folder.glob("*.png"):
                shutil.copyfile(path, copies / path.name)
            sums = {path.name: sha256(path) for path in copies.glob("*.png")}
            (copies / LIST).write_text(json.dumps({"names": names, "sums": sums}))
            shutil.rmtree(place, ignore_errors=True)  # damaged
            copies.rename(place)
        _make_room(place.parent)


def _make_room(kept: Path) -> None:
    """Delete what was not used for longest, down to what may be kept."""
    folders = sorted((path for path in kept.iterdir() if path.is_dir()), key=lambda path: -path.stat().st_mtime)
    total = 0
    for folder in folders:
        total += sum(path.stat().st_size for path in folder.rglob("*"))
        if total > LIMIT:
            shutil.rmtree(folder, ignore_errors=True)
