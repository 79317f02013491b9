"""How far the codes of sampled videos move away from real codes, window by window.

Axes: N videos, t h w latent grid, K codebook size.
"""

from tats_exp.metrics.drift import code_histograms, code_perplexity, js_divergence
from tats_exp.metrics.findings import Findings
from tats_exp.metrics.measure import FEW_WINDOWS, Measure, Measurement, Values
from tats_exp.metrics.trend import bootstrap_code_slope, slope
from tats_exp.run_folder.columns import Column

_JS, _PERPLEXITY = "codes/js_divergence", "codes/perplexity"
_PER_WINDOW = "nats per window"
_WHY_JS = "Jensen-Shannon divergence of the codes of a window from real codes at the same place of the window."
_WHY_PERPLEXITY = "Effective number of codes in a window: exp of the entropy of their histogram."


class CodeDrift(Measure):
    """Jensen-Shannon divergence from real codes and perplexity of every window."""

    columns = (
        Column(
            f"{_JS}/last",
            ("code JS", "last"),
            _WHY_JS,
            unit="nats",
            better="lower",
            phrase="code JS divergence of the last window",
            in_table=True,
            figure="time_agnosticity",
        ),
        Column(f"{_PERPLEXITY}/last", ("code perplexity", "last"), _WHY_PERPLEXITY, unit="codes in use"),
        Column(_JS, ("Code histogram against real codes", ""), _WHY_JS, "JS divergence, nats", "lower", is_curve=True),
        Column(_PERPLEXITY, ("Code perplexity", ""), _WHY_PERPLEXITY, unit="codes in use", is_curve=True),
        Column(f"{_JS}/slope", ("code JS", "slope"), "Change per window, by least squares.", unit="nats per window"),
        Column(
            f"{_JS}/slope/low",
            ("code JS", "slope, low"),
            "Low end of its 95% bootstrap interval over videos.",
            "nats per window",
        ),
        Column(f"{_JS}/slope/high", ("code JS", "slope, high"), "High end of that interval.", "nats per window"),
    )

    def __call__(self, findings: Findings) -> Measurement:
        """As `Measure`."""
        if (codes := findings.codes) is None:
            return Measurement()
        # divergences of histograms compare at equal counts only
        count = min(findings.real.total, len(codes.train))
        train, held_out = (code_histograms(real[:count], codes.size) for real in (codes.train, codes.held_out))
        windows = codes.sampled[:count].split(codes.frames, dim=1)[: len(findings.windows)]
        histograms = [code_histograms(window, codes.size) for window in windows]
        divergence = [float(js_divergence(train, histogram).mean()) for histogram in histograms]
        perplexity = [float(code_perplexity(histogram.mean(dim=0))) for histogram in histograms]
        values: Values = {f"{_JS}/last": divergence[-1], f"{_PERPLEXITY}/last": perplexity[-1]}
        if len(divergence) >= FEW_WINDOWS:
            values[f"{_JS}/slope"] = slope(divergence)
            if findings.resamples:
                interval = bootstrap_code_slope(train, windows, findings.resamples, findings.seed)
                values |= dict(zip((f"{_JS}/slope/low", f"{_JS}/slope/high"), interval, strict=True))
        floor = float(js_divergence(train, held_out).mean())
        return Measurement(values, {_JS: divergence, _PERPLEXITY: perplexity}, {"real": {_JS: floor}})
