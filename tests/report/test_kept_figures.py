import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path

import matplotlib
import numpy as np
import pytest

from tats_exp.report import figures, kept_figures
from tats_exp.report.kept_figures import LIST, figures_of
from tats_exp.report.runs import Group, group_runs, load_runs
from tats_exp.run_folder.pictures import shown_frames
from tests.report.sweep import write_curves, write_frames, write_histogram, write_losses, write_run, write_video

FVD = "fvd/shapes_cnn/last"
GROWTH = "layout/growth"


@pytest.fixture
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of its own for the figures of a test."""
    monkeypatch.setenv("TATS_EXP_FIGURES", str(tmp_path / "kept"))
    return tmp_path / "kept"


def swept(folder: Path, seconds: float = 1.0) -> list[Group]:
    """Two choices that left all there is to draw."""
    for padding in ("zero", "real"):
        run = write_run(
            folder / f"padding={padding}",
            {"padding": padding, "seed": "0"},
            {FVD: 2.0, GROWTH: 1.5},
            endpoint=FVD,
            seconds={"vqgan": seconds, "total": seconds},
            reused=["codes"] if seconds > 1 else [],
            stages={"vqgan": f"{seconds}"},
            record=str(folder),
            version={"commit": str(seconds)},
        )
        metrics = json.loads((run / "metrics.json").read_text())
        free = {GROWTH: "still"} if padding == "zero" else {}
        (run / "metrics.json").write_text(json.dumps(metrics | {"free": free}))
        write_curves(run, {"fvd/shapes_cnn": [1.0, 2.0]})
        write_losses(run, {("vqgan", "train/vqgan/l1"): [3.0, 2.0]})
        write_histogram(run, np.array([1, 2]), np.array([2, 1]))
        for name in ("samples", "real"):
            write_video(run / "videos" / f"{name}.mp4", 4, 0.0, 0)
        write_frames(run / "videos/frames.png", shown_frames(256), 0.0, 0)
    return group_runs(load_runs(folder))


def pngs(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.glob("*.png")}


def not_drawn(*_: object) -> None:
    raise AssertionError("drawn again")


def test_what_was_drawn_before_is_copied(tmp_path: Path, kept: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of runs that took other times, in other folders."""
    first = figures_of(swept(tmp_path / "a"), tmp_path / "one")
    monkeypatch.setattr(figures, "draw_figures", not_drawn)
    again = figures_of(swept(tmp_path / "b", seconds=2.0), tmp_path / "two")
    assert list(first) == list(again) and {"endpoint", "curves", "film_strip", "losses", "code_histogram"} <= set(first)
    assert pngs(tmp_path / "one") == pngs(tmp_path / "two") and "frames.png" in pngs(tmp_path / "two")
    assert all(path.is_file() and path.parent == tmp_path / "two" for pair in again.values() for path in pair)


def test_what_is_left_out_is_on_no_figure(tmp_path: Path, kept: Path) -> None:
    groups = swept(tmp_path / "a")
    figures_of(groups, tmp_path / "one")
    figures.draw_figures(groups, tmp_path / "two")
    assert pngs(tmp_path / "one") == pngs(tmp_path / "two")


def test_a_report_of_figures_that_are_kept_loads_nothing_to_draw_with(tmp_path: Path, kept: Path) -> None:
    swept(tmp_path)
    code = f"""
import sys
from pathlib import Path
from tats_exp.report import make_report
make_report(Path({str(tmp_path)!r}))
print("matplotlib.figure" in sys.modules)
"""
    said, pages = [], []
    for _ in range(2):
        said.append(subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout)
        pages.append((tmp_path / "report/index.html").read_bytes())
    assert said == ["True\n", "False\n"] and pages[0] == pages[1]


@pytest.mark.parametrize("what", ["value", "choice", "video", "picture", "code", "look", "version"])
def test_what_looks_different_is_drawn(tmp_path: Path, kept: Path, monkeypatch: pytest.MonkeyPatch, what: str) -> None:
    groups = swept(tmp_path / "a")
    figures_of(groups, tmp_path / "one")
    run = groups[0].runs[0]
    if what == "value":
        groups[0] = replace(groups[0], runs=[replace(run, values=run.values | {GROWTH: 1.5 + 1e-12})])
    elif what == "choice":
        groups[0] = replace(groups[0], label="padding=none")
    elif what == "video":
        write_video(run.folder / "videos/samples.mp4", 4, 0.5, 0)
    elif what == "picture":
        write_frames(run.folder / "videos/frames.png", shown_frames(256), 0.0, 1)
    elif what == "code":
        package = tmp_path / "tats_exp"
        shutil.copytree(Path(kept_figures.__file__).parents[1], package)
        bars = package / "report/bars.py"
        written = bars.stat().st_mtime
        bars.write_text(bars.read_text().replace("0.62", "0.61"))
        os.utime(bars, (written, written))
        monkeypatch.setattr(kept_figures, "_code", partial(kept_figures._code, package))
    elif what == "look":
        monkeypatch.setitem(matplotlib.rcParams, "font.family", ["serif"])
    else:
        monkeypatch.setattr(kept_figures, "version", lambda name: "0")
    drawn = []
    monkeypatch.setattr(figures, "draw_figures", lambda *given: drawn.append(given) or {})
    figures_of(groups, tmp_path / "two")
    assert len(drawn) == 1


LISTS = {
    "no list": "[",
    "other list": "[]",
    "deep": "[" * 100_000,
    "another name": '{"names": ["nope"], "sums": SUMS}',
    "a text": '{"names": "curves", "sums": SUMS}',
    "elsewhere": '{"names": ["../../curves"], "sums": SUMS}',
}


@pytest.mark.parametrize("damage", ["cut", "gone", "more", *LISTS])
def test_what_is_not_whole_is_drawn_and_kept_again(tmp_path: Path, kept: Path, damage: str) -> None:
    groups = swept(tmp_path / "a")
    figures_of(groups, tmp_path / "one")
    (place,) = kept.iterdir()
    if damage == "cut":
        (place / "curves.png").write_bytes((place / "curves.png").read_bytes()[:100])
    elif damage == "gone":
        (place / "curves.png").unlink()
    elif damage == "more":
        (place / "other.png").write_bytes(b"")
    else:
        sums = json.dumps(json.loads((place / LIST).read_text())["sums"])
        (place / LIST).write_text(LISTS[damage].replace("SUMS", sums))
    figures_of(groups, tmp_path / "two")
    assert pngs(tmp_path / "one") == pngs(tmp_path / "two") == pngs(place)


def test_nothing_is_kept_where_nothing_can_be(tmp_path: Path, kept: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept.write_text("a file")
    groups = swept(tmp_path / "a")
    drawn = figures_of(groups, tmp_path / "one")
    assert drawn and len(pngs(tmp_path / "one")) == 2 * len(drawn) + 1
    monkeypatch.delenv("TATS_EXP_FIGURES")
    monkeypatch.setattr(kept_figures, "cache_folder", lambda: Path(os.devnull))
    assert list(figures_of(groups, tmp_path / "two")) == list(drawn)
    assert not list(tmp_path.glob(".*"))


def test_nothing_is_kept_of_code_that_this_process_may_not_run(
    tmp_path: Path, kept: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    groups = swept(tmp_path / "a")
    monkeypatch.setattr(kept_figures, "LOADED", 0.0)
    assert figures_of(groups, tmp_path / "one") and not kept.exists()
    monkeypatch.undo()
    monkeypatch.setattr(kept_figures, "_code", partial(kept_figures._code, tmp_path))  # as from an archive
    assert kept_figures._place(groups) is None


def test_what_another_report_draws_into_the_same_folder_is_not_kept(tmp_path: Path, kept: Path) -> None:
    (tmp_path / "one").mkdir()
    (tmp_path / "one/curves.png").write_bytes(b"of another")
    (tmp_path / "one/masks.png").write_bytes(b"of another")
    figures_of(swept(tmp_path / "a"), tmp_path / "one")
    (place,) = kept.iterdir()
    assert "masks.png" not in pngs(place) and pngs(place)["curves.png"] == pngs(tmp_path / "one")["curves.png"] != b""


def test_what_is_kept_is_found_where_nothing_can_be_written(
    tmp_path: Path, kept: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    groups = swept(tmp_path / "a")
    first = figures_of(groups, tmp_path / "one")

    def read_only(*_: object) -> None:
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(kept_figures.os, "utime", read_only)
    monkeypatch.setattr(figures, "draw_figures", not_drawn)
    assert list(figures_of(groups, tmp_path / "two")) == list(first)


def test_what_was_not_used_for_longest_goes_first(tmp_path: Path, kept: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    groups = swept(tmp_path / "a")
    others = [[replace(group, label=label) for group in groups] for label in ("b", "c")]
    (kept / "thesis").mkdir(parents=True)
    (kept / "thesis/large.bin").write_bytes(bytes(10_000_000))
    (kept / "0123456789abcdef0123.killed.tmp").mkdir()
    os.utime(kept / "0123456789abcdef0123.killed.tmp", (0, 0))
    before, places = set(kept.iterdir()), list[Path]()
    for number, one in enumerate([groups, others[0]]):
        figures_of(one, tmp_path / "drawn")
        (new,) = set(kept.iterdir()) - before - set(places)
        os.utime(new, (number, number))
        places.append(new)
    figures_of(groups, tmp_path / "drawn")  # used
    monkeypatch.setattr(kept_figures, "LIMIT", int(2.5 * sum(path.stat().st_size for path in places[0].iterdir())))
    figures_of(others[1], tmp_path / "drawn")
    assert places[0].is_dir() and not places[1].exists()
    assert (kept / "thesis/large.bin").is_file() and len(list(kept.iterdir())) == 3
