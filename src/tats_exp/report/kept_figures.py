"""Figures that were drawn before are copied: they are kept by all that is drawn, and by the code that draws it.

They lie in `figures` in the user's cache folder, or where `TATS_EXP_FIGURES` says. To draw takes most of the time of a
report, and a run that is found in the store is reported on again. Nothing is kept while code that draws is newer than
this process, which may run the older.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory

from tats_exp import UserError
from tats_exp.files import cache_folder, sha256
from tats_exp.report.runs import Group, Run
from tats_exp.report.style import DARK, LIGHT, settings
from tats_exp.run_folder import VIDEOS

KEPT = "TATS_EXP_FIGURES"
"""Environment variable with the folder to keep them in."""
LIMIT = 200_000_000
"""Bytes that are kept; what was not used for longest goes first."""
LIST = "figures.json"
OURS = re.compile(r"[0-9a-f]{20}(\..*\.tmp)?")
"""Names of the folders that figures are kept in, and are written to before that."""
DRAWN_BY = ("data", "report", "run_folder")
"""Parts of this package whose code decides how a figure looks."""
DRAWN_WITH = ("av", "matplotlib", "numpy", "pillow", "scipy")
LOADED = time.time()


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

        with TemporaryDirectory(prefix=".figures.", suffix=".tmp", dir=folder.parent) as temporary:
            drawn = Path(temporary)  # where no other report draws
            names = list(draw_figures(groups, drawn, side_by_side))
            if place is not None:
                _keep(place, drawn, names)
            for path in drawn.glob("*.png"):
                path.replace(folder / path.name)
    return {name: (LIGHT.path(folder, name), DARK.path(folder, name)) for name in names}


def _as_drawn(run: Run) -> Run:
    """A run without what no figure shows: its name, how long it took, what it found, where it is recorded."""
    return replace(run, name="", seconds={}, reused=(), stages={}, version={}, record=None)


def _place(groups: list[Group]) -> Path | None:
    """Where the figures of these runs are kept; None where nothing can be kept."""
    try:
        kept = os.environ.get(KEPT) or cache_folder() / "figures"
        return Path(kept).expanduser() / _key(groups)
    except (OSError, RuntimeError, ImportError, UserError):
        return None


def _key(groups: list[Group]) -> str:
    """A hash of the runs as they are drawn, wherever they lie, of their videos and pictures, and of what draws them."""
    nowhere = [replace(group, runs=[replace(run, folder=Path()) for run in group.runs]) for group in groups]
    pictures = [list(_sums(run.folder / VIDEOS)) for group in groups for run in group.runs]
    return hashlib.sha256(repr((nowhere, pictures, settings(), _code())).encode()).hexdigest()[:20]


def _sums(folder: Path) -> Iterator[tuple[str, str]]:
    return ((path.name, sha256(path)) for path in sorted(folder.glob("*")) if path.is_file())


def _code(package: Path = Path(__file__).parents[1]) -> str:
    """A hash of the code that draws, and of the versions of the packages that it draws with.

    Raises:
        OSError: the code is not to be had, or it is newer than this process.
    """
    found = hashlib.sha256(repr([version(name) for name in DRAWN_WITH]).encode())
    paths = sorted(path for part in DRAWN_BY for path in (package / part).rglob("*.py"))
    if not paths or max(path.stat().st_mtime for path in paths) > LOADED:
        raise OSError("not the code that is run")
    for path in paths:
        found.update(path.read_bytes())
    return found.hexdigest()


def _copied(place: Path, folder: Path) -> list[str] | None:
    """Copy what is kept; returns the names of the figures, None where they are not there or not whole."""
    try:
        listed = json.loads((place / LIST).read_text())
        names = [str(name) for name in listed["names"]]
        pngs = {path.name: path.read_bytes() for path in place.glob("*.png")}
        whole = {name: hashlib.sha256(png).hexdigest() for name, png in pngs.items()} == listed["sums"]
        if not whole or not pngs.keys() >= {str(ink.path(Path(), name)) for name in names for ink in (LIGHT, DARK)}:
            return None
        for name, png in pngs.items():
            (folder / name).write_bytes(png)
    except (OSError, ValueError, TypeError, KeyError, RecursionError):
        return None
    with suppress(OSError):
        os.utime(place)
    return names


def _keep(place: Path, folder: Path, names: list[str]) -> None:
    """Keep what was drawn, as far as there is room for it."""
    with suppress(OSError):
        place.parent.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(prefix=f"{place.name}.", suffix=".tmp", dir=place.parent) as temporary:
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
    """Delete what was not used for longest, down to what may be kept; what else lies there is nobody's business."""
    folders = [path for path in kept.iterdir() if OURS.fullmatch(path.name) and path.is_dir()]
    total = 0
    for folder in sorted(folders, key=lambda path: -path.stat().st_mtime):
        total += sum(path.lstat().st_size for path in folder.rglob("*"))
        if total > LIMIT:
            shutil.rmtree(folder, ignore_errors=True)
