"""Standard deviations of one choice: over trainings, over draws of one training, over references of one draw.

Reads `results*.csv`; 95 % intervals of a standard deviation by chi-square. Beside that of trainings stands how many a
side show a difference as in `KEYS` at 5 % with a power of 80 % (normal approximation). Leaves `spread.csv`.
"""

import csv
import math
from pathlib import Path

from scipy import stats

HERE = Path(__file__).resolve().parent
RUNS = 6
"""Runs of each kind."""
KEYS = {
    "layout/growth": 0.5,
    "codes/sliding_gap": 0.1,
    "fvd/shapes_cnn/last": 5.0,
    "coherence/kappa_last": 0.05,
    "val/vqgan/psnr": 0.5,
}
"""What is told of, and a difference that one would like to see."""


def main() -> None:
    """Tell and keep the spreads."""
    rows = []
    for path in sorted(HERE.glob("results*.csv")):
        with path.open(newline="") as file:
            rows += [row for row in csv.DictReader(file) if row["kind"] == "seed"]
    kinds = {
        "trainings": [row for row in rows if "=" not in row["choices"]],
        "draws": [row for row in rows if "sampling.seed=" in row["choices"]],
        "references": [row for row in rows if "reference_seed=" in row["choices"]],
    }
    if (counts := {kind: len(of_kind) for kind, of_kind in kinds.items()}) != dict.fromkeys(kinds, RUNS):
        raise SystemExit(f"{RUNS} runs of each kind are wanted, there are {counts}")
    kept = [["key", "over", "n", "mean", "std", "low", "high", "difference", "trainings a side to see it"]]
    for key, difference in KEYS.items():
        for kind, of_kind in kinds.items():
            values = [float(row[key]) for row in of_kind]
            std, degrees = stats.tstd(values), len(values) - 1
            low, high = (std * math.sqrt(degrees / stats.chi2.ppf(q, degrees)) for q in (0.975, 0.025))
            numbers = [f"{number:.4f}" for number in (stats.tmean(values), std, low, high)]
            wanted = 2 * ((stats.norm.ppf(0.975) + stats.norm.ppf(0.8)) * std / difference) ** 2
            side = str(max(2, math.ceil(wanted))) if kind == "trainings" else ""
            kept.append([key, kind, str(len(values)), *numbers, str(difference), side])
    with (HERE / "spread.csv").open("w", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows(kept)
    print("\n".join("  ".join(row) for row in kept))


if __name__ == "__main__":
    main()
