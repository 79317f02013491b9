"""The measures that ship with the package, by what they say: `metrics.measures` in the config names those that run."""

from tats_exp.metrics.measures.code_drift import CodeDrift
from tats_exp.metrics.measures.code_use import CodeUse
from tats_exp.metrics.measures.coherence import ClassCoherence
from tats_exp.metrics.measures.distances import FrechetDistance, KernelDistance
from tats_exp.metrics.measures.gaps import GapLayout
from tats_exp.metrics.measures.inception_score import InceptionScore
from tats_exp.metrics.measures.joints import Joints
from tats_exp.metrics.measures.labels import LabelShare
from tats_exp.metrics.measures.layout import LayoutDrift
from tats_exp.metrics.measures.leak import LeakThroughMask
from tats_exp.metrics.measures.likelihood import Likelihood
from tats_exp.metrics.measures.memorisation import Memorisation
from tats_exp.metrics.measures.pixel_drift import PixelDrift
from tats_exp.metrics.measures.reconstruction import ReconstructionError
from tats_exp.metrics.measures.sound import SoundTruth
from tats_exp.metrics.measures.text import TextSimilarity
from tats_exp.metrics.measures.time_agnosticity import TimeAgnosticity
from tats_exp.metrics.measures.truth import Truth

__all__ = [
    "ClassCoherence",
    "CodeDrift",
    "CodeUse",
    "FrechetDistance",
    "GapLayout",
    "InceptionScore",
    "Joints",
    "KernelDistance",
    "LabelShare",
    "LayoutDrift",
    "LeakThroughMask",
    "Likelihood",
    "Memorisation",
    "PixelDrift",
    "ReconstructionError",
    "SoundTruth",
    "TextSimilarity",
    "TimeAgnosticity",
    "Truth",
]
