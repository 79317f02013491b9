"""The metrics that answer the question: their names for readers, their units, and which way is good.

Keys are the log keys, the same in W&B, CSV, table and figure. A pattern stands for every feature network, so that an
FVD is always shown with the name of its network.
"""

from __future__ import annotations

import fnmatch
import math
from dataclasses import dataclass, replace
from typing import Literal

from tats_exp.report.runs import Run

Better = Literal["higher", "lower", "zero", "one"]


@dataclass(frozen=True)
class Headline:
    """One metric of the table.

    Attributes:
        key: log key, or a pattern with one `*` for the feature network.
        title: two lines for the head of a column, `{network}` filled in.
        phrase: what stands in a sentence.
        unit: of the values, for axes.
        better: which way is good; None if values of different choices must not be compared at all.
        never: a null value means that it never happened, which is later than any number.
        floored: differences below twice the real-vs-real floor do not count.
        protocol: the value depends on the evaluation protocol.
    """

    key: str
    title: tuple[str, str]
    phrase: str
    unit: str
    better: Better | None
    never: bool = False
    floored: bool = False
    protocol: bool = False

    @property
    def arrow(self) -> str:
        """Which way is good, as a sign: `↑`, `↓`, `→0`, `→1`, or nothing."""
        return {"higher": "↑", "lower": "↓", "zero": "→0", "one": "→1", None: ""}[self.better]

    def judge(self, higher: bool) -> str:
        """`better` or `worse` for a higher (or lower) value; "" where neither can be said from the sign alone."""
        if self.better not in ("higher", "lower"):
            return ""
        return "better" if (self.better == "higher") == higher else "worse"

    def numbers(self, values: list[float | None]) -> list[float]:
        """Values for comparing: `never` becomes infinity, what was not measured is dropped."""
        if self.never:
            return [math.inf if value is None else value for value in values]
        return [value for value in values if value is not None]

    def within_floor(self, value: float, floor: float | None) -> bool:
        """Whether a value says no more than two sets of real clips do of each other: below twice their distance."""
        return self.floored and floor is not None and value < 2 * floor


_FVD = Headline("", ("FVD {network}", ""), "", "Fréchet distance", "lower", floored=True, protocol=True)
_KVD = Headline("", ("KVD {network}", ""), "", "MMD²", "lower", protocol=True)
_IS = Headline("", ("IS {network}", ""), "", "inception score", "higher", protocol=True)
HEADLINES = (
    Headline("codes/unchanged", ("codes", "unchanged"), "share of codes unchanged under a shift", "share", "higher"),
    Headline("codes/place_probe", ("place", "probe"), "place-probe accuracy", "accuracy", "lower"),
    Headline("codes/shift_nll_gap", ("shift-NLL", "gap"), "shift-NLL gap", "nats per code", "zero"),
    Headline("codes/usage/held_out", ("codes", "in use"), "share of the codebook in use", "share", "higher"),
    Headline("val/vqgan/psnr", ("PSNR", "reconstr."), "PSNR of reconstructions", "dB", "higher"),
    Headline("val/vqgan/ssim", ("SSIM", "reconstr."), "SSIM of reconstructions", "SSIM", "higher"),
    Headline(
        "val/vqgan/gradient_ratio",
        ("gradients", "reconstr."),
        "spatial-gradient ratio of reconstructions",
        "ratio to real",
        "one",
    ),
    Headline(
        "val/vqgan/edge_ratio",
        ("edge/middle", "error"),
        "edge-to-middle error ratio of reconstructions",
        "ratio",
        "one",
    ),
    replace(_FVD, key="fvd/*/reconstruction", title=("FVD {network}", "reconstr."), phrase="FVD of reconstructions"),
    replace(_FVD, key="fvd/*/window_0", title=("FVD {network}", "window 0"), phrase="FVD of window 0"),
    replace(_FVD, key="fvd/*/last", title=("FVD {network}", "last window"), phrase="FVD of the last window"),
    Headline(
        "drift/first_window",
        ("collapse", "at window"),
        "window of collapse",
        "window",
        "higher",
        never=True,
        protocol=True,
    ),
    replace(_KVD, key="kvd/*/reconstruction", title=("KVD {network}", "reconstr."), phrase="KVD of reconstructions"),
    replace(_KVD, key="kvd/*/window_0", title=("KVD {network}", "window 0"), phrase="KVD of window 0"),
    replace(_KVD, key="kvd/*/last", title=("KVD {network}", "last window"), phrase="KVD of the last window"),
    replace(_IS, key="is/*/window_0", title=("IS {network}", "window 0"), phrase="inception score of window 0"),
    Headline(
        "ccs/*/last",
        ("CCS {network}", "last window"),
        "class coherence of the last window",
        "share",
        "higher",
        protocol=True,
    ),
    Headline(
        "ics/*/last",
        ("ICS {network}", "last window"),
        "inception coherence of the last window",
        "nats",
        "lower",
        protocol=True,
    ),
    Headline(
        "label/*/last",
        ("label {network}", "last window"),
        "label coherence of the last window",
        "share",
        "higher",
        protocol=True,
    ),
    Headline("drift/joints", ("motion at", "anchors"), "motion at anchors", "ratio to elsewhere", "one", protocol=True),
    Headline("drift/frozen/last", ("frozen", "last window"), "share of frozen videos", "share", "lower", protocol=True),
    Headline("codes/js_divergence/last", ("code JS", "last"), "code JS divergence of the last window", "nats", "lower"),
    # Codes of different tokenizers are different alphabets: their likelihoods are shown, never compared.
    Headline("val/transformer/nll", ("held-out", "NLL"), "held-out NLL", "nats per code", None),
    # Teacher-forced: under a leak it looks wonderful and says nothing of samples.
    Headline(
        "val/interpolation/nll", ("held-out NLL", "of gaps"), "held-out NLL between anchors", "nats per code", None
    ),
    Headline("leak/nll", ("leak", "NLL"), "leak through the mask", "nats per code", "lower"),
    Headline("leak/gradient", ("leak", "gradient"), "leak of gradients", "share", "lower"),
    # Runs share a machine with one another: their times are shown, never compared.
    Headline("speed/seconds_per_1024_frames", ("sampling, s", "1,024 frames"), "sampling time", "s", None),
)


def headlines_in(runs: list[Run]) -> list[Headline]:
    """The headline metrics that at least one run measured, patterns filled in, in the order of `HEADLINES`."""
    keys = sorted({key for run in runs for key in run.values})
    found = []
    for headline in HEADLINES:
        for key in fnmatch.filter(keys, headline.key):
            network = key.split("/")[1]
            title = (headline.title[0].format(network=network), headline.title[1])
            phrase = f"{headline.phrase} ({network})" if "*" in headline.key else headline.phrase
            found.append(replace(headline, key=key, title=title, phrase=phrase))
    return found
