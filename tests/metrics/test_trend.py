import math

import pytest
import torch
from torch import Tensor

from tats_exp.metrics import (
    FrechetReference,
    bootstrap_code_slope,
    code_histograms,
    frozen_share,
    js_divergence,
    slope,
    slope_interval,
)


def long_videos(count: int, windows: int, seed: int, grow: float = 0.0, shift: float = 0.0, size: int = 8) -> list:
    """Features of videos that stay much the same from window to window, while all of them spread or move."""
    random = torch.Generator().manual_seed(seed)
    video = torch.randn(count, size, generator=random)
    noise = torch.randn(windows, count, size, generator=random)
    return [(0.9 * video + 0.44 * noise[t]) * (1 + grow * t) + shift * t for t in range(windows)]


def fvd_interval(real: Tensor, windows: list[Tensor], resamples: int, seed: int) -> tuple[float, float]:
    """Of the slope of the Fréchet distance, as any curve of videos is resampled."""
    reference = FrechetReference(real)
    return slope_interval(
        lambda counts: [float(reference.distance(window, counts)) for window in windows],
        len(windows[0]),
        resamples,
        seed,
    )


def fvd_slope(real: Tensor, windows: list[Tensor]) -> float:
    reference = FrechetReference(real)
    return slope([float(reference.distance(window)) for window in windows])


def test_frozen_is_below_a_tenth_of_what_real_videos_move() -> None:
    real = torch.tensor([0.1, 0.3])  # 0.2 on average
    motion = torch.tensor([0.0, 0.019, 0.021, 0.3])
    assert frozen_share(motion, real) == 0.5
    assert frozen_share(real, real) == 0.0
    assert math.isnan(frozen_share(motion, torch.zeros(3)))
    with pytest.raises(ValueError, match="motion: 0 videos"):
        frozen_share(motion[:0], real)


def test_slope_is_that_of_the_least_squares_line() -> None:
    assert slope([3.0, 5.0, 7.0, 9.0]) == pytest.approx(2.0)
    values = torch.randn(9, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    line = torch.linalg.lstsq(torch.stack([torch.arange(9.0).double(), torch.ones(9).double()], 1), values[:, None])
    assert slope(values) == pytest.approx(float(line.solution[0]), rel=1e-10)
    assert math.isnan(slope([1.0, math.nan, 2.0]))
    with pytest.raises(ValueError, match="1 windows, a slope needs at least 2"):
        slope([1.0])


def test_interval_of_a_mean_is_the_textbook_one() -> None:
    """The slope of (0, mean) is the mean of N values, whose standard error is known."""
    values = torch.randn(200, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    low, high = slope_interval(lambda counts: [0.0, float((counts * values).sum() / counts.sum())], 200, 2000, seed=0)
    half = 1.96 * float(values.std()) / 200**0.5
    assert (low, high) == pytest.approx((float(values.mean()) - half, float(values.mean()) + half), abs=0.1 * half)


def test_interval_sees_videos_that_move_away_and_none_that_stay() -> None:
    real = torch.randn(100, 8, generator=torch.Generator().manual_seed(9))
    low, high = fvd_interval(real, long_videos(60, 5, seed=1), resamples=100, seed=0)
    assert low < 0 < high
    moving = long_videos(60, 5, seed=1, shift=0.15)
    low, high = fvd_interval(real, moving, resamples=100, seed=0)
    assert 0 < low < fvd_slope(real, moving) < high


@pytest.mark.parametrize("grow", [-0.15, 0.15])
def test_interval_stands_around_the_observed_slope_when_videos_shrink_or_grow(grow: float) -> None:
    """Duplicates add bias in proportion to the spread: the slopes as they are resampled stand beside the observed."""
    real, windows = long_videos(30, 1, seed=2, size=24)[0], long_videos(24, 5, seed=1, grow=grow, size=24)
    observed, reference = fvd_slope(real, windows), FrechetReference(real)
    low, high = fvd_interval(real, windows, resamples=100, seed=0)
    assert abs((low + high) / 2 - observed) < 0.1 * (high - low)
    drawn = torch.randint(24, (100, 24), generator=torch.Generator().manual_seed(0))
    curves = [[float(reference.distance(w, one.bincount(minlength=24))) for w in windows] for one in drawn]
    assert (float(torch.tensor([slope(curve) for curve in curves]).mean()) - observed) * grow > 0.02 * abs(grow)


def test_windows_of_a_video_are_drawn_together() -> None:
    """A video that is an outlier in every window moves the level, not the slope: the interval stays narrow."""
    real = torch.randn(50, 3, generator=torch.Generator().manual_seed(0))
    window = torch.randn(40, 3, generator=torch.Generator().manual_seed(1))
    window[0] += 30
    low, high = fvd_interval(real, [window] * 4, resamples=50, seed=0)
    assert max(abs(low), abs(high)) < 1e-9 * float(FrechetReference(real).distance(window))


def test_interval_of_codes_that_drift() -> None:
    random = torch.Generator().manual_seed(0)
    codes = torch.randint(0, 8, (6, 40, 2, 3, 3), generator=random)
    real = code_histograms(torch.randint(0, 8, (40, 2, 3, 3), generator=random), 8)
    low, high = bootstrap_code_slope(real, list(codes), resamples=100, seed=0)
    assert low < 0 < high
    drifting = [one.where(torch.rand(one.shape, generator=random) > 0.1 * t, 0) for t, one in enumerate(codes)]
    observed = slope([float(js_divergence(real, code_histograms(one, 8)).mean()) for one in drifting])
    low, high = bootstrap_code_slope(real, drifting, resamples=100, seed=0)
    assert 0 < low < observed < high


def test_interval_depends_on_nothing_but_its_seed() -> None:
    real, windows = long_videos(20, 1, seed=0)[0], long_videos(20, 3, seed=1)
    first = fvd_interval(real, windows, resamples=20, seed=3)
    torch.manual_seed(5)
    assert fvd_interval(real, windows, resamples=20, seed=3) == first
    assert fvd_interval(real, windows, resamples=20, seed=4) != first


def test_too_little_is_refused_in_one_line() -> None:
    random = torch.Generator().manual_seed(0)
    windows = list(torch.randint(0, 8, (3, 20, 2, 3, 3), generator=random))
    real = code_histograms(windows[0], 8)
    for wrong, told in (
        (windows[:1], "1 windows of 20 videos, a slope needs at least 2 windows"),
        ([windows[0], windows[1][:9]], "2 windows of 9, 20 videos"),
        ([window[:1] for window in windows], "videos: 1, an interval needs at least 2"),
        ([], "0 windows of no videos"),
    ):
        with pytest.raises(ValueError, match=told):
            bootstrap_code_slope(real, wrong, resamples=20, seed=0)
    with pytest.raises(ValueError, match="resamples: 1"):
        bootstrap_code_slope(real, windows, resamples=1, seed=0)
