"""How clear and how varied a classifier finds the videos."""

from tats_exp.metrics.coherence import inception_score
from tats_exp.metrics.findings import Findings
from tats_exp.metrics.measure import Measure, Measurement, along_windows, at_ends
from tats_exp.run_folder.columns import Column

_WHY = "exp E KL(p(y|x) || p(y)) over the videos: 1 to the number of classes; grows with the number of videos."


class InceptionScore(Measure):
    """The inception score of every window."""

    @property
    def columns(self) -> tuple[Column, ...]:
        """As `Measure`."""
        key, title = "is/{classifier}", "IS {classifier}"
        return (
            Column(
                f"{key}/window_0",
                (title, "window 0"),
                _WHY,
                unit="inception score",
                better="higher",
                phrase="inception score of window 0 ({classifier})",
                protocol=True,
            ),
            Column(f"{key}/last", (title, "last window"), _WHY, better="higher", protocol=True),
            Column(key, ("Inception score, {classifier}", ""), _WHY, "score", "higher", is_curve=True, protocol=True),
        )

    def __call__(self, findings: Findings) -> Measurement:
        """As `Measure`."""
        key = f"is/{findings.classifier}"
        curve = along_windows(findings, lambda t: float(inception_score(findings.windows[t].seen()[1])))
        floor = float(inception_score(findings.real.probabilities))
        return Measurement(at_ends(key, curve), {key: curve}, {"real": {key: floor}})
