"""Does what is measured without sampling foretell growth? `python experiments/predict.py NAME`, of the record NAME.

Rank correlation (Spearman) of the growth of the layout distance with the sliding gap and with the latent shift, over
the trainings in `NAME/results.csv`: of all of them; of the means of the choices; and within choices, where ranks are
taken inside each. Intervals: 95 %, percentiles of 4,000 bootstraps over trainings, drawn inside each choice: of "all"
they are for these choices, means of so few choices have none. p: two-sided, of 10,000 permutations, of the means or
inside each choice; trainings of several choices cannot change places, so "all" has none. Leaves `prediction.csv` and
`figures/prediction.png` beside the results.
"""

import csv
import sys
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
from numpy.typing import NDArray
from scipy import stats

HERE = Path(__file__).resolve().parent
GROWTH = "layout/growth"
PREDICTORS = {"codes/sliding_gap": "sliding gap, nats a code", "codes/latent_shift": "relative latent shift"}
DRAWS, PERMUTATIONS = 4000, 10000
Values = NDArray[np.float64]


def main(name: str) -> None:
    """Tell and keep the correlations of a record, and draw them."""
    with (HERE / name / "results.csv").open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["kind"] == "seed" and row[GROWTH]]
    choices = np.array([row["choices"] for row in rows])
    growth = np.array([float(row[GROWTH]) for row in rows])
    kept: list[tuple[str, ...]] = [("predictor", "trainings", "n", "spearman", "low", "high", "p")]
    for key in PREDICTORS:
        told = np.array([float(row[key]) for row in rows])
        kept += [(key, scope, *measured(scope, told, growth, choices)) for scope in ("all", "between", "within")]
    with (HERE / name / "prediction.csv").open("w", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows(kept)
    print("\n".join("  ".join(row) for row in kept))
    draw(rows, choices, growth, HERE / name / "figures" / "prediction.png")


def measured(scope: str, told: Values, growth: Values, choices: NDArray[np.str_]) -> tuple[str, ...]:
    """n, the correlation, its interval and its p-value."""
    random = np.random.default_rng(0)
    places = [np.flatnonzero(choices == choice) for choice in np.unique(choices)]
    drawn = []
    for _ in range(DRAWS):
        picked = np.concatenate([random.choice(group, len(group)) for group in places])
        drawn.append(correlation(scope, told[picked], growth[picked], choices[picked]))
    low, high = np.nanquantile(drawn, [0.025, 0.975])
    if scope == "between":  # means of choices change places
        told, growth = (np.array([values[group].mean() for group in places]) for values in (told, growth))
        choices, low, high = np.unique(choices), np.nan, np.nan
    groups = places if scope == "within" else [np.arange(len(growth))]
    found, as_far = correlation(scope, told, growth, choices), 1
    for _ in range(PERMUTATIONS):
        moved = growth.copy()
        for group in groups:
            moved[group] = random.permutation(growth[group])
        as_far += abs(correlation(scope, told, moved, choices)) >= abs(found) - 1e-12
    p = np.nan if scope == "all" or np.isnan(found) else as_far / (1 + PERMUTATIONS)
    count = len(growth)
    if scope == "within":
        count = sum(len(group) for group in places if np.ptp(told[group]) > 0)
    return (str(count), *("" if np.isnan(value) else f"{value:.4f}" for value in (found, low, high, p)))


def correlation(scope: str, told: Values, growth: Values, choices: NDArray[np.str_]) -> float:
    """Rank correlation of all trainings, of the means of choices, or of ranks taken inside each choice."""
    groups = [choices == one for one in np.unique(choices)]
    if scope == "all":
        return float(stats.spearmanr(told, growth).statistic)
    if scope == "between":
        means = [[values[group].mean() for group in groups] for values in (told, growth)]
        return float(stats.spearmanr(*means).statistic)
    ranks = [
        [stats.rankdata(values[group]) - (group.sum() + 1) / 2 for group in groups if np.ptp(told[group]) > 0]
        for values in (told, growth)
    ]
    return float(np.corrcoef(*map(np.concatenate, ranks))[0, 1]) if ranks[0] else np.nan


def draw(rows: list[dict[str, str]], choices: NDArray[np.str_], growth: Values, path: Path) -> None:
    """Growth against each predictor, a colour for each choice."""
    figure, axes = plt.subplots(1, len(PREDICTORS), figsize=(10, 4), sharey=True, layout="constrained")
    for axis, (key, label) in zip(axes, PREDICTORS.items(), strict=True):
        told = np.array([float(row[key]) for row in rows])
        for one in dict.fromkeys(choices):
            axis.scatter(told[choices == one], growth[choices == one], s=28, alpha=0.85, label=one)
        axis.set_xlabel(label)
    axes[0].set_ylabel("growth of the layout distance")
    axes[-1].legend(fontsize=8, frameon=False)
    figure.savefig(path, dpi=110)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("predict.py: name one record")
    main(sys.argv[1])
