"""Verdicts on what may be videos: each file is judged whole, once, and the verdict is remembered.

In this process, and on disk in the user's cache, by path, size and time of change. What is not known yet is judged by
children (`judge.py`), several side by side, each under a time limit: a decoder that hangs or crashes takes nothing with
it. A sweep judges its videos while it is planned, and hands the lists to its runs.
"""

import hashlib
import json
import logging
import os
import platform
import zlib
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import PIL

from tats_exp import UserError
from tats_exp.data.decoder import DECODER
from tats_exp.data.image_reader import images_in
from tats_exp.data.judge import Verdict
from tats_exp.data.judges import judge_side_by_side
from tats_exp.data.limits import DEFAULT, Limits
from tats_exp.files import cache_folder, write_json

VERSION = 1
"""Raised whenever a verdict comes to hold something else."""
KEPT = "TATS_EXP_VERDICTS"
"""Environment variable that names the folder of verdicts, in place of `verdicts` in the user's cache."""
HANDED = "TATS_EXP_VIDEO_LISTS"
"""Environment variable that names the file of lists which a sweep hands to its runs, their processes and theirs."""

Progress = Callable[[int, int], None]

logger = logging.getLogger(__name__)

_known: dict[tuple[str, Limits], tuple[str, Verdict | str]] = {}
_planned: dict[str, list[str]] = {}
_unwritable: set[Path] = set()


def judged(path: Path, limits: Limits = DEFAULT) -> Verdict:
    """The verdict on one path.

    Raises:
        UserError: it is no video, or damaged, or claims more than the limits; one line that names it.
    """
    (verdict,) = judge_all([path], limits)
    if isinstance(verdict, str):
        raise UserError(verdict)
    return verdict


def judge_all(paths: list[Path], limits: Limits = DEFAULT, progress: Progress | None = None) -> list[Verdict | str]:
    """The verdicts on many paths, in their order.

    Args:
        paths: of video files, GIFs, arrays and folders of images.
        limits: budgets that their claims are held against.
        progress: told how many of how many are judged.

    Returns:
        What each is, or one line that names it and says why it cannot be used.
    """
    stamps = [stamp(path) for path in paths]
    found = [_remembered(path, limits, at) for path, at in zip(paths, stamps, strict=True)]
    missing = [number for number, verdict in enumerate(found) if verdict is None]
    known = len(paths) - len(missing)
    if progress is not None and known:
        progress(known, len(paths))
    children = judge_side_by_side([paths[number] for number in missing], limits)
    for done, (number, record) in enumerate(zip(missing, children, strict=True), start=1):
        path, at = paths[number], stamps[number]
        verdict = _read(record)
        if stamp(path) != at:
            verdict = f"{path}: changed while it was read"
        elif not record.get("chance"):
            _remember(path, limits, at, verdict, record)
        found[number] = verdict
        if progress is not None:
            progress(known + done, len(paths))
    return [verdict for verdict in found if verdict is not None]


def stamp(path: Path) -> str:
    """Names, sizes and times of change of the files of a video, hashed; "gone" where there is none."""
    try:
        files = images_in(path) if path.is_dir() else [path]
        states = [(file.name, file.stat()) for file in files]
    except (OSError, UserError) as error:
        return f"gone: {error}"
    made_by = [[os.fsencode(name).hex(), s.st_size, s.st_mtime_ns, s.st_ctime_ns] for name, s in states]
    return hashlib.sha256(json.dumps(made_by).encode()).hexdigest()


def condemn(path: Path, limits: Limits, verdict: Verdict, why: str) -> None:
    """Remember that a file which was judged readable is not: it decodes otherwise from one time to the next.

    What has been put in its place since is another file, and innocent.
    """
    at = stamp(path)
    known = _remembered(path, limits, at)
    if isinstance(known, Verdict) and known.sha256 == verdict.sha256:
        _remember(path, limits, at, why, {**verdict.as_json(), "refused": why})


def plan_with(key: str, names: list[str]) -> None:
    """Note what a set of videos consists of, for the runs of the sweep that is being planned."""
    _planned[key] = names


def hand_over(path: Path) -> None:
    """Write what was noted to a file; from now on this process and those it starts take their videos from there."""
    write_json(path, _planned)
    os.environ[HANDED] = str(path.absolute())


def handed(key: str) -> list[str] | None:
    """What the sweep was planned with; None where there is no such sweep, or it read other videos."""
    path = os.environ.get(HANDED)
    return None if path is None else json.loads(Path(path).read_text()).get(key)


def as_planned(paths: list[Path], limits: Limits, progress: Progress | None = None) -> list[Verdict | str]:
    """The verdicts that a sweep was planned with, whatever has become of the files since.

    All runs of a sweep have the same videos. One that was damaged meanwhile shows when it is read, and another one is
    read in its place. Arguments and result as for `judge_all`, which is asked where a verdict was not kept.
    """
    found: list[Verdict | str | None] = [_as_kept(path, limits) for path in paths]
    missing = [path for path, verdict in zip(paths, found, strict=True) if verdict is None]
    judged_now = iter(judge_all(missing, limits, progress))
    return [next(judged_now) if verdict is None else verdict for verdict in found]


def _as_kept(path: Path, limits: Limits) -> Verdict | None:
    """The verdict that is kept on disk, also of what the file was before; None where there is none, or no good one."""
    entry = _entry(path, limits)
    if entry is None or "length" not in entry["verdict"]:
        return None
    return Verdict.from_json({key: value for key, value in entry["verdict"].items() if key != "refused"})


def _remembered(path: Path, limits: Limits, at: str) -> Verdict | str | None:
    key = (os.path.abspath(path), limits)  # noqa: PTH100  (links stay: they may come to lead elsewhere)
    if key in _known and _known[key][0] == at:
        return _known[key][1]
    entry = _entry(path, limits)
    if entry is None or entry["stamp"] != at:
        return None
    verdict = _read(entry["verdict"])
    _known[key] = (at, verdict)
    return verdict


def _entry(path: Path, limits: Limits) -> dict[str, Any] | None:
    """What is kept of a path on disk; None where it was not judged yet, or the entry is damaged."""
    try:
        entry = json.loads(_kept(path, limits).read_bytes())
        _read(entry["verdict"])
        return entry if isinstance(entry["stamp"], str) else None
    except (OSError, ValueError, KeyError, TypeError, zlib.error):
        return None


def _remember(path: Path, limits: Limits, at: str, verdict: Verdict | str, record: dict[str, Any]) -> None:
    _known[os.path.abspath(path), limits] = (at, verdict)  # noqa: PTH100
    entry = _kept(path, limits)
    try:
        entry.parent.mkdir(parents=True, exist_ok=True)
        write_json(entry, {"stamp": at, "verdict": record})
    except OSError as error:
        folder = entry.parent.parent
        if folder not in _unwritable:
            _unwritable.add(folder)
            logger.warning("verdicts on videos cannot be kept in %s: %s", folder, error.strerror)


def _kept(path: Path, limits: Limits) -> Path:
    """Where the verdict on a path is kept."""
    where = os.fsencode(os.path.abspath(path)).hex()  # noqa: PTH100
    made_by = [where, asdict(limits), VERSION, DECODER, PIL.__version__, platform.machine()]
    name = hashlib.sha256(json.dumps(made_by).encode()).hexdigest()
    folder = Path(os.environ.get(KEPT) or cache_folder() / "verdicts")
    return folder / name[:2] / f"{name[2:]}.json"


def _read(record: dict[str, Any]) -> Verdict | str:
    return record["refused"] if "refused" in record else Verdict.from_json(record)
