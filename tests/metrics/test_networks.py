"""The networks see each window once, a batch at a time, and what they see does not depend on the batch."""

import pytest
import torch
from torch import Tensor

from tats_exp.data.shapes import Shapes
from tats_exp.features import ShapesCNN
from tats_exp.features.video_network import VideoNetwork
from tats_exp.metrics import Networks, pixel_statistics
from tats_exp.metrics.networks import statistics_along, statistics_of_windows, windows_looked_at
from tats_exp.metrics.reference_windows import draw_reference

CPU = torch.device("cpu")


class Counted(VideoNetwork):
    """Mean colours, and their double as logits; counts its passes."""

    name, checksum, precision = "counted", "c0ffee", "fp32"

    def __init__(self) -> None:
        super().__init__()
        self.passes = 0

    def features(self, video: Tensor) -> Tensor:
        self.passes += 1
        return video.float().mean((1, 2, 3)) / 255

    def forward(self, video: Tensor) -> Tensor:
        return 2 * self.features(video)


class InOne(Counted):
    def features_and_logits(self, video: Tensor) -> tuple[Tensor, Tensor]:
        features = self.features(video)
        return features, 2 * features


class Corner(Counted):
    def forward(self, video: Tensor) -> Tensor:
        return video[:, 0, :2, 0, 0].float()


def clips(count: int) -> Tensor:
    random = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, (count, 4, 8, 8, 3), generator=random, dtype=torch.uint8)


@pytest.mark.parametrize(("network", "passes"), [(Counted(), 2), (InOne(), 1)])
def test_one_pass_is_enough_where_the_network_can(network: Counted, passes: int) -> None:
    seen = Networks(network, None, CPU).statistics(clips(5))
    assert network.passes == passes
    features = clips(5).float().mean((1, 2, 3)) / 255
    assert torch.allclose(seen.features, features)
    assert torch.allclose(seen.probabilities, (2 * features).softmax(-1))


def test_a_classifier_is_asked_instead_and_the_network_only_for_features() -> None:
    network, video = InOne(), clips(5)
    seen = Networks(network, Corner(), CPU).statistics(video)
    assert network.passes == 1
    assert torch.allclose(seen.features, Networks(network, None, CPU).features(video))
    assert torch.allclose(seen.probabilities, video[:, 0, :2, 0, 0].float().softmax(-1))


def test_probabilities_of_half_precision_logits_sum_to_one() -> None:
    class Half(Counted):
        def forward(self, video: Tensor) -> Tensor:
            return torch.linspace(-3, 3, 400).bfloat16().repeat(len(video), 1)

    sums = Networks(Half(), None, CPU).statistics(clips(2)).probabilities.sum(-1)
    assert torch.allclose(sums, torch.ones(2), atol=1e-6)


def test_shapes_cnn_sees_alike_one_by_one_and_together() -> None:
    networks, video = Networks(ShapesCNN.pretrained(), None, CPU), clips(4)
    seen = networks.statistics(video)
    one_by_one = [networks.statistics(clip) for clip in video.split(1)]
    assert torch.allclose(seen.features, torch.cat([one.features for one in one_by_one]), atol=1e-5)
    assert torch.allclose(seen.probabilities, torch.cat([one.probabilities for one in one_by_one]), atol=1e-5)
    assert torch.allclose(seen.probabilities, networks.network(video).softmax(-1), atol=1e-5)


def test_windows_between_those_looked_at_keep_their_pixels() -> None:
    network, windows = InOne(), list(clips(12).split(4))
    batches = ([window[some] for window in windows] for some in (slice(0, 3), slice(3, 4)))
    first, gap, last = statistics_along(batches, Networks(network, None, CPU), windows_looked_at("ends", 3))
    assert network.passes == 4 and gap.features is None
    assert torch.equal(gap.motion, pixel_statistics(windows[1]).motion)
    assert first.features is not None and len(last.features) == 4
    assert windows_looked_at("all", 3) == [0, 1, 2] and windows_looked_at("ends", 1) == [0]


def test_what_is_seen_does_not_depend_on_the_batch() -> None:
    videos = Shapes(train_videos=3, test_videos=1, frames=40, resolution=8, seed=0).split("train")
    (windows,), _ = draw_reference(videos, 3, 2, 16, 1, 0)
    done: list[int] = []
    how = (Networks(ShapesCNN.pretrained(), None, CPU), videos, windows, 16)
    at_once = statistics_of_windows(*how, 5, done.append)
    in_twos = statistics_of_windows(*how, 2, done.append)
    assert done == [5, 2, 4, 5]
    for name, value in at_once.given().items():
        torch.testing.assert_close(value, in_twos.given()[name], rtol=1e-5, atol=1e-5)
