"""Comparisons in words: `with padding=zero, the distance is 2.3 times [1.4, 3.9] as high as with padding=real`."""

from __future__ import annotations

from collections.abc import Sequence

from tats_exp.report.comparisons import Comparison
from tats_exp.run_folder.columns import Column

BEST = {"higher": "higher is better", "lower": "lower is better", "zero": "0 is best", "one": "1 is best", None: ""}


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
    higher: dict[str, list[str]] = {}
    for one in plain:
        if one.estimate.decided:
            higher.setdefault(_side(one), []).append(_than(one, with_p))
    parts: list[str] = []
    for side, clauses in higher.items():
        parts.append(f"with {side} {'it' if parts else subject} is {listed(clauses)}")
    undecided = [_between(one) for one in plain if not one.estimate.decided]
    if undecided:
        parts.append(f"{'it' if parts else subject} is not decided {listed(undecided)}")
    crossed = [_crossed(one, with_p) for one in comparisons if one.contrast.effect is not None]
    if crossed and not parts:
        crossed[0] = f"{subject}: {crossed[0]}"
    return f"{capital('; '.join([*parts, *crossed]))}."


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
    return f"{number(value)}{' times' if one.column.ratio else ''} [{number(low)}, {number(high)}]"


def _side(one: Comparison) -> str:
    return one.contrast.sides[0] + (f", whatever {one.contrast.over}," if one.contrast.over else "")


def _than(one: Comparison, with_p: bool) -> str:
    p = f" (p = {number(one.p)})" if with_p else ""
    how = "as high as" if one.column.ratio else "higher than"
    return f"{interval(one)} {how} with {one.contrast.sides[1]}{p}"


def _between(one: Comparison) -> str:
    sides, over = listed(one.contrast.sides), one.contrast.over
    return f"between {sides}{f', whatever {over},' if over else ''} ({interval(one)})"


def _crossed(one: Comparison, with_p: bool) -> str:
    """Whether one choice changes what another one does."""
    (here, there), effect = one.contrast.sides, one.contrast.effect or ("", "")
    p = f" (p = {number(one.p)})" if with_p else ""
    difference = f"the {'ratio' if one.column.ratio else 'difference'} of {effect[0]} to {effect[1]}"
    if not one.estimate.decided:
        return f"whether {difference} is another with {here} than with {there} is not decided ({interval(one)})"
    how = "as high" if one.column.ratio else "greater"
    return f"{difference} is {interval(one)} {how} with {here} {'as' if one.column.ratio else 'than'} with {there}{p}"
