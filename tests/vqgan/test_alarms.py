"""Alarms on made-up series: they are raised by what they are called, and by nothing else."""

import logging

import pytest
import torch

from tats_exp.vqgan.alarms import MEMORY, Alarms, CodeUsage, MovingAverage, warn_once

HALF = torch.tensor(0.5)


def raised(alarms: Alarms, steps: int, l1=lambda step: 0.1, usage=lambda step: 0.9, loss=lambda step: 0.8) -> set[str]:
    """Names of all alarms that a training with these series raises."""
    found: set[str] = set()
    for step in range(steps):
        values = (torch.tensor(float(f(step))) for f in (l1, usage, loss))
        error, used, judged = values
        now = alarms.update(step, error, used, {"spatial": judged})
        found |= {name for name, flag in now.items() if flag}
    return found


def test_a_training_that_goes_well_raises_nothing() -> None:
    generator = torch.Generator().manual_seed(0)

    def noisy(value):
        return lambda step: value(step) * (1 + 0.2 * float(torch.randn((), generator=generator)))

    found = raised(
        Alarms({"spatial": 1.0}, start_step=100),
        400,
        l1=noisy(lambda step: 0.3 * 0.995**step),
        usage=lambda step: min(1.0, 0.5 + step / 100),
        loss=noisy(lambda step: 0.6),
    )
    assert found == set()


def test_a_discriminator_that_never_errs_is_saturated() -> None:
    assert raised(Alarms({"spatial": 1.0}, 0), 200, loss=lambda step: 0.5 * 0.95**step) == {"saturated_spatial"}
    assert raised(Alarms({"spatial": 1.0}, 0), 200, loss=lambda step: 0.1) == set()
    assert raised(Alarms({"spatial": 10.0}, 0), 200, loss=lambda step: 0.1) == {"saturated_spatial"}


def test_one_good_batch_is_no_saturation() -> None:
    assert raised(Alarms({"spatial": 1.0}, 0), MEMORY - 1, loss=lambda step: 0.0) == set()
    assert raised(Alarms({"spatial": 1.0}, 0), 200, loss=lambda step: 0.0 if step == 150 else 0.6) == set()


def test_falling_usage_is_told_without_discriminators_too() -> None:
    def falling(step: int) -> float:
        return 0.9 if step < 100 else 0.5

    assert raised(Alarms({"spatial": 1.0}, 0), 200, usage=falling) == {"usage_fell"}
    alone = Alarms()
    assert not alone.update(0, HALF, torch.tensor(0.9), {})["usage_fell"]
    assert alone.update(1, HALF, torch.tensor(0.5), {})["usage_fell"]


def test_reconstruction_is_compared_with_that_before_the_start() -> None:
    def bump(at: int):
        return lambda step: 0.1 if step < at else 0.2

    assert raised(Alarms({"spatial": 1.0}, 100), 250, l1=bump(120)) == {"reconstruction_worse"}
    assert raised(Alarms({"spatial": 1.0}, 200), 250, l1=bump(120)) == set()


def test_resumed_in_the_middle_says_the_same() -> None:
    def run(interrupted: bool) -> list[dict[str, float]]:
        alarms, usage, told = Alarms({"spatial": 1.0}, 60), CodeUsage(8, window=7), []
        for step in range(130):
            if interrupted and step == 71:
                states, alarms, usage = (alarms.state_dict(), usage.state_dict()), Alarms({"spatial": 1.0}, 60), None
                usage = CodeUsage(8, window=7)
                alarms.load_state_dict(states[0])
                usage.load_state_dict(states[1])
            share = usage.update(torch.tensor([step % 3, step % 5, 7 * (step < 100)]))
            l1 = torch.tensor(0.1 + 0.001 * step)
            now = alarms.update(step, l1, share, {"spatial": torch.tensor(0.9**step)})
            told.append({**{name: float(flag) for name, flag in now.items()}, "usage": float(share)})
        return told

    whole = run(interrupted=False)
    assert whole == run(interrupted=True)
    assert any(values["saturated_spatial"] for values in whole) and len({values["usage"] for values in whole}) > 2


def test_usage_is_that_of_the_last_whole_window() -> None:
    usage = CodeUsage(4, window=3)
    codes = ([0, 1], [1], [2], [0], [0, 0], [3], [1])
    shares = [float(usage.update(torch.tensor(batch))) for batch in codes]
    assert shares == [0.5, 0.5, 0.75, 0.75, 0.75, 0.5, 0.5]


def test_the_average_is_a_mean_at_first_and_forgets_later() -> None:
    average = MovingAverage()
    for value in range(1, MEMORY + 1):
        found = average.update(torch.tensor(float(value)))
    assert float(found) == pytest.approx((MEMORY + 1) / 2) and average.settled()
    for _ in range(10 * MEMORY):
        found = average.update(torch.tensor(0.0))
    assert float(found) < 0.01


def test_each_alarm_is_one_line_and_nothing_is_held_back(caplog: pytest.LogCaptureFixture) -> None:
    heard: list[tuple[int, dict[str, float]]] = []
    told = warn_once(lambda step, values: heard.append((step, values)))
    rows = [
        (1, {"alarm/saturated_spatial": 0.0, "train/vqgan/l1": 9.0}),
        (2, {"alarm/saturated_spatial": 1.0}),
        (3, {"alarm/saturated_spatial": 1.0, "alarm/usage_fell": 1.0}),
    ]
    with caplog.at_level(logging.WARNING):
        for row in rows:
            told(*row)
    assert heard == rows
    assert [record.message.split(":")[0] for record in caplog.records] == [
        "alarm/saturated_spatial at step 2",
        "alarm/usage_fell at step 3",
    ]
    assert "fewer codes" in caplog.records[1].message
