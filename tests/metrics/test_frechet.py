import os
from pathlib import Path

import pytest
import scipy.linalg
import torch
from torch import Tensor, nn

from tats_exp.metrics import FrechetVideoDistance, KernelVideoDistance, frechet_distance, polynomial_mmd


class MeanColour(nn.Module):
    """Four features a video; dropout tells whether it was left in training."""

    def __init__(self) -> None:
        super().__init__()
        self.dropout = nn.Dropout(0.5)

    def features(self, video: Tensor) -> Tensor:
        pixels = video.float() / 255
        return self.dropout(torch.cat([pixels.mean((1, 2, 3)), pixels.std((1, 2, 3, 4))[:, None]], dim=1))


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


def videos(count: int, seed: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    level = torch.randint(40, 256, (count, 1, 1, 1, 3), generator=generator)
    return (torch.rand(count, 4, 6, 6, 3, generator=generator) * level).to(torch.uint8)


@pytest.fixture
def network() -> MeanColour:
    return MeanColour().eval()


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


METRICS = [(FrechetVideoDistance, frechet_distance), (KernelVideoDistance, polynomial_mmd)]


@pytest.mark.parametrize(("metric_class", "function"), METRICS)
def test_metric_equals_function_whatever_the_batches_and_their_order(metric_class, function, network) -> None:
    real, generated = videos(23, seed=0), videos(17, seed=1)
    expected = float(function(network.features(real), network.features(generated)))
    forwards, backwards = metric_class(network), metric_class(network)
    for batch in real.split(5):
        forwards.update(batch, real=True)
    forwards.update(generated, real=False)
    for batch in reversed(generated.split(4)):
        backwards.update(batch, real=False)
    backwards.update(real.flip(0), real=True)
    assert float(forwards.compute()) == pytest.approx(expected, rel=1e-6)
    assert float(backwards.compute()) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize(("metric_class", "function"), METRICS)
def test_processes_together_equal_one_process(metric_class, function, network) -> None:
    real, generated = videos(20, seed=0), videos(22, seed=1)
    other = metric_class(network)
    other.update(real[13:], real=True)
    other.update(generated[5:], real=False)
    pending = [state for state in other.metric_state.values()]
    pending = [state[0] if isinstance(state, list) else state for state in pending]

    def gather(state: Tensor, group: object = None) -> list[Tensor]:
        return [state, pending.pop(0)]

    metric = metric_class(network, dist_sync_fn=gather, distributed_available_fn=lambda: True)
    metric.update(real[:13], real=True)
    metric.update(generated[:5], real=False)
    value = float(metric.compute())
    assert not pending
    assert value == pytest.approx(float(function(network.features(real), network.features(generated))), rel=1e-6)


@pytest.mark.parametrize(("metric_class", "function"), METRICS)
def test_reference_from_features_and_reset(metric_class, function, network, recwarn) -> None:
    reference, windows = network.features(videos(30, seed=0)), [videos(30, seed=1), videos(30, seed=2) // 2]
    metric = metric_class(network)
    values = []
    for window in windows:
        metric.reset()
        metric.update_features(reference, real=True)
        metric.update_features(network.features(window), real=False)
        values.append(float(metric.compute()))
    expected = [float(function(reference, network.features(window))) for window in windows]
    assert values == pytest.approx(expected, rel=1e-6)
    assert values[0] != pytest.approx(values[1], rel=0.1)
    assert not [warning for warning in recwarn if "compute" in str(warning.message)]


@pytest.mark.parametrize("metric_class", [FrechetVideoDistance, KernelVideoDistance])
def test_value_is_not_remembered_when_features_are_added(metric_class, network) -> None:
    metric = metric_class(network)
    metric.update(videos(10, seed=0), real=True)
    metric.update(videos(10, seed=1), real=False)
    before = float(metric.compute())
    metric.update_features(network.features(videos(10, seed=2) // 4), real=False)
    assert float(metric.compute()) != pytest.approx(before, rel=1e-3)


def test_network_is_in_eval_mode_even_inside_a_module_that_trains(network) -> None:
    metric = FrechetVideoDistance(network)
    metric.train()
    metric.update(videos(12, seed=0), real=True)
    metric.update(videos(12, seed=0), real=False)
    assert float(metric.compute()) < 1e-9


def test_frechet_metric_holds_sums_only(network) -> None:
    metric = FrechetVideoDistance(network)

    def held() -> int:
        return sum(state.numel() for state in metric.metric_state.values())

    metric.update(videos(3, seed=0), real=True)
    metric.update(videos(3, seed=1), real=False)
    after_three = held()
    metric.update(videos(200, seed=2), real=False)
    assert held() == after_three


def test_sums_stay_accurate_when_features_are_far_from_zero(network) -> None:
    real, generated = draw(100, 6, seed=0).double() + 1e4, draw(100, 6, seed=1).double() + 1e4
    metric = FrechetVideoDistance(network)
    metric.update_features(real, real=True)
    metric.update_features(generated, real=False)
    assert float(metric.compute()) == pytest.approx(float(frechet_distance(real, generated)), rel=1e-6)


@pytest.mark.parametrize("function", [frechet_distance, polynomial_mmd])
def test_functions_refuse_too_few_videos_and_nan(function) -> None:
    good = draw(5, 3, seed=0)
    with pytest.raises(ValueError, match="generated: 1 videos, at least 2"):
        function(good, good[:1])
    bad = good.clone()
    bad[2, 1] = float("nan")
    with pytest.raises(ValueError, match="real: features that are not finite"):
        function(bad, good)


@pytest.mark.parametrize("metric_class", [FrechetVideoDistance, KernelVideoDistance])
def test_metrics_refuse_wrong_input_in_one_line(metric_class, network) -> None:
    metric = metric_class(network)
    with pytest.raises(ValueError, match=r"video: torch\.float32") as error:
        metric.update(videos(2, seed=0).float(), real=True)
    assert "\n" not in str(error.value)
    metric.update(videos(4, seed=0), real=True)
    with pytest.raises(ValueError, match="generated: 0 videos"):
        metric.compute()
    metric.update_features(draw(4, 7, seed=0), real=False)
    with pytest.raises(ValueError, match="generated: 7 features a video, real has 4"):
        metric.compute()
