import json
import os
import signal
import subprocess
import sys
import warnings
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import matplotlib
import numpy as np
import pytest
from scipy import stats

from tats_exp.report import figures
from tats_exp.report.panel import panels, save
from tats_exp.report.runs import Group, Run
from tats_exp.report.style import DARK, LIGHT
from tats_exp.run_folder import Column, Protocol
from tests.report.declared import columns_of
from tests.report.sweep import PROTOCOL

KEY = "some/curve"
CURVE = Column(KEY, ("Curve of", "net"), "C.", "Fréchet distance", "lower", is_curve=True)
LAST = Column(f"{KEY}/last", ("last", "window"), "L.", "Fréchet distance", "lower", figure="distances")


def group(
    name: str, curves: list[list[float]], values: list[float] | None = None, curve: Column = CURVE, **more: object
) -> Group:
    runs = [
        Run(
            Path("nowhere"),
            f"{name}{seed}",
            "finished",
            choices={"seed": str(seed)},
            curves={KEY: series},
            values={LAST.key: values[seed]} if values else {},
            floors={"real": {KEY: 1.5}},
            protocol=Protocol.from_dict(PROTOCOL),
            columns=(curve, LAST),
            **more,
        )
        for seed, series in enumerate(curves)
    ]
    return Group(f"padding={name}", name, {"padding": name}, runs)


def test_a_curve_shows_every_seed_their_mean_and_the_floor() -> None:
    seeds = [[2.0, 3.0, 5.0], [3.0, 4.0, 8.0]]
    with LIGHT.apply():
        figure = figures.curves([group("zero", seeds)], LIGHT)
    lines = {tuple(np.asarray(line.get_ydata(), dtype=float)) for line in figure.axes[0].get_lines()}
    assert {(2.0, 3.0, 5.0), (3.0, 4.0, 8.0), (2.5, 3.5, 6.5), (1.5, 1.5)} == lines
    assert figure.axes[0].get_ylabel() == "Fréchet distance" and "net" in figure.axes[0].get_title(loc="left")
    assert figure.axes[0].get_xlabel() == "window of 16 frames"


def test_the_mean_of_ratios_is_that_of_logarithms_with_its_interval() -> None:
    ratio = replace(CURVE, ratio=True)
    figure = figures.curves([group("zero", [[1.0, 2.0], [4.0, 8.0], [2.0, 16.0]], curve=ratio)], LIGHT)
    (axis,) = figure.axes
    bold = max(axis.get_lines(), key=lambda line: line.get_linewidth())
    assert np.asarray(bold.get_ydata()) == pytest.approx([2.0, 256 ** (1 / 3)]) and axis.get_yscale() == "log"
    (band,) = axis.collections
    logs = np.log([[1.0, 4.0, 2.0], [2.0, 8.0, 16.0]])
    ends = [stats.t.interval(0.95, 2, each.mean(), stats.sem(each)) for each in logs]
    drawn = band.get_paths()[0].vertices
    for window, (low, high) in enumerate(ends):
        assert {round(y, 6) for x, y in drawn if x == window} == {round(np.exp(low), 6), round(np.exp(high), 6)}


def test_a_wide_interval_leaves_the_lines_to_be_seen() -> None:
    figure = figures.curves([group("zero", [[10.0, 11.0], [14.0, 13.0]])], LIGHT)
    low, high = figure.axes[0].get_ylim()
    assert low == pytest.approx(0) and 14 < high < 16


def test_a_floor_of_zero_has_no_place_on_an_axis_of_ratios() -> None:
    runs = group("zero", [[2.0, 9.0]], endpoint=LAST.key).runs
    (run,) = (replace(run, columns=tuple(replace(c, ratio=True) for c in run.columns)) for run in runs)
    run = replace(run, floors={"real": {LAST.key.rpartition("/")[0]: 0.0}})
    (axis,) = [a for a in figures.curves([replace(group("zero", [[2.0, 9.0]]), runs=[run])], LIGHT).axes if a.lines]
    low, high = axis.get_ylim()
    assert axis.get_yscale() == "log" and 0 < low < 2 < 9 < high < 20


def test_a_share_is_drawn_between_its_ceiling_and_chance() -> None:
    runs = group("zero", [[0.9, 0.4]], endpoint=LAST.key).runs
    floors = {kind: {KEY: value} for kind, value in (("ceiling", 0.95), ("chance", 0.25))}
    drawn = figures.curves(
        [replace(group("zero", [[0.9, 0.4]]), runs=[replace(run, floors=floors) for run in runs])], LIGHT
    )
    lines = {line.get_label(): line.get_ydata()[0] for axis in drawn.axes for line in axis.get_lines()}
    assert lines["ceiling: real video"] == 0.95 and lines["chance"] == 0.25


@pytest.mark.parametrize("second, lines", [(0.251, [0.2505]), (0.5, [0.25, 0.5])])
def test_chance_that_differs_between_choices_is_drawn_for_each(second: float, lines: list[float]) -> None:
    groups = [group(name, [[0.9, 0.4]]) for name in "ab"]
    for one, chance in zip(groups, (0.25, second), strict=True):
        one.runs[0].floors["chance"] = {KEY: chance}
    (axis,) = [axis for axis in figures.curves(groups, LIGHT).axes if axis.lines]
    drawn = [line for line in axis.get_lines() if list(line.get_xdata()) == [0, 1] and len(set(line.get_ydata())) == 1]
    levels = [line.get_ydata()[0] for line in drawn if line.get_ydata()[0] < 0.6]
    assert levels == pytest.approx(lines)
    colours = [line.get_color() for line in drawn if line.get_ydata()[0] < 0.6]
    assert colours == ([LIGHT.floor] if len(lines) == 1 else [LIGHT.colour(0), LIGHT.colour(1)])


def test_the_curve_of_the_endpoint_is_drawn_alone_with_real_video_dashed() -> None:
    truth = Column("truth/curve", ("Real", ""), "T.", is_curve=True)
    runs = group("zero", [[2.0, 9.0], [3.0, 8.0]], [9.0, 8.0], endpoint=LAST.key)
    both = [
        replace(run, curves=run.curves | {"truth/curve": [1.0 + place, 1.0]}, columns=(*run.columns, truth))
        for place, run in enumerate(runs.runs)
    ]
    figure = figures.endpoint_curve([replace(runs, runs=both)], LIGHT)
    (axis,) = figure.axes
    dashed = [np.asarray(line.get_ydata()).tolist() for line in axis.get_lines() if line.get_linestyle() == "--"]
    assert [1.5, 1.0] in dashed
    assert figures.endpoint_curve([group("zero", [[2.0, 9.0]])], LIGHT) is None


@pytest.mark.parametrize("windows, scale", [(64, "linear"), (256, "symlog")])
def test_windows_of_a_very_long_video_lie_on_a_logarithmic_axis(windows: int, scale: str, tmp_path: Path) -> None:
    figure = figures.curves([group("zero", [[float(window) for window in range(windows)]])], LIGHT)
    figure.savefig(tmp_path / "figure.png")
    (axis,) = figure.axes
    assert axis.get_xscale() == scale
    first, last = (axis.transData.transform((place, 0))[0] for place in (0, windows - 1))
    middle = axis.transData.transform((windows / 2, 0))[0]
    assert (middle - first) / (last - first) == pytest.approx(0.5 if scale == "linear" else 0.9, abs=0.06)
    if scale == "symlog":
        shown = [label.get_text() for label in axis.get_xticklabels()]
        assert {"0", "1", "10", "100"} <= set(shown)


def test_seeds_of_different_length_share_the_windows_both_have() -> None:
    figure = figures.curves([group("zero", [[1.0, 2.0, 3.0], [3.0, 4.0]])], LIGHT)
    bold = max(figure.axes[0].get_lines(), key=lambda line: line.get_linewidth())
    assert np.asarray(bold.get_ydata()).tolist() == [2.0, 3.0]


def test_bars_are_means_and_dots_are_seeds() -> None:
    figure = figures.bars([group("zero", [[1.0]] * 3, [2.0, 4.0, 9.0])], LIGHT, "distances")
    (axis,) = figure.axes
    assert axis.patches[0].get_height() == pytest.approx(5.0)
    assert sorted(axis.collections[0].get_offsets()[:, 1]) == [2.0, 4.0, 9.0]


def test_errors_by_place_are_means_over_seeds_and_gradients_are_held_against_one() -> None:
    runs = [
        Run(
            Path("nowhere"),
            str(seed),
            "finished",
            values={"val/vqgan/gradient_ratio": 0.6, **frames},
            columns=columns_of(()),
        )
        for seed, frames in enumerate(
            [
                {"val/vqgan/l1/frame_0": 0.3, "val/vqgan/l1/frame_1": 0.1},
                {"val/vqgan/l1/frame_0": 0.5, "val/vqgan/l1/frame_1": 0.1},
            ]
        )
    ]
    figure = figures.bars([Group("padding=zero", "zero", {}, runs)], LIGHT, "reconstruction")
    bars, places = figure.axes
    assert bars.patches[0].get_height() == pytest.approx(0.6)
    assert [1, 1] in [list(line.get_ydata()) for line in bars.get_lines()]
    (line,) = places.get_lines()
    assert np.asarray(line.get_ydata()).tolist() == pytest.approx([0.4, 0.1])


def test_nothing_measured_draws_nothing(tmp_path: Path) -> None:
    empty = [Group("all runs", "all runs", {}, [Run(Path("nowhere"), "a", "finished")])]
    assert figures.draw_figures(empty, tmp_path) == {}
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("ink", [LIGHT, DARK])
def test_every_colour_stands_out_from_its_paper(ink) -> None:
    for colour in (*ink.colours, ink.text, ink.floor):
        lighter, darker = sorted((_luminance(colour), _luminance(ink.paper)), reverse=True)
        # What WCAG 2 asks of graphics that carry meaning.
        assert (lighter + 0.05) / (darker + 0.05) >= 3


def _luminance(colour: str) -> float:
    channels = np.array([int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)])
    linear = np.where(channels <= 0.03928, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)
    return float(linear @ [0.2126, 0.7152, 0.0722])


def test_an_odd_first_panel_of_pairs_spans_the_row() -> None:
    figure, axes = panels(3, 2, 2.0)
    figure.canvas.draw()
    widths = [axis.get_position().width for axis in axes]
    assert widths[0] > 1.8 * widths[1] and widths[1] == pytest.approx(widths[2], rel=0.1)


def test_windows_that_were_not_looked_at_leave_no_gap_in_the_line() -> None:
    figure = figures.curves([group("zero", [[1.0, float("nan"), 3.0]])], LIGHT)
    bold = max(figure.axes[0].get_lines(), key=lambda line: line.get_linewidth())
    assert np.asarray(bold.get_xdata()).tolist() == [0, 2] and np.asarray(bold.get_ydata()).tolist() == [1.0, 3.0]
    assert bold.get_marker() == "o"


def test_losses_of_transformers_are_shown_however_many_terms_a_vqgan_has() -> None:
    terms = {("vqgan", f"train/vqgan/{place}"): ([1.0, 2.0], [2.0, 1.0]) for place in range(figures.LOSS_PANELS)}
    terms |= {("vqgan", "alarm/codes_dead"): ([1.0, 2.0], [0.0, 1.0])}
    terms |= {("interpolation", "train/interpolation/nll"): ([1.0, 2.0], [3.0, 2.0])}
    run = Run(Path("nowhere"), "a", "finished", choices={}, losses=terms)
    with LIGHT.apply():
        figure = figures.losses([Group("a", "a", {}, [run])], LIGHT)
    titles = [axis.get_title(loc="left") for axis in figure.axes]
    assert titles[0] == "train/interpolation/nll" and len(titles) == figures.LOSS_PANELS
    assert not any("alarm" in title for title in titles)


def test_a_long_path_among_the_choices_leaves_room_for_what_is_drawn(tmp_path: Path) -> None:
    """Matplotlib warns, and gives up its layout, where labels take all of it."""
    long = "data.root=/" + "/".join(["a_folder_with_a_long_name"] * 8)
    groups = [replace(group(root, [[2.0, 3.0]], [3.0]), label=f"{long}{root} padding=zero") for root in "ab"]
    groups = [replace(one, short=one.label.replace(" padding=", ", ")) for one in groups]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert {"curves", "distances"} <= set(figures.draw_figures(groups, tmp_path))
    assert figures._brief("padding=zero norm=batch") == "padding=zero norm=batch"
    assert figures._brief(f"{long}b seed=1").endswith("_long_nameb seed=1")


def test_two_processes_draw_what_one_draws(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As the user has set matplotlib, whatever lies on the way to modules."""
    groups = [group(name, [[2.0, 1 / 3, float("nan")], [float("inf"), 3.0, 4.0]], [3.0, 2.0]) for name in "ab"]
    monkeypatch.setitem(matplotlib.rcParams, "font.family", ["serif"])
    monkeypatch.setattr(sys, "path", [tmp_path, "", *sys.path])
    (tmp_path / "random.py").write_text("raise SystemExit(3)")
    one = figures.draw_figures(groups, tmp_path / "one")
    draw, here = figures._draw, list[str]()
    monkeypatch.setattr(figures, "_draw", lambda drawings, *more: here.extend(drawings) or draw(drawings, *more))
    two = figures.draw_figures(groups, tmp_path / "two", side_by_side=True)
    assert here and not set(here) & set(figures.CURVES)
    assert list(one) == list(two) and one
    for name, paths in one.items():
        assert [path.read_bytes() for path in paths] == [path.read_bytes() for path in two[name]], name


def test_what_is_sent_to_another_process_arrives_to_the_last_digit(tmp_path: Path) -> None:
    groups = [group(name, [[2.0, 1 / 3, float("nan")], [float("inf"), 1e-17, 4.0]], [3.0, 2.0]) for name in "ab"]
    sent = json.loads(json.dumps(figures._sent(groups, tmp_path), default=repr))
    assert repr(figures.SENT.validate_python(sent["groups"])) == repr(groups)


def test_a_dark_figure_is_laid_out_as_it_would_be_by_itself(tmp_path: Path) -> None:
    groups = [group(name, [[2.0, 3.0]], [3.0]) for name in "ab"]
    drawn = figures.draw_figures(groups, tmp_path)
    with DARK.apply():
        alone = figures.curves(groups, DARK)
        assert alone is not None
        save(alone, tmp_path / "alone.png")
    assert (tmp_path / "alone.png").read_bytes() == drawn["curves"][1].read_bytes()


@pytest.mark.parametrize("end", ["killed", "not there", "not known"])
def test_what_another_process_has_not_drawn_is_drawn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, end: str) -> None:
    """However much it was to be sent: more than a pipe holds."""
    long = {("vqgan", "train/vqgan/l1"): ([float(step) for step in range(9000)], [1.5] * 9000)}
    groups = [group(name, [[2.0, 3.0]], [3.0]) for name in "ab"]
    groups = [replace(one, runs=[replace(run, losses=long) for run in one.runs]) for one in groups]
    whole = figures.draw_figures(groups, tmp_path)

    def popen(*arguments: Any, **options: Any) -> subprocess.Popen[bytes]:
        if end == "not there":
            raise FileNotFoundError(2, "no such file", "python")
        process = subprocess.Popen(*arguments, **options)
        process.kill()
        return process

    if end == "not known":
        monkeypatch.setattr(sys, "executable", None)
    monkeypatch.setattr(figures, "subprocess", SimpleNamespace(Popen=popen, DEVNULL=subprocess.DEVNULL))
    assert list(figures.draw_figures(groups, tmp_path / "again", side_by_side=True)) == list(whole)
    assert (tmp_path / "again/curves_dark.png").read_bytes() == whole["curves"][1].read_bytes()


def test_a_stop_ends_the_process_that_draws_beside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    started = []

    def popen(*arguments: Any, **options: Any) -> subprocess.Popen[bytes]:
        started.append(subprocess.Popen(*arguments, **options))
        assert os.getpgid(started[0].pid) != os.getpgid(0)  # to which Ctrl-C goes
        return started[0]

    def stopped(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(figures, "subprocess", SimpleNamespace(Popen=popen, DEVNULL=subprocess.DEVNULL))
    monkeypatch.setattr(figures, "draw_frames", stopped)
    with pytest.raises(KeyboardInterrupt):
        figures.draw_figures([group("a", [[2.0, 3.0]], [3.0])], tmp_path, side_by_side=True)
    assert [process.poll() for process in started] == [-signal.SIGKILL]


def test_no_earlier_figure_is_left(tmp_path: Path) -> None:
    groups = [group(name, [[2.0, 3.0]], [3.0]) for name in "ab"]
    for name in ("masks.png", "curves_dark.png"):
        (tmp_path / name).write_text("earlier")
    assert "masks" not in figures.draw_figures(groups, tmp_path)
    assert not (tmp_path / "masks.png").exists() and (tmp_path / "curves_dark.png").stat().st_size > 7
