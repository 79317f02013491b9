"""Which choices are held against each other, and what an interval over trainings says of each pair.

The unit is a training. Choices that differ in one key alone are compared, or all pairs where these do not join all of
the choices; of two keys with two values each, two main effects and what both do together (a 2 x 2).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from itertools import combinations

from tats_exp.report.runs import Group
from tats_exp.report.statistics import Estimate, contrast, holm, mean
from tats_exp.run_folder.columns import Column

TRAINED = ("vqgan", "transformer", "interpolation")
"""Stages that train: two runs that share one of them are a pair."""


@dataclass(frozen=True)
class Contrast:
    """What is held against what.

    Attributes:
        sides: names of the two.
        weights: of the means of all groups.
        over: key over whose values both are means, "" for a pair of choices.
        effect: of an interaction, the two choices whose difference is compared between the sides; else None.
    """

    sides: tuple[str, str]
    weights: tuple[float, ...]
    over: str = ""
    effect: tuple[str, str] | None = None

    def reversed(self) -> Contrast:
        """The same the other way round."""
        return replace(self, sides=self.sides[::-1], weights=tuple(-weight for weight in self.weights))


@dataclass(frozen=True)
class Comparison:
    """One column, one contrast, told from its higher side.

    Attributes:
        column: of the values.
        contrast: what is compared; its first side is the higher one.
        estimate: of the difference, 0 or more; of logarithms where the column is compared by ratio.
        is_paired: whether trainings of one seed that share a stage count as one.
        trainings: of the groups that take part, how many each.
        p: of two sides.
        adjusted: whether it is adjusted by Holm, the comparison being one of several that are judged together.
    """

    column: Column
    contrast: Contrast
    estimate: Estimate
    is_paired: bool
    trainings: tuple[int, ...]
    p: float
    adjusted: bool = False

    def told(self) -> tuple[float, float, float]:
        """Value and ends of the interval as they are told: as a ratio where the column is compared by ratio."""
        numbers = (self.estimate.value, self.estimate.low, self.estimate.high)
        return tuple(map(math.exp, numbers)) if self.column.ratio else numbers  # type: ignore[return-value]


def contrasts_of(groups: list[Group]) -> list[Contrast]:
    """All that is compared among some choices."""
    if (crossed := _two_by_two(groups)) is not None:
        return crossed
    pairs = list(combinations(range(len(groups)), 2))
    alone = [pair for pair in pairs if _keys_apart(*(groups[place] for place in pair)) == 1]
    if not _joins(alone, len(groups)):  # of two sweeps in one report
        alone = pairs
    return [
        Contrast(
            (groups[one].label, groups[other].label),
            tuple(float(place == one) - float(place == other) for place in range(len(groups))),
        )
        for one, other in alone
    ]


def compare(column: Column, of: Contrast, groups: list[Group]) -> Comparison | None:
    """Compare by one column.

    Returns:
        None where there is no interval: a single training, no spread, values that were not measured, a ratio of what
        is not positive, the same values on all sides.
    """
    weighted = [(weight, group) for weight, group in zip(of.weights, groups, strict=True) if weight]
    weights = [weight for weight, _ in weighted]
    samples = [_by_seed(column, group) for _, group in weighted]
    numbers = [number for sample in samples for number in sample.values()]
    if not all(map(math.isfinite, numbers)) or (column.ratio and min(numbers, default=0) <= 0):
        return None
    if all(sample == samples[0] for sample in samples):  # values of one model that all of them share
        return None
    if column.ratio:
        samples = [{seed: math.log(number) for seed, number in sample.items()} for sample in samples]
    clusters = _clusters([group for _, group in weighted], samples)
    sums = [_sums(cluster, weights, samples) for cluster in clusters]
    estimate = mean(sums[0]) if len(sums) == 1 else contrast(sums, [1.0] * len(sums))
    counts = {place: len(one) for cluster, one in zip(clusters, sums, strict=True) for place in cluster}
    trainings = tuple(counts[place] for place in range(len(samples)))
    if estimate is None:
        return None
    if estimate.value < 0:
        of, estimate = of.reversed(), estimate.reversed()
    return Comparison(column, of, estimate, len(clusters) < len(samples), trainings, estimate.p)


def compare_all(columns: list[Column], groups: list[Group]) -> list[Comparison]:
    """Compare by several columns that are judged together: p-values of all comparisons are adjusted by Holm."""
    pairs = [(column, of) for column in columns if not column.never for of in contrasts_of(groups)]
    found = [one for column, of in pairs if (one := compare(column, of, groups)) is not None]
    adjusted = holm([one.p for one in found])
    return [replace(one, p=p, adjusted=True) for one, p in zip(found, adjusted, strict=True)]


def _keys_apart(one: Group, other: Group) -> int:
    keys = one.choices.keys() | other.choices.keys()
    return sum(one.choices.get(key) != other.choices.get(key) for key in keys)


def _joins(pairs: list[tuple[int, int]], count: int) -> bool:
    """Whether every one of so many choices can be reached from the first one, pair by pair."""
    reached = {0}
    while more := {place for pair in pairs if reached & {*pair} for place in pair} - reached:
        reached |= more
    return len(reached) == count


def _two_by_two(groups: list[Group]) -> list[Contrast] | None:
    """Two main effects and the interaction of two keys with two values each; None of any other sweep."""
    keys = list(dict.fromkeys(key for group in groups for key in group.choices))
    values = {key: list(dict.fromkeys(group.choices.get(key) for group in groups)) for key in keys}
    if len(groups) != 4 or [len(each) for each in values.values()] != [2, 2]:
        return None
    names = {key: (f"{key}={values[key][0]}", f"{key}={values[key][1]}") for key in keys}
    signs = {key: [1.0 if group.choices.get(key) == values[key][0] else -1.0 for group in groups] for key in keys}
    first, second = keys
    mains = [
        Contrast(names[key], tuple(sign / 2 for sign in signs[key]), over=other)
        for key, other in ((first, second), (second, first))
    ]
    both = tuple(one * other for one, other in zip(signs[first], signs[second], strict=True))
    return [*mains, Contrast(names[second], both, effect=names[first])]


def _by_seed(column: Column, group: Group) -> dict[str, float]:
    """Values of the trainings of a group; runs without a seed count by their names."""
    values = {run.seed or run.name: run.earned(column.key) for run in group.runs}
    return {seed: value for seed, value in values.items() if value is not None}


def _clusters(groups: list[Group], samples: list[dict[str, float]]) -> list[list[int]]:
    """Places of groups whose trainings of one seed are no independent ones, because they share a trained stage."""
    clusters: list[list[int]] = []
    for place in range(len(groups)):
        near = [
            c for c in clusters if any(_share(groups[one], groups[place], samples[one], samples[place]) for one in c)
        ]
        clusters = [c for c in clusters if c not in near] + [sorted([*(one for c in near for one in c), place])]
    return sorted(clusters)


def _share(one: Group, other: Group, *samples: dict[str, float]) -> bool:
    """Whether runs of one seed share a trained stage, of two seeds or more and of all that both have."""
    seeds = [seed for seed in samples[0] if seed in samples[1]]
    pairs = [[run for group in (one, other) for run in group.runs if (run.seed or run.name) == seed] for seed in seeds]
    alike = [any(len({run.stages.get(stage, run.name) for run in pair}) == 1 for stage in TRAINED) for pair in pairs]
    return len(seeds) > 1 and all(alike)


def _sums(cluster: list[int], weights: list[float], samples: list[dict[str, float]]) -> list[float]:
    """Of every seed that all groups of a cluster have, the weighted sum of its values: one independent number each."""
    seeds = [seed for seed in samples[cluster[0]] if all(seed in samples[place] for place in cluster)]
    return [sum(weights[place] * samples[place][seed] for place in cluster) for seed in seeds]
