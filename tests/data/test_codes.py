"""Key frames and gaps of long windows."""

import pytest
import torch

from tats_exp.data.codes import gaps, key_frames, long_window


@pytest.mark.parametrize("keys, every", [(4, 4), (2, 3), (3, 1)])
def test_gaps_and_key_frames_put_together_are_the_window(keys: int, every: int) -> None:
    length = long_window(keys, every)
    codes = torch.arange(2 * length * 4).reshape(2, length, 2, 2)
    anchors, between = key_frames(codes, every), gaps(codes, every)
    assert anchors.shape[1] == keys and between.shape[:3] == (2, keys - 1, every + 1)
    assert torch.equal(between[:, :, 0], anchors[:, :-1]) and torch.equal(between[:, :, -1], anchors[:, 1:])
    assert torch.equal(torch.cat([codes[:, :1], between[:, :, 1:].flatten(1, 2)], dim=1), codes)


def test_with_every_frame_a_key_frame_nothing_is_left_out() -> None:
    codes = torch.arange(24).reshape(1, 6, 2, 2)
    assert torch.equal(key_frames(codes, 1), codes)


@pytest.mark.parametrize("length", [4, 6, 8])
def test_windows_that_do_not_end_with_a_key_frame_are_refused(length: int) -> None:
    with pytest.raises(ValueError, match=f"windows of {length} latent frames; .* every 4 allowed are 5, 9"):
        gaps(torch.zeros(1, length, 2, 2, dtype=torch.int64), 4)
