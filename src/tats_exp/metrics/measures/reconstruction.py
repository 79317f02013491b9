"""How well the VQGAN gives back held-out windows, pixel for pixel."""

import math

from tats_exp.metrics.findings import Findings
from tats_exp.metrics.measure import Measure, Measurement, Values, defined
from tats_exp.run_folder.columns import Column

_KEY, _FIGURE = "val/vqgan", "reconstruction"


class ReconstructionError(Measure):
    """PSNR, SSIM, sharpness, and the error at every place of a window."""

    columns = (
        Column(
            f"{_KEY}/psnr",
            ("PSNR", "reconstr."),
            "Peak signal-to-noise ratio of the mean squared error over all held-out windows; null where there is none.",
            unit="dB",
            better="higher",
            phrase="PSNR of reconstructions",
            in_table=True,
            figure=_FIGURE,
        ),
        Column(
            f"{_KEY}/ssim",
            ("SSIM", "reconstr."),
            "Structural similarity of frames, mean over all; null for frames smaller than its window of 11 pixels.",
            unit="SSIM",
            better="higher",
            phrase="SSIM of reconstructions",
            figure=_FIGURE,
        ),
        Column(
            f"{_KEY}/gradient_ratio",
            ("gradients", "reconstr."),
            "Mean spatial gradient over that of the real windows: below 1 is blurred; noise and wrong edges raise it.",
            unit="ratio to real",
            better="one",
            phrase="spatial-gradient ratio of reconstructions",
            figure=_FIGURE,
        ),
        Column(
            f"{_KEY}/edge_ratio",
            ("edge/middle", "error"),
            "Error of the first and last frame of a window over that of the rest.",
            unit="ratio",
            better="one",
            phrase="edge-to-middle error ratio of reconstructions",
            figure=_FIGURE,
        ),
        Column(
            f"{_KEY}/l1/frame_*",
            ("L1 error", "frame *"),
            "Mean absolute error at one place of a window.",
            unit="L1, share of the grey range",
        ),
    )

    def __call__(self, findings: Findings) -> Measurement:
        """As `Measure`."""
        if (errors := findings.reconstruction) is None or not errors.windows:
            return Measurement()
        values: Values = {
            f"{_KEY}/psnr": errors.psnr if math.isfinite(errors.psnr) else None,
            f"{_KEY}/ssim": errors.ssim,
            f"{_KEY}/gradient_ratio": defined(errors.gradient_ratio),
            f"{_KEY}/edge_ratio": defined(errors.edge_ratio),
        }
        frames = enumerate(errors.frame_errors.tolist())
        return Measurement({**values, **{f"{_KEY}/l1/frame_{frame}": error for frame, error in frames}})
