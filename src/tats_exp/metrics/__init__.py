"""What is measured: pure functions of features, codes and frames. They know nothing of training, config or logging."""

from tats_exp.metrics.coherence import ccs, ics, inception_score
from tats_exp.metrics.drift import (
    brightness,
    code_histograms,
    code_perplexity,
    contrast,
    first_window_past,
    js_divergence,
    motion_energy,
)
from tats_exp.metrics.frechet import FrechetVideoDistance, KernelVideoDistance, frechet_distance, polynomial_mmd
from tats_exp.metrics.look import look
from tats_exp.metrics.memorisation import nearest_distance
from tats_exp.metrics.protocol import Protocol, same_protocol
from tats_exp.metrics.time_agnosticity import place_probe, share_unchanged, shift_nll_gap
from tats_exp.metrics.windows import windows

__all__ = [
    "FrechetVideoDistance",
    "KernelVideoDistance",
    "Protocol",
    "brightness",
    "ccs",
    "code_histograms",
    "code_perplexity",
    "contrast",
    "first_window_past",
    "frechet_distance",
    "ics",
    "inception_score",
    "js_divergence",
    "look",
    "motion_energy",
    "nearest_distance",
    "place_probe",
    "polynomial_mmd",
    "same_protocol",
    "share_unchanged",
    "shift_nll_gap",
    "windows",
]
