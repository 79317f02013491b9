"""What is heard and seen of sampled videos, whatever pieces they come in, their rate, and how long real ones are."""

import numpy as np
import pytest
import torch

from tats_exp.data.audio import RATE
from tats_exp.data.shapes import ShapesVideos
from tats_exp.data.shapes_sound import FPS, events
from tats_exp.metrics.synchrony import mean_offset
from tats_exp.stages.sounding import SoundOnTheWay, rate_of, sound_from

VIDEOS = ShapesVideos("test", 6, 128, 16, 0)
SOUNDS = torch.tensor([[0, 0], [3, 24], [5, 16]])


class Slow(ShapesVideos):
    """The world, of which the second video in every three is shown at half the speed: its frames last twice as long."""

    def audio(self, video: int, start: int, frames: int) -> np.ndarray:
        sound = super().audio(video, start, frames)
        return sound.repeat(2) if video % 3 else sound


def of_real(videos: ShapesVideos, frames: int) -> torch.Tensor:
    return torch.stack([torch.from_numpy(videos.read(video, start, frames)) for video, start in SOUNDS.tolist()])


def looked_at(videos: ShapesVideos, given: int, frames: int, pieces: list[int], shown: torch.Tensor):
    sound = SoundOnTheWay(videos, SOUNDS, given, frames)
    for start in range(0, 3, 2):
        parts = shown[start : start + 2].split(pieces, dim=1)
        passed = list(sound.watch(iter(parts)))
        assert torch.equal(torch.cat(passed, 1), shown[start : start + 2])
    return sound.findings(16)


@pytest.mark.parametrize("given", [0, 8])
def test_real_videos_keep_time_with_their_own_sound_in_whatever_pieces(given: int) -> None:
    shown = of_real(VIDEOS, given + 80)
    total = given + 80
    findings = looked_at(VIDEOS, given, 80, [64, total - 64], shown)
    for (video, start), heard in zip(SOUNDS.tolist(), findings.heard, strict=True):
        first = float(start + given)
        true = events(VIDEOS.scene(video), first, first + 80) - first
        assert len(heard) and all(np.abs(true - time).min() < 0.25 for time in heard)
    assert mean_offset(findings.heard, findings.seen, 4.0, 76.0) < 0.6
    assert [a.tolist() for a in findings.seen] == [b.tolist() for b in findings.seen_in_real]
    assert findings.errors.psnr == float("inf") and findings.errors.ssim == pytest.approx(1, abs=1e-4)
    again = looked_at(VIDEOS, given, 80, [7] * (total // 7) + [total % 7], shown)
    assert [a.tolist() for a in again.seen] == [b.tolist() for b in findings.seen]


def test_given_frames_count_in_the_errors_and_not_in_what_is_heard() -> None:
    shown = of_real(VIDEOS, 88)
    shown[:, :8] = 255 - shown[:, :8]
    whole, behind = looked_at(VIDEOS, 8, 80, [88], shown), looked_at(VIDEOS, 8, 80, [40, 48], shown)
    assert whole.errors.psnr < 20 and whole.errors.psnr == pytest.approx(behind.errors.psnr)
    assert mean_offset(whole.heard, whole.seen, 4.0, 76.0) < 0.6


def test_a_video_that_is_longer_than_the_real_one_is_compared_as_far_as_that_goes() -> None:
    shown = torch.cat([of_real(VIDEOS, 100), torch.zeros(3, 60, 16, 16, 3, dtype=torch.uint8)], 1)
    findings = looked_at(VIDEOS, 0, 160, [64, 64, 32], shown)
    assert findings.errors.windows == 128 + 104 + 112  # frames that the three real ones have
    assert all(times.max(initial=0) < length for times, length in zip(findings.heard, (128, 104, 112), strict=True))


def test_each_video_has_a_rate_of_its_own() -> None:
    slow = Slow("test", 6, 128, 16, 0)
    assert [rate_of(slow, video) for video in (0, 1, 2, 3)] == [FPS, FPS / 2, FPS / 2, FPS]
    findings = looked_at(slow, 0, 80, [80], of_real(slow, 80))
    assert mean_offset(findings.heard, findings.seen, 4.0, 76.0) < 0.6


def test_the_sound_that_is_laid_under_a_video_begins_at_its_place_and_ends_with_the_real_one() -> None:
    track = sound_from(VIDEOS, 3, 24)
    assert track.fps == FPS
    assert np.array_equal(track.piece(0, 16), VIDEOS.audio(3, 24, 16))
    assert np.array_equal(track.piece(40, 8), VIDEOS.audio(3, 64, 8))
    assert len(track.piece(100, 16)) == 4 * RATE // FPS and not len(track.piece(104, 16))
