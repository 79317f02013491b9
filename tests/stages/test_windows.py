"""What of the sampled videos is measured: nothing that was given, nothing twice, nothing left out."""

import pytest
import torch

from tats_exp import UserError
from tats_exp.metrics import PhaseMotion
from tats_exp.sampling import Hierarchical, Sampler, SlidingWindow
from tats_exp.stages.decoder import FrameDecoder
from tats_exp.stages.samples import Samples
from tats_exp.stages.windows import MotionOnTheWay, sampled_codes, sampled_slots, sampled_windows, without_given
from tats_exp.vqgan import VQGAN, EMACodebook
from tats_exp.vqgan.padding import Real, Replicate, TimePadding


def a_vqgan(padding: TimePadding | None = None) -> VQGAN:
    padding = padding or Replicate()
    return VQGAN(EMACodebook(16, 8), 4, (4, 4, 4), 1, "batch", padding, padding).eval()


@pytest.mark.parametrize("given", [0, 3, 8, 11])
@pytest.mark.parametrize("pieces", [[24], [8, 8, 8], [1] * 24, [5, 19]])
def test_frames_that_were_given_are_not_measured(given: int, pieces: list[int]) -> None:
    video = torch.arange(24, dtype=torch.uint8)[None, :, None, None, None].expand(2, -1, 2, 2, 3)
    left = torch.cat(list(without_given(video.split(pieces, dim=1), given)), dim=1)
    assert torch.equal(left, video[:, given:])


@pytest.mark.parametrize("padding, margin", [(Replicate(), 0), (Real(), 3)])
def test_codes_that_were_given_are_not_measured(padding: TimePadding, margin: int) -> None:
    codes = torch.arange(20)[None, :, None, None].expand(2, -1, 4, 4)
    samples = Samples(codes, torch.zeros(2, dtype=torch.int64), margin > 0, 2, None, 1.0)
    assert sampled_codes(a_vqgan(padding), samples)[0, :, 0, 0].tolist() == list(range(margin + 2, 20 - margin))


@pytest.mark.parametrize("sampler", [SlidingWindow(2), Hierarchical(3)], ids=["sliding", "hierarchical"])
@pytest.mark.parametrize("padding, margin", [(Replicate(), 0), (Real(), 3)])
@pytest.mark.parametrize("given", [0, 2])
def test_slots_are_those_of_the_codes_that_are_measured(
    sampler: Sampler, padding: TimePadding, margin: int, given: int
):
    """Each measured code is the number of its latent frame in what the sampler made."""
    made = torch.arange(20 - margin if given else 20)
    codes = torch.cat([made[:1].expand(margin if given else 0), made])[None, :, None, None].expand(1, -1, 4, 4)
    samples = Samples(codes, torch.zeros(1, dtype=torch.int64), margin > 0, given, None, 1.0)
    frames = sampled_codes(a_vqgan(padding), samples)[0, :, 0, 0].tolist()
    told = sampler.slots(len(made), 10, given)
    assert sampled_slots(a_vqgan(padding), samples, sampler, 10) == [told[frame] for frame in frames]
    assert all(told[frame] for frame in frames)


def test_slots_that_no_window_has_are_one_line() -> None:
    class Beyond(SlidingWindow):
        def slots(self, latent_frames: int, window: int, given: int = 0) -> list[tuple[int, ...]]:
            return [(window,)] * latent_frames

    samples = Samples(
        torch.zeros(1, 3, 4, 4, dtype=torch.int64), torch.zeros(1, dtype=torch.int64), False, 0, None, 1.0
    )
    with pytest.raises(UserError, match=r"sampler: its slots\(3, 4, 0\) are .*; wanted are places 0\.\.3"):
        sampled_slots(a_vqgan(), samples, Beyond(), 4)
    Beyond.slots = Sampler.slots
    assert sampled_slots(a_vqgan(), samples, Beyond(), 4) is None


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
