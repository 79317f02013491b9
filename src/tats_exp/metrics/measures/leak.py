"""What an interpolation transformer hears, in training, of codes that it must not know."""

from tats_exp.metrics.findings import Findings
from tats_exp.metrics.measure import Measure, Measurement, Values, defined, free_of_charge
from tats_exp.run_folder.columns import Column


class LeakThroughMask(Measure):
    """The leak in nats a code, and as a share of squared gradients."""

    columns = (
        Column(
            "leak/nll",
            ("leak", "NLL"),
            "By how much codes are better expected teacher-forced than from what a sampler knows.",
            unit="nats per code",
            better="lower",
            phrase="leak through the mask",
            in_table=True,
        ),
        Column(
            "leak/gradient",
            ("leak", "gradient"),
            "Share of squared gradients of logits with respect to codes that must not be known; null: all are zero.",
            unit="share",
            better="lower",
            phrase="leak of gradients",
            in_table=True,
        ),
    )

    def __call__(self, findings: Findings) -> Measurement:
        """As `Measure`."""
        if (leak := findings.leak) is None:
            return Measurement()
        # below is the rounding of logits; + 0.0 makes -0.0 a zero
        nll = round(leak.hidden - leak.forced, 4) + 0.0
        values: Values = {"leak/gradient": defined(leak.gradient.share), "leak/nll": nll}
        return Measurement(values, free=free_of_charge(findings.one_code, "leak/nll"))
