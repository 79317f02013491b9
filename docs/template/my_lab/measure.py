"""A measure: how far brightness wanders within a video."""

import torch

from tats_exp.metrics import Findings, Measure, Measurement
from tats_exp.run_folder import Column

KEY = "my_lab/brightness_range"


class BrightnessRange(Measure):
    """Highest minus lowest mean brightness of a video's windows, on average over videos."""

    columns = (
        Column(
            KEY,
            ("brightness", "range"),
            "Highest minus lowest mean brightness of the windows of a video, mean over videos.",
            unit="of the grey range",
            better="lower",
            phrase="range of brightness within a video",
            in_table=True,
        ),
    )

    def __call__(self, findings: Findings) -> Measurement:
        """As `Measure`: undefined, and so left out, where videos have one window."""
        if len(findings.windows) < 2:
            return Measurement()
        brightness = torch.stack([window.brightness for window in findings.windows])
        return Measurement({KEY: float((brightness.amax(dim=0) - brightness.amin(dim=0)).mean())})
