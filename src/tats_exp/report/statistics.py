"""Estimates with 95 % intervals, for values of which each is one training; every number can be worked out by hand.

    t = estimate / standard error, its interval is estimate +- t_{.975, df} x standard error

Welch's comparison of two means is the contrast of them with weights 1 and -1.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from scipy.special import stdtr, stdtrit

CONFIDENCE = 0.95


@dataclass(frozen=True)
class Estimate:
    """A number that a few trainings estimate.

    Attributes:
        value: the estimate.
        low: lower end of its 95 % interval.
        high: upper end.
        p: two-sided p-value of "it is 0".
        degrees: of freedom of its t.
    """

    value: float
    low: float
    high: float
    p: float
    degrees: float

    @property
    def decided(self) -> bool:
        """Whether the interval leaves 0 out."""
        return self.low > 0 or self.high < 0

    def reversed(self) -> Estimate:
        """The same of the two sides the other way round."""
        return Estimate(-self.value, -self.high, -self.low, self.p, self.degrees)


def mean(values: Sequence[float]) -> Estimate | None:
    """The mean of independent values; None below two of them, or where they do not differ at all.

    Of the differences of pairs, this is the paired t.
    """
    return contrast([values], [1.0])


def contrast(samples: Sequence[Sequence[float]], weights: Sequence[float]) -> Estimate | None:
    """A weighted sum of means of independent samples with variances of their own.

    Args:
        samples: of each mean, two values or more.
        weights: of the means.

    Returns:
        None where a sample has fewer than two values or no sample has any spread: there is no interval then.

    Source: Welch 1947; degrees of freedom by Satterthwaite 1946.
    """
    if min(map(len, samples)) < 2:
        return None
    value = sum(w * statistics.fmean(sample) for w, sample in zip(weights, samples, strict=True))
    parts = [w**2 * statistics.variance(sample) / len(sample) for w, sample in zip(weights, samples, strict=True)]
    variance = sum(parts)
    if not variance > 0:
        return None
    degrees = variance**2 / sum(part**2 / (len(sample) - 1) for part, sample in zip(parts, samples, strict=True))
    error = math.sqrt(variance)
    half = float(stdtrit(degrees, (1 + CONFIDENCE) / 2)) * error
    return Estimate(value, value - half, value + half, 2 * float(stdtr(degrees, -abs(value) / error)), degrees)


def holm(p_values: Sequence[float]) -> list[float]:
    """p-values adjusted for being several, in their order. Source: Holm 1979."""
    adjusted = [0.0] * len(p_values)
    most = 0.0
    for place, index in enumerate(sorted(range(len(p_values)), key=lambda index: p_values[index])):
        most = max(most, min(1.0, (len(p_values) - place) * p_values[index]))
        adjusted[index] = most
    return adjusted
