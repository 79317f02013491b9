"""How far the codes of sampled videos move away from real codes, window by window.

Axes: N videos, t h w latent grid, K codebook size.
"""

from tats_exp.metrics.drift import code_histograms, code_perplexity, drawn_divergence, frames_at, js_divergence
from tats_exp.metrics.findings import CodeFindings, Findings
from tats_exp.metrics.measure import FEW_WINDOWS, Measure, Measurement, Values, free_of_charge
from tats_exp.metrics.trend import bootstrap_code_slope, slope
from tats_exp.run_folder.columns import Column

_JS, _DRAWN, _PERPLEXITY = "codes/js_divergence", "codes/js_drawn", "codes/perplexity"
_PER_WINDOW = "nats per window"
_WHY_JS = "Jensen-Shannon divergence of the codes of a window from real codes at the same place of the window."
_WHY_DRAWN = (
    "Jensen-Shannon divergence of the codes of a window from real codes of the slots that each latent frame was drawn "
    "in; null: the sampler does not say in which."
)
_WHY_PERPLEXITY = "Effective number of codes in a window: exp of the entropy of their histogram."


class CodeDrift(Measure):
    """Jensen-Shannon divergence from real codes, of the same place and of the slot drawn, and perplexity of windows."""

    columns = (
        Column(
            f"{_JS}/last",
            ("code JS", "last"),
            _WHY_JS,
            unit="nats",
            better="lower",
            phrase="code JS divergence of the last window",
            figure="time_agnosticity",
        ),
        Column(
            f"{_DRAWN}/last",
            ("code JS", "slot drawn, last"),
            _WHY_DRAWN,
            unit="nats",
            better="lower",
            phrase="code JS divergence of the last window from the slot drawn",
            figure="time_agnosticity",
        ),
        Column(f"{_PERPLEXITY}/last", ("code perplexity", "last"), _WHY_PERPLEXITY, unit="codes in use", ratio=True),
        Column(_JS, ("Code histogram against real codes", ""), _WHY_JS, "JS divergence, nats", "lower", is_curve=True),
        Column(
            _DRAWN,
            ("Code histogram against the slot drawn", ""),
            _WHY_DRAWN,
            unit="JS divergence, nats",
            better="lower",
            is_curve=True,
        ),
        Column(_PERPLEXITY, ("Code perplexity", ""), _WHY_PERPLEXITY, unit="codes in use", is_curve=True, ratio=True),
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
        drawn, drawn_floor = _drawn(codes, len(windows), findings.real.total)
        values: Values = {
            f"{_JS}/last": divergence[-1],
            f"{_DRAWN}/last": drawn[-1] if drawn else None,
            f"{_PERPLEXITY}/last": perplexity[-1],
        }
        if len(divergence) >= FEW_WINDOWS:
            values[f"{_JS}/slope"] = slope(divergence)
            if findings.resamples:
                interval = bootstrap_code_slope(train, windows, findings.resamples, findings.seed)
                values |= dict(zip((f"{_JS}/slope/low", f"{_JS}/slope/high"), interval, strict=True))
        floor = float(js_divergence(train, held_out).mean())
        curves = {_JS: divergence, _PERPLEXITY: perplexity, **({_DRAWN: drawn} if drawn else {})}
        free = free_of_charge(findings.one_code, f"{_JS}/last", f"{_DRAWN}/last", f"{_JS}/slope")
        return Measurement(values, curves, {"real": {_JS: floor, **drawn_floor}}, free=free)


def _drawn(codes: CodeFindings, windows: int, videos: int) -> tuple[list[float], dict[str, float]]:
    """The divergence of every window from the slots drawn, and that of real held-out codes from the same slots.

    Both at equal counts: of as many videos as there are real windows of each split. Nothing where slots are unknown.
    The floor is that of the last window, whose slots are those of all but the first.
    """
    if codes.slots is None:
        return [], {}
    count = min(videos, len(codes.learned), len(codes.learned_held_out))
    real, unseen, length = codes.learned[:count], codes.learned_held_out[:count], codes.frames
    slots = [codes.slots[start : start + length] for start in range(0, windows * length, length)]
    sampled = codes.sampled[:count].split(length, dim=1)[:windows]
    curve = [drawn_divergence(window, real, some, codes.size) for window, some in zip(sampled, slots, strict=True)]
    return curve, {_DRAWN: drawn_divergence(frames_at(unseen, slots[-1]), real, slots[-1], codes.size)}
