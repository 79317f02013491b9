import os
from pathlib import Path

import pytest
import scipy.linalg
import torch
from torch import Tensor

from tats_exp.metrics import (
    FrechetReference,
    bias_warning,
    extrapolated_frechet,
    frechet_distance,
    polynomial_mmd,
)


def draw(count: int, size: int, seed: int, shift: float = 0.0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    mixing = torch.randn(size, size, generator=generator)
    return torch.randn(count, size, generator=generator) @ mixing + shift


def with_moments(mean: Tensor, covariance: Tensor, count: int, seed: int) -> Tensor:
    """Features whose sample mean and unbiased covariance are exactly these."""
    noise = torch.randn(count, mean.numel(), generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    noise = noise - noise.mean(0)
    whitened = torch.linalg.solve_triangular(torch.linalg.cholesky(noise.T.cov()), noise.T, upper=False)
    return mean + (torch.linalg.cholesky(covariance) @ whitened).T


def test_frechet_of_gaussians_with_known_moments() -> None:
    mean1, mean2 = torch.tensor([1.0, -2.0, 0.5]).double(), torch.tensor([0.0, 1.0, 0.5]).double()
    variance1, variance2 = torch.tensor([1.0, 4.0, 9.0]).double(), torch.tensor([4.0, 1.0, 2.25]).double()
    real = with_moments(mean1, torch.diag(variance1), 50, seed=0)
    generated = with_moments(mean2, torch.diag(variance2), 70, seed=1)
    expected = (mean1 - mean2).square().sum() + (variance1.sqrt() - variance2.sqrt()).square().sum()
    assert float(frechet_distance(real, generated)) == pytest.approx(float(expected), rel=1e-10)


def test_frechet_agrees_with_scipy_where_covariances_do_not_commute() -> None:
    real, generated = draw(200, 12, seed=0).double(), draw(150, 12, seed=1, shift=0.5).double()
    cov1, cov2 = real.T.cov(), generated.T.cov()
    root = scipy.linalg.sqrtm((cov1 @ cov2).numpy()).real
    expected = (real.mean(0) - generated.mean(0)).square().sum() + (cov1 + cov2).trace() - 2 * root.trace()
    assert float(frechet_distance(real, generated)) == pytest.approx(float(expected), rel=1e-8)


def test_frechet_is_exact_with_fewer_videos_than_features() -> None:
    real, generated = draw(9, 64, seed=0).double(), draw(14, 64, seed=1).double()
    x, y = real - real.mean(0), generated - generated.mean(0)
    # tr (C1 C2)^(1/2) is the nuclear norm of the cross Gram matrix: no singular covariance is ever made
    cross = torch.linalg.svdvals(x @ y.T).sum() / (8 * 13) ** 0.5
    traces = x.square().sum() / 8 + y.square().sum() / 13
    expected = (real.mean(0) - generated.mean(0)).square().sum() + traces - 2 * cross
    assert float(frechet_distance(real, generated)) == pytest.approx(float(expected), rel=1e-9)


@pytest.mark.parametrize("count", [5, 300])
def test_frechet_of_a_set_with_itself_is_zero_and_swapping_changes_nothing(count: int) -> None:
    real, generated = draw(count, 32, seed=0), draw(count, 32, seed=1)
    scale = float(real.var(0).sum())
    assert 0 <= float(frechet_distance(real, real)) < 1e-9 * scale
    assert float(frechet_distance(real, generated)) == pytest.approx(float(frechet_distance(generated, real)), rel=1e-9)


def test_frechet_ignores_rotation_and_grows_with_the_shift() -> None:
    real, generated = draw(100, 8, seed=0).double(), draw(100, 8, seed=1).double()
    rotation = torch.linalg.qr(torch.randn(8, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(2)))[0]
    rotated = frechet_distance(real @ rotation, generated @ rotation)
    assert float(rotated) == pytest.approx(float(frechet_distance(real, generated)), rel=1e-9)
    assert float(frechet_distance(real, real + 3.0)) == pytest.approx(8 * 9.0, rel=1e-8)


def test_mmd_agrees_with_the_sum_over_pairs() -> None:
    real, generated = draw(7, 3, seed=0).double(), draw(5, 3, seed=1, shift=0.3).double()

    def kernel(x: Tensor, y: Tensor) -> float:
        return float((x @ y / 3 + 1) ** 3)

    def within(z: Tensor) -> float:
        pairs = [kernel(z[i], z[j]) for i in range(len(z)) for j in range(len(z)) if i != j]
        return sum(pairs) / len(pairs)

    between = sum(kernel(x, y) for x in real for y in generated) / 35
    expected = within(real) + within(generated) - 2 * between
    assert float(polynomial_mmd(real, generated)) == pytest.approx(expected, rel=1e-10)


def test_mmd_is_unbiased_and_sees_a_shift() -> None:
    generator = torch.Generator().manual_seed(0)
    noise = torch.randn(200, 40, 4, generator=generator)
    same = torch.stack([polynomial_mmd(draws[:20], draws[20:]) for draws in noise])
    assert abs(float(same.mean())) < 3 * float(same.std()) / len(same) ** 0.5
    assert float(same.min()) < 0
    moved = torch.stack([polynomial_mmd(draws[:20], draws[20:] + 2) for draws in noise])
    assert float(moved.min()) > float(same.max())


def test_mmd_is_the_same_whatever_the_rows_held_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    real, generated = draw(50, 6, seed=0), draw(31, 6, seed=1)
    whole = float(polynomial_mmd(real, generated))
    monkeypatch.setattr("tats_exp.metrics.frechet._KERNEL_ROWS", 7)
    assert float(polynomial_mmd(real, generated)) == pytest.approx(whole, rel=1e-10)


@pytest.mark.skipif("TATS_EXP_REFERENCE" not in os.environ, reason="TATS_EXP_REFERENCE is not set")
def test_both_agree_with_the_official_code() -> None:
    recorded = torch.load(Path(os.environ["TATS_EXP_REFERENCE"]) / "frechet.io.pt", weights_only=True)
    real, generated = recorded["real"], recorded["generated"]
    assert float(frechet_distance(real, generated)) == pytest.approx(recorded["frechet"], rel=1e-5)
    assert float(polynomial_mmd(real, generated)) == pytest.approx(recorded["kernel"], rel=1e-5)


@pytest.mark.parametrize("function", [frechet_distance, polynomial_mmd])
def test_functions_refuse_too_few_videos_and_nan(function) -> None:
    good = draw(5, 3, seed=0)
    with pytest.raises(ValueError, match="generated: 1 videos, at least 2"):
        function(good, good[:1])
    bad = good.clone()
    bad[2, 1] = float("nan")
    with pytest.raises(ValueError, match="real: features that are not finite"):
        function(bad, good)


def test_frechet_agrees_with_torchmetrics() -> None:
    fid = pytest.importorskip("torchmetrics.image.fid", reason="torchmetrics without its Fréchet distance")
    real, generated = draw(200, 12, seed=0).double(), draw(150, 12, seed=1, shift=0.5).double()
    expected = fid._compute_fid(real.mean(0), real.T.cov(), generated.mean(0), generated.T.cov())
    assert float(frechet_distance(real, generated)) == pytest.approx(float(expected), rel=1e-8)


def test_frechet_keeps_its_digits_where_variances_differ_by_ten_orders() -> None:
    scales = torch.logspace(0, -5, 24, dtype=torch.float64)
    whitened = with_moments(torch.zeros(24).double(), torch.eye(24).double(), 60, seed=0)
    real, generated = whitened * scales, whitened * scales.flip(0)
    expected = (scales - scales.flip(0)).square().sum()
    assert float(frechet_distance(real, generated)) == pytest.approx(float(expected), rel=1e-11)


@pytest.mark.parametrize(("count", "size"), [(20, 6), (9, 30)])
def test_counts_are_repetitions_and_the_reference_serves_many(count: int, size: int) -> None:
    real, windows = draw(25, size, seed=0), [draw(count, size, seed=1), draw(count, size, seed=2, shift=1.0)]
    reference = FrechetReference(real)
    counts = torch.randint(0, 3, (count,), generator=torch.Generator().manual_seed(3))
    for window in windows:
        assert float(reference.distance(window)) == pytest.approx(float(frechet_distance(real, window)), rel=1e-12)
        repeated = frechet_distance(real, window.repeat_interleave(counts, dim=0))
        assert float(reference.distance(window, counts)) == pytest.approx(float(repeated), rel=1e-9)


def test_a_single_video_drawn_again_and_again_has_no_spread() -> None:
    real, others = draw(30, 5, seed=0).double(), draw(4, 5, seed=1).double()
    counts = torch.tensor([0, 4, 0, 0])
    expected = (real.mean(0) - others[1]).square().sum() + real.T.cov().trace()
    assert float(FrechetReference(real).distance(others, counts)) == pytest.approx(float(expected), rel=1e-10)


def test_reference_refuses_other_features() -> None:
    with pytest.raises(ValueError, match="generated: 4 features a video, real has 5"):
        FrechetReference(draw(9, 5, seed=0)).distance(draw(9, 4, seed=0))


@pytest.mark.parametrize(
    ("n_real", "n_generated", "biased"), [(400, 400, False), (399, 400, True), (2048, 399, True), (4000, 400, False)]
)
def test_bias_is_told_below_as_many_videos_as_features(n_real: int, n_generated: int, biased: bool) -> None:
    told = bias_warning(400, n_real, n_generated)
    assert (told is not None) == biased
    if told is not None:
        assert "N < 400" in told and f"{n_real} real" in told and f"{n_generated} generated" in told
        assert "\n" not in told


def test_extrapolation_takes_most_of_the_bias_away() -> None:
    """Two sets of one distribution, then two of a known distance: the truth is 0, then 6."""
    size, random = 24, torch.Generator().manual_seed(0)
    for shift in (0.0, 0.5):
        plain, extrapolated = [], []
        for seed in range(8):
            real, generated = torch.randn(2, 2 * size, size, generator=random)
            generated = generated + shift
            plain.append(float(frechet_distance(real, generated)))
            found = extrapolated_frechet(real, generated, seed)
            assert found is not None
            extrapolated.append(found)
        truth = size * shift**2
        bias = sum(plain) / 8 - truth
        assert bias > 4.0
        assert abs(sum(extrapolated) / 8 - truth) < 0.15 * bias


def test_extrapolation_is_refused_below_two_videos_a_feature() -> None:
    many, few = draw(16, 8, seed=0), draw(15, 8, seed=1)
    assert extrapolated_frechet(many, many + 1, seed=0) is not None
    assert extrapolated_frechet(many, few, seed=0) is None
    assert extrapolated_frechet(few, many, seed=0) is None


def test_extrapolation_depends_on_nothing_but_its_seed() -> None:
    real, generated = draw(21, 8, seed=0), draw(40, 8, seed=1)
    first = extrapolated_frechet(real, generated, seed=5)
    torch.manual_seed(1)
    assert extrapolated_frechet(real, generated, seed=5) == first
    assert extrapolated_frechet(real, generated, seed=6) != first
