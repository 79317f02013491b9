"""How well the transformers expect real codes, teacher-forced."""

from tats_exp.metrics.findings import Findings
from tats_exp.metrics.measure import Measure, Measurement, Values, free_of_charge
from tats_exp.run_folder.columns import Column

_UNIT = "nats per code"


class Likelihood(Measure):
    """Held-out negative log-likelihood of each transformer, and by how much that of training is better."""

    columns = (
        # Codes of different tokenizers are different alphabets: their likelihoods are shown, never compared.
        Column(
            "val/transformer/nll",
            ("held-out", "NLL"),
            "Of codes of the test split, by the autoregressive transformer.",
            unit=_UNIT,
            phrase="held-out NLL",
        ),
        # Teacher-forced: under a leak it looks wonderful and says nothing of samples.
        Column(
            "val/interpolation/nll",
            ("held-out NLL", "of gaps"),
            "Of codes between anchors, by the interpolation transformer; a leak through the mask lowers it.",
            unit=_UNIT,
            phrase="held-out NLL between anchors",
        ),
        Column("val/transformer/nll_gap", ("NLL gap", "to train"), "Held-out NLL less that of the train split.", _UNIT),
        Column("val/interpolation/nll_gap", ("NLL gap of gaps", "to train"), "The same between anchors.", _UNIT),
    )

    def __call__(self, findings: Findings) -> Measurement:
        """As `Measure`."""
        values: Values = {}
        for name, nll in findings.nll.items():
            values |= {f"val/{name}/nll": nll.held_out, f"val/{name}/nll_gap": nll.held_out - nll.train}
        return Measurement(values, free=free_of_charge(findings.one_code, *values))
