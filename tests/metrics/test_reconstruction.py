"""Reconstruction errors against values that can be worked out by hand, and against another implementation."""

import math

import pytest
import torch
from torchmetrics.functional.image import peak_signal_noise_ratio

from tats_exp.metrics.reconstruction import ReconstructionErrors


def windows(count: int = 40, seed: int = 0, side: int = 12) -> torch.Tensor:
    random = torch.Generator().manual_seed(seed)
    return torch.randint(20, 236, (count, 5, side, side, 3), dtype=torch.uint8, generator=random)


def errors_of(real: torch.Tensor, rebuilt: torch.Tensor, at_a_time: int = 16) -> ReconstructionErrors:
    errors = ReconstructionErrors()
    for pair in zip(real.split(at_a_time), rebuilt.split(at_a_time), strict=True):
        errors.add(*pair)
    return errors


def test_an_error_is_found_in_its_frame() -> None:
    real = windows()
    rebuilt = real.clone()
    rebuilt[:, 0] += 10
    rebuilt[:, 4] -= 5
    errors = errors_of(real, rebuilt)
    torch.testing.assert_close(errors.frame_errors, torch.tensor([10, 0, 0, 0, 5]).double() / 255)
    assert math.isnan(errors.edge_ratio)
    rebuilt[:, 2] += 9
    assert errors_of(real, rebuilt).edge_ratio == pytest.approx(7.5 / 3)


def test_psnr_is_that_of_torchmetrics_and_of_one_constant_error() -> None:
    real, other = windows(), windows(seed=1)
    assert errors_of(real, real + 5).psnr == pytest.approx(20 * math.log10(255 / 5))
    expected = peak_signal_noise_ratio(other.float(), real.float(), 255.0)
    assert errors_of(real, other).psnr == pytest.approx(float(expected))
    assert errors_of(real, real).psnr == math.inf


def test_ssim_falls_with_noise_and_small_frames_have_none() -> None:
    real = windows()
    noise = torch.randn(real.shape, generator=torch.Generator().manual_seed(2))
    noisy = [(real + level * noise).clamp(0, 255).to(torch.uint8) for level in (0.0, 10.0, 40.0)]
    found = [errors_of(real, other).ssim for other in noisy]
    assert found[0] == pytest.approx(1.0) and found[0] > found[1] > found[2]
    assert errors_of(windows(side=10), windows(side=10)).ssim is None


def test_blur_lowers_the_gradients_noise_raises_them_and_flat_windows_have_none() -> None:
    real = windows(side=16)
    blurred = torch.nn.functional.avg_pool2d(real.permute(0, 1, 4, 2, 3).flatten(0, 1).float(), 3, 1, 1)
    blurred = blurred.byte().unflatten(0, real.shape[:2]).permute(0, 1, 3, 4, 2).contiguous()
    half = (real.short() // 2).byte()
    assert errors_of(real, real).gradient_ratio == 1.0
    assert errors_of(real, blurred).gradient_ratio < 0.5
    assert errors_of(real, half).gradient_ratio == pytest.approx(0.5, abs=0.01)
    assert errors_of(half, real).gradient_ratio == pytest.approx(2.0, abs=0.01)
    flat = torch.zeros_like(real)
    assert math.isnan(errors_of(flat, real).gradient_ratio)


def test_values_do_not_depend_on_how_many_are_compared_at_a_time() -> None:
    one, other = (errors_of(windows(), windows(seed=1), at_a_time) for at_a_time in (7, 40))
    assert one.psnr == pytest.approx(other.psnr) and one.ssim == pytest.approx(other.ssim, abs=1e-6)
    torch.testing.assert_close(one.frame_errors, other.frame_errors)
