"""Perceptual losses convert what they are given, follow their formula and read the files that they say they read."""

import math
from pathlib import Path

import pytest
import torch
from torch import nn

from tats_exp.data.pixels import to_float
from tats_exp.features import perceptual
from tats_exp.features.i3d import I3D
from tats_exp.features.i3d_blocks import max_pool
from tats_exp.features.perceptual import LPIPS, VGG16L1, I3DEarly, Perceptual
from tats_exp.features.vgg16 import FILE, TAP_WIDTHS, VGG16


@pytest.fixture(scope="module")
def vgg() -> VGG16:
    torch.manual_seed(0)
    return VGG16().requires_grad_(False)


@pytest.fixture(scope="module")
def i3d() -> I3D:
    torch.manual_seed(0)
    return I3D().requires_grad_(False)


@pytest.fixture(scope="module")
def weights(vgg: VGG16, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file as torchvision writes it: the convolutions, and a classifier that nobody wants."""
    path = tmp_path_factory.mktemp("weights") / FILE
    torch.save({**vgg.state_dict(), "classifier.0.weight": torch.zeros(2)}, path)
    return path


@pytest.fixture(scope="module")
def heads(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("heads") / "vgg.pth"
    generator = torch.Generator().manual_seed(1)
    state = {
        f"lin{i}.model.1.weight": torch.rand(1, width, 1, 1, generator=generator) for i, width in enumerate(TAP_WIDTHS)
    }
    torch.save(state, path)
    return path


def video(seed: int, frames: int = 1) -> torch.Tensor:
    return torch.rand(2, 3, frames, 16, 16, generator=torch.Generator().manual_seed(seed)) - 0.5


def what_enters(layer: nn.Module, loss: Perceptual, level: float) -> torch.Tensor:
    """The first thing that a layer of a loss sees of a video that is `level` everywhere."""
    seen: list[torch.Tensor] = []
    handle = layer.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0]))
    same = torch.full((1, 3, 1, 16, 16), level)
    loss(same, same)
    handle.remove()
    return seen[0]


@pytest.mark.parametrize("make", [VGG16L1, LPIPS])
def test_vgg16_is_fed_what_imagenet_models_are_fed(vgg: VGG16, make) -> None:
    """Black is -mean/std and white (1-mean)/std: unconverted they would be -0.5 and 0.5."""
    black, white = (what_enters(vgg.features[0], make(vgg), level) for level in (-0.5, 0.5))
    expected = [(0.485, 0.229), (0.456, 0.224), (0.406, 0.225)]
    for channel, (mean, std) in enumerate(expected):
        torch.testing.assert_close(black[:, channel].mean(), torch.tensor(-mean / std))
        torch.testing.assert_close(white[:, channel].mean(), torch.tensor((1 - mean) / std))
    assert black.shape == (1, 3, 16, 16)


def test_i3d_is_fed_minus_one_to_one_and_whole_clips(i3d: I3D) -> None:
    loss = I3DEarly(i3d)
    assert what_enters(loss.first, loss, -0.5).unique().tolist() == [-1.0]
    assert what_enters(loss.first, loss, 0.5).unique().tolist() == [1.0]
    assert loss.sees_time and not VGG16L1.sees_time and not LPIPS.sees_time


def test_i3d_sees_motion_that_no_frame_shows(i3d: I3D) -> None:
    """The same frames in another order."""
    x = video(0, frames=6)
    shuffled = x[:, :, [3, 0, 4, 1, 5, 2]]
    loss = I3DEarly(i3d)
    seen, other = (layer.mean((2, 3, 4)) for layer in (loss.activations(x)[2], loss.activations(shuffled)[2]))
    assert not torch.allclose(seen, other, rtol=1e-3)


def test_i3d_early_is_the_beginning_of_i3d(i3d: I3D) -> None:
    """Up to the input of the second pool, on the pixels that I3D itself would see."""
    seen: list[torch.Tensor] = []
    handle = i3d.Mixed_3b.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0]))
    frames = torch.randint(256, (1, 9, 224, 224, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    i3d.features(frames)
    handle.remove()
    ours = I3DEarly(i3d).activations(to_float(frames))[2]
    torch.testing.assert_close(max_pool(ours, (1, 3, 3), (1, 2, 2)), seen[0], rtol=1e-3, atol=1e-4)


def test_vgg16_l1_is_the_sum_of_mean_differences(vgg: VGG16) -> None:
    x, x_hat = video(0, 2), video(1, 2)
    images = (v.transpose(1, 2).flatten(0, 1) for v in (x, x_hat))
    expected = sum((a - b).abs().mean() for a, b in zip(*map(vgg, images), strict=True))
    torch.testing.assert_close(VGG16L1(vgg)(x, x_hat), expected)


def test_lpips_follows_its_formula(vgg: VGG16, weights: Path, heads: Path) -> None:
    """Written out the way the authors do: shift and scale from [-1, 1], unit vectors, 1x1 heads, mean, sum."""
    x, x_hat = video(0), video(1)
    shift, scale = (torch.tensor(v).view(3, 1, 1) for v in ([-0.030, -0.088, -0.188], [0.458, 0.448, 0.450]))
    outs = []
    for clip in (x, x_hat):
        h, taps = (2 * clip[:, :, 0] - shift) / scale, []
        for index, layer in enumerate(vgg.features):
            h = layer(h)
            if index in (3, 8, 15, 22, 29):
                taps.append(h / (h.square().sum(1, keepdim=True).sqrt() + 1e-10))
        outs.append(taps)
    state = torch.load(heads, weights_only=True)
    expected = sum(
        nn.functional.conv2d((a - b).square(), state[f"lin{i}.model.1.weight"]).mean()
        for i, (a, b) in enumerate(zip(*outs, strict=True))
    )
    torch.testing.assert_close(LPIPS.pretrained(str(weights), str(heads))(x, x_hat), expected)


@pytest.mark.parametrize("kind", ["vgg16_l1", "lpips", "i3d_early"])
def test_alike_is_zero_and_the_gradient_goes_to_the_reconstruction_alone(vgg: VGG16, i3d: I3D, kind: str) -> None:
    loss = {"vgg16_l1": VGG16L1(vgg), "lpips": LPIPS(vgg), "i3d_early": I3DEarly(i3d)}[kind]
    assert isinstance(loss, Perceptual)
    x, x_hat = video(0).requires_grad_(), video(1).requires_grad_()
    assert float(loss(x.detach(), x.detach())) == 0
    value = loss(x, x_hat)
    value.backward()
    assert float(value.detach()) > 0 and x.grad is None and x_hat.grad.abs().sum() > 0
    assert not any(parameter.requires_grad for parameter in loss.parameters())


def test_a_black_frame_gives_a_finite_gradient(vgg: VGG16) -> None:
    """Features of 0 have no direction; the square root of their norm must not make the gradient infinite."""
    dead = VGG16().requires_grad_(False)
    for layer in dead.features:
        if isinstance(layer, nn.Conv2d):
            layer.weight.zero_()
            layer.bias.fill_(-1.0)
    x_hat = video(1).requires_grad_()
    LPIPS(dead)(video(0), x_hat).backward()
    assert torch.isfinite(x_hat.grad).all()


def test_weights_are_found_where_torch_hub_keeps_them(weights: Path, vgg: VGG16, monkeypatch, tmp_path: Path) -> None:
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    with pytest.raises(ValueError, match=f"no weights of VGG16 at {tmp_path}.*get them with: curl"):
        VGG16.pretrained()
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "checkpoints" / FILE).symlink_to(weights)
    found = VGG16.pretrained()
    assert torch.equal(found.features[28].weight, vgg.features[28].weight)
    assert len(found.checksum) == 64 and found.checksum == VGG16L1.pretrained(str(weights)).checksum


def test_heads_come_from_the_files_of_the_package(weights: Path, heads: Path, monkeypatch, tmp_path: Path) -> None:
    monkeypatch.setattr(perceptual, "find_spec", lambda name: None)
    with pytest.raises(ValueError, match=r"lpips is not installed.*pip install --no-deps lpips"):
        LPIPS.pretrained(str(weights))
    package = tmp_path / "lpips"
    (package / "weights" / "v0.1").mkdir(parents=True)
    (package / "__init__.py").write_text("raise ImportError('not to be imported')")
    (package / "weights" / "v0.1" / "vgg.pth").symlink_to(heads)
    monkeypatch.undo()
    monkeypatch.syspath_prepend(tmp_path)
    found, given = LPIPS.pretrained(str(weights)), LPIPS.pretrained(str(weights), str(heads))
    assert found.checksum == given.checksum != VGG16L1.pretrained(str(weights)).checksum
    assert torch.equal(found.heads[4], given.heads[4]) and found.heads[4].std() > 0.1


def test_a_file_of_something_else_is_one_line(weights: Path, heads: Path, tmp_path: Path) -> None:
    (tmp_path / "broken.pth").write_bytes(b"no weights")
    torch.save({"module": Path("code")}, tmp_path / "code.pth")
    for path, said in (
        (heads, "does not hold torchvision's VGG16"),
        (tmp_path / "broken.pth", "cannot be read"),
        (tmp_path / "code.pth", "cannot be read"),
    ):
        with pytest.raises(ValueError, match=said) as error:
            VGG16.pretrained(str(path))
        assert "\n" not in str(error.value)
    with pytest.raises(ValueError, match="does not hold the heads of LPIPS"):
        LPIPS.pretrained(str(weights), str(weights))


def test_images_that_are_too_small_are_refused(vgg: VGG16) -> None:
    with pytest.raises(ValueError, match=r"16 pixels or more, given \(8, 8\)"):
        VGG16L1(vgg)(video(0)[..., :8, :8], video(1)[..., :8, :8])


def test_the_levels_are_those_of_torchvision(vgg: VGG16) -> None:
    """13 convolutions at torchvision's numbers, and each tap the last activation of its level."""
    convolutions = [0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24, 26, 28]
    assert [i for i, layer in enumerate(vgg.features) if isinstance(layer, nn.Conv2d)] == convolutions
    taps = vgg(torch.zeros(1, 3, 32, 32))
    assert [tuple(tap.shape[1:]) for tap in taps] == [
        (width, math.ceil(32 / 2**i), math.ceil(32 / 2**i)) for i, width in enumerate(TAP_WIDTHS)
    ]
