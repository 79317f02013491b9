"""Whether the model makes videos, or repeats those it was trained on."""

from collections.abc import Iterable

from torch import Tensor

from tats_exp.metrics.findings import Findings
from tats_exp.metrics.measure import Measure, Measurement
from tats_exp.metrics.memorisation import nearest_of_repeats
from tats_exp.run_folder.columns import Column

_KEY, _UNIT = "memorisation/nearest", "feature units"


class Memorisation(Measure):
    """How near window 0 of the videos, and real windows that are not in the reference, come to the reference."""

    columns = (
        Column(
            f"{_KEY}_sample",
            ("nearest real", "of samples"),
            "Distance of window 0 of a video to the nearest window of the reference: a copy is much nearer than real.",
            _UNIT,
            protocol=True,
        ),
        Column(
            f"{_KEY}_held_out",
            ("nearest real", "of held-out"),
            "The same of windows of the test split, where the reference is of the train split.",
            _UNIT,
            protocol=True,
        ),
        Column(
            f"{_KEY}_other_real",
            ("nearest real", "of other real"),
            "The same of other windows of the real folder.",
            _UNIT,
            protocol=True,
        ),
    )

    def __call__(self, findings: Findings) -> Measurement:
        """As `Measure`. Without unseen real windows there is nothing to hold a distance against."""
        if (unseen := findings.unseen) is None:
            return Measurement()
        sampled = findings.real.by_repeat(findings.windows[0].seen()[0])
        sides: dict[str, Iterable[Tensor]] = {"sample": sampled, unseen.name: unseen.features}
        return Measurement(nearest_of_repeats(sides, findings.real.reference))
