"""How motion and colours of the videos compare with real ones, window by window."""

import math

from jaxtyping import Float
from torch import Tensor

from tats_exp.metrics.findings import Findings
from tats_exp.metrics.measure import Measure, Measurement, defined
from tats_exp.metrics.trend import frozen_share
from tats_exp.metrics.window_statistics import PIXELS
from tats_exp.run_folder.columns import Column

_TITLES = {
    "motion": "Motion energy",
    "contrast": "Contrast",
    "brightness": "Brightness",
    "saturation": "Saturation",
}
_FROZEN = "Share of videos that move less than a tenth of what real ones do on average."


class PixelDrift(Measure):
    """Motion energy, contrast, brightness and saturation relative to real windows, and the share of frozen videos."""

    @property
    def columns(self) -> tuple[Column, ...]:
        """As `Measure`."""
        columns = [
            Column(
                "drift/frozen/last",
                ("frozen", "last window"),
                _FROZEN,
                unit="share",
                better="lower",
                phrase="share of frozen videos",
                protocol=True,
            )
        ]
        for name, title in _TITLES.items():
            why = f"Mean {title.lower()} of the videos over that of real windows."
            last = ("last window",)
            columns += [
                Column(f"drift/{name}", (title, ""), why, "ratio to real", "one", is_curve=True, protocol=True),
                Column(f"drift/{name}/last", (title, *last), why, "ratio to real", "one", protocol=True),
            ]
        frozen = Column(
            "drift/frozen", ("Frozen videos", ""), _FROZEN, "share of videos", "lower", is_curve=True, protocol=True
        )
        return (*columns, frozen)

    def __call__(self, findings: Findings) -> Measurement:
        """As `Measure`."""
        real, curves = findings.real, {}
        for name in PIXELS:
            reference = getattr(real, name)
            curves[f"drift/{name}"] = [_ratio(getattr(window, name), reference) for window in findings.windows]
        curves["drift/frozen"] = [frozen_share(window.motion, real.motion) for window in findings.windows]
        return Measurement({f"{key}/last": defined(curve[-1]) for key, curve in curves.items()}, curves)


def _ratio(generated: Float[Tensor, " n"], real: Float[Tensor, " N"]) -> float:
    """Mean of the generated over mean of the real; nan where the real is 0 (stills do not move)."""
    return float(generated.mean() / real.mean()) if real.mean() > 0 else math.nan
