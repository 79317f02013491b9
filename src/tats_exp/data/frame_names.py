"""In which order the images of a folder stand, told by the numbers in their names.

`frame_2` comes before `frame_10`, and `0.040000`, a time in seconds, before `1.000000`. A dot may also part two counts:
`shot1.0002` is frame 2 of shot 1. All names of a folder are read in one way.
"""

import re
from collections import defaultdict
from collections.abc import Sequence
from decimal import Decimal
from itertools import pairwise

COUNTS = re.compile(r"(\d+)")
# No version, date or address: there dots follow on dots. An exponent wants a dot: hashes hold `9e-1`.
TIMES = re.compile(r"(-?(?<!\d\.)(?<!\d)\d+\.\d+(?:[eE][+-]\d{1,3})?(?!\d|\.\d)|-?\d+)")

Key = list[str | Decimal]
"""Text, number, text, ..., as they follow on each other in a name."""


def sort_keys(stems: Sequence[str]) -> list[Key]:
    """By what each name is sorted.

    Args:
        stems: names without their suffix.
    """
    return [_key(parts) for parts in _parted(stems)]


def several_videos(keys: Sequence[Key]) -> bool:
    """Whether names count two things, such as `video0_frame12`, and neither of them alone counts the frames."""
    numbers = [key[1::2] for key in keys]
    if len({len(found) for found in numbers}) != 1:
        return False
    distinct = [len(set(column)) for column in zip(*numbers, strict=True)]
    return sum(count > 1 for count in distinct) > 1 and max(distinct) < len(numbers)


def _key(parts: list[str]) -> Key:
    return [Decimal(part) if place % 2 else part for place, part in enumerate(parts)]


def _parted(stems: Sequence[str]) -> list[list[str]]:
    """Names cut into text and numbers, all of them in the same way."""
    names = [TIMES.split(stem) for stem in stems]
    if len({len(name) for name in names}) == 1:
        columns = [[name[place] for name in names] for place in range(1, len(names[0]), 2)]
        if all(_are_times(column) for column in columns if any("." in number for number in column)):
            return _without_dashes(names)
    return [COUNTS.split(stem) for stem in stems]


def _without_dashes(names: list[list[str]]) -> list[list[str]]:
    """A dash that all names have before a number parts it from what is before it; else it is the sign of some."""
    for place in range(1, len(names[0]), 2):
        if all(name[place].startswith("-") for name in names):
            for name in names:
                name[place - 1 : place + 1] = [name[place - 1] + "-", name[place][1:]]
    return names


def _are_times(column: list[str]) -> bool:
    """Whether numbers with a dot are decimal fractions, and no two counts with a dot between them.

    Counts tell themselves by `1.1` beside `1.10`, or by going on step by step behind the dot where the fractions do
    not, as in `1.01 1.02 2.01 2.02`.
    """
    values = sorted(set(map(Decimal, column)))
    if len(values) < len(set(column)):
        return False
    if any("e" in number.lower() for number in column):  # an exponent
        return True
    behind = [number.partition(".")[2] for number in column]
    even = _even([after - before for before, after in pairwise(values)])
    if len(set(map(len, behind))) > 1:
        padded = any(len(digits) > 1 and digits[0] == "0" for digits in behind)
        return (even or padded) and not any(len(digits) > 1 and digits[-1] == "0" for digits in behind)
    counts: dict[str, set[int]] = defaultdict(set)
    for number in column:
        whole, _, digits = number.partition(".")
        counts[whole].add(int(digits))
    steps = [after - before for run in counts.values() for before, after in pairwise(sorted(run))]
    return even or len(counts) == 1 or not _even(steps)


def _even(steps: Sequence[int | Decimal]) -> bool:
    """Whether there are steps, and none is longer than another by more than rounding."""
    return bool(steps) and 100 * max(steps) <= 101 * min(steps)
