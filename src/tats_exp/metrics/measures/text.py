"""Whether frames look like the text that was asked for, by a CLIP of the user's."""

import math
from dataclasses import replace
from statistics import fmean

from jaxtyping import Float
from torch import Tensor

from tats_exp.metrics.findings import Findings
from tats_exp.metrics.measure import FloorKind, Measure, Measurement, at_ends
from tats_exp.run_folder.columns import Column

_KEY = "clip/similarity"
_SIMILARITY = Column(
    _KEY,
    ("CLIP, frames", "and text"),
    "Mean cosine between the frames of a window and the text that was asked for, by the CLIP that metrics.clip names. "
    "That of real windows with their own captions is the floor, that of these rebuilt the ceiling, chance that of each "
    "text with the other videos. It is not the truth of the text: see truth/all where the data tell it.",
    unit="cosine",
    better="higher",
    protocol=True,
)


class TextSimilarity(Measure):
    """Similarity of frames and text, window by window (CLIPSIM of Wu et al. 2021 for the whole of a video)."""

    of_text = True

    columns = (
        replace(
            _SIMILARITY,
            key=f"{_KEY}/last",
            title=("CLIP", "last window"),
            phrase="CLIP similarity of the last window",
            in_table=True,
        ),
        replace(_SIMILARITY, key=f"{_KEY}/window_0", title=("CLIP", "window 0")),
        replace(_SIMILARITY, is_curve=True),
    )

    def __call__(self, findings: Findings) -> Measurement:
        """As `Measure`."""
        if (texts := findings.texts) is None:
            return Measurement()
        curve = [math.nan if window is None else _alike(window, texts.asked) for window in texts.windows]
        chance = [_by_chance(window, texts.asked) for window in texts.windows if window is not None]
        floors: dict[FloorKind, dict[str, float]] = {
            "chance": {_KEY: fmean(chance), f"{_KEY}/window_0": chance[0], f"{_KEY}/last": chance[-1]},
            "real": {_KEY: _alike(texts.real, texts.captions)},
            "ceiling": {_KEY: _alike(texts.rebuilt, texts.captions)},
        }
        note = f"{_KEY}: by the CLIP with SHA-256 {texts.checksum[:12]}; cosines of another one do not compare with it"
        return Measurement(at_ends(_KEY, curve), {_KEY: curve}, floors, [note])


def _alike(seen: Float[Tensor, "N D"], texts: Float[Tensor, "N D"]) -> float:
    """Mean cosine of videos and their texts."""
    return float((seen * texts).sum(dim=-1).mean())


def _by_chance(seen: Float[Tensor, "N D"], texts: Float[Tensor, "N D"]) -> float:
    """Mean cosine of each video and the texts of all others."""
    count = len(seen)
    return float((seen.sum(dim=0) @ texts.sum(dim=0) - (seen * texts).sum()) / (count * (count - 1)))
