"""What of the sampled videos is measured: nothing that was given, nothing twice, nothing left out."""

import pytest
import torch

from tats_exp.metrics import PhaseMotion
from tats_exp.metrics.layout import layout
from tats_exp.stages.decoder import FrameDecoder
from tats_exp.stages.samples import Samples
from tats_exp.stages.windows import GapsOnTheWay, MotionOnTheWay, sampled_windows, without_given
from tats_exp.vqgan import VQGAN, EMACodebook


def a_vqgan() -> VQGAN:
    return VQGAN(EMACodebook(16, 8), 4, (4, 4, 4), 1).eval()


@pytest.mark.parametrize("given", [0, 3, 8, 11])
@pytest.mark.parametrize("pieces", [[24], [8, 8, 8], [1] * 24, [5, 19]])
def test_frames_that_were_given_are_not_measured(given: int, pieces: list[int]) -> None:
    video = torch.arange(24, dtype=torch.uint8)[None, :, None, None, None].expand(2, -1, 2, 2, 3)
    left = torch.cat(list(without_given(video.split(pieces, dim=1), given)), dim=1)
    assert torch.equal(left, video[:, given:])


def test_windows_are_those_of_whole_videos_whatever_the_batch() -> None:
    random = torch.Generator().manual_seed(0)
    codes = torch.randint(16, (3, 10, 2, 2), generator=random)
    samples = Samples(codes, torch.zeros(3, dtype=torch.int64), False, 2, None, 1.0)
    decoder, begun = FrameDecoder(a_vqgan(), 4, torch.device("cpu")), []
    whole = torch.cat(list(decoder(codes, has_margin=False)), dim=1)[:, 8:]
    with torch.inference_mode():
        batches = [list(batch) for batch in sampled_windows(decoder, samples, 16, 2, begun.append)]
    assert begun == [0, 2] and [len(batch) for batch in batches] == [2, 2]
    videos = torch.cat([torch.cat(batch, dim=1) for batch in batches])
    assert (videos.short() - whole.short()).abs().max() <= 1  # a batch rounds otherwise


def test_motion_is_that_of_the_windows_that_pass_by() -> None:
    random = torch.Generator().manual_seed(0)
    videos = torch.randint(0, 256, (5, 48, 4, 4, 3), generator=random, dtype=torch.uint8)
    motion = MotionOnTheWay(period=12, first=4)
    batches = [videos[:3].split(16, dim=1), videos[3:].split(16, dim=1)]
    passed = torch.cat([torch.cat(list(batch), dim=1) for batch in motion.watch(batches)])
    assert torch.equal(passed, videos)
    alone = PhaseMotion(12, 4)
    alone.add(videos)
    assert torch.allclose(motion.means(), alone.means())


def test_gaps_are_those_of_the_windows_that_pass_by() -> None:
    random = torch.Generator().manual_seed(0)
    videos = torch.randint(0, 256, (5, 32, 4, 4, 3), generator=random, dtype=torch.uint8)
    frames = torch.tensor([[False, True, True, False], [False, False, False, False]])
    gaps = GapsOnTheWay(frames)
    batches = [videos[:3].split(16, dim=1), videos[3:].split(16, dim=1)]
    passed = torch.cat([torch.cat(list(batch), dim=1) for batch in gaps.watch(batches)])
    assert torch.equal(passed, videos)
    found = gaps.findings()
    first, second = found.layouts
    assert first is not None and second is None and torch.equal(found.frames, frames)
    torch.testing.assert_close(first, layout(videos[:, 4:12]))
