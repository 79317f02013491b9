"""What is measured: pure functions of features, codes and frames. They know nothing of training, config or logging."""

from typing import TYPE_CHECKING

from tats_exp.metrics.causality import Leak, hidden_nll, leak
from tats_exp.metrics.coherence import ccs, ics, inception_score, kappa, label_chance, label_coherence, opinion_js
from tats_exp.metrics.drift import (
    code_histograms,
    code_perplexity,
    drawn_divergence,
    first_window_past,
    growth,
    js_divergence,
)
from tats_exp.metrics.findings import Findings
from tats_exp.metrics.frechet import (
    FrechetReference,
    bias_warning,
    extrapolated_frechet,
    frechet_distance,
    polynomial_mmd,
)
from tats_exp.metrics.joints import PhaseMotion, joint_ratio
from tats_exp.metrics.latent_shift import LatentShift
from tats_exp.metrics.layout import LayoutReference, layout, layout_distance
from tats_exp.metrics.measure import Measure, Measurement
from tats_exp.metrics.memorisation import nearest_distance, nearest_of_repeats
from tats_exp.metrics.networks import Networks
from tats_exp.metrics.pixels import brightness, contrast, motion_energy, saturation
from tats_exp.metrics.reference_windows import ReferenceWindows
from tats_exp.metrics.time_agnosticity import place_probe, share_unchanged, shift_nll_gap, sliding_gap
from tats_exp.metrics.trend import (
    bootstrap_code_slope,
    frozen_share,
    slope,
    slope_interval,
)
from tats_exp.metrics.window_statistics import WindowStatistics, pixel_statistics
from tats_exp.metrics.windows import windows
from tats_exp.run_folder import Protocol, same_protocol

if TYPE_CHECKING:
    from tats_exp.metrics.video_distance import FrechetVideoDistance, KernelVideoDistance

__all__ = [
    "Findings",
    "FrechetReference",
    "FrechetVideoDistance",
    "KernelVideoDistance",
    "LatentShift",
    "LayoutReference",
    "Leak",
    "Measure",
    "Measurement",
    "Networks",
    "PhaseMotion",
    "Protocol",
    "ReferenceWindows",
    "WindowStatistics",
    "bias_warning",
    "bootstrap_code_slope",
    "brightness",
    "ccs",
    "code_histograms",
    "code_perplexity",
    "contrast",
    "drawn_divergence",
    "extrapolated_frechet",
    "first_window_past",
    "frechet_distance",
    "frozen_share",
    "growth",
    "hidden_nll",
    "ics",
    "inception_score",
    "joint_ratio",
    "js_divergence",
    "kappa",
    "label_chance",
    "label_coherence",
    "layout",
    "layout_distance",
    "leak",
    "motion_energy",
    "nearest_distance",
    "nearest_of_repeats",
    "opinion_js",
    "pixel_statistics",
    "place_probe",
    "polynomial_mmd",
    "same_protocol",
    "saturation",
    "share_unchanged",
    "shift_nll_gap",
    "sliding_gap",
    "slope",
    "slope_interval",
    "windows",
]


def __getattr__(name: str) -> object:
    """The metrics of torchmetrics, which takes a second to be imported, when they are asked for."""
    if name not in ("FrechetVideoDistance", "KernelVideoDistance"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from tats_exp.metrics import video_distance

    return getattr(video_distance, name)
