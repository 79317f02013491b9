"""Runs and choices with values that a test names, without a folder."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from tats_exp.report.runs import Group, Run
from tats_exp.run_folder.columns import Column

DIFFERENCE = Column("a/last", ("a", "last"), "A.", better="lower", phrase="distance a", in_table=True)
RATIO = Column("b/last", ("b", "last"), "B.", better="higher", phrase="quantity b", in_table=True, ratio=True)
COLLAPSE = Column("drift/collapse_window", ("collapse", ""), "C.", better="higher", phrase="window", never=True)


def made_group(
    choices: Mapping[str, str],
    values: Mapping[str, Sequence[float | None]],
    *,
    endpoint: str | None = None,
    secondary: Sequence[str] = (),
    shared: str = "",
    **more: object,
) -> Group:
    """Finished runs of one choice, seeds counted from 0.

    Args:
        choices: without the seed.
        values: one per seed, by key.
        endpoint: named before the runs.
        secondary: likewise.
        shared: stage that runs of one seed share with those of other groups made with the same word, "" for none.
        more: fields of the runs.
    """
    label = " ".join(f"{key}={value}" for key, value in choices.items())
    runs = [
        Run(
            Path("nowhere"),
            f"{label}{seed}",
            "finished",
            choices={**choices, "seed": str(seed)},
            values={key: numbers[seed] for key, numbers in values.items()},
            columns=(DIFFERENCE, RATIO, COLLAPSE),
            endpoint=endpoint,
            secondary=tuple(secondary),
            stages={"vqgan": f"{shared}{seed}" if shared else f"{label}{seed}", "samples": "alike"},
            **more,  # type: ignore[arg-type]
        )
        for seed in range(len(next(iter(values.values()))))
    ]
    return Group(label, ", ".join(choices.values()), dict(choices), runs)
