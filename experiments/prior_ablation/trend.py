"""How gap and growth change with each doubling of the transformer's steps, and whether by more with worse padding.

Of every VQGAN, whose transformers differ in their steps alone, the slope over log2(steps); then the mean of the slopes
with its 95 % interval (t), and differences between paddings (Welch). Reads `results.csv`, leaves `trend.csv` and
`figures/trend.png`.
"""

import csv
from itertools import combinations
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
from scipy import stats

HERE = Path(__file__).resolve().parent
STEPS = "transformer.training.steps"
KEYS = {
    "codes/sliding_gap": "sliding gap, nats a code",
    "layout/growth": "growth of the layout distance",
    "val/transformer/nll": "held-out NLL, nats a code",
}


def main() -> None:
    """Tell, keep and draw the trends."""
    with (HERE / "results.csv").open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["kind"] == "seed"]
    rows = [row | dict(part.split("=", 1) for part in row["choices"].split()) for row in rows]
    every_step = {row[STEPS] for row in rows}
    paddings = list(dict.fromkeys(row["padding"] for row in rows))
    kept = [["key", "slope of", "less that of", "trainings", "per doubling", "low", "high", "p"]]
    figure, axes = plt.subplots(1, len(KEYS), figsize=(12, 3.6), layout="constrained")
    for axis, (key, label) in zip(axes, KEYS.items(), strict=True):
        slopes: dict[str, list[float]] = {}
        for color, padding in enumerate(paddings):
            for seed in sorted({row["seed"] for row in rows if row["padding"] == padding}):
                of_one = [row for row in rows if (row["padding"], row["seed"]) == (padding, seed)]
                if {row[STEPS] for row in of_one} != every_step:
                    raise SystemExit(
                        f"padding={padding} seed={seed} was not trained for all of {sorted(every_step)} steps"
                    )
                steps, values = np.array(sorted((float(row[STEPS]), float(row[key])) for row in of_one)).T
                slopes.setdefault(padding, []).append(stats.linregress(np.log2(steps), values).slope)
                label_of_first = padding if len(slopes[padding]) == 1 else None
                axis.plot(steps, values, color=f"C{color}", marker="o", markersize=3, label=label_of_first)
        for padding, values in slopes.items():
            if np.ptp(values) > 0:
                kept.append([key, padding, "", *told(stats.ttest_1samp(values, 0.0), np.mean(values), len(values))])
        for one, other in combinations(paddings, 2):
            test = stats.ttest_ind(slopes[one], slopes[other], equal_var=False)
            difference = np.mean(slopes[one]) - np.mean(slopes[other])
            kept.append([key, one, other, *told(test, difference, len(slopes[one]))])
        axis.set(xscale="log", xlabel="steps of the transformer", ylabel=label)
        axis.set_xticks([float(step) for step in every_step], labels=list(every_step), minor=False)
        axis.minorticks_off()
    axes[0].legend(frameon=False)
    (HERE / "figures").mkdir(exist_ok=True)
    figure.savefig(HERE / "figures" / "trend.png", dpi=110)
    with (HERE / "trend.csv").open("w", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows(kept)
    print("\n".join("  ".join(row) for row in kept))


def told(test: Any, value: float, trainings: int) -> list[str]:
    """Trainings of a side, estimate, ends of its interval, and p, of a t-test of scipy."""
    ends = test.confidence_interval(0.95)
    return [str(trainings), *(f"{number:.4f}" for number in (value, ends.low, ends.high, test.pvalue))]


if __name__ == "__main__":
    main()
