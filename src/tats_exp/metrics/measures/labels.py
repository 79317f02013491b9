"""Whether videos show what they were asked for: their class, and its colour, shape and law of motion if it has them."""

from dataclasses import replace
from statistics import fmean

import torch
from jaxtyping import Int64
from torch import Tensor

from tats_exp.metrics.coherence import label_chance, label_coherence
from tats_exp.metrics.findings import Findings
from tats_exp.metrics.measure import FloorKind, Measure, Measurement, Values, along_windows, at_ends
from tats_exp.run_folder.columns import Column

_TOLD = {
    "colour": "the colour",
    "shape": "the shape",
    "law": "the law of motion",
    "all": "the colour, shape and law",
}
"""What `truth/...` says of videos whose class or caption tells it."""


class LabelShare(Measure):
    """Whether a window shows the class that was asked for, and the colour, shape and law that it or a caption tells."""

    @property
    def columns(self) -> tuple[Column, ...]:
        """As `Measure`."""
        why = "Share of videos whose window is put in the class that was asked for."
        phrase = "label coherence of the last window ({classifier})"
        names = ("label {classifier}", ("Class asked for kept,", "{classifier}"))
        columns: tuple[Column, ...] = _columns("label/{classifier}", *names, why, phrase, in_table=True)
        for part, words in _TOLD.items():
            why = (
                f"Share of videos whose window shows {words} that the class or caption asked for. Its ceiling is that "
                "of real windows that the VQGAN of the run rebuilt, chance that of random pairs of video and caption."
            )
            names = (f"true {part}", (f"Windows of {words} asked for", ""))
            phrase = f"share of last windows of {words} asked for"
            columns = (*columns, *_columns(f"truth/{part}", *names, why, phrase, in_table=False))
        return columns

    def __call__(self, findings: Findings) -> Measurement:
        """As `Measure`. The ceiling is missing where no windows were rebuilt."""
        labels = findings.labels
        if labels is None:
            return Measurement()
        parts: dict[str, Int64[Tensor, " classes"] | None] = {f"label/{findings.classifier}": None}
        if labels.attributes:
            parts |= {f"truth/{name}": kinds for name, kinds in labels.attributes.items()} | {"truth/all": None}
        opinions = torch.stack([findings.windows[t].seen()[1] for t in findings.looked_at], dim=1)
        values: Values = {}
        curves: dict[str, list[float]] = {}
        floors: dict[FloorKind, dict[str, float]] = {"real": {}, "chance": {}, "ceiling": {}}
        for key, kinds in parts.items():
            shares = label_coherence(opinions, labels.asked_for, kinds).tolist()
            curves[key] = along_windows(findings, dict(zip(findings.looked_at, shares, strict=True)).__getitem__)
            values |= at_ends(key, curves[key])
            chance = label_chance(opinions, labels.asked_for, kinds).tolist()
            floors["chance"] |= {key: fmean(chance), f"{key}/window_0": chance[0], f"{key}/last": chance[-1]}
            floors["real"][key] = float(label_coherence(findings.real.probabilities[:, None], labels.floor, kinds))
            if findings.rebuilt is not None:
                rebuilt = findings.rebuilt.windows.probabilities[:, None]
                floors["ceiling"][key] = float(label_coherence(rebuilt, labels.floor, kinds))
        return Measurement(values, curves, floors)


def _columns(
    key: str, title: str, curve: tuple[str, str], why: str, phrase: str, in_table: bool
) -> tuple[Column, Column, Column]:
    """Of one thing that is asked for: its share in the last window, in the first one, and in each."""
    share = Column(key, (title, ""), why, better="higher", protocol=True)
    return (
        replace(share, key=f"{key}/last", title=(title, "last window"), unit="share", phrase=phrase, in_table=in_table),
        replace(share, key=f"{key}/window_0", title=(title, "window 0")),
        replace(share, title=curve, unit="share of videos", is_curve=True),
    )
