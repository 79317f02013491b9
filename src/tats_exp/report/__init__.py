"""What a sweep found: table, verdict, figures and one page, made again at any time from what the runs left."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

from tats_exp.cores import usable_cores
from tats_exp.files import atomic, lock
from tats_exp.report.columns import endpoints
from tats_exp.report.part import Part
from tats_exp.report.protocols import Alike, measured_alike, not_alike
from tats_exp.report.runs import Run, group_runs, load_runs
from tats_exp.report.table_formats import comparisons_csv, curves_csv, to_csv, to_markdown, to_text
from tats_exp.report.tables import beside, make_other_table, make_table
from tats_exp.report.verdict import compared, make_verdict


@dataclass(frozen=True)
class Report:
    """What `make_report` found and wrote.

    Attributes:
        parts: table and verdict of the runs that were measured alike; one where all were.
        differs: what differs between the parts, "" where there is one.
        left_out: one line per run that does not count, with the reason.
        page: the HTML page.
    """

    parts: list[Part]
    differs: str
    left_out: list[str]
    page: Path

    @property
    def verdict(self) -> list[str]:
        """The sentences of all parts."""
        return [sentence.text for part in self.parts for sentence in part.verdict]

    def answer(self) -> str:
        """What is known before a figure is drawn: tables, verdicts, what does not count."""
        lines = [self.differs, ""] if self.differs else []
        for part in self.parts:
            lines += [part.heading] if part.heading else []
            lines += [to_text(part.table) if part.table.rows else ""]
            lines += [f"  {sentence.text}" for sentence in part.verdict]
            lines += [""] if part.heading else []
        return "\n".join([*lines, *(f"  not counted: {line}" for line in self.left_out)])

    def text(self) -> str:
        """Everything a terminal should show: the answer, and where the page is."""
        return f"{self.answer()}\n\n  {self.page}"


def make_report(folder: Path, side_by_side: bool = False, say: Callable[[str], object] | None = None) -> Report:
    """Report on every run below a folder, into `<folder>/report`.

    Writes `index.html` (self-contained), `table.csv`, `curves.csv`, `table.md`, `verdict.txt`, `figures/*.png` and,
    where an endpoint was named, `comparisons.csv`; where runs were measured under different protocols, all but the page
    once for each, in `protocol_1/`, `protocol_2/`, ...

    Args:
        folder: a run folder, a sweep folder, or anything above them.
        side_by_side: draw in two processes.
        say: told the answer as soon as it is known, seconds before the figures are drawn.

    Raises:
        UserError: no such folder, or no runs in it.
    """
    runs = load_runs(folder)
    with _alone(folder / "report"):
        return _made(runs, folder, side_by_side, say)


@contextmanager
def _alone(output: Path) -> Iterator[None]:
    """A block in which no other report is made in a folder: who begins one waits."""
    output.mkdir(parents=True, exist_ok=True)
    lock_file = output / ".lock"
    with ExitStack() as held:
        with suppress(OSError):  # there are file systems without locks
            held.enter_context(lock(lock_file))
        try:
            yield
        finally:
            lock_file.unlink(missing_ok=True)


def _made(runs: list[Run], folder: Path, side_by_side: bool, say: Callable[[str], object] | None) -> Report:
    """What `make_report` returns, once everything is written."""
    left_out = [run for run in runs if run.state != "finished"]
    output = folder / "report"
    _clear(output)
    alike = measured_alike(runs)
    headings = [f"Table {n} of {len(alike)}: {one.protocol}" if one.protocol else "" for n, one in enumerate(alike, 1)]
    parts = [_answered(one, heading) for one, heading in zip(alike, headings, strict=True)]
    page = output / "index.html"
    lines = [f"{run.label} ({run.state}): {run.reason}" for run in left_out]
    report = Report(parts, not_alike(alike), lines, page)
    places = [output / f"protocol_{number}" if part.heading else output for number, part in enumerate(parts, start=1)]
    for number, (part, place) in enumerate(zip(parts, places, strict=True)):
        place.mkdir(parents=True, exist_ok=True)
        _write_tables(part, place, [] if number else left_out)
    if say is not None:
        say(report.answer())
    from tats_exp.report.kept_figures import figures_of  # matplotlib comes with it: the answer is there without
    from tats_exp.report.page import make_page

    drawn = [
        replace(part, figures=figures_of(part.groups, place / "figures", side_by_side))
        for part, place in zip(parts, places, strict=True)
    ]
    report = replace(report, parts=drawn)
    title = " and ".join(dict.fromkeys(run.experiment for run in runs if run.experiment)) or folder.resolve().name
    with atomic(page) as temporary:
        html = make_page(runs, drawn, report.differs, title.replace("_", " "))
        temporary.write_text(html, encoding="utf-8")
    return report


def print_report(folder: Path) -> None:
    """Report on every run below a folder, on all cores; what is known is printed before the figures are drawn.

    Args:
        folder: as in `make_report`, as are the errors.
    """

    def say(answer: str) -> None:
        with suppress(BrokenPipeError):  # who reads the terminal's lines has gone; the page is made all the same
            print(f"\n{answer}", flush=True)

    report = make_report(folder, usable_cores() > 1, say)
    print(f"\n  {report.page}")


def _answered(alike: Alike, heading: str) -> Part:
    """Table and verdict of runs that were measured alike."""
    groups = group_runs(alike.runs)
    return Part(heading, groups, make_table(groups), make_other_table(groups), make_verdict(groups), figures={})


def _write_tables(part: Part, folder: Path, left_out: list[Run]) -> None:
    """The files of a table and its verdict."""
    texts = {
        "table.csv": to_csv(beside(part.table, part.others), left_out),
        "curves.csv": curves_csv(part.groups),
        "table.md": to_markdown(part.table),
        "verdict.txt": "".join(f"{sentence.text}\n" for sentence in part.verdict),
    }
    runs = [run for group in part.groups for run in group.runs]
    if (asked := endpoints(runs)) is not None:
        texts["comparisons.csv"] = comparisons_csv(*compared(asked, part.groups))
    for name, text in texts.items():
        with atomic(folder / name) as temporary:
            temporary.write_text(text, encoding="utf-8")


def _clear(output: Path) -> None:
    """Remove what an earlier report left: with other runs beside them, some of its tables may no longer be made."""
    for name in ("table.csv", "curves.csv", "comparisons.csv", "table.md", "verdict.txt"):
        (output / name).unlink(missing_ok=True)
    for folder in (output / "figures", *output.glob(".figures.*.tmp"), *output.glob("protocol_*")):
        shutil.rmtree(folder, ignore_errors=True)
