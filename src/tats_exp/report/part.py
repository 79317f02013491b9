"""What a report says of runs that were measured alike."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tats_exp.report.runs import Group
from tats_exp.report.tables import Table
from tats_exp.report.verdict import Sentence


@dataclass(frozen=True)
class Part:
    """What is shown of runs that were measured alike.

    Attributes:
        heading: which of several parts this is, "" where there is one.
        groups: the finished runs by combination of choices.
        table: from `make_table`.
        others: from `make_other_table`.
        verdict: from `make_verdict`.
        figures: name -> (light PNG, dark PNG); empty before they are drawn.
    """

    heading: str
    groups: list[Group]
    table: Table
    others: Table
    verdict: list[Sentence]
    figures: dict[str, tuple[Path, Path]]
