"""The page as a browser shows it: in step, by keyboard, with its answer above the fold, and on a phone."""

import shutil
from collections.abc import Iterator

import pytest

from tats_exp.report import make_report
from tests.report.sweep import demo_sweep, write_run

sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="no chromium on the PATH"),
]
WIDE, NARROW = {"width": 1280, "height": 900}, {"width": 400, "height": 900}
FRAME = 1 / 16  # seconds
IN_ORDER = (".answer .lead", ".answer .pictures", ".plot", ".player", ".main-table", ".folded")
TIMES = "[...document.querySelectorAll('.films .videos video')].slice(0, 4).map((video) => video.currentTime)"


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("sweep")
    demo_sweep(folder, {"real": 0.02, "replicate": 0.12, "zero": 0.45}, seeds=2, windows=8, frames=128)
    write_run(folder / "bad", {"padding": "loop", "seed": "0"}, state="failed", error="disk full")
    return make_report(folder).page.as_uri()


@pytest.fixture(scope="module")
def browser() -> Iterator:
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def opened(browser, url: str) -> Iterator:
    """Opens the page; at the end nothing may have gone wrong in it, nor been asked of a network."""
    wrong: list[str] = []
    pages = []

    def opened(size: dict[str, int], scheme: str = "light"):
        page = browser.new_page(viewport=size, color_scheme=scheme)
        page.on("console", lambda message: wrong.append(message.text) if message.type in ("error", "warning") else None)
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("request", lambda asked: None if asked.url.startswith(("file:", "data:")) else wrong.append(asked.url))
        page.goto(url)
        pages.append(page)
        return page

    yield opened
    for page in pages:
        page.close()
    assert wrong == []


def tops(page) -> list[float]:
    script = "(all) => all.map((one) => document.querySelector(one).getBoundingClientRect().top + scrollY)"
    return page.evaluate(script, list(IN_ORDER))


@pytest.mark.parametrize(("size", "scheme"), [(WIDE, "light"), (WIDE, "dark"), (NARROW, "light"), (NARROW, "dark")])
def test_the_order_is_the_same_everywhere_and_nothing_is_wider_than_the_screen(opened, size, scheme) -> None:
    page = opened(size, scheme)
    places = tops(page)
    # on a wide screen the picture stands beside the answer
    assert places[1:] == sorted(places[1:]) and places[0] <= places[1] + 1
    assert page.evaluate("document.documentElement.scrollWidth") <= size["width"]
    dark = page.evaluate("getComputedStyle(document.body).backgroundColor") != "rgb(255, 255, 255)"
    assert dark == (scheme == "dark")


def test_the_answer_and_the_picture_are_seen_without_scrolling(opened) -> None:
    page = opened(WIDE)
    for selector in (".answer .lead", ".answer .detail >> nth=0", ".answer .pictures"):
        box = page.locator(selector).bounding_box()
        assert box["y"] >= 0 and box["y"] + box["height"] <= WIDE["height"]
    assert page.locator(".pictures img").count() == 3
    assert page.locator(".pictures img").first.evaluate("(one) => one.naturalWidth") == 5 * 16


def test_on_a_phone_the_main_table_is_read_without_scrolling_sideways(opened) -> None:
    page = opened(NARROW)
    table = page.locator(".main-table")
    assert not table.locator(".wide").is_visible() and table.locator(".by-column").is_visible()
    assert table.evaluate("(one) => [...one.querySelectorAll('*')].every((e) => e.scrollWidth <= one.clientWidth)")
    # no word of a label is cut or leaves its cell
    fits = (
        "(one) => [...one.querySelectorAll('th, td, caption')].filter((e) => e.scrollWidth > e.clientWidth + 1).length"
    )
    assert table.evaluate(fits) == 0


def test_on_a_wide_screen_every_head_and_cell_shows_all_it_holds(opened) -> None:
    page = opened(WIDE)
    fits = "(one) => [...one.querySelectorAll('th, td')].filter((e) => e.scrollWidth > e.clientWidth + 1).length"
    assert page.locator(".main-table .wide").evaluate(fits) == 0


def test_videos_play_in_step(opened) -> None:
    page = opened(WIDE)
    page.locator(".player").scroll_into_view_if_needed()
    page.wait_for_function(f"{TIMES}.every((time) => time > 1)", timeout=20_000)
    spread = f"() => {{ const times = {TIMES}; return Math.max(...times) - Math.min(...times); }}"
    page.wait_for_function(f"({spread})() < {FRAME}", timeout=20_000)
    page.keyboard.press(" ")
    page.wait_for_function(f"({spread})() < 0.001", timeout=5_000)
    assert page.locator(".player button").inner_text() == "Play"


def test_space_and_arrows_play_and_step(opened) -> None:
    page = opened(WIDE)
    page.locator(".player").scroll_into_view_if_needed()
    page.wait_for_function(f"{TIMES}.every((time) => time > 0.2)", timeout=20_000)
    page.keyboard.press(" ")
    page.wait_for_timeout(200)
    stood = page.evaluate(TIMES)[0]
    page.wait_for_timeout(300)
    assert page.evaluate(TIMES)[0] == stood
    number = stood // FRAME
    for key, by in (("ArrowRight", 1), ("ArrowRight", 1), ("ArrowLeft", -1), ("Shift+ArrowRight", 16)):
        page.keyboard.press(key)
        number += by
        page.wait_for_function(f"{TIMES}.every((time) => Math.floor(time / {FRAME}) === {number:.0f})", timeout=5_000)
    page.keyboard.press(" ")
    page.wait_for_function(f"{TIMES}[0] > {(number + 2) * FRAME}", timeout=5_000)


def test_the_slider_moves_all_videos(opened) -> None:
    page = opened(WIDE)
    page.locator(".player").scroll_into_view_if_needed()
    page.wait_for_function(f"{TIMES}.every((time) => time > 0)", timeout=20_000)
    page.locator(".player input").fill("0.5")
    page.wait_for_function(f"{TIMES}.every((time) => Math.abs(time - 4) < {FRAME})", timeout=5_000)
    assert page.locator(".player output").inner_text() in ("window 3 / 7", "window 4 / 7")


def test_space_on_a_summary_unfolds_it_and_leaves_the_videos_alone(opened) -> None:
    page = opened(WIDE)
    page.wait_for_function(f"{TIMES}[0] > 0", timeout=20_000)
    summary = page.locator(".folded summary").first
    summary.focus()
    page.keyboard.press(" ")
    assert page.locator(".folded details").first.evaluate("(one) => one.open")
    assert page.locator(".player button").inner_text() == "Pause"
