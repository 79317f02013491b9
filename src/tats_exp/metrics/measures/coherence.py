"""Whether a classifier goes on seeing the same thing in a video: CCS and ICS of Ge et al. 2022."""

import torch

from tats_exp.metrics.coherence import ccs, ics
from tats_exp.metrics.findings import Findings
from tats_exp.metrics.measure import Measure, Measurement, Values, along_windows, at_ends
from tats_exp.run_folder.columns import Column

_CCS = "Share of videos whose window is put in the class of window 0."
_ICS = "Mean KL divergence of the classifier's opinion of a window from that of window 0."


class ClassCoherence(Measure):
    """Class coherence score (CCS) and inception coherence score (ICS) of every window."""

    @property
    def columns(self) -> tuple[Column, ...]:
        """As `Measure`."""
        return (
            Column(
                "ccs/{classifier}/last",
                ("CCS {classifier}", "last window"),
                _CCS,
                unit="share",
                better="higher",
                phrase="class coherence of the last window ({classifier})",
                in_table=True,
                protocol=True,
            ),
            Column(
                "ics/{classifier}/last",
                ("ICS {classifier}", "last window"),
                _ICS,
                unit="nats",
                better="lower",
                phrase="inception coherence of the last window ({classifier})",
                in_table=True,
                protocol=True,
            ),
            Column("ccs/{classifier}/window_0", ("CCS {classifier}", "window 0"), "1 by definition.", protocol=True),
            Column("ics/{classifier}/window_0", ("ICS {classifier}", "window 0"), "0 by definition.", protocol=True),
            Column(
                "ccs/{classifier}",
                ("Class of window 0 kept,", "{classifier}"),
                _CCS,
                unit="share of videos",
                better="higher",
                is_curve=True,
                protocol=True,
            ),
            Column(
                "ics/{classifier}",
                ("Inception coherence,", "{classifier}"),
                _ICS,
                unit="KL to window 0, nats",
                better="lower",
                is_curve=True,
                protocol=True,
            ),
        )

    def __call__(self, findings: Findings) -> Measurement:
        """As `Measure`. Videos of one window can neither keep a class nor lose it: their last values are None."""
        looked_at = findings.looked_at
        opinions = torch.stack([findings.windows[t].seen()[1] for t in looked_at], dim=1)
        values: Values = {}
        curves = {}
        for name, scores in (("ccs", ccs(opinions)), ("ics", ics(opinions))):
            key, by_window = f"{name}/{findings.classifier}", dict(zip(looked_at, scores.tolist(), strict=True))
            curves[key] = along_windows(findings, by_window.__getitem__)
            values |= at_ends(key, curves[key])
            if len(findings.windows) == 1:
                values[f"{key}/last"] = None
        return Measurement(values, curves)
