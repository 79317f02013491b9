"""What the measure of sound says of videos that turn when a sound begins, at another time, and with no sound at all."""

from dataclasses import replace

import numpy as np
import pytest

from metrics.made_findings import WINDOW, of_run
from tats_exp.metrics.findings import SoundFindings
from tats_exp.metrics.measures import SoundTruth
from tats_exp.metrics.reconstruction import ReconstructionErrors


def test_videos_that_turn_late_are_late_in_every_window() -> None:
    findings = of_run(windows=4)
    assert findings.sound is not None
    heard = [np.arange(0.25 + 0.01 * video, 4 * WINDOW, 2.0) for video in range(20)]
    late = replace(findings.sound, heard=heard, seen=[times + 0.75 for times in heard], seen_in_real=heard)
    given = SoundTruth()(replace(findings, sound=late))
    assert given.curves["sound/offset"] == pytest.approx([0.75] * 4)
    assert given.values["sound/offset/last"] == pytest.approx(0.75)
    assert given.floors["real"]["sound/offset"] == 0
    assert given.values["sound/psnr"] is not None and given.values["sound/ssim"] is not None


def test_what_is_not_heard_is_not_measured() -> None:
    assert SoundTruth()(replace(of_run(), sound=None)).values == {}
    silent = SoundFindings(WINDOW, *[[np.zeros(0)] * 20] * 3, ReconstructionErrors())
    given = SoundTruth()(replace(of_run(), sound=silent))
    assert given.values == {"sound/offset/window_0": None, "sound/offset/last": None}
    assert given.floors == {"real": {}, "chance": {}}
