"""Whether a classifier goes on seeing the same thing in a video: CCS and ICS of Ge et al. 2022, and better forms."""

from dataclasses import replace

import torch

from tats_exp.metrics.coherence import ccs, ics, kappa, opinion_js
from tats_exp.metrics.findings import Findings
from tats_exp.metrics.measure import Measure, Measurement, Values, along_windows, at_ends, defined, free_of_charge
from tats_exp.run_folder.columns import Column

_KAPPA = (
    "Class of window 0 kept beyond chance: (CCS - chance) / (1 - chance), chance being sum_k s_0(k) s_t(k) with s_t(k) "
    "the share of videos put in class k; its ceiling is truth/kappa. Null where chance is 1."
)
_JS = "Mean Jensen-Shannon divergence of the classifier's opinion of a window from that of window 0."
_CCS = "Share of videos whose window is put in the class of window 0; videos of one look keep it by chance."
_ICS = "Mean KL divergence of the classifier's opinion of a window from that of window 0; a few videos make most of it."


class ClassCoherence(Measure):
    """Kappa and Jensen-Shannon divergence of every window, and the published class and inception coherence scores."""

    @property
    def columns(self) -> tuple[Column, ...]:
        """As `Measure`."""
        columns = [
            Column(
                "coherence/kappa_last",
                ("kappa", "last window"),
                _KAPPA,
                unit="kappa",
                better="higher",
                phrase="class coherence beyond chance in the last window",
                in_table=True,
                protocol=True,
            ),
            Column("coherence/js_last", ("opinion JS", "last window"), _JS, "nats", "lower", protocol=True),
            Column(
                "coherence/kappa",
                ("Class of window 0 kept beyond chance", ""),
                _KAPPA,
                unit="kappa",
                better="higher",
                is_curve=True,
                protocol=True,
            ),
            Column(
                "coherence/js", ("Opinion against window 0", ""), _JS, "JS, nats", "lower", is_curve=True, protocol=True
            ),
        ]
        for column in (
            Column("ccs/{classifier}", ("CCS {classifier}", ""), _CCS, "share of videos", "higher", protocol=True),
            Column("ics/{classifier}", ("ICS {classifier}", ""), _ICS, "KL, nats", "lower", protocol=True),
        ):
            columns.append(replace(column, is_curve=True))
            for end, window in (("window_0", "window 0"), ("last", "last window")):
                columns.append(replace(column, key=f"{column.key}/{end}", title=(column.title[0], window)))
        return tuple(columns)

    def __call__(self, findings: Findings) -> Measurement:
        """As `Measure`. Videos of one window can neither keep a class nor lose it: their last values are None."""
        looked_at = findings.looked_at
        opinions = torch.stack([findings.windows[t].seen()[1] for t in looked_at], dim=1)
        values: Values = {}
        curves = {}
        for key, score in (
            ("coherence/kappa", kappa),
            ("coherence/js", opinion_js),
            (f"ccs/{findings.classifier}", ccs),
            (f"ics/{findings.classifier}", ics),
        ):
            by_window = dict(zip(looked_at, score(opinions).tolist(), strict=True))
            curves[key] = along_windows(findings, by_window.__getitem__)
            last = defined(curves[key][-1]) if len(findings.windows) > 1 else None
            if key.startswith("coherence/"):
                values[f"{key}_last"] = last
            else:
                values |= {**at_ends(key, curves[key]), f"{key}/last": last}
        lasts = (key for key in values if key.endswith("last"))
        return Measurement(values, curves, free=free_of_charge(findings.standing, *lasts))
