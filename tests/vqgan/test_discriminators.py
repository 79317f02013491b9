"""The discriminators: what a patch sees, what they return, what each can tell. Parity is in tests/official."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from tats_exp.vqgan.adversarial import discriminator_loss
from tats_exp.vqgan.discriminators import SpatialDiscriminator, TemporalDiscriminator, pick_frames

SPATIAL, TEMPORAL = SpatialDiscriminator, TemporalDiscriminator


def patches(make: type, batch: int = 2, size: int = 12) -> Tensor:
    shape = (batch, 3, size, size) if make is SPATIAL else (batch, 3, size, size, size)
    return torch.rand(shape, generator=torch.Generator().manual_seed(0)) - 0.5


@pytest.mark.parametrize("make", [SPATIAL, TEMPORAL])
@pytest.mark.parametrize("layers,seen", [(1, 16), (2, 34)])
def test_a_logit_sees_exactly_its_patch_along_every_axis(make: type, layers: int, seen: int) -> None:
    # Two kernels of 4 see 7; each stride-2 convolution before them doubles that and adds 2.
    discriminator = make(2, layers).eval()
    size = seen + 4
    x = patches(make, 1, size).requires_grad_()
    logits, _ = discriminator(x)
    middle = tuple(n // 2 for n in logits.shape[2:])
    (gradient,) = torch.autograd.grad(logits[(0, 0, *middle)], x)
    touched = gradient[0].abs().sum(0) > 0
    for axis in range(touched.dim()):
        others = [other for other in range(touched.dim()) if other != axis]
        assert touched.sum(axis).max() == seen and touched.any(dim=others).sum() == seen


@pytest.mark.parametrize("make", [SPATIAL, TEMPORAL])
def test_features_are_taken_after_the_activation_and_the_last_one_makes_the_logits(make: type) -> None:
    torch.manual_seed(0)
    discriminator = make(4, 2).eval()
    x = patches(make)
    logits, features = discriminator(x)
    assert len(features) == 3, "the logits are no feature"
    first = F.leaky_relu(discriminator.blocks[0][0](x), 0.2)
    torch.testing.assert_close(features[0], first, msg="later blocks must not write into it")
    assert torch.equal(discriminator.blocks[-1](features[-1]), logits)
    assert all((f < 0).any() and (f > 0).any() for f in features)


@pytest.mark.parametrize("make", [SPATIAL, TEMPORAL])
def test_zeros_around_let_any_size_in(make: type) -> None:
    discriminator = make(2, 3).eval()
    for size in (1, 3, 8):
        logits, _ = discriminator(patches(make, 1, size))
        strided = size
        for _ in range(3):
            strided = strided // 2 + 1
        assert logits.shape[2:] == torch.Size([strided + 2] * (logits.dim() - 2))


def test_widths_double_up_to_512_and_first_and_last_block_have_no_norm() -> None:
    with torch.device("meta"):
        discriminator = TEMPORAL(width=64, layers=5)
    assert [block[0].out_channels for block in discriminator.blocks] == [64, 128, 256, 512, 512, 512, 1]
    normed = [any(isinstance(m, torch.nn.BatchNorm3d) for m in block) for block in discriminator.blocks]
    assert normed == [False, True, True, True, True, True, False]


@pytest.mark.parametrize("make", [SPATIAL, TEMPORAL])
@pytest.mark.parametrize("norm,alone", [("group", True), ("batch", False)])
def test_only_batch_norm_judges_a_clip_by_its_batch(make: type, norm: str, alone: bool) -> None:
    torch.manual_seed(0)
    discriminator = make(4, 2, norm).train()
    x = patches(make, 3)
    difference = (discriminator(x)[0][:1] - discriminator(x[:1])[0]).abs().max()
    assert (difference < 1e-5) == alone


def bars(batch: int, step: int) -> Tensor:
    """Clips of a bar that moves sideways from a random place and comes back in at the other edge."""
    start = torch.randint(16, (batch, 1, 1))
    place = (start + step * torch.arange(8)[:, None]) % 16
    bar = (torch.arange(16) == place).float() - 0.5  # B T W
    return bar[:, None, :, None, :].expand(batch, 3, 8, 16, 16)


def test_the_temporal_one_learns_a_motion_that_no_single_frame_shows() -> None:
    torch.manual_seed(0)
    spatial, temporal = SPATIAL(4, 2, "group"), TEMPORAL(4, 2, "group")
    optimizer = torch.optim.Adam([*spatial.parameters(), *temporal.parameters()], lr=5e-3)
    history = []
    for _ in range(40):
        real, fake, index = bars(8, 1), bars(8, -1), torch.randint(8, (8,))
        on_frames = discriminator_loss(spatial(pick_frames(real, index))[0], spatial(pick_frames(fake, index))[0])
        on_clips = discriminator_loss(temporal(real)[0], temporal(fake)[0])
        optimizer.zero_grad()
        (on_frames + on_clips).backward()
        optimizer.step()
        history.append((on_frames.item(), on_clips.item()))
    on_frames, on_clips = torch.tensor(history[-5:]).mean(0).tolist()
    assert on_clips < 0.3 < 0.9 < on_frames


def test_picked_frames_are_those_and_only_they_get_a_gradient() -> None:
    video = torch.randn(3, 2, 5, 4, 4).requires_grad_()
    index = torch.tensor([4, 0, 2])
    frames = pick_frames(video, index)
    frames.sum().backward()
    for clip, frame in enumerate(index.tolist()):
        assert torch.equal(frames[clip], video[clip, :, frame])
        assert video.grad is not None
        assert video.grad[clip].sum(dim=(0, 2, 3)).tolist() == [32.0 if t == frame else 0.0 for t in range(5)]


@pytest.mark.parametrize("wrong,named", [({"width": 0}, "width=0"), ({"layers": 0}, "layers=0")])
def test_wrong_arguments_are_named(wrong: dict, named: str) -> None:
    for make in (SPATIAL, TEMPORAL):
        with pytest.raises(ValueError, match=named) as error:
            make(**wrong)
        assert "\n" not in str(error.value)
