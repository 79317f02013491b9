"""Work out every interval of a record again: `python experiments/recompute.py NAME...`, all of them without a NAME.

Reads `results.csv` and `comparisons.csv` with the standard library and scipy, without tats_exp, and tells the largest
difference. A pair is `ttest_rel` over the seeds that both have, or Welch's `ttest_ind`; a 2 x 2 is a contrast of four
means by hand, after summing trainings of a seed that share their models. p-values of secondary endpoints are adjusted
(Holm) and are not compared.
"""

import csv
import math
import sys
from pathlib import Path

from scipy import stats

HERE = Path(__file__).resolve().parent
TOLERANCE = 1e-6


def main(names: list[str]) -> int:
    """Tell the largest difference in each record; returns how many records do not agree."""
    records = [HERE / name for name in names] or sorted(path.parent for path in HERE.glob("*/comparisons*.csv"))
    apart = 0
    for record in dict.fromkeys(records):
        rows, largest = recompute(record)
        apart += largest > TOLERANCE
        print(f"{record.name}: {rows} intervals, largest difference {largest:.1e}")
    return apart


def recompute(record: Path) -> tuple[int, float]:
    """How many intervals a record has, and the largest difference between an end told and the same worked out."""
    count, largest = 0, 0.0
    for path in sorted(record.glob("comparisons*.csv")):
        rows = [
            row for row in read(path.with_name(path.name.replace("comparisons", "results"))) if row["kind"] == "seed"
        ]
        for told in read(path):
            found = interval(told, rows)
            ends = [float(told[name]) for name in ("value", "low", "high")]
            differences = [abs(one - other) for one, other in zip(found, ends, strict=True)]
            count, largest = count + 1, max(largest, *differences) if all(map(math.isfinite, differences)) else math.inf
    return count, largest


def interval(told: dict[str, str], rows: list[dict[str, str]]) -> tuple[float, float, float]:
    """Value and ends of the 95 % interval of one comparison."""

    def values(*parts: str) -> dict[str, float]:
        """Of the trainings with these choices, by seed; logarithms where the comparison is of ratios."""
        chosen = [row for row in rows if set(" ".join(parts).split()) == set(row["choices"].split())]
        numbers = {row["seed"] or row["choices"]: float(row[told["key"]]) for row in chosen if row[told["key"]]}
        return {seed: math.log(x) if told["scale"] == "log" else x for seed, x in numbers.items()}

    if not told["over"] and not told["effect"]:
        high, low = values(told["higher"]), values(told["lower"])
        if told["test"] == "paired":
            both = [seed for seed in high if seed in low]
            test = stats.ttest_rel([high[seed] for seed in both], [low[seed] for seed in both])
            value = stats.tmean([high[seed] - low[seed] for seed in both])
        else:
            test = stats.ttest_ind([*high.values()], [*low.values()], equal_var=False)
            value = stats.tmean([*high.values()]) - stats.tmean([*low.values()])
        ends = test.confidence_interval()
        return value, ends.low, ends.high
    parts = {part for row in rows for part in row["choices"].split()}
    over = sorted(part for part in parts if part.startswith(f"{told['over']}="))
    second, factor = (told["effect"].split(" to "), (1.0, -1.0)) if told["effect"] else (over, (0.5, 0.5))
    cells = []
    for side, sign in ((told["higher"], 1.0), (told["lower"], -1.0)):
        for part, weight in zip(second, factor, strict=True):
            cells.append((sign * weight, (side, part), values(side, part)))
    if told["test"] == "paired":  # trainings of a seed that differ in how they are sampled alone count as one
        trained = {frozenset(p for p in parts if not p.startswith("sampler")) for _, parts, _ in cells}
        cells = [(1.0, tuple(one), summed([c for c in cells if one <= set(c[1])])) for one in trained]
    value = sum(weight * stats.tmean([*cell.values()]) for weight, _, cell in cells)
    variances = [weight**2 * stats.tvar([*cell.values()]) / len(cell) for weight, _, cell in cells]
    freedom = sum(variances) ** 2 / sum(v**2 / (len(c) - 1) for v, (*_, c) in zip(variances, cells, strict=True))
    half = stats.t.ppf(0.975, freedom) * math.sqrt(sum(variances))
    return value, value - half, value + half


def summed(cells: list[tuple[float, tuple[str, ...], dict[str, float]]]) -> dict[str, float]:
    """Of every seed the weighted sum of its values."""
    seeds = set.intersection(*(set(cell) for *_, cell in cells))
    return {seed: sum(weight * cell[seed] for weight, _, cell in cells) for seed in seeds}


def read(path: Path) -> list[dict[str, str]]:
    """Rows of a CSV."""
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
