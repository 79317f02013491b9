"""Contrasts that the report leaves out, since their sides differ in more than one thing: `python contrasts.py`.

Paired over the five seeds, from results.csv beside it; writes contrasts.csv.
"""

import csv
import math
from pathlib import Path

from scipy import stats

HERE = Path(__file__).resolve().parent
KEYS = {"coherence/kappa_last": "difference", "layout/growth": "difference", "fvd/shapes_cnn/last": "ratio"}
FIRST, SLIDING = "sampler=hierarchical", "sampler=sliding"
TWO, THREE = f"{FIRST} sampler.context=2", f"{FIRST} sampler.context=3"
PAIRS = [("sampler=long_window", TWO), ("sampler=long_window", THREE), (TWO, SLIDING), (THREE, SLIDING)]


def main() -> None:
    """Print and write one row per contrast and value."""
    with (HERE / "results.csv").open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["kind"] == "seed"]
    found = []
    for key, kind in KEYS.items():
        for one, other in PAIRS:
            sides = [{row["seed"]: float(row[key]) for row in rows if row["choices"] == side} for side in (one, other)]
            seeds = sorted(sides[0].keys() & sides[1].keys())
            values = [[math.log(side[s]) if kind == "ratio" else side[s] for s in seeds] for side in sides]
            test = stats.ttest_rel(*values)
            ends = [float(end) for end in test.confidence_interval(0.95)]
            told = [sum(ends) / 2, *ends]
            if kind == "ratio":
                told = [math.exp(value) for value in told]
            found.append([key, kind, one, other, len(seeds), *(round(value, 4) for value in told)])
    with (HERE / "contrasts.csv").open("w", newline="") as file:
        csv.writer(file).writerows([["key", "kind", "of", "against", "n", "value", "low", "high"], *found])
    print("\n".join(" ".join(map(str, row)) for row in found))


if __name__ == "__main__":
    main()
