from pathlib import Path
from typing import get_args

import pytest
import torch

from tats_exp.data.shapes_scene import Grounds
from tats_exp.features import train_shapes_cnn
from tats_exp.features.shapes_cnn import WEIGHTS, ShapesCNN
from tats_exp.features.train_shapes_cnn import TEST_SEED, TRAIN_SEED, accuracy, draw_batch, main, save, train


def test_batches_repeat_by_seed_and_step_alone():
    first, again = draw_batch(32, 16, TRAIN_SEED, 3), draw_batch(32, 16, TRAIN_SEED, 3)
    assert all(torch.equal(one, other) for one, other in zip(first, again, strict=True))
    for seed, step in ((TRAIN_SEED, 4), (TEST_SEED, 3)):
        assert not torch.equal(first[0], draw_batch(32, 16, seed, step)[0])
    assert torch.bincount(first[1]).tolist() == [2] * 16
    assert first[3].abs().max() <= 1


def test_training_learns_colours_at_once():
    network = train(steps=30, batch_size=8, learning_rate=4e-3, device=torch.device("cpu"))
    shares = accuracy(network, 16, 64)
    assert shares["colour"] > 0.5
    assert shares["label"] <= min(shares["shape"], shares["colour"], shares["law"])


def test_saved_weights_come_back_as_half_precision_keeps_them(tmp_path, monkeypatch):
    torch.manual_seed(0)
    network = ShapesCNN().eval()
    save(network, tmp_path / "weights.safetensors")
    monkeypatch.setattr("tats_exp.features.shapes_cnn.WEIGHTS", tmp_path / "weights.safetensors")
    back = ShapesCNN.pretrained()
    video = draw_batch(8, 16, TEST_SEED, 0)[0]
    assert torch.allclose(back(video), network(video), atol=2e-3)
    for name, value in network.state_dict().items():
        assert torch.equal(back.state_dict()[name], value.half().float() if value.is_floating_point() else value), name


def test_the_command_writes_the_file_it_is_given_and_leaves_the_shipped_weights(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    shipped, own = WEIGHTS.read_bytes(), tmp_path / "own.safetensors"
    with caplog.at_level("INFO"):
        main([str(own), "--steps", "3", "--clips", "64"])
    assert WEIGHTS.read_bytes() == shipped
    assert ShapesCNN.pretrained(own).checksum != ShapesCNN.pretrained().checksum
    assert "16 pixels, palettes, 64 unseen clips: label 0." in caplog.text


@pytest.mark.slow
def test_shipped_weights_tell_every_trait_of_the_held_out_world():
    network = ShapesCNN.pretrained()
    for resolution in train_shapes_cnn.RESOLUTIONS:
        for grounds in get_args(Grounds):
            assert min(accuracy(network, resolution, 256, grounds).values()) >= 0.98
