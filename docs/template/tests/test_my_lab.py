"""What each of the five has to keep; run with `pytest` in this folder."""

import numpy as np
import torch
from my_lab.condition import Motion
from my_lab.data import Gratings
from my_lab.padding import FadeOut
from my_lab.sampler import IndependentWindows

from tats_exp.transformer import Transformer
from tats_exp.vqgan.padding import Replicate, Zero


def test_the_padding_lies_between_zeros_and_repeated_frames() -> None:
    x, widths = torch.randn(1, 2, 4, 5, 5), ((2, 1), (1, 1), (1, 1))
    assert torch.equal(FadeOut(1).pad(x, *widths), Replicate().pad(x, *widths))
    assert torch.equal(FadeOut(0).pad(x, *widths), Zero().pad(x, *widths))


def test_a_sampled_video_does_not_depend_on_the_others() -> None:
    transformer = Transformer(0, 16, (2, 2, 2), layers=1, heads=1, width=8).eval()
    condition = torch.zeros(3, 1, dtype=torch.int64)
    together = IndependentWindows()(transformer, condition, 5, [1, 2, 3])
    assert torch.equal(IndependentWindows()(transformer, condition[:1], 5, [2]), together[1:2])


def test_a_video_is_the_same_however_it_is_read() -> None:
    videos = Gratings(videos=4, frames=32, resolution=8).split("train")
    whole = videos.read(1, 0, 32)
    assert np.array_equal(videos.read(1, 7, 5), whole[7:12])


def test_every_level_is_a_code() -> None:
    assert Motion(3).vocabulary(classes=2) == 3 and Motion(3).length == 1
