"""Pixels of videos against those of real windows, which every window has."""

import math
from dataclasses import replace

from metrics.made_findings import a_window, of_folders, real_windows
from tats_exp.metrics.measures import PixelDrift
from tats_exp.metrics.window_statistics import PIXELS


def test_every_window_has_pixels_whether_a_network_saw_it_or_not() -> None:
    curves = PixelDrift()(of_folders([a_window(20, 1), a_window(20, 2, looked_at=False)])).curves
    assert all(math.isfinite(value) for curve in curves.values() for value in curve)


def test_pixels_like_the_real_ones_have_ratio_one() -> None:
    findings = of_folders([a_window(20, 1)], real_windows(videos=20, reference=20))
    real = {name: getattr(findings.real, name) for name in PIXELS}
    values = PixelDrift()(replace(findings, windows=[replace(findings.windows[0], **real)])).values
    assert all(values[f"drift/{name}/last"] == 1 for name in PIXELS)


def test_stills_have_no_motion_to_compare_with() -> None:
    findings = of_folders([a_window(20, 1)])
    still = replace(findings.real, motion=0 * findings.real.motion)
    values = PixelDrift()(replace(findings, real=still)).values
    assert values["drift/motion/last"] is None and values["drift/frozen/last"] is None
