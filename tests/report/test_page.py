import base64
import json
import re
import shutil
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest

from tats_exp.report import make_report, page
from tats_exp.report.pictures import pictures_of
from tats_exp.report.runs import group_runs, load_runs
from tats_exp.report.videos import films_of
from tats_exp.run_folder import Column, Told
from tests.report.sweep import (
    PROTOCOL,
    demo_sweep,
    write_curves,
    write_frames,
    write_losses,
    write_run,
    write_video,
)

VOID = {"meta", "img", "source", "input", "br"}


class Balance(HTMLParser):
    """Collects what is referred to, and fails on tags that do not match."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.references: list[str] = []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        if tag not in VOID:
            self.open.append(tag)
        self.references += [value or "" for name, value in attributes if name in ("src", "href", "srcset")]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


@pytest.fixture(scope="module")
def sweep(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sweep")
    demo_sweep(folder, {"real": 0.02, "zero": 0.45}, seeds=2, windows=4, frames=24)
    write_run(folder / "jobs" / "bad", {"padding": "loop", "seed": "0"}, state="failed", error="<b>disk</b> full")
    make_report(folder)
    return folder


@pytest.fixture(scope="module")
def html(sweep: Path) -> str:
    return (sweep / "report" / "index.html").read_text()


def test_the_picture_is_a_figure_of_its_own_and_the_numbers_are_files(sweep: Path) -> None:
    made = make_report(sweep)
    folder = made.page.parent
    assert (folder / "figures" / "frames.png").is_file()
    assert (folder / "curves.csv").read_text().startswith("choices,seed,window,")


def test_the_page_is_well_formed_and_needs_nothing_from_outside(html: str) -> None:
    parser = Balance()
    parser.feed(html)
    assert parser.open == []
    assert parser.references and all(reference.startswith("data:") for reference in parser.references)
    assert not re.search(r"https?://|@import|url\(", html)


def test_every_sampled_video_is_embedded_as_it_is(html: str, sweep: Path) -> None:
    for path in sweep.glob("jobs/*/videos/samples.mp4"):
        assert base64.b64encode(path.read_bytes()).decode() in html


def test_failed_jobs_are_named_with_their_error_and_cannot_inject_markup(html: str) -> None:
    assert "padding=loop seed=0" in html
    assert "&lt;b&gt;disk&lt;/b&gt; full" in html and "<b>disk</b>" not in html


def test_figures_lie_next_to_the_page_in_both_inks(sweep: Path) -> None:
    names = {path.name for path in (sweep / "report" / "figures").iterdir()}
    for figure in ("endpoint", "endpoint_narrow", "film_strip", "first_frames", "curves", "code_histogram", "losses"):
        assert {f"{figure}.png", f"{figure}_dark.png"} <= names


def test_what_does_not_fit_is_counted_and_not_dropped_in_silence(sweep: Path) -> None:
    groups = group_runs(load_runs(sweep))
    sizes = [path.stat().st_size for path in sweep.glob("jobs/*/videos/samples.mp4")]
    few = films_of(groups, limit=max(sizes))
    shown = [*(film for row in few.sampled.values() for film in row), *few.real, *few.rebuilt]
    # 4 samples, the data once, 2 reconstructions of the first seed.
    assert len(shown) + few.left_out == 7 and shown
    assert films_of(groups).left_out == 0


def test_the_page_says_how_many_videos_it_leaves_out(sweep: Path, monkeypatch: pytest.MonkeyPatch, html: str) -> None:
    assert "more videos are left out" not in html
    monkeypatch.setattr(page, "EMBED_BYTES", 1 + max(path.stat().st_size for path in sweep.glob("jobs/*/videos/*.mp4")))
    left_out = int(re.search(r"(\d+) more videos are left out", make_report(sweep).page.read_text())[1])
    assert 0 < left_out < 7


def test_a_label_inside_a_longer_one_keeps_its_own_colour(tmp_path: Path) -> None:
    for place, padding in enumerate(("zero", "zero_space")):
        for seed in range(2):
            choices = {"padding": padding, "seed": str(seed)}
            values = {"codes/unchanged": 0.5 + place / 4 + seed / 100}
            write_run(tmp_path / f"{padding}{seed}", choices, values, endpoint="codes/unchanged")
    html = make_report(tmp_path).page.read_text()
    verdict = html.split('<p class="lead">')[1].split("</p>")[0]
    assert "All comparisons (1)" in html and html.count("higher than with") == 2  # the answer, and folded
    assert 'var(--c0)">padding=zero</span>' in verdict and 'var(--c1)">padding=zero_space</span>' in verdict


def test_the_answer_is_followed_by_curve_videos_table_and_the_folded_rest(html: str) -> None:
    marks = [
        'class="answer',
        'class="frames"',
        "Layout distance</h2>",
        'class="player"',
        'class="wide"',
        "<details><summary>All",
    ]
    places = [html.index(mark) for mark in marks]
    assert places == sorted(places)
    folded = html.split("<details>", 1)
    assert "All figures" in folded[1] and "Secondary endpoints" in folded[1] and html.count("mean of 1") == 0


def test_the_picture_of_each_choice_is_embedded_with_the_numbers_of_its_frames(sweep: Path, html: str) -> None:
    pictures = pictures_of(group_runs(load_runs(sweep)))
    assert [(picture.choice.text, picture.seed) for picture in pictures] == [("real", "0"), ("zero", "0")]
    for picture in pictures:
        assert (picture.frames, picture.columns, picture.rows, picture.of_all) == ([0, 15], 2, 8, 8)
        assert picture.data in html and picture.words in html
    assert html.count("<span>15</span>") == 2


def test_of_many_choices_fewer_videos_are_shown_and_a_picture_of_another_size_has_no_numbers(tmp_path: Path) -> None:
    for place in range(4):
        run = write_run(tmp_path / f"{place}", {"padding": str(place), "seed": "0"}, protocol=PROTOCOL | {"windows": 2})
        write_frames(run / "videos" / "frames.png", [0, 15, 31], 0.0, place)
    pictures = pictures_of(group_runs(load_runs(tmp_path)))
    assert {(picture.rows, picture.of_all) for picture in pictures} == {(4, 8)}
    write_frames(tmp_path / "0" / "videos" / "frames.png", [0, 15], 0.0, 0)
    assert [len(picture.frames) for picture in pictures_of(group_runs(load_runs(tmp_path)))] == [0, 3, 3, 3]


def test_a_page_of_folders_speaks_of_no_seeds_and_no_samples(tmp_path: Path) -> None:
    for folder in "ab":
        status = {"experiment": "evaluate", "description": "How far?"}
        run = write_run(tmp_path / folder, {"generated": folder}, {"fvd/shapes_cnn/last": 0.5}, **status)
        write_curves(run, {"codes/js_divergence": [0.1, 0.2]})
        write_video(run / "videos" / "samples.mp4", 4, 0.0, 0)
    html = make_report(tmp_path).page.read_text()
    words = re.sub(r"<(style|script|dl)>.*?</\1>|<[^>]*>", " ", html, flags=re.DOTALL)
    assert not re.search(r"\b(seeds?|trainings?|sampled?|samples)\b", words, flags=re.IGNORECASE)
    assert "Every folder" in words and "folders measured" in words


def test_a_broken_video_costs_its_strip_and_nothing_else(tmp_path: Path) -> None:
    for seed in range(2):
        run = write_run(tmp_path / f"s{seed}", {"seed": str(seed)}, {"codes/unchanged": 0.5})
        write_video(run / "videos" / "samples.mp4", 4, 0.0, seed)
    (tmp_path / "s0" / "videos" / "samples.mp4").write_bytes(b"no video")
    assert make_report(tmp_path).page.is_file()
    assert (tmp_path / "report" / "figures" / "film_strip.png").is_file()


def test_a_report_of_runs_that_left_nothing_to_measure_does_without_torch(tmp_path: Path) -> None:
    write_run(tmp_path / "a", {"seed": "0"}, state="failed")
    code = f"""
import sys
from pathlib import Path
from tats_exp.report import make_report
make_report(Path({str(tmp_path)!r}))
assert "torch" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", code], check=True)


HOSTILE = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>&amp;</style>{{ 7*7 }}"
"""Breaks out of text, of attributes in either quotes, of a style, and of a template."""


def test_hostile_names_and_texts_are_text_and_nothing_else(tmp_path: Path) -> None:
    file_name = HOSTILE.replace("/", "_")
    for seed in range(2):
        for padding in (HOSTILE, "real"):
            folder = tmp_path / f"{seed}{padding}".replace("/", "_")
            run = write_run(
                folder,
                {"padding": padding, f"class {HOSTILE}": HOSTILE, "seed": str(seed)},
                {"layout/growth": 1.0 + seed},
                columns=[Column("layout/growth", (HOSTILE, HOSTILE), HOSTILE, HOSTILE, "lower", HOSTILE, True)],
                protocol=PROTOCOL | {"features": HOSTILE, "codec_real": HOSTILE},
                floors={HOSTILE: {"layout/growth": 0.5}},
                experiment=HOSTILE,
                description=HOSTILE,
                endpoint="layout/growth",
                record=HOSTILE,
                published=[dict.fromkeys(("what", "value", "source", "protocol"), HOSTILE)],
                seconds={HOSTILE: 1.0},
                reused=[HOSTILE],
                device=HOSTILE,
                version={HOSTILE: HOSTILE},
            )
            metrics = json.loads((run / "metrics.json").read_text())
            (run / "metrics.json").write_text(json.dumps(metrics | {"notes": [HOSTILE]}))
            (run / "config.yaml").write_text(f"question: {HOSTILE}\n")
            write_losses(run, {("vqgan", f"train/vqgan/{HOSTILE}"): [1.0, 0.5]})
            write_curves(run, {"layout": [1.0, 2.0]})
    write_run(tmp_path / f"failed {file_name}", {"padding": HOSTILE}, state="failed", error=HOSTILE)
    page = make_report(tmp_path).page.read_text()
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page and "{{ 7*7 }}" in page
    tags = Tags()
    tags.feed(page)
    assert tags.scripts == 1  # the page's own
    assert (
        not tags.handlers and "x" not in tags.sources and "<img src=x" not in page and "alert(1)</script>" not in page
    )


def test_numbers_of_others_stand_once_with_their_protocol(tmp_path: Path) -> None:
    number = {"what": "FVD, a & b", "value": "420 ± 18", "source": "table 1", "protocol": "2,048 clips"}
    for seed in range(2):
        run = {"published": [number], "endpoint": "layout/growth"}
        write_run(tmp_path / str(seed), {"seed": str(seed)}, {"layout/growth": 1.0 + seed}, protocol=PROTOCOL, **run)
    page = make_report(tmp_path).page.read_text()
    assert page.count("420 ± 18") == page.count("FVD, a &amp; b") == 1
    assert page.index("Published elsewhere") < page.index("2,048 clips") < page.index("Numbers of two protocols")


class Tags(HTMLParser):
    """Counts scripts, and collects handlers of events and sources."""

    def __init__(self) -> None:
        super().__init__()
        self.scripts, self.handlers, self.sources = 0, [], []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.scripts += tag == "script"
        self.handlers += [name for name, _ in attributes if name.startswith("on")]
        self.sources += [value for name, value in attributes if name == "src"]


def test_what_each_video_was_asked_for_stands_under_it_and_its_sound_waits_to_be_played(tmp_path: Path) -> None:
    demo_sweep(tmp_path, {"real": 0.02}, seeds=1, windows=4, frames=24)
    run = next(tmp_path.rglob("status.json")).parent
    Told(asked=("a <i>red</i> disc", "a blue disc")).write(run)
    for number in (1, 2):
        shutil.copy(run / "videos" / "samples.mp4", run / "videos" / f"sound_{number}.mp4")
    html = make_report(tmp_path).page.read_text()
    assert html.count('<ol class="asked"><li>a &lt;i&gt;red&lt;/i&gt; disc</li><li>a blue disc</li></ol>') == 1
    assert html.count('<ol class="asked"><li>a blue disc</li></ol>') == 1  # under the second one that is heard
    heard = html[html.index('class="videos heard"') :]
    assert (
        html.count(' controls preload="auto" loop') == 2 == heard.count(" controls ")
    )  # not muted, and nothing starts by itself


def test_what_sampled_videos_were_told_stands_under_them_with_its_frame(tmp_path: Path) -> None:
    demo_sweep(tmp_path, {"real": 0.02}, seeds=1, windows=4, frames=24)
    run = next(tmp_path.rglob("status.json")).parent
    Told(prompts=((0, "a <b>red</b> disc"), (12, "a blue disc"))).write(run)
    html = make_report(tmp_path).page.read_text()
    told = (
        '<ol class="told"><li data-from="0">a &lt;b&gt;red&lt;/b&gt; disc</li><li data-from="12">a blue disc</li></ol>'
    )
    assert html.count(told) == 1 and html.count('class="told"') == 1  # under the samples, not under real video
    assert html.index('class="player"') < html.index(told)
