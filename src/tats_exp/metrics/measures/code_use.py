"""How much of its codebook a VQGAN uses for real video."""

from tats_exp.metrics.drift import code_histograms, code_perplexity
from tats_exp.metrics.findings import Findings
from tats_exp.metrics.measure import Measure, Measurement, Values
from tats_exp.run_folder.columns import Column


class CodeUse(Measure):
    """Share of the codebook that real videos use and perplexity of that use, over all kept codes of each split."""

    columns = (
        Column(
            "codes/usage/held_out",
            ("codes", "in use"),
            "Share of the codebook that windows of the test split use.",
            unit="share",
            better="higher",
            phrase="share of the codebook in use",
            figure="time_agnosticity",
        ),
        Column("codes/usage/train", ("codes in use", "train"), "Share that windows of the train split use.", "share"),
        Column(
            "codes/perplexity/held_out",
            ("code perplexity", "held-out"),
            "exp of the entropy of it.",
            "codes",
            ratio=True,
        ),
        Column(
            "codes/perplexity/train", ("code perplexity", "train"), "The same for the train split.", "codes", ratio=True
        ),
    )

    def __call__(self, findings: Findings) -> Measurement:
        """As `Measure`."""
        if (codes := findings.codes) is None:
            return Measurement()
        values: Values = {}
        for split, windows in (("train", codes.train), ("held_out", codes.held_out)):
            shares = code_histograms(windows, codes.size).mean(dim=0)
            values[f"codes/usage/{split}"] = float((shares > 0).double().mean())
            values[f"codes/perplexity/{split}"] = float(code_perplexity(shares))
        return Measurement(values)
