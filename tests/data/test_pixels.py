"""Frames as stored and as models take them: there and back."""

import torch

from tats_exp.data.pixels import to_float, to_uint8


def test_every_level_survives_the_way_to_float_and_back():
    video = torch.arange(256, dtype=torch.uint8).reshape(1, 4, 8, 8, 1).expand(2, 4, 8, 8, 3)
    assert torch.equal(to_uint8(to_float(video)), video)
    assert torch.equal(to_uint8(to_float(video[0])), video[0])


def test_float_range_is_half_open_to_neither_side_and_axes_move():
    video = torch.zeros(1, 2, 3, 4, 3, dtype=torch.uint8)
    video[0, 1, 2, 3, 0] = 255
    moved = to_float(video)
    assert moved[0, 0, 1, 2, 3] == 0.5
    assert moved.sum() == -0.5 * moved.numel() + 1


def test_to_uint8_clamps_and_rounds_to_the_nearest():
    video = torch.tensor([-2.0, -0.5, -0.5 + 0.6 / 255, 0.49999, 3.0]).reshape(1, 1, 5, 1)
    assert to_uint8(video).flatten().tolist() == [0, 0, 1, 255, 255]
