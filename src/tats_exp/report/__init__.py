"""What a sweep found: table, verdict, figures and one page, made again at any time from what the runs left."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tats_exp.files import atomic
from tats_exp.report.figures import draw_figures
from tats_exp.report.page import make_page
from tats_exp.report.runs import group_runs, load_runs
from tats_exp.report.tables import make_table, to_csv, to_markdown, to_text
from tats_exp.report.verdict import make_verdict


@dataclass(frozen=True)
class Report:
    """What `make_report` found and wrote.

    Attributes:
        table: the aligned text table, for a terminal.
        verdict: its sentences.
        left_out: one line per run that does not count, with the reason.
        page: the HTML page.
    """

    table: str
    verdict: list[str]
    left_out: list[str]
    page: Path

    def text(self) -> str:
        """Everything a terminal should show: table, verdict, what does not count, where the page is."""
        left_out = [f"  not counted: {line}" for line in self.left_out]
        return "\n".join([self.table, *(f"  {line}" for line in self.verdict), *left_out, "", f"  {self.page}"])


def make_report(folder: Path) -> Report:
    """Report on every run below a folder, into `<folder>/report`.

    Writes `index.html` (self-contained), `table.csv`, `table.md`, `verdict.txt` and `figures/*.png`.

    Args:
        folder: a run folder, a sweep folder, or anything above them.

    Raises:
        ValueError: no such folder, no runs in it, or runs whose values were measured under different protocols.
    """
    runs = load_runs(folder)
    groups = group_runs(runs)
    table = make_table(groups)
    verdict = make_verdict(groups)
    left_out = [run for run in runs if run.state != "finished"]
    output = folder / "report"
    figures = draw_figures(groups, output / "figures")
    title = " and ".join(dict.fromkeys(run.experiment for run in runs if run.experiment)) or folder.resolve().name
    texts = {
        "table.csv": to_csv(table, left_out),
        "table.md": to_markdown(table),
        "verdict.txt": "".join(f"{sentence.text}\n" for sentence in verdict),
        "index.html": make_page(runs, groups, table, verdict, figures, title.replace("_", " ")),
    }
    for name, text in texts.items():
        with atomic(output / name) as temporary:
            temporary.write_text(text, encoding="utf-8")
    return Report(
        table=to_text(table) if table.rows else "",
        verdict=[sentence.text for sentence in verdict],
        left_out=[f"{run.label} ({run.state}): {run.reason}" for run in left_out],
        page=output / "index.html",
    )
