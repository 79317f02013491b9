import warnings
from datetime import timedelta
from pathlib import Path

import pytest
import torch
import torch.distributed as dist
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


def videos(count: int, seed: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    level = torch.randint(40, 256, (count, 1, 1, 1, 3), generator=generator)
    return (torch.rand(count, 4, 6, 6, 3, generator=generator) * level).to(torch.uint8)


@pytest.fixture
def network() -> MeanColour:
    return MeanColour().eval()


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


def test_few_videos_are_told_once_and_enough_are_not(network) -> None:
    metric = FrechetVideoDistance(network)
    metric.update(videos(3, seed=0), real=True)
    metric.update(videos(9, seed=1), real=False)
    with pytest.warns(UserWarning, match=r"N < 4 .*3 real, 9 generated") as told:
        metric.compute()
        metric.compute()
    assert len(told) == 1
    metric.update(videos(1, seed=2), real=True)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        metric.compute()


# Shares of two processes, as (real, generated) slices of one set: all with some, one side missing, nothing at all.
SHARES = [
    [(slice(0, 13), slice(0, 5)), (slice(13, 20), slice(5, 22))],
    [(slice(0, 12), slice(0, 22)), (slice(12, 20), slice(0, 0))],
    [(slice(0, 20), slice(0, 22)), (slice(0, 0), slice(0, 0))],
    [(slice(0, 20), slice(0, 0)), (slice(0, 0), slice(0, 22))],
]


def measure_share(rank: int, folder: Path) -> None:
    """One of two processes: every metric on its shares; leaves the values and its own share's count afterwards."""
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    limit = timedelta(minutes=30)  # on a machine busy with other work a process may start late
    dist.init_process_group("gloo", f"file://{folder}/rendezvous", limit, world_size=2, rank=rank)
    network = MeanColour().eval()
    real, generated = videos(20, seed=0), videos(22, seed=1)
    found = []
    for metric_class in (FrechetVideoDistance, KernelVideoDistance):
        for shares in SHARES:
            metric = metric_class(network)
            for side, share in ((real, shares[rank][0]), (generated, shares[rank][1])):
                for batch in side[share].split(4) if len(side[share]) else ():
                    metric.update(batch, real=side is real)
            found.append(float(metric.compute()))
    torch.save(found, folder / f"{rank}.pt")
    dist.destroy_process_group()


def test_two_real_processes_equal_one_whatever_their_shares(network, tmp_path: Path) -> None:
    torch.multiprocessing.spawn(measure_share, (tmp_path,), nprocs=2)
    sides = network.features(videos(20, seed=0)), network.features(videos(22, seed=1))
    expected = [float(frechet_distance(*sides))] * len(SHARES) + [float(polynomial_mmd(*sides))] * len(SHARES)
    for rank in range(2):
        assert torch.load(tmp_path / f"{rank}.pt") == pytest.approx(expected, rel=1e-6)
