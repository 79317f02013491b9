"""What a sweep found: table, verdict, figures and one page, made again at any time from what the runs left."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tats_exp.files import atomic
from tats_exp.report.columns import endpoints
from tats_exp.report.protocols import Alike, measured_alike, not_alike
from tats_exp.report.runs import Run, group_runs, load_runs
from tats_exp.report.table_formats import comparisons_csv, curves_csv, to_csv, to_markdown, to_text
from tats_exp.report.tables import beside, make_other_table, make_table
from tats_exp.report.verdict import compared, make_verdict

if TYPE_CHECKING:
    from tats_exp.report.page import Part


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

    def text(self) -> str:
        """Everything a terminal should show: tables, verdicts, what does not count, where the page is."""
        lines = [self.differs, ""] if self.differs else []
        for part in self.parts:
            lines += [part.heading] if part.heading else []
            lines += [to_text(part.table) if part.table.rows else ""]
            lines += [f"  {sentence.text}" for sentence in part.verdict]
            lines += [""] if part.heading else []
        left_out = [f"  not counted: {line}" for line in self.left_out]
        return "\n".join([*lines, *left_out, "", f"  {self.page}"])


def make_report(folder: Path, side_by_side: bool = False) -> Report:
    """Report on every run below a folder, into `<folder>/report`.

    Writes `index.html` (self-contained), `table.csv`, `curves.csv`, `table.md`, `verdict.txt`, `figures/*.png` and,
    where an endpoint was named, `comparisons.csv`; where runs were measured under different protocols, all but the page
    once for each, in `protocol_1/`, `protocol_2/`, ...

    Args:
        folder: a run folder, a sweep folder, or anything above them.
        side_by_side: draw in two processes; the module that was started must then be safe to import.

    Raises:
        UserError: no such folder, or no runs in it.
    """
    runs = load_runs(folder)
    from tats_exp.report.page import make_page  # matplotlib comes with it: a wrong folder is answered without

    left_out = [run for run in runs if run.state != "finished"]
    output = folder / "report"
    _clear(output)
    alike = measured_alike(runs)
    parts = []
    for number, one in enumerate(alike, start=1):
        heading = f"Table {number} of {len(alike)}: {one.protocol}" if one.protocol else ""
        place = output / f"protocol_{number}" if heading else output
        parts.append(_make_part(one, heading, place, left_out if number == 1 else [], side_by_side))
    differs = not_alike(alike)
    title = " and ".join(dict.fromkeys(run.experiment for run in runs if run.experiment)) or folder.resolve().name
    page = output / "index.html"
    with atomic(page) as temporary:
        temporary.write_text(make_page(runs, parts, differs, title.replace("_", " ")), encoding="utf-8")
    return Report(parts, differs, [f"{run.label} ({run.state}): {run.reason}" for run in left_out], page)


def _make_part(alike: Alike, heading: str, folder: Path, left_out: list[Run], side_by_side: bool) -> Part:
    """Table, verdict and figures of runs that were measured alike, and their files."""
    from tats_exp.report.figures import draw_figures
    from tats_exp.report.page import Part

    groups = group_runs(alike.runs)
    table, others, verdict = make_table(groups), make_other_table(groups), make_verdict(groups)
    figures = draw_figures(groups, folder / "figures", side_by_side)
    texts = {
        "table.csv": to_csv(beside(table, others), left_out),
        "curves.csv": curves_csv(groups),
        "table.md": to_markdown(table),
        "verdict.txt": "".join(f"{sentence.text}\n" for sentence in verdict),
    }
    if (asked := endpoints(alike.runs)) is not None:
        texts["comparisons.csv"] = comparisons_csv(*compared(asked, groups))
    for name, text in texts.items():
        with atomic(folder / name) as temporary:
            temporary.write_text(text, encoding="utf-8")
    return Part(heading, groups, table, others, verdict, figures)


def _clear(output: Path) -> None:
    """Remove what an earlier report left: with other runs beside them, some of its tables may no longer be made."""
    for name in ("table.csv", "curves.csv", "comparisons.csv", "table.md", "verdict.txt"):
        (output / name).unlink(missing_ok=True)
    for folder in (output / "figures", *output.glob("protocol_*")):
        shutil.rmtree(folder, ignore_errors=True)
