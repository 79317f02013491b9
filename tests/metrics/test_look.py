import pytest
import torch
from torch import Tensor

from tats_exp.features import ShapesCNN
from tats_exp.metrics import brightness, contrast, look, motion_energy, pixels, saturation
from tats_exp.metrics.look import PIXELS

CPU = torch.device("cpu")


class Counted:
    """Mean colours, and their double as logits; counts its passes."""

    def __init__(self) -> None:
        self.passes = 0

    def features(self, video: Tensor) -> Tensor:
        self.passes += 1
        return video.float().mean((1, 2, 3)) / 255

    def __call__(self, video: Tensor) -> Tensor:
        return 2 * self.features(video)


class InOne(Counted):
    def features_and_logits(self, video: Tensor) -> tuple[Tensor, Tensor]:
        features = self.features(video)
        return features, 2 * features


def clips(count: int) -> Tensor:
    random = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, (count, 4, 8, 8, 3), generator=random, dtype=torch.uint8)


@pytest.mark.parametrize(("network", "passes"), [(Counted(), 2), (InOne(), 1)])
def test_one_pass_is_enough_where_the_network_can(network: Counted, passes: int) -> None:
    seen = look(network, clips(5), CPU)
    assert network.passes == passes
    features = clips(5).float().mean((1, 2, 3)) / 255
    assert torch.allclose(seen["features"], features)
    assert torch.allclose(seen["probabilities"], (2 * features).softmax(-1))


def test_a_classifier_is_asked_instead_and_the_network_only_for_features() -> None:
    network, video = InOne(), clips(5)
    seen = look(network, video, CPU, classifier=lambda frames: frames[:, 0, :2, 0, 0].float())
    assert network.passes == 1
    assert torch.allclose(seen["features"], look(network, video, CPU)["features"])
    assert torch.allclose(seen["probabilities"], video[:, 0, :2, 0, 0].float().softmax(-1))


def test_probabilities_of_half_precision_logits_sum_to_one() -> None:
    class Half(Counted):
        def __call__(self, video: Tensor) -> Tensor:
            return torch.linspace(-3, 3, 400).bfloat16().repeat(len(video), 1)

    sums = look(Half(), clips(2), CPU)["probabilities"].sum(-1)
    assert torch.allclose(sums, torch.ones(2), atol=1e-6)


def test_pixels_alone_are_those_of_the_look() -> None:
    video = clips(5)
    alone, seen = pixels(video), look(Counted(), video, CPU)
    assert tuple(alone) == PIXELS
    for name, measure in zip(PIXELS, (motion_energy, contrast, brightness, saturation), strict=True):
        assert torch.equal(alone[name], measure(video))
        assert torch.equal(seen[name], alone[name])


def test_shapes_cnn_is_looked_at_alike_one_by_one_and_together() -> None:
    network, video = ShapesCNN.pretrained(), clips(4)
    seen = look(network, video, CPU)
    one_by_one = [look(network, clip, CPU) for clip in video.split(1)]
    for name in ("features", "probabilities"):
        assert torch.allclose(seen[name], torch.cat([part[name] for part in one_by_one]), atol=1e-5)
    assert torch.allclose(seen["features"], network.features(video), atol=1e-5)
    assert torch.allclose(seen["probabilities"], network(video).softmax(-1), atol=1e-5)
