import pytest
import torch

from tats_exp.metrics import brightness, contrast, motion_energy, saturation
from tats_exp.metrics.pixels import gradient


def test_pixel_measures_of_known_frames() -> None:
    video = torch.zeros(3, 4, 2, 2, 3, dtype=torch.uint8)
    video[1] = 51
    video[2, 1::2] = 255  # black and white frames in turn
    assert brightness(video).tolist() == pytest.approx([0.0, 0.2, 0.5])
    assert motion_energy(video).tolist() == pytest.approx([0.0, 0.0, 1.0])
    assert contrast(video).tolist() == pytest.approx([0.0, 0.0, 0.0])
    video[0, :, 0] = 255  # half of every frame white
    assert contrast(video).tolist() == pytest.approx([0.5, 0.0, 0.0])


def test_colour_and_change_are_not_contrast() -> None:
    video = torch.zeros(1, 4, 5, 5, 3, dtype=torch.uint8)
    video[..., 0] = 200
    video[:, 2] += 50
    assert float(contrast(video)) == 0.0


def test_gradient_of_known_frames() -> None:
    video = torch.zeros(4, 2, 4, 4, 3, dtype=torch.uint8)
    video[1] = 200  # flat, whatever its level
    video[2, :, ::2] = 255  # rows in turn: a whole step along height, none along width
    video[3, :, :, :, 0] = (torch.arange(4) * 51).byte()  # a ramp along width in one channel of three
    assert gradient(video).tolist() == pytest.approx([0.0, 0.0, 0.5, 0.2 / 3 / 2])


def test_motion_does_not_wrap_around_when_pixels_darken() -> None:
    video = torch.zeros(1, 2, 2, 2, 3, dtype=torch.uint8)
    video[:, 0] = 10
    assert float(motion_energy(video)) == pytest.approx(10 / 255)


def test_motion_needs_two_frames() -> None:
    with pytest.raises(ValueError, match="motion needs at least 2"):
        motion_energy(torch.zeros(1, 1, 2, 2, 3, dtype=torch.uint8))


def test_saturation_of_known_colours() -> None:
    video = torch.zeros(4, 2, 3, 3, 3, dtype=torch.uint8)  # the first black
    video[1] = 130  # grey
    video[2] = torch.tensor([200, 0, 100])  # full, though not bright
    video[3] = torch.tensor([50, 200, 100])
    video[3, :, :, 0] = 0  # a third of the pixels black
    assert saturation(video).tolist() == pytest.approx([0.0, 0.0, 1.0, 0.75 * 2 / 3])


def test_saturation_does_not_depend_on_brightness() -> None:
    video = 2 * torch.randint(0, 128, (2, 3, 4, 4, 3), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    assert torch.allclose(saturation(video // 2), saturation(video))
    assert not torch.allclose(brightness(video // 2), brightness(video))


def test_every_video_is_measured_alone() -> None:
    video = torch.randint(0, 256, (5, 3, 4, 6, 3), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    for measure in (brightness, contrast, motion_energy, saturation):
        assert torch.equal(measure(video), torch.cat([measure(one) for one in video.split(1)]))
