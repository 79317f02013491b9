"""Comparisons in words: `with padding=zero, the distance is 2.3 times [1.4, 3.9] as high as with padding=real`."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

from tats_exp.report.comparisons import Comparison
from tats_exp.run_folder.columns import Column

BEST = {"higher": "higher is better", "lower": "lower is better", "zero": "0 is best", "one": "1 is best", None: ""}
MOST_DECIDED = 6
"""Pairs that are decided and told one by one; of more of them the widest is told, and the order of the choices."""
MOST_UNDECIDED = 6
"""Pairs that are not decided and named one by one; `comparisons.csv` has the intervals of all."""


def sentence(comparisons: Sequence[Comparison], with_p: bool = False) -> str:
    """All that was compared by one column: what is decided, from the higher side of each, then what is not.

    Args:
        comparisons: one or more, of one column.
        with_p: whether the p-value stands with each that is decided.
    """
    column = comparisons[0].column
    best = BEST[column.better]
    subject = f"{named(column)} ({best})" if best else named(column)
    plain = [one for one in comparisons if one.contrast.effect is None]
    decided = [one for one in plain if one.estimate.decided]
    parts = _widest(subject, plain, decided, with_p) if len(decided) > MOST_DECIDED else []
    parts = parts or _one_by_one(subject, decided, with_p)
    undecided = [_between(one) for one in plain if not one.estimate.decided]
    if len(undecided) > MOST_UNDECIDED:
        undecided = [f"between {len(undecided)} pairs of choices"]
    if undecided:
        parts.append(f"{'it' if parts else subject} is not decided {listed(undecided)}")
    crossed = [_crossed(one, with_p) for one in comparisons if one.contrast.effect is not None]
    if crossed and not parts:
        crossed[0] = f"{subject}: {crossed[0]}"
    return f"{capital('; '.join([*parts, *crossed]))}."


def _one_by_one(subject: str, decided: Sequence[Comparison], with_p: bool) -> list[str]:
    """Each pair that is decided, from its higher side."""
    higher: dict[str, list[str]] = {}
    for one in decided:
        higher.setdefault(_side(one), []).append(_than(one, with_p))
    parts: list[str] = []
    for side, clauses in sorted(higher.items(), key=lambda item: -len(item[1])):
        parts.append(f"with {side}, {'it' if parts else subject} is {listed(clauses)}")
    return parts


def _widest(subject: str, plain: Sequence[Comparison], decided: Sequence[Comparison], with_p: bool) -> list[str]:
    """Of many pairs the widest that is decided, how the choices follow each other where all were compared, how many."""
    widest = max(decided, key=lambda one: one.estimate.value)
    parts = [f"with {_side(widest)}, {subject} is {_than(widest, with_p)}"]
    if with_p:  # only those that hold
        return [*parts, f"{len(decided)} pairs of choices differ, this one most"]
    over = Counter(one.contrast.sides[0] for one in plain)
    sides = sorted({side for one in plain for side in one.contrast.sides}, key=lambda side: (-over[side], side))
    if len(plain) == math.comb(len(sides), 2):
        parts.append(f"from high to low the choices compared are {listed(sides)}")
    return [*parts, f"{len(decided)} of {len(plain)} pairs are decided, this one is the widest of them"]


def named(column: Column) -> str:
    """A column as it stands in a sentence."""
    return column.phrase or " ".join(column.title).strip()


def number(value: float) -> str:
    """Three digits, no exponent for what people write without one."""
    text = f"{value:.3g}" if abs(value) < 1000 else f"{value:,.0f}"
    return text.replace("-", "−")


def listed(items: Sequence[str], last: str = "and") -> str:
    """`a, b and c`."""
    return f" {last} ".join(filter(None, (", ".join(items[:-1]), items[-1])))


def capital(text: str) -> str:
    """The same, beginning as a sentence does."""
    return text[:1].upper() + text[1:]


def interval(one: Comparison) -> str:
    """`1.9 [1.2, 2.6]`, or `2.3 times [1.4, 3.9]`."""
    value, low, high = one.told()
    if one.column.ratio:
        low_text, high_text = (_beside_one(end) if one.estimate.decided else number(end) for end in (low, high))
        return f"{number(value)} times [{low_text}, {high_text}]"
    return spread(value, low, high)


def _beside_one(ratio: float) -> str:
    """An end that is 1 when it is rounded would hide on which side of 1 it lies."""
    text = number(ratio)
    return text if text != "1" or ratio == 1 else f"{1 + float(f'{ratio - 1:.1g}'):g}"


def spread(value: float, low: float, high: float) -> str:
    """A value and the ends of its interval: `1.9 [1.2, 2.6]`."""
    decimals = max(0, 1 - math.floor(math.log10((high - low) / 2)))  # two digits of what it may be off by
    rounded = ((each, f"{each:,.{decimals}f}") for each in (value, low, high))
    # An end that is 0 when it is rounded would hide on which side of 0 it lies.
    texts = [(text if each == 0 or text.strip("-0.") else f"{each:.1g}").replace("-", "−") for each, text in rounded]
    return f"{texts[0]} [{texts[1]}, {texts[2]}]"


def _p(one: Comparison) -> str:
    """Of a secondary endpoint after Holm's adjustment, of the primary one as it is; intervals are not adjusted."""
    return f"{'adjusted ' if one.adjusted else ''}p {'< 0.001' if one.p < 0.001 else f'= {one.p:.2g}'}"


def _side(one: Comparison) -> str:
    return one.contrast.sides[0] + (f", whatever {one.contrast.over}" if one.contrast.over else "")


def _than(one: Comparison, with_p: bool) -> str:
    p = f" ({_p(one)})" if with_p else ""
    how = "as high as" if one.column.ratio else "higher than"
    return f"{interval(one)} {how} with {one.contrast.sides[1]}{p}"


def _between(one: Comparison) -> str:
    sides, over = listed(one.contrast.sides), one.contrast.over
    return f"between {sides}{f', whatever {over},' if over else ''} ({interval(one)})"


def _crossed(one: Comparison, with_p: bool) -> str:
    """Whether one choice changes what another one does."""
    (here, there), effect = one.contrast.sides, one.contrast.effect or ("", "")
    p = f" ({_p(one)})" if with_p else ""
    what = "ratio" if one.column.ratio else "difference"
    if not one.estimate.decided:
        key = here.partition("=")[0]
        return f"it is not decided whether {key} changes the {what} of {effect[0]} to {effect[1]} ({interval(one)})"
    how, than = ("as high", "as") if one.column.ratio else ("greater", "than")
    return f"the {what} of {effect[0]} to {effect[1]} is {interval(one)} {how} with {here} {than} with {there}{p}"
