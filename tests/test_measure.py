"""What of the sampled videos is measured: nothing that was given, nothing twice, nothing left out."""

import pytest
import torch

from tats_exp.measure import _inner
from tats_exp.sample import Samples
from tats_exp.vqgan import VQGAN, EMACodebook
from tats_exp.watch import _generated


@pytest.mark.parametrize("given", [0, 3, 8, 11])
@pytest.mark.parametrize("pieces", [[24], [8, 8, 8], [1] * 24, [5, 19]])
def test_frames_that_were_given_are_not_measured(given: int, pieces: list[int]) -> None:
    video = torch.arange(24, dtype=torch.uint8)[None, :, None, None, None].expand(2, -1, 2, 2, 3)
    found = torch.cat(list(_generated(video.split(pieces, dim=1), given)), dim=1)
    assert torch.equal(found, video[:, given:])


@pytest.mark.parametrize("padding, margin", [("replicate", 0), ("real", 3)])
def test_codes_that_were_given_are_not_measured(padding: str, margin: int) -> None:
    vqgan = VQGAN(EMACodebook(16, 8), 4, (4, 4, 4), 1, "batch", padding, padding)
    codes = torch.arange(20)[None, :, None, None].expand(2, -1, 4, 4)
    samples = Samples(codes, torch.zeros(2, dtype=torch.int64), margin > 0, 2, None)
    assert _inner(vqgan, samples)[0, :, 0, 0].tolist() == list(range(margin + 2, 20 - margin))
