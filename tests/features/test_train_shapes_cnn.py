import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from tats_exp import UserError
from tats_exp.data.shapes import PALETTES
from tats_exp.features import train_shapes_cnn
from tats_exp.features.shapes_cnn import ShapesCNN
from tats_exp.features.train_shapes_cnn import (
    GROUNDS,
    TEST_SEED,
    TRAIN_SEED,
    accuracy,
    draw_batch,
    fields,
    save,
    train,
)
from tats_exp.metrics.layout import layout


def test_batches_repeat_by_seed_and_step_alone():
    first, again = draw_batch(32, 16, TRAIN_SEED, 3), draw_batch(32, 16, TRAIN_SEED, 3)
    assert all(torch.equal(one, other) for one, other in zip(first, again, strict=True))
    for seed, step in ((TRAIN_SEED, 4), (TEST_SEED, 3)):
        assert not torch.equal(first.video, draw_batch(32, 16, seed, step).video)
    assert torch.bincount(first.labels).tolist() == [2] * 16
    assert first.traits.abs().max() <= 1


def test_a_batch_holds_every_label_over_every_ground_and_texture_where_there_is_one():
    batch = draw_batch(48, 16, TRAIN_SEED, 0)
    plain = (batch.video == torch.tensor(PALETTES[0][0])).all(dim=-1).double().mean(dim=(1, 2, 3))
    for turn, kind in enumerate(GROUNDS):
        assert sorted(batch.labels[turn::3].tolist()) == list(range(16))
        assert (plain[turn::3] > 0.7).all() == (kind == "plain")
        assert (batch.traits[turn::3, :3] != 0).all() == (kind == "textures")
        assert torch.equal(batch.traits[turn::3, :3] == 0, torch.full((16, 3), kind != "textures"))


@pytest.mark.parametrize("resolution", [16, 32])
def test_what_is_learned_of_the_layout_is_what_the_layout_distance_looks_at(resolution):
    video = draw_batch(12, resolution, TEST_SEED, 1).video
    wanted = (layout(video) - 0.35) / 0.25
    assert torch.allclose(fields(video), wanted, atol=1e-4) and wanted.abs().max() < 2.6


def test_training_learns_colours_at_once():
    network = train(steps=40, batch_size=8, learning_rate=4e-3, device=torch.device("cpu"))
    shares = accuracy(network, 16, 64, ("plain",))
    assert shares["colour"] > 0.5
    assert shares["label"] <= min(shares["shape"], shares["colour"], shares["law"])


def test_processes_that_render_ahead_change_no_weight():
    alone, helped = (train(3, 6, 4e-3, torch.device("cpu"), workers).state_dict() for workers in (0, 1))
    assert all(torch.equal(value, helped[name]) for name, value in alone.items())


def test_saved_weights_come_back_as_half_precision_keeps_them(tmp_path):
    torch.manual_seed(0)
    network = ShapesCNN().eval()
    save(network, tmp_path / "weights.safetensors")
    back = ShapesCNN.pretrained(tmp_path / "weights.safetensors")
    assert back.checksum != ShapesCNN.pretrained().checksum
    video = draw_batch(8, 16, TEST_SEED, 0).video
    assert torch.allclose(back(video), network(video), atol=2e-3)
    for name, value in network.state_dict().items():
        assert torch.equal(back.state_dict()[name], value.half().float() if value.is_floating_point() else value), name


@pytest.mark.parametrize("content", [None, b"no weights at all", b""])
def test_a_file_that_holds_no_such_weights_is_named_in_one_line(tmp_path, content):
    path = tmp_path / "weights.safetensors"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(
        UserError, match=r"weights\.safetensors: (cannot be read|not the weights of ShapesCNN)"
    ) as error:
        ShapesCNN.pretrained(path)
    assert "\n" not in str(error.value)


def test_the_command_writes_a_file_and_says_what_it_is_worth(tmp_path):
    command = [sys.executable, "-m", "tats_exp.features.train_shapes_cnn", str(tmp_path / "w.safetensors"), "--steps=2"]
    path = str(Path(train_shapes_cnn.__file__).parents[2])
    environment = {**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1"}
    told = subprocess.run(command, capture_output=True, text=True, check=True, env=environment).stdout
    assert "step 1 of 2" in told and "plain, 16 pixels, 512 unseen clips: label 0." in told
    assert np.isfinite(ShapesCNN.pretrained(tmp_path / "w.safetensors").head.weight.numpy()).all()


@pytest.mark.slow
@pytest.mark.parametrize("grounds", GROUNDS)
def test_shipped_weights_tell_every_trait_of_the_held_out_world(grounds):
    network = ShapesCNN.pretrained()
    for resolution in train_shapes_cnn.RESOLUTIONS:
        assert min(accuracy(network, resolution, 256, (grounds,)).values()) >= 0.98
