"""Thousands of small files, a few of them broken: `python benchmarks/broken_files.py [--files 10000] [--broken 0.01]`.

Tells what it costs to open such a folder, first and again, and checks that the broken ones, and no others, are left out
by a line each, and that windows of the rest hold their frames.
"""

import argparse
import os
import resource
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mutants import made
from tats_exp.data import judging
from tats_exp.data.resizing import crop_and_resize
from tats_exp.data.video_decoding import SUFFIXES
from tats_exp.data.video_files import VideoFiles
from tats_exp.data.video_readers import open_reader
from tats_exp.data.window_reading import read_windows
from tats_exp.data.windows import draw_windows

RESOLUTION, FRAMES, WINDOWS = 16, 8, 100


@dataclass(frozen=True)
class Opened:
    """What came of opening a folder.

    Attributes:
        first: seconds to open it when nothing is known of its files.
        again: seconds when their verdicts lie on the disk.
        wrong: a line for each file that is left out and should not be, or the other way round, or gives other frames.
    """

    first: float
    again: float
    wrong: list[str]


def write_folder(root: Path, files: int, broken: float, seed: int = 0) -> set[str]:
    """Write a split of several classes, as train and as test.

    Args:
        root: folder to write to.
        files: how many.
        broken: share of them that are.
        seed: of which are.

    Returns:
        Names of the broken ones below the root, as the train split has them.
    """
    whole = {video.name: video.files[""] for video in made() if Path(video.name).suffix in SUFFIXES}
    names = list(whole)
    rng = np.random.default_rng(seed)
    chosen = set(rng.choice(files, round(files * broken), replace=False).tolist())
    found = set()
    for number in range(files):
        suffix = Path(names[number % len(names)]).suffix
        content = whole[names[number % len(names)]]
        path = root / "train" / f"class {number % 10}" / f"{number}{suffix}"
        path.parent.mkdir(parents=True, exist_ok=True)
        if number in chosen:
            found.add(path.relative_to(root).as_posix())
            content = [b"", b"no video\n" * 50, bytes(len(content)), content[:60]][len(found) % 4]
        path.write_bytes(content)
    (root / "test").symlink_to("train")
    return found


def open_folder(root: Path, broken: set[str]) -> Opened:
    """Open the train split of a folder twice, and read windows of it.

    Args:
        root: of the folder.
        broken: names of the files that have to be left out.
    """
    seconds = []
    for _ in range(2):
        begun = time.perf_counter()
        source = VideoFiles(root, RESOLUTION)
        videos = source.split("train")
        seconds.append(time.perf_counter() - begun)
        judging._known.clear()
    lines = source.left_out("train")
    wrong = [f"{name}: is read" for name in sorted(broken & set(videos.names))]
    there = {path.relative_to(root).as_posix() for path in (root / "train").rglob("*.*")}
    wrong += [f"{name}: is left out" for name in sorted(there - broken - set(videos.names))]
    wrong += [f"{name}: no line" for name in broken if sum(f"{name}: " in line for line in lines) != 1]
    windows = draw_windows(videos, min(WINDOWS, len(videos.names)), FRAMES, seed=0)
    for window, clip in zip(windows, read_windows(videos, windows, FRAMES), strict=True):
        path = root / videos.names[window.video]
        frames = open_reader(path).read(range(videos.lengths[window.video]))
        expected = crop_and_resize(frames[window.start : window.start + FRAMES], RESOLUTION)
        if not np.array_equal(clip.numpy(), expected):
            wrong.append(f"{videos.names[window.video]}: other frames from {window.start} on")
    return Opened(seconds[0], seconds[1], wrong)


def main() -> int:
    """Print what it costs; returns 1 where a file was taken for what it is not."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, default=10_000)
    parser.add_argument("--broken", type=float, default=0.01, help="share of them that are broken")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        os.environ[judging.KEPT] = f"{temporary}/verdicts"
        root = Path(temporary) / "root"
        broken = write_folder(root, asked.files, asked.broken)
        opened = open_folder(root, broken)
    held = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10
    print(
        f"{asked.files} files, {len(broken)} of them broken: {opened.first:.1f} s to open the folder, "
        f"{opened.again:.1f} s again; at most {held:.0f} MiB; {len(opened.wrong)} wrong"
    )
    print("\n".join(opened.wrong))
    return int(bool(opened.wrong))


if __name__ == "__main__":
    sys.exit(main())
