"""What the intervals support, and no more, beginning with the answer to the question.

The endpoint that was named before the run answers it. Below `FEW` trainings a choice, trainings that collapsed are
counted first. Of the secondary endpoints only what holds after Holm's adjustment is told. Without an endpoint nothing
is claimed.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from tats_exp.report.columns import Endpoints, endpoints, table_columns, value_columns
from tats_exp.report.comparisons import Comparison, compare, compare_all, contrasts_of
from tats_exp.report.phrases import capital, listed, named, number, sentence, spread
from tats_exp.report.runs import Group, Run
from tats_exp.report.statistics import mean
from tats_exp.report.tables import FREE, floor_cell, shared
from tats_exp.run_folder.columns import Column

COLLAPSE = "drift/collapse_window"
LISTED = 3
"""Choices of which no training came to an event, that are named one by one; more of them are told together."""
NAMED = 6
"""Choices that are held against chance one by one; of more of them it is told how many differ."""
FIRST_OF_FREE = 4
"""Columns that are named of those that a degenerate model gets for nothing."""
FEW = 4
"""Trainings of a choice from which on an interval leads, not a count."""
LEVEL = 0.05
Kind = Literal["answer", "detail", "secondary", "note"]


@dataclass(frozen=True)
class Sentence:
    """One sentence of the verdict.

    Attributes:
        kind: `answer`: the first; `detail`: what belongs to it; `secondary`: of the secondary endpoints, how much was
            compared included; `note`: what a reader has to know of the values.
        text: the sentence.
    """

    kind: Kind
    text: str


def make_verdict(groups: list[Group]) -> list[Sentence]:
    """The answer, what belongs to it, the secondary endpoints, and what a reader has to know."""
    runs = [run for group in groups for run in group.runs]
    noted = dict.fromkeys(note for run in runs for note in run.notes)
    refused = dict.fromkeys(run.refused for run in runs if run.refused)
    notes = [Sentence("detail", f"{capital(why)}.") for why in refused]
    notes += [Sentence("note", f"A grain of salt: {note}.") for note in noted]
    notes = _for_nothing(runs) + notes
    if not groups:
        return [Sentence("answer", "No run finished: no verdict.")]
    if not any(run.seed for run in runs):
        return [*_of_folders(groups), *notes]
    if len(groups) == 1:
        return [Sentence("answer", f"One choice only ({groups[0].label}): nothing to compare."), *notes]
    asked = endpoints(runs)
    sentences = _unnamed(groups) if asked is None else _of_endpoints(asked, groups)
    return [*sentences, *_alike(groups), *notes]


def _for_nothing(runs: list[Run]) -> list[Sentence]:
    """What degenerate models get for nothing, by what makes them so: it is marked in the table and counts nowhere."""
    columns = {column.key: column for column in value_columns(runs)}
    shown = [column.key for column in table_columns(runs)]
    sentences = []
    for run in runs:
        for why in dict.fromkeys(run.free.values()):
            keys = [key for key, reason in run.free.items() if reason == why and key in columns]
            first = [named(columns[key]) for key in sorted(keys, key=lambda key: key not in shown)][:FIRST_OF_FREE]
            rest = f" and {len(keys) - len(first)} more" * (len(keys) > len(first))
            text = f"{FREE} {run.label}: {why}, which gets {', '.join(first)}{rest} for nothing; these count nowhere."
            sentences += [Sentence("detail", text)] if keys else []
    return sentences


def counted(column: Column, groups: list[Group], verb: str) -> str:
    """How many trainings of each choice came to an event: `2 of 2 with padding=zero collapse by window 3, 0 of 2 ...`.

    Args:
        column: counts windows until the event.
        groups: choices; those without a value are left out.
        verb: what trainings do.

    Returns:
        "" where no choice has a value.
    """
    windows = [window for group in groups for window in group.values(column.key)]
    if windows and not any(map(math.isfinite, windows)):
        return f"0 of {len(windows)} trainings {verb}"
    parts: list[tuple[float, str]] = []
    spared: list[str] = []
    for group in groups:
        of_group = group.values(column.key)
        happened = [window for window in of_group if math.isfinite(window)]
        text = f"{len(happened)} of {len(of_group)} with {group.label}"
        if happened:
            parts.append((len(happened) / len(of_group), f"{text} {verb} by window {max(happened):.0f}"))
        elif of_group:
            spared.append(text)
    if len(spared) > LISTED:
        others = [group for group in groups if not any(map(math.isfinite, group.values(column.key)))]
        spared = [f"0 of {sum(len(group.values(column.key)) for group in others)} with the other {len(spared)} choices"]
    return ", ".join([*(text for _, text in sorted(parts, key=lambda part: -part[0])), *spared])


def _of_folders(groups: list[Group]) -> list[Sentence]:
    """What was measured of folders of videos: no trainings stand behind them, so there is nothing to compare."""
    runs = [run for group in groups for run in group.runs]
    once = "Each folder is measured once: its values describe these videos, not the model that made them."
    floors = {column: floor_cell("real", column.key, runs).mean for column in table_columns(runs) if not column.never}
    # How far they are is told by what has a distance of real videos from each other beside it, if anything has.
    for column in sorted(floors, key=lambda column: floors[column] is None):
        of_folders = [
            f"{number(value)} for {group.label}" for group in groups for value in group.values(column.key)[:1]
        ]
        floor = floors[column]
        against = "" if floor is None else f"; real against other real: {number(floor)}"
        if of_folders:
            answer = f"{capital(named(column))}: {listed(of_folders)}{against}."
            return [Sentence("answer", answer), Sentence("detail", once)]
    return [Sentence("answer", once)]


def _unnamed(groups: list[Group]) -> list[Sentence]:
    """Without an endpoint nothing is compared; how many trainings collapsed is seen all the same."""
    several = any(run.endpoint for group in groups for run in group.runs)
    why = "The runs do not name the same endpoint" if several else "No endpoint was named before the runs"
    text = f"{why}, so no difference between choices is claimed here."
    count = _collapsed(groups)
    return [Sentence("answer", text), *([Sentence("detail", f"{count}.")] if count else [])]


def _of_endpoints(asked: Endpoints, groups: list[Group]) -> list[Sentence]:
    """The answer of the primary endpoint, then what holds of the secondary ones, then how much was compared."""
    primary, secondary = compared(asked, groups)
    texts = _answer(asked, groups, primary)
    sentences = [Sentence("detail" if place else "answer", text) for place, text in enumerate(texts)]
    for column in asked.secondary:
        if column.never and column.key != COLLAPSE and (count := counted(column, groups, "come to it")):
            sentences.append(Sentence("secondary", f"{capital(named(column))}: {count}."))
        held = [one for one in secondary if one.column == column and one.p < LEVEL]
        sentences += [Sentence("secondary", sentence(held, with_p=True))] if held else []
    return [*sentences, Sentence("secondary", _how_much(primary, secondary))]


def compared(asked: Endpoints, groups: list[Group]) -> tuple[list[Comparison], list[Comparison]]:
    """All comparisons: by the primary endpoint, and by the secondary ones, whose p-values are adjusted together."""
    of_all = [] if asked.primary.never else contrasts_of(groups)
    primary = [one for of in of_all if (one := compare(asked.primary, of, groups)) is not None]
    return primary, compare_all(asked.secondary, groups)


def _answer(asked: Endpoints, groups: list[Group], found: list[Comparison]) -> list[str]:
    """The answer, counts before intervals where there are few trainings; and where more is recorded."""
    column, few = asked.primary, min(len(group.runs) for group in groups) < FEW
    is_named = COLLAPSE in [each.key for each in (column, *asked.secondary)]
    count = _collapsed(groups) if is_named else ""
    if column.never:
        texts = [count or counted(column, groups, "come to it") or f"{named(column)} was not measured"]
    else:
        texts = [sentence(found).removesuffix(".") if found else _without_interval(column, groups)]
        texts.insert(0 if few and not count.startswith("0 ") else 1, count)
        told, text = _against_chance(column, groups)
        texts.insert(len(texts) if told or few else 0, text)
    record = next((run.record for group in groups for run in group.runs if run.record), None)
    if few and record and any(group.values(column.key) for group in groups):
        texts.append(f"few trainings decide little: the record of this question is {record}")
    return [f"{capital(text)}." for text in texts if text]


def _against_chance(column: Column, groups: list[Group]) -> tuple[bool, str]:
    """Whether a choice differs from the chance of its own videos, and by how much each does; "" without intervals.

    Choices can differ in a distance from chance to chance: what turns more often is nearer to any sound.
    """
    beyond = {group.label: _beyond_chance(column.key, group) for group in groups}
    found = {label: mean(values) if values else None for label, values in beyond.items()}
    known = {label: one for label, one in found.items() if one is not None}
    if column.ratio or len(known) < len(groups):
        return True, ""
    less = "less the chance of its own videos"
    each = [f"{spread(one.value, one.low, one.high)} with {label}" for label, one in known.items()]
    decided = sum(one.decided for one in known.values())
    if not decided:
        told = f": {less}, it is {listed(each)}" * (len(each) <= NAMED)
        return False, f"{named(column)} cannot be told from chance with any choice{told}"
    if len(each) > NAMED:
        return True, f"{less}, it is told from 0 with {decided} of {len(each)} choices"
    return True, f"{less}, it is {listed(each)}"


def _beyond_chance(key: str, group: Group) -> list[float]:
    """Of each training what it has of a metric less what chance gives its videos, where it has both."""
    both = [(run.earned(key), run.floor("chance", key)) for run in group.runs]
    beyond = [value - chance for value, chance in both if value is not None and chance is not None]
    return beyond if all(map(math.isfinite, beyond)) else []


def _collapsed(groups: list[Group]) -> str:
    runs = [run for group in groups for run in group.runs]
    column = next((column for column in value_columns(runs) if column.key == COLLAPSE), None)
    return counted(column, groups, "collapse") if column else ""


def _without_interval(column: Column, groups: list[Group]) -> str:
    """Why the primary endpoint has no interval."""
    if shared(column, groups):
        return f"{named(column)} is the same in all choices, training by training"
    fewest = min(len(group.values(column.key)) for group in groups)
    if not any(group.values(column.key) for group in groups):
        return f"{named(column)} is not defined for these runs"
    why = {0: "a choice has no value of it", 1: "one training of a choice has no spread"}.get(fewest, "nothing spreads")
    return f"{named(column)} is not decided: there is no interval, since {why}"


def _how_much(primary: list[Comparison], secondary: list[Comparison]) -> str:
    """How many comparisons there were, by which test, and over how many trainings."""
    every = [*primary, *secondary]
    if not every:
        return "Nothing was compared."
    held = sum(one.p < LEVEL for one in secondary)
    tests = listed(list(dict.fromkeys(_test(one) for one in every)))
    fewest, most = (extreme(min(one.trainings) for one in every) for extreme in (min, max))
    trainings = f"{fewest}" if fewest == most else f"{fewest} to {most}"
    holds = f"of which {held or 'none'} {'holds' if held < 2 else 'hold'} after Holm's adjustment"
    how_many = f"{len(primary)} by the primary endpoint, {len(secondary)} by secondary ones, {holds}"
    return (
        f"{len(every)} comparisons: {how_many}. 95 % intervals of each by itself, by {tests}; unit: a training, "
        f"{trainings} a choice, not a video."
    )


def _test(one: Comparison) -> str:
    if one.is_paired:
        return "a paired t over seeds that share a trained stage"
    return "Welch's t" if len(one.trainings) == 2 else "contrasts of four means (Welch-Satterthwaite)"


def _alike(groups: list[Group]) -> list[Sentence]:
    """Columns that choices share, such as those of one VQGAN under several samplers."""
    runs = [run for group in groups for run in group.runs]
    equal = [named(column) for column in table_columns(runs) if shared(column, groups) and not column.never]
    if not equal:
        return []
    return [Sentence("note", f"The same in all choices that have them, training by training: {listed(equal)}.")]
