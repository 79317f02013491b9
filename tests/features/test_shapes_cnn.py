import hashlib
from pathlib import Path

import numpy as np
import pytest
import torch

from tats_exp import UserError
from tats_exp.data.shapes import Shapes
from tats_exp.data.shapes_scene import LABEL_NAMES
from tats_exp.features.shapes_cnn import WEIGHTS, ShapesCNN


@pytest.fixture(scope="module")
def network():
    return ShapesCNN.pretrained()


def clips(resolution, videos=64, frames=16, seed=77, start=300):
    world = Shapes(videos, 1, 10_000, resolution, seed).split("train")
    video = np.stack([world.read(index, start, frames) for index in range(videos)])
    return torch.from_numpy(video), torch.tensor(world.labels)


@pytest.mark.parametrize("resolution", [16, 32, 64])
def test_labels_of_an_unseen_world_are_told_at_every_resolution(network, resolution):
    video, labels = clips(resolution)
    guess = network(video).argmax(1)
    assert (guess == labels).double().mean() >= 0.95
    assert (guess % 2 == labels % 2).double().mean() >= 0.95, "the motion laws"


def test_the_motion_law_is_read_from_motion(network):
    video, labels = clips(16)
    still = video[:, :1].expand(-1, 16, -1, -1, -1).contiguous()
    assert (network(still).argmax(1) % 2 == labels % 2).double().mean() < 0.75


@pytest.mark.parametrize("frames", [8, 24])
def test_longer_and_shorter_clips_work_too(network, frames):
    video, labels = clips(24, videos=32, frames=frames)
    assert (network(video).argmax(1) // 2 == labels // 2).double().mean() >= 0.9


def test_logits_are_the_head_of_the_features(network):
    video, _ = clips(16, videos=8)
    features = network.features(video)
    assert features.shape == (8, network.width) and features.dtype == torch.float32
    assert torch.allclose(network(video), network.head(features))
    assert network.head.out_features == len(LABEL_NAMES)


def test_a_clip_does_not_depend_on_its_batch(network):
    video, _ = clips(16, videos=8)
    alone = torch.cat([network.features(one[None]) for one in video])
    assert torch.allclose(network.features(video), alone, atol=1e-5)


def frechet_like(first, second):
    """Distance of means in units of the first's spread: enough to order what follows."""
    return ((first.mean(0) - second.mean(0)) / (first.std(0) + 1e-3)).norm().item()


def test_features_notice_what_goes_wrong_in_long_videos(network):
    real, other = (network.features(clips(16, seed=seed)[0]) for seed in (1, 2))
    floor = frechet_like(real, other)
    video = clips(16, seed=2)[0]
    blurred = torch.nn.functional.avg_pool3d(video.float().permute(0, 4, 1, 2, 3), (1, 3, 3), 1, (0, 1, 1))
    wrong = {
        "blurred": blurred.permute(0, 2, 3, 4, 1).to(torch.uint8),
        "frozen": video[:, :1].expand_as(video).contiguous(),
        "shuffled in time": video[:, torch.randperm(16, generator=torch.Generator().manual_seed(0))],
        "brighter": (video.int() + 40).clamp(max=255).to(torch.uint8),
        "noisy": (video.int() + torch.randint(-30, 31, video.shape)).clamp(0, 255).to(torch.uint8),
    }
    for name, clip in wrong.items():
        assert frechet_like(real, network.features(clip)) > 1.5 * floor, name


def test_pretrained_is_fixed_and_small(network):
    assert WEIGHTS.stat().st_size < 2**19
    assert network.checksum == hashlib.sha256(WEIGHTS.read_bytes()).hexdigest()
    assert ShapesCNN().checksum == ""
    assert not network.training
    assert not any(parameter.requires_grad for parameter in network.parameters())
    again = ShapesCNN.pretrained()
    video, _ = clips(16, videos=4)
    assert torch.equal(network.features(video), again.features(video))


def test_weights_may_be_a_file_of_ones_own(tmp_path: Path) -> None:
    own = tmp_path / "own.safetensors"
    own.write_bytes(WEIGHTS.read_bytes())
    assert ShapesCNN.pretrained(own).checksum == ShapesCNN.pretrained().checksum
    own.write_bytes(WEIGHTS.read_bytes()[:-1000])
    for path, told in ((own, "not the weights of ShapesCNN"), (tmp_path / "none", "cannot be read")):
        with pytest.raises(UserError, match=told):
            ShapesCNN.pretrained(path)
