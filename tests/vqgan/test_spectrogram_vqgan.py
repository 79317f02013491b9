"""The VQGAN of sound: codes in the order of time and back, and a model that learns."""

import pytest
import torch

from tats_exp import UserError
from tats_exp.data.shapes import Shapes
from tats_exp.data.spectrogram import Spans, Spectrogram
from tats_exp.vqgan import EMACodebook
from tats_exp.vqgan.spectrogram_vqgan import SpectrogramVQGAN, picture_to_float


def model(downsample: tuple[int, int] = (8, 8), codes: int = 16) -> SpectrogramVQGAN:
    torch.manual_seed(0)
    return SpectrogramVQGAN(EMACodebook(codes, 4, restart_below=0.1), 2, downsample, (32, 16))


def settled(vqgan: SpectrogramVQGAN, x: torch.Tensor) -> SpectrogramVQGAN:
    """With a codebook of latents, and statistics of the norms, that are those of pictures; in eval mode."""
    for module in vqgan.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.momentum = 1.0
    vqgan.train()(x)
    return vqgan.eval()


def pictures(count: int) -> torch.Tensor:
    """Of spans that sound."""
    spans = Spans(Shapes(16, 1, 64, 8, seed=0).split("train"), 4, Spectrogram(512, 32, 16))
    found = (spans[index]["picture"] for index in torch.randperm(len(spans)).tolist())
    loud = (picture for picture in found if picture.any())
    return picture_to_float(torch.stack([next(loud) for _ in range(count)]))


@pytest.mark.parametrize("downsample", [(8, 8), (32, 16), (16, 4), (4, 16)])
def test_codes_are_decoded_where_they_were_encoded(downsample: tuple[int, int]) -> None:
    x = pictures(8)
    vqgan = settled(model(downsample), x)
    with torch.no_grad():
        heard = vqgan(x)
        codes = vqgan.encode(x)
        assert codes.shape == (8, 32 // downsample[0] * (16 // downsample[1])) == (8, vqgan.codes_per_picture)
        assert torch.equal(codes, heard.codes) and len(codes.unique()) > 1
        assert torch.allclose(vqgan.decode(codes), heard.picture, atol=1e-5)


def test_codes_stand_in_the_order_of_time() -> None:
    """A change at the end of a span reaches codes of its end; those of its beginning, far away, stay."""
    torch.manual_seed(0)
    x = torch.rand(4, 1, 4, 64) - 0.5
    vqgan = settled(SpectrogramVQGAN(EMACodebook(64, 4), 2, (2, 2), (4, 64)), x)
    y = x.clone()
    y[..., 56:] = torch.rand(4, 1, 4, 8) - 0.5
    with torch.no_grad():
        changed = (vqgan.encode(x) != vqgan.encode(y)).view(4, 32, 2)
    assert changed[:, 28:].any() and not changed[:, :20].any()


def test_it_learns_to_tell_sounds_apart() -> None:
    vqgan, x = model(), pictures(32)
    baseline = (x - x.mean(dim=0)).square().mean()
    optimizer = torch.optim.Adam(vqgan.parameters(), 5e-3)
    for _ in range(60):
        heard = vqgan(x)
        optimizer.zero_grad()
        ((x - heard.picture).square().mean() + heard.commitment).backward()
        optimizer.step()
    assert (x - heard.picture).square().mean() < baseline / 2 and heard.perplexity > 4


@pytest.mark.parametrize("downsample", [(64, 8), (8, 3), (8,), (1, 1)])
def test_what_does_not_divide_the_picture_is_one_line(downsample: tuple[int, ...]) -> None:
    with pytest.raises((UserError, ValueError), match="downsample="):
        model(downsample)


def test_a_width_of_nothing_is_one_line() -> None:
    with pytest.raises(UserError, match="n_hiddens=0"):
        SpectrogramVQGAN(EMACodebook(4, 4), 0, (8, 8), (32, 16))
