"""What the evaluation will cost is counted right and told before it starts."""

import pytest
import torch

from tats_exp.features import ShapesCNN
from tats_exp.metrics.networks import Networks
from tats_exp.run import network_check, plan
from tats_exp.run.cost import cost_line, seconds_per_clip


def test_only_what_takes_a_while_is_told() -> None:
    assert cost_line("net", 100, 0.1) is None
    assert (
        cost_line("net", 1200, 0.5)
        == "net will look at 1,200 clips, 2 a second: some 10 minutes, less what the store holds already"
    )


def test_a_clip_of_twice_the_frames_costs_more() -> None:
    looks = Networks(ShapesCNN.pretrained(), None, torch.device("cpu")).statistics
    few, many = (min(seconds_per_clip(looks, frames, 64, 64) for _ in range(3)) for frames in (8, 64))
    assert 0 < few < many


@pytest.mark.parametrize(
    "options, clips",
    [
        # once 16 + 8 real and 8 held-out windows; each of 6 runs 8 videos of 3 windows and 8 reconstructions
        ((), 32 + 6 * 8 * 4),
        (("metrics.windows=ends",), 32 + 6 * 8 * 3),
        (("metrics.repeats=2", "seed=0"), 2 * 24 + 8 + 3 * 16 * 4),
    ],
)
def test_a_sweep_counts_every_clip_that_is_looked_at(
    monkeypatch: pytest.MonkeyPatch, options: tuple[str, ...], clips: int
) -> None:
    monkeypatch.setattr(network_check, "seconds_per_clip", lambda *_: 1.0)
    made = plan.make_plan(["+experiment=padding_ablation", "scale=smoke", *options])
    assert made.costs == [cost_line("shapes_cnn", clips, 1.0)]
