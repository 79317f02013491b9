"""The VQGAN as a whole: trains anywhere, resumes exactly, and refuses clips that do not fit."""

import inspect

import pytest
import torch

from tats_exp.vqgan import VQGAN, EMACodebook, TimePadding
from tats_exp.vqgan.encoder_decoder import normalize
from tats_exp.vqgan.losses import vqgan_losses
from tats_exp.vqgan.padding import Real, Replicate
from tats_exp.vqgan.reconstruction import L1, SquaredError
from tests.vqgan.models import PADDINGS, noise_video, small_vqgan


def train_step(vqgan: VQGAN, optimizer: torch.optim.Optimizer, video: torch.Tensor) -> dict[str, torch.Tensor]:
    terms = vqgan_losses(vqgan(video), vqgan.middle(video), L1(), 4.0)
    optimizer.zero_grad()
    terms["total"].backward()
    optimizer.step()
    return terms


def toy(padding: TimePadding, device: str = "cpu") -> tuple[VQGAN, torch.optim.Optimizer]:
    torch.manual_seed(0)
    with torch.device(device):
        vqgan = VQGAN(EMACodebook(16, 4), 4, (4, 4, 4), 1, encoder_padding=padding, decoder_padding=padding)
    return vqgan.train(), torch.optim.Adam(vqgan.parameters(), lr=3e-3)


@pytest.mark.parametrize("padding", PADDINGS, ids=repr)
def test_a_step_runs_on_the_meta_device_and_reaches_every_weight(padding: TimePadding) -> None:
    vqgan, optimizer = toy(padding, "meta")
    terms = train_step(vqgan, optimizer, torch.empty(2, 3, 8 + 2 * vqgan.training_margin, 8, 8, device="meta"))
    assert terms["total"].device.type == "meta"
    assert all(p.grad is not None for p in vqgan.parameters())


def test_paper_scale_has_the_parameters_of_the_original() -> None:
    with torch.device("meta"):
        vqgan = VQGAN(EMACodebook(16384, 256), 32, (4, 8, 8))
    millions = [sum(p.numel() for p in half.parameters()) / 1e6 for half in (vqgan.encoder, vqgan.decoder)]
    assert [round(m, 2) for m in millions] == [7.40, 16.12]


@pytest.mark.parametrize("padding", PADDINGS, ids=repr)
def test_training_learns_a_clip(padding: TimePadding) -> None:
    vqgan, optimizer = toy(padding)
    frames = torch.arange(8.0 + 2 * vqgan.training_margin)
    wave = 0.4 * torch.sin(frames[:, None, None] * 0.8 + torch.arange(8.0) * 0.5)
    video = wave.expand(2, 3, -1, 8, -1)
    losses = [train_step(vqgan, optimizer, video)["reconstruction"].item() for _ in range(40)]
    assert losses[-1] < 0.6 * losses[0]


def test_saved_and_resumed_equals_uninterrupted() -> None:
    vqgan, optimizer = toy(Replicate())
    clips = [noise_video(8, seed=seed, batch=2) for seed in range(4)]
    for clip in clips[:2]:
        train_step(vqgan, optimizer, clip)
    saved = {name: value.clone() for name, value in vqgan.state_dict().items()}, optimizer.state_dict()
    resumed, optimizer_again = toy(Replicate())
    resumed.load_state_dict(saved[0])
    optimizer_again.load_state_dict(torch.utils._pytree.tree_map(copy_tensor, saved[1]))
    for clip in clips[2:]:
        train_step(vqgan, optimizer, clip)
        train_step(resumed, optimizer_again, clip)
    for name, value in vqgan.state_dict().items():
        assert torch.equal(value, resumed.state_dict()[name]), name


def copy_tensor(x: object) -> object:
    return x.clone() if isinstance(x, torch.Tensor) else x


@torch.no_grad()
def test_forward_is_decode_of_encode() -> None:
    for padding in (Replicate(), Real()):
        vqgan = small_vqgan(padding, padding)
        clip = noise_video(8 + 2 * vqgan.training_margin)
        result = vqgan(clip)
        codes = vqgan.encode(clip)
        torch.testing.assert_close(result.video, vqgan.decode(codes), rtol=0, atol=1e-5)
        m = vqgan.code_margin
        assert torch.equal(result.codes, codes[:, m : codes.shape[1] - m])
        assert result.video.shape == vqgan.middle(clip).shape


def test_autocast_trains() -> None:
    vqgan, optimizer = toy(Replicate())
    with torch.autocast("cpu", dtype=torch.bfloat16):
        terms = train_step(vqgan, optimizer, noise_video(8, batch=2))
    assert terms["total"].isfinite()
    assert vqgan.codebook.embeddings.dtype == torch.float32


def test_losses_add_up() -> None:
    vqgan, _ = toy(Replicate())
    clip = noise_video(8, batch=2)
    result = vqgan(clip)
    errors = {L1(): (result.video - clip).abs().mean(), SquaredError(): (result.video - clip).square().mean()}
    for pixel_loss, error in errors.items():
        terms = vqgan_losses(result, clip, pixel_loss, 3.0, perceptual=torch.tensor(0.5), perceptual_weight=2.0)
        assert terms["reconstruction"].item() == pytest.approx(error.item())
        assert terms["total"].item() == pytest.approx(3 * error.item() + result.commitment.item() + 1)


@pytest.mark.parametrize(
    "frames,resolution,named", [(10, 8, "frames=10"), (0, 8, "frames=0"), (8, 18, "resolution=18")]
)
def test_clips_that_do_not_fit_are_named(frames: int, resolution: int, named: str) -> None:
    with pytest.raises(ValueError, match=named) as error:
        small_vqgan().check_clip(frames, resolution)
    assert "\n" not in str(error.value)
    small_vqgan().check_clip(8, 16)


@pytest.mark.parametrize("shape", [(6, 8, 8), (8, 6, 8), (8, 8, 6)])
def test_videos_that_do_not_fit_are_refused(shape: tuple[int, int, int]) -> None:
    with pytest.raises(ValueError, match="multiple of 4"):
        small_vqgan().latents(torch.zeros(1, 3, *shape))


def test_real_refuses_a_clip_that_is_all_margin() -> None:
    vqgan = small_vqgan(Real(), Real())
    with pytest.raises(ValueError, match="margin"):
        vqgan.latents(noise_video(2 * vqgan.margin))
    with pytest.raises(ValueError, match="latent frames"):
        vqgan.decode(torch.zeros(1, 2 * vqgan.code_margin, 2, 2, dtype=torch.int64))


@pytest.mark.parametrize(
    "wrong,named", [({"downsample": (3, 4, 4)}, "downsample="), ({"blocks": 0}, "decoder_blocks=0")]
)
def test_wrong_arguments_are_named(wrong: dict, named: str) -> None:
    with pytest.raises(ValueError, match=named):
        small_vqgan(**wrong)


def test_unknown_norm_is_named_with_the_allowed_ones() -> None:
    with pytest.raises(ValueError, match=r"norm='layer'.*frame_group"):
        inspect.unwrap(normalize)("layer", 4)  # beneath the type check that only tests have
