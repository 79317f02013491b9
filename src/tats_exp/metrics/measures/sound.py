"""Whether videos go with the sound that they were made for."""

import math
from dataclasses import replace
from statistics import fmean

from tats_exp.metrics.findings import Findings
from tats_exp.metrics.measure import FloorKind, Measure, Measurement, Values, at_ends, defined
from tats_exp.metrics.synchrony import ENDS, mean_offset, mean_offset_by_chance
from tats_exp.run_folder.columns import Column

_OFFSET = "sound/offset"
_OF_WINDOW = Column(
    "",
    ("", ""),
    "Mean time from the beginning of a sound to the nearest turn of what moves, found in pixels, at most 8 frames, "
    "without those in the first and last 4 frames of a video. That of real videos with their own sound is the best "
    "there is; chance is that of videos with one another's sound. What turns more often is nearer to any sound: hold "
    "each choice against its own chance.",
    unit="frames",
    better="lower",
    protocol=True,
)
_AS_TRUE = "of sampled videos, given frames included, against the videos whose sound they have, frame by frame"


class SoundTruth(Measure):
    """How far bounces are from where they are heard, and how like the video whose sound was given."""

    of_sound = True

    columns = (
        replace(
            _OF_WINDOW,
            key=f"{_OFFSET}/last",
            title=("sound and turns", "last window"),
            phrase="offset of turns from sounds in the last window",
            in_table=True,
        ),
        replace(_OF_WINDOW, key=f"{_OFFSET}/window_0", title=("sound and turns", "window 0")),
        replace(_OF_WINDOW, key=_OFFSET, title=("Sound", "and turns"), is_curve=True),
        Column("sound/psnr", ("PSNR to the", "sound's video"), f"PSNR {_AS_TRUE}.", unit="dB", better="higher"),
        Column("sound/ssim", ("SSIM to the", "sound's video"), f"SSIM {_AS_TRUE}.", better="higher"),
    )

    def __call__(self, findings: Findings) -> Measurement:
        """As `Measure`."""
        if (sound := findings.sound) is None:
            return Measurement()
        count = len(findings.windows)
        spans = [
            (max(ENDS, t * sound.frames), min((t + 1) * sound.frames, count * sound.frames - ENDS))
            for t in range(count)
        ]
        curve = [mean_offset(sound.heard, sound.seen, *span) for span in spans]
        real = [mean_offset(sound.heard, sound.seen_in_real, *span) for span in spans]
        chance = [mean_offset_by_chance(sound.heard, sound.seen, *span) for span in spans]
        values: Values = at_ends(_OFFSET, curve)
        if sound.errors.windows:
            values["sound/psnr"] = defined(sound.errors.psnr)
            values["sound/ssim"] = sound.errors.ssim
        floors: dict[FloorKind, dict[str, float]] = {"real": _floor(real), "chance": _floor(chance)}
        return Measurement(values, {_OFFSET: curve}, floors)


def _floor(along: list[float]) -> dict[str, float]:
    """Of the curve what it is on average, and at its ends; nothing where nothing is heard."""
    known = [value for value in along if not math.isnan(value)]
    ends = {key: value for key, value in at_ends(_OFFSET, along).items() if value is not None}
    return ends | ({_OFFSET: fmean(known)} if known else {})
