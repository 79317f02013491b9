"""Smoothness at anchors, on videos whose jumps are known."""

import math

import pytest
import torch

from tats_exp.metrics import PhaseMotion, joint_ratio

STRIDE, EVERY = 2, 4
PERIOD = STRIDE * EVERY


def video(jumps: list[int], videos: int = 2) -> torch.Tensor:
    """Grey frames, each `jumps` brighter or darker than the one before, in turn."""
    level, levels = 100, [100]
    for number, jump in enumerate(jumps):
        level += jump if number % 2 else -jump
        levels.append(level)
    return torch.tensor(levels, dtype=torch.uint8)[None, :, None, None, None].expand(videos, -1, 4, 4, 3)


def motion(frames: torch.Tensor, pieces: list[int], first: int = 0) -> torch.Tensor:
    found = PhaseMotion(PERIOD, first)
    for piece in frames.split(pieces, dim=1):
        found.add(piece)
    return found.means()


@pytest.mark.parametrize("pieces", [[33], [1] * 33, [5, 16, 12], [16, 16, 1]])
@pytest.mark.parametrize("first", [0, 2, 5])
def test_each_step_counts_at_its_place_however_the_video_is_cut(pieces: list[int], first: int) -> None:
    steps = [10 * ((place - first) % PERIOD == 0) + (place - first) % PERIOD for place in range(1, 33)]
    means = motion(video(steps), pieces, first)
    expected = torch.tensor([10.0, 1, 2, 3, 4, 5, 6, 7], dtype=torch.float64) / 255
    torch.testing.assert_close(means, expected.expand(2, -1))


def test_the_ratio_is_of_steps_between_latent_frames_alone() -> None:
    # Into the anchor 9, out of it 3; into the other two latent frames of the gap 2 and 4; inside latent frames 50.
    means = torch.tensor([[9.0, 50, 3, 50, 2, 50, 4, 50]], dtype=torch.float64)
    assert joint_ratio(means, STRIDE) == pytest.approx(6 / 3)


def test_even_motion_is_one_and_stills_and_gaps_of_one_frame_say_nothing() -> None:
    assert joint_ratio(torch.full((3, PERIOD), 0.2, dtype=torch.float64), STRIDE) == pytest.approx(1)
    assert math.isnan(joint_ratio(torch.zeros(3, PERIOD, dtype=torch.float64), STRIDE))
    assert math.isnan(joint_ratio(torch.ones(3, 2 * STRIDE, dtype=torch.float64), STRIDE))
