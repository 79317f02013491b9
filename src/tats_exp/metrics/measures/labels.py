"""Whether videos are put in the class that they were asked for."""

from tats_exp.metrics.coherence import label_coherence
from tats_exp.metrics.findings import Findings
from tats_exp.metrics.measure import Measure, Measurement, along_windows, at_ends
from tats_exp.run_folder.columns import Column

_WHY = "Share of videos whose window is put in the class that was asked for."


class LabelShare(Measure):
    """Label coherence of every window."""

    @property
    def columns(self) -> tuple[Column, ...]:
        """As `Measure`."""
        key, title = "label/{classifier}", "label {classifier}"
        return (
            Column(
                f"{key}/last",
                (title, "last window"),
                _WHY,
                unit="share",
                better="higher",
                phrase="label coherence of the last window ({classifier})",
                in_table=True,
                protocol=True,
            ),
            Column(f"{key}/window_0", (title, "window 0"), _WHY, better="higher", protocol=True),
            Column(
                key,
                ("Class asked for kept,", "{classifier}"),
                _WHY,
                unit="share of videos",
                better="higher",
                is_curve=True,
                protocol=True,
            ),
        )

    def __call__(self, findings: Findings) -> Measurement:
        """As `Measure`."""
        if findings.labels is None:
            return Measurement()
        key, asked_for = f"label/{findings.classifier}", findings.labels.asked_for

        def share(t: int) -> float:
            return float(label_coherence(findings.windows[t].seen()[1][:, None], asked_for)[0])

        curve = along_windows(findings, share)
        floor = float(label_coherence(findings.real.probabilities[:, None], findings.labels.floor)[0])
        return Measurement(at_ends(key, curve), {key: curve}, {"real": {key: floor}})
