"""The layout: what it sees and what not; its distance is the Fréchet one, also for draws of videos."""

import math

import pytest
import torch

from tats_exp.metrics import LayoutReference, frechet_distance, layout, layout_distance
from tats_exp.metrics.layout import spread


def test_a_field_is_the_mean_colour_of_its_pixels_and_frames() -> None:
    video = torch.zeros(1, 2, 8, 8, 3, dtype=torch.uint8)
    video[0, 0, 2:4, 6:8, 1] = 255  # second row, last column, green, in one of two frames
    fields = layout(video).reshape(4, 4, 3)
    assert fields[1, 3, 1] == 0.5 and fields.sum() == 0.5


@pytest.mark.parametrize("size", [(4, 4), (16, 16), (18, 30)])
def test_a_plain_colour_is_itself_in_every_field(size: tuple[int, int]) -> None:
    video = torch.tensor([51, 102, 204], dtype=torch.uint8).expand(2, 3, *size, 3)
    assert torch.allclose(layout(video), torch.tensor([0.2, 0.4, 0.8]).repeat(16).expand(2, 48))


def test_too_small_frames_are_refused() -> None:
    with pytest.raises(ValueError, match="3x8 pixels"):
        layout(torch.zeros(1, 2, 3, 8, 3, dtype=torch.uint8))


def test_the_layout_sees_palette_and_place_and_is_blind_to_order() -> None:
    video = torch.randint(0, 256, (40, 4, 8, 8, 3), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    clean = layout(video)
    assert torch.equal(layout(video.flip(1)), clean)
    darker, moved = layout(video // 2), layout(video.where(torch.arange(8)[:, None] > 3, 0).contiguous())
    assert layout_distance(clean, darker) > 100 and layout_distance(clean, moved) > 100


def test_draws_are_distances_of_the_videos_drawn() -> None:
    random = torch.Generator().manual_seed(1)
    real, videos = torch.rand(60, 48, generator=random), 0.8 * torch.rand(30, 48, generator=random)
    counts = torch.stack([torch.bincount(torch.randint(30, (30,), generator=random), minlength=30) for _ in range(5)])
    reference = LayoutReference(real)
    for count, distance in zip(counts, reference.distances(videos, counts), strict=True):
        drawn = videos.repeat_interleave(count, dim=0)
        assert float(distance) == pytest.approx(1000 * float(frechet_distance(real, drawn)), rel=1e-6)
    assert float(reference.distances(videos)) == pytest.approx(float(layout_distance(real, videos)), rel=1e-6)
    assert float(reference.distances(real)) == pytest.approx(0, abs=1e-4)
    for wrong, told in ((videos[:1], "1 videos"), (videos * math.nan, "not finite")):
        with pytest.raises(ValueError, match=told):
            reference.distances(wrong)


def test_videos_of_one_look_have_no_spread() -> None:
    layouts = torch.rand(20, 48, generator=torch.Generator().manual_seed(2))
    assert spread(layouts[:1].expand(20, 48)) == 0
    assert spread(layouts) == pytest.approx(float(layouts.double().var(dim=0).sum()))
    assert math.isnan(spread(layouts[:1]))
