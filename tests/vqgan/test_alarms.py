"""Alarms on made-up series: they are raised by what they are called, and by nothing else."""

import logging
from collections.abc import Callable

import pytest
import torch

from tats_exp.vqgan.alarms import Alarms, CodeUsage, MovingAverage, Usage, warn_once

Series = Callable[[int], float]


def raised(
    alarms: Alarms,
    steps: int,
    l1: Series = lambda step: 0.1,
    loss: Series = lambda step: 0.8,
    window: Series = lambda step: 0.9,
) -> dict[str, list[int]]:
    """Steps at which a training with these series raises each alarm, those that it raises."""
    found: dict[str, list[int]] = {}
    for step in range(steps):
        error, judged, used = (torch.tensor(float(f(step))) for f in (l1, loss, window))
        usage = Usage(used, torch.tensor((step + 1) // 100))
        for name, flag in alarms.update(step, error, usage, dict.fromkeys(alarms.undecided, judged)).items():
            if flag:
                found.setdefault(name, []).append(step)
    return found


def test_a_training_that_goes_well_raises_nothing() -> None:
    generator = torch.Generator().manual_seed(0)

    def noisy(value):
        return lambda step: value(step) * (1 + 0.2 * float(torch.randn((), generator=generator)))

    found = raised(
        Alarms({"spatial": 1.0}, start_step=100),
        400,
        l1=noisy(lambda step: 0.3 * 0.995**step),
        loss=noisy(lambda step: 0.6),
    )
    assert not found


def test_a_discriminator_that_never_errs_is_saturated() -> None:
    assert set(raised(Alarms({"spatial": 1.0}, 0), 200, loss=lambda step: 0.5 * 0.95**step)) == {"saturated_spatial"}
    assert not raised(Alarms({"spatial": 1.0}, 0), 200, loss=lambda step: 0.1)
    assert set(raised(Alarms({"spatial": 10.0}, 0), 200, loss=lambda step: 0.1)) == {"saturated_spatial"}


def test_saturation_is_told_soon_and_before_the_discriminators_count() -> None:
    sudden = raised(Alarms({"spatial": 1.0}, 400), 200, loss=lambda step: 0.8 * (step < 50))
    assert 50 < sudden["saturated_spatial"][0] < 90


def test_one_good_batch_is_no_saturation() -> None:
    assert not raised(Alarms({"spatial": 1.0}, 0), 5, loss=lambda step: 0.0)
    assert not raised(Alarms({"spatial": 1.0}, 0), 200, loss=lambda step: 0.0 if step == 150 else 0.6)


def test_codes_that_are_dead_are_told_after_the_second_window() -> None:
    assert not raised(Alarms(), 400, window=lambda step: 0.9 if step < 99 else 0.6)
    assert not raised(Alarms(), 199, window=lambda step: 0.2)
    assert raised(Alarms(), 400, window=lambda step: 0.2)["codes_dead"][0] == 199


def test_reconstruction_is_compared_with_the_best_from_the_start_on() -> None:
    def bump(at: int) -> Series:
        return lambda step: 0.1 if step < at else 0.2

    assert set(raised(Alarms({"spatial": 1.0}, 100), 250, l1=bump(120))) == {"reconstruction_worse"}
    assert not raised(Alarms({"spatial": 1.0}, 200), 250, l1=bump(120))
    # It first falls to a third and then comes back to what it was when the discriminators began to count.
    relapse = raised(Alarms({"spatial": 1.0}, 100), 600, l1=lambda step: 0.3 if not 100 <= step < 400 else 0.1)
    assert relapse["reconstruction_worse"][0] > 400
    assert set(raised(Alarms({"spatial": 1.0}, 0), 250, l1=bump(120))) == {"reconstruction_worse"}


def test_resumed_in_the_middle_says_the_same() -> None:
    def run(interrupted: bool) -> list[dict[str, float]]:
        alarms, usage, told = Alarms({"spatial": 1.0}, 60), CodeUsage(8, window=7), []
        for step in range(130):
            if interrupted and step == 71:
                states, alarms, usage = (alarms.state_dict(), usage.state_dict()), Alarms({"spatial": 1.0}, 60), None
                usage = CodeUsage(8, window=7)
                alarms.load_state_dict(states[0])
                usage.load_state_dict(states[1])
            used = usage.update(torch.tensor([step % 3, step % 5, 7] if step < 30 else [0]))
            l1 = torch.tensor(0.1 + 0.001 * step)
            now = alarms.update(step, l1, used, {"spatial": torch.tensor(0.9**step)})
            told.append({**{name: float(flag) for name, flag in now.items()}, "usage": float(used.window)})
        return told

    whole = run(interrupted=False)
    assert whole == run(interrupted=True)
    for name in ("saturated_spatial", "codes_dead", "reconstruction_worse"):
        assert {values[name] for values in whole} == {0.0, 1.0}, name


def test_usage_is_that_of_the_last_whole_window() -> None:
    usage = CodeUsage(4, window=3)
    codes = ([0, 1], [1], [2], [0], [0, 0], [3], [1])
    told = [usage.update(torch.tensor(batch)) for batch in codes]
    assert [float(use.window) for use in told] == [0.5, 0.5, 0.75, 0.75, 0.75, 0.5, 0.5]
    assert [int(use.windows) for use in told] == [0, 0, 1, 1, 1, 2, 2]


@pytest.mark.parametrize("memory", [10, 50])
def test_the_average_is_a_mean_at_first_and_forgets_later(memory: int) -> None:
    average = MovingAverage(memory)
    for value in range(1, memory + 1):
        assert not average.settled()
        found = average.update(torch.tensor(float(value)))
    assert float(found) == pytest.approx((memory + 1) / 2) and average.settled()
    for _ in range(10 * memory):
        found = average.update(torch.tensor(0.0))
    assert float(found) < 0.01


def test_each_alarm_is_one_line_and_nothing_is_held_back(caplog: pytest.LogCaptureFixture) -> None:
    heard: list[tuple[int, dict[str, float]]] = []
    told = warn_once(lambda step, values: heard.append((step, values)))
    rows = [
        (1, {"alarm/saturated_spatial": 0.0, "train/vqgan/l1": 9.0}),
        (2, {"alarm/saturated_spatial": 1.0}),
        (3, {"alarm/saturated_spatial": 1.0, "alarm/codes_dead": 1.0}),
    ]
    with caplog.at_level(logging.WARNING):
        for row in rows:
            told(*row)
    assert heard == rows
    assert [record.message.split(":")[0] for record in caplog.records] == [
        "alarm/saturated_spatial at step 2",
        "alarm/codes_dead at step 3",
    ]
    assert "fewer codes" in caplog.records[1].message
