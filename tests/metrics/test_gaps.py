"""Which frames lie between key frames, and what is seen of them alone."""

import torch

from tats_exp.metrics.gaps import gap_frames, latent_layouts
from tats_exp.metrics.layout import layout


def test_gaps_lie_between_key_frames_wherever_the_first_one_is() -> None:
    expected = [[False, True, True], [False, True, True]]
    assert gap_frames(2, 3, key_every=3, first_anchor=0).tolist() == expected
    assert gap_frames(2, 3, key_every=3, first_anchor=-3).tolist() == expected
    assert gap_frames(2, 3, key_every=3, first_anchor=2).tolist() == [[True, True, False], [True, True, False]]
    assert gap_frames(2, 3, key_every=2, first_anchor=1).tolist() == [[True, False, True], [False, True, False]]


def test_layouts_of_latent_frames_average_to_that_of_the_window_and_hear_their_own_frames_alone() -> None:
    window = torch.randint(0, 256, (2, 12, 8, 8, 3), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    apart = latent_layouts(window, 3)
    torch.testing.assert_close(apart.mean(dim=1), layout(window))
    window[:, 4:8] = 0
    other = latent_layouts(window, 3)
    assert torch.equal(other[:, [0, 2]], apart[:, [0, 2]]) and bool((other[:, 1] == 0).all())
