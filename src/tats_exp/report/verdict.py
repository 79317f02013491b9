"""What the numbers allow to be said, and no more.

Two choices are told apart by a metric only when every seed of one exceeds every seed of the other. One seed proves
nothing; with two the report says that both seeds agree; from three on also by how much. Fréchet distances below twice
the distance of real clips from other real clips are within the floor: among themselves they count as equal.
"""

from __future__ import annotations

import math
import statistics
from dataclasses import dataclass
from itertools import combinations
from typing import Literal

from tats_exp.report.columns import table_columns
from tats_exp.report.runs import Group, Run
from tats_exp.report.tables import real_floor, shared
from tats_exp.run_folder.columns import Column

Outcome = Literal["apart", "same", "floor", "one seed"]


@dataclass(frozen=True)
class Finding:
    """One metric, two choices.

    Attributes:
        column: the metric.
        outcome: `apart`: every seed of `high` exceeds every seed of `low` and the floor; `same`: they overlap;
            `floor`: all values are within the floor; `one seed`: one of the two has a single value.
        high: the choice with the higher mean.
        low: the other.
        high_values: its values, one per seed; infinite means never.
        low_values: those of the other.
        floor: real-vs-real distance, None where the rule does not apply.
    """

    column: Column
    outcome: Outcome
    high: Group
    low: Group
    high_values: list[float]
    low_values: list[float]
    floor: float | None

    @property
    def difference(self) -> tuple[float, float] | None:
        """Difference of the means and spread of such a difference between two runs; None if a value is "never"."""
        if math.inf in (*self.high_values, *self.low_values) or min(len(self.high_values), len(self.low_values)) < 2:
            return None
        spread = math.hypot(statistics.stdev(self.high_values), statistics.stdev(self.low_values))
        return statistics.fmean(self.high_values) - statistics.fmean(self.low_values), spread


def find(groups: list[Group]) -> list[Finding]:
    """Compare every pair of choices by every column whose values may be compared."""
    runs: list[Run] = [run for group in groups for run in group.runs]
    findings = []
    for column in table_columns(runs):
        if column.better is None:
            continue
        floor = real_floor(column.key, runs) if column.floored else None
        for one, other in combinations(groups, 2):
            finding = _compare(column, one, other, floor)
            findings += [finding] if finding else []
    return findings


@dataclass(frozen=True)
class Sentence:
    """One line of the verdict and the outcome it tells of (`note`: about the comparison itself)."""

    outcome: Outcome | Literal["note"]
    text: str


def make_verdict(groups: list[Group]) -> list[Sentence]:
    """The verdict metric by metric; within each, the choices that came out apart first."""
    if not groups:
        return [Sentence("note", "No run finished: no verdict.")]
    of_runs = dict.fromkeys(note for group in groups for run in group.runs for note in run.notes)
    notes = [Sentence("note", f"A grain of salt: {note}.") for note in of_runs]
    if len(groups) == 1:
        return [Sentence("note", f"One choice only ({groups[0].label}): nothing to compare."), *notes]
    findings = find(groups)
    sentences: list[Sentence] = []
    equal: list[str] = []
    for column in dict.fromkeys(finding.column for finding in findings):
        if shared(column, groups):
            equal.append(column.phrase)
        else:
            sentences += _sentences([finding for finding in findings if finding.column == column])
    if equal:
        sentences.append(Sentence("same", f"The same in all choices that have them, seed by seed: {_listed(equal)}."))
    return sentences + notes + _by_chance(findings) + _by_reconstruction(findings)


def _compare(column: Column, one: Group, other: Group, floor: float | None) -> Finding | None:
    values = [column.numbers(group.values(column.key)) for group in (one, other)]
    if not all(values):
        return None
    (high, high_values), (low, low_values) = sorted(
        zip((one, other), values, strict=True), key=lambda pair: statistics.fmean(pair[1]), reverse=True
    )
    outcome: Outcome = "same"
    if min(len(high_values), len(low_values)) < 2:
        outcome = "one seed"
    elif all(column.within_floor(value, floor) for value in high_values + low_values):
        outcome = "floor"
    elif min(high_values) > max(low_values) and not column.within_floor(min(high_values), floor):
        outcome = "apart"
    return Finding(column, outcome, high, low, high_values, low_values, floor)


def _sentences(findings: list[Finding]) -> list[Sentence]:
    """The findings of one metric; those about the same choice, and those without a difference, share a line."""
    phrase = findings[0].column.phrase
    apart = [finding for finding in findings if finding.outcome == "apart"]
    sentences = [_apart(alike, from_above) for alike, from_above in _by_sentence(apart)]
    double = f"2 × {_number(findings[0].floor or 0.0)}"
    clamped = any(finding.column.within_floor(min(finding.low_values), finding.floor) for finding in findings)
    openings: dict[Outcome, str] = {
        "same": "no difference seen" + (f" (distances below {double} count as equal)" if clamped else ""),
        "floor": f"all within the floor (below {double}), no difference seen",
        "one seed": "one seed proves nothing about a difference",
    }
    for outcome, opening in openings.items():
        alike = [finding for finding in findings if finding.outcome == outcome]
        if alike:
            sentences.append(Sentence(outcome, _capital(f"{phrase}: {opening} {_between(alike)}.")))
    return sentences


def _between(findings: list[Finding]) -> str:
    """The choices compared: `between a and b`, `among a, b, c` if each is compared with each, else pair by pair."""
    sides: dict[str, str] = {}
    for finding in findings:
        sides[finding.high.label] = _side(finding.high, finding.high_values)
        sides[finding.low.label] = _side(finding.low, finding.low_values)
    if len(sides) > 2 and len(findings) == math.comb(len(sides), 2):
        return f"among {_listed(list(sides.values()))}"
    if len(sides) > 3:
        # Told pair by pair, many values would bury the pairs; the table has them.
        sides = {label: label for label in sides}
    against: dict[str, list[str]] = {}
    for finding in findings:
        against.setdefault(finding.high.label, []).append(sides[finding.low.label])
    return "; ".join(f"between {sides[high]} and {_listed(lows, 'or')}" for high, lows in against.items())


def _by_sentence(findings: list[Finding]) -> list[tuple[list[Finding], bool]]:
    """Findings that share a sentence, told from the higher choice (True) or from the lower one.

    The subject with the most left to say speaks next: "zero is below a, b and c" beats three sentences about zero.
    """
    sentences = []
    while findings:
        lines: dict[tuple[bool, str, str], list[Finding]] = {}
        for finding in findings:
            for from_above, subject in ((True, finding.high), (False, finding.low)):
                lines.setdefault((from_above, subject.label, _agreement(finding)), []).append(finding)
        (from_above, _, _), line = max(lines.items(), key=lambda item: len(item[1]))
        sentences.append((line, from_above))
        findings = [finding for finding in findings if finding not in line]
    return sentences


def _apart(findings: list[Finding], from_above: bool) -> Sentence:
    """`Both seeds agree that padding=zero has a higher (worse) ... than padding=real (...) and ...`."""
    first = findings[0]
    judged = first.column.judge(higher=from_above)
    words = ("a later", "an earlier") if first.column.never else ("a higher", "a lower")
    comparative = words[0 if from_above else 1] + (f" ({judged})" if judged else "")
    sides = [(first.high, first.high_values), (first.low, first.low_values)]
    subject = _side(*sides[0 if from_above else 1], first.floor, first.column)
    against = _listed([_against(finding, from_above) for finding in findings])
    text = f"{_agreement(first)} {subject} has {comparative} {first.column.phrase} than {against}."
    return Sentence("apart", _capital(text))


def _agreement(finding: Finding) -> str:
    counts = len(finding.high_values), len(finding.low_values)
    if counts == (2, 2):
        return "both seeds agree that"
    return f"all {counts[0]} seeds agree that" if counts[0] == counts[1] else "all seeds agree that"


def _against(finding: Finding, from_above: bool) -> str:
    other = (finding.low, finding.low_values) if from_above else (finding.high, finding.high_values)
    text = _side(*other, finding.floor, finding.column)
    difference = finding.difference
    if difference is None or min(len(finding.high_values), len(finding.low_values)) < 3:
        return text
    return f"{text[:-1]}; means differ by {_number(difference[0])} ± {difference[1]:.2g})"


def _side(group: Group, values: list[float], floor: float | None = None, column: Column | None = None) -> str:
    """A choice with its values, both of two seeds or the range of more: whether ranges overlap is the whole test."""
    note = "; within the floor" if column and all(column.within_floor(value, floor) for value in values) else ""
    if len(values) > 2:
        values = sorted({min(values), max(values)})
        return f"{group.label} ({' … '.join(_number(value) for value in values)}{note})"
    return f"{group.label} ({', '.join(_number(value) for value in values)}{note})"


def _listed(items: list[str], last: str = "and") -> str:
    return f" {last} ".join(filter(None, (", ".join(items[:-1]), items[-1])))


def _number(value: float) -> str:
    if math.isinf(value):
        return "never"
    return f"{value:.3g}" if abs(value) < 1000 else f"{value:.0f}"


def _capital(text: str) -> str:
    return text[0].upper() + text[1:]


def _by_chance(findings: list[Finding]) -> list[Sentence]:
    """How often two choices that do not differ at all would come out apart: the reader's grain of salt."""
    compared = [finding for finding in findings if finding.outcome in ("apart", "same")]
    counts = {tuple(sorted((len(finding.high_values), len(finding.low_values)))) for finding in compared}
    sentences = []
    for fewer, more in sorted(counts):
        odds = math.comb(fewer + more, fewer) / 2
        text = f"with {fewer} seeds against {more}, two choices that do not differ at all come out apart"
        sentences.append(Sentence("note", f"A grain of salt: {text} in 1 of {odds:.3g} comparisons."))
    return sentences


def _by_reconstruction(findings: list[Finding]) -> list[Sentence]:
    """A VQGAN whose own reconstructions are far from real video hides drift: samples start from its error."""
    worst: dict[Column, tuple[float, float]] = {}
    for finding in findings:
        values = finding.high_values
        if finding.column.pedestal and finding.floor is not None:
            known = worst.get(finding.column, (0.0, 0.0))
            worst[finding.column] = max(known, (max(values), finding.floor))
    hidden = "every distance of a sampled video starts from there, and drift below it stays hidden"
    sentences = []
    for column, (value, floor) in worst.items():
        if not column.within_floor(value, floor):
            far = f"{column.phrase} is up to {_number(value)} where real against real is {_number(floor)}"
            sentences.append(Sentence("note", f"A grain of salt: {far}; {hidden}."))
    return sentences
