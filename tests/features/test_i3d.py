import hashlib
import os
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import save_file
from torch.nn import functional

from features.i3d_networks import formula_state, random_clips
from tats_exp import UserError, files
from tats_exp.data.resizing import crop_and_resize
from tats_exp.data.video_readers import open_reader
from tats_exp.features import I3D, i3d_blocks, i3d_weights
from tats_exp.features.clip_batches import check_video
from tats_exp.features.i3d_blocks import Unit3D, max_pool, same_padding

REFERENCE = os.environ.get("TATS_EXP_REFERENCE")
CLIPS = os.environ.get("TATS_EXP_CLIPS")
with_reference = pytest.mark.skipif(not REFERENCE, reason="TATS_EXP_REFERENCE is not set")
with_clips = pytest.mark.skipif(not CLIPS, reason="TATS_EXP_CLIPS is not set")


@pytest.fixture(scope="module")
def state():
    return formula_state(12.9898, 78.233)


@pytest.fixture(scope="module")
def network(state):
    network = I3D()
    network.load_state_dict(state)
    return network


@pytest.fixture(scope="module")
def reference():
    return torch.load(Path(REFERENCE or "") / "i3d.io.pt", weights_only=True)


@with_reference
def test_names_and_shapes_are_those_of_the_official_state_dict(reference):
    assert [(name, tuple(value.shape)) for name, value in sorted(I3D().state_dict().items())] == reference["keys"]
    assert I3D.official_state_dict_keys() == [name for name, _ in reference["keys"]]


@with_reference
@pytest.mark.parametrize(("precision", "tolerance"), [("fp32", 1e-5), ("bf16", 3e-3)])
def test_logits_are_those_of_the_official_network(reference, state, precision, tolerance):
    assert reference["fill"] == (12.9898, 78.233)
    network = I3D(precision)
    network.load_state_dict(state)
    logits = network(reference["video_uint8_bthwc"])
    assert logits.dtype == torch.float32
    assert torch.allclose(logits, reference["logits"], rtol=0.0, atol=tolerance)


@given(st.integers(1, 40), st.integers(1, 7), st.integers(1, 3))
def test_same_padding_gives_a_share_of_the_size_rounded_up(size, kernel, stride):
    ((before, after),) = set(same_padding(torch.zeros(1, 1, size, size, size), (kernel,) * 3, (stride,) * 3))
    padded = size + before + after
    assert (padded - kernel) // stride + 1 == -(-size // stride)
    assert 0 <= after - before <= 1
    if before + after:
        assert padded == (-(-size // stride) - 1) * stride + kernel, "no more than it takes"


@pytest.mark.parametrize(
    ("kernel", "stride"),
    [((1, 3, 3), (1, 2, 2)), ((3, 3, 3), (2, 2, 2)), ((2, 2, 2), (2, 2, 2)), ((3, 3, 3), (1, 1, 1))],
)
@pytest.mark.parametrize("size", [(2, 7, 8), (5, 13, 14), (3, 9, 6)])
def test_max_pool_pads_with_minus_infinity(kernel, stride, size):
    x = torch.randn(2, 3, *size) - 5  # negative, so that zeros at the border would show
    pads = [side for pair in reversed(same_padding(x, kernel, stride)) for side in pair]
    explicit = functional.max_pool3d(functional.pad(x, pads, value=float("-inf")), kernel, stride)
    assert torch.equal(max_pool(x, kernel, stride), explicit)
    last = x.contiguous(memory_format=torch.channels_last_3d)
    assert torch.equal(max_pool(last, kernel, stride), explicit)


@pytest.mark.parametrize(("kernel", "stride"), [((1, 1, 1), (1, 1, 1)), ((3, 3, 3), (1, 1, 1)), ((7, 7, 7), (2, 2, 2))])
def test_a_unit_is_convolution_batch_norm_and_relu(kernel, stride):
    torch.manual_seed(0)
    unit = Unit3D(3, 5, kernel, stride).requires_grad_(False).eval()
    for values in (unit.bn.running_mean, unit.bn.bias):
        values.normal_()
    for values in (unit.bn.running_var, unit.bn.weight):
        values.uniform_(0.1, 2)
    x = torch.randn(2, 3, 9, 11, 12)
    pads = [side for pair in reversed(same_padding(x, kernel, stride)) for side in pair]
    expected = functional.relu(unit.bn(unit.conv3d(functional.pad(x, pads))))
    assert torch.allclose(unit(x), expected, atol=1e-5)
    # bf16: rounded values, exact sums, a rounded result.
    unit.conv3d.weight.copy_(unit.conv3d.weight.bfloat16())
    unit.bn.weight.fill_(1.0)
    unit.bn.running_var.fill_(1 - i3d_blocks.EPSILON)
    rounded = x.bfloat16()
    exact = functional.conv3d(functional.pad(rounded.double(), pads), unit.conv3d.weight.double(), stride=stride)
    bias = (unit.bn.bias - unit.bn.running_mean).bfloat16().double()
    expected = functional.relu(exact + bias.reshape(-1, 1, 1, 1))
    assert torch.allclose(unit(rounded).double(), expected, rtol=2**-7, atol=2**-7)
    assert unit(rounded).dtype == torch.bfloat16


def test_a_clip_does_not_depend_on_its_batch(network):
    video = random_clips(3)
    alone = torch.cat([network.features(one[None]) for one in video])
    together = network.features(video)
    assert torch.allclose(together, alone, atol=1e-5)
    assert (together[0] - together[1]).abs().max() > 1e-3, "the clips differ by far more than that"
    assert torch.equal(together, network(video)), "the logits are the features"


def test_threads_change_no_bit(network):
    video, before = random_clips(5), torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        alone = network.features(video)
        torch.set_num_threads(2)
        assert torch.equal(network.features(video), alone)
        two = network.features(video[:2])  # one part: all threads are inside it
        torch.testing.assert_close(two, alone[:2], atol=1e-5, rtol=0)
    finally:
        torch.set_num_threads(before)


def test_no_gradient_is_kept_and_training_mode_changes_nothing(network):
    video = random_clips(1)
    logits = network(video)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    assert not logits.requires_grad
    assert torch.equal(network.train()(video), logits)
    assert all(torch.equal(value, before[name]) for name, value in network.eval().state_dict().items())


def test_what_cannot_be_looked_at_is_refused_in_one_line(network):
    with pytest.raises(ValueError, match=r"^I3D: clips must have at least 9 frames, got 8$"):
        network(random_clips(1, frames=8))
    for wrong in (torch.zeros(1, 9, 8, 8, 3), random_clips(1)[..., :1], random_clips(1)[0], random_clips(1)[:0]):
        with pytest.raises(ValueError, match=r"^I3D: video ") as refused:
            check_video("I3D", wrong)
        assert "\n" not in str(refused.value)
    with pytest.raises(ValueError, match="precision must be one of fp32, bf16, got fp16"):
        I3D("fp16")


def test_pretrained_reads_official_files_and_safetensors(state, tmp_path):
    official, ours = tmp_path / "i3d_pretrained_400.pt", tmp_path / "i3d.bin"
    torch.save({name: value for name, value in state.items() if not name.endswith("num_batches_tracked")}, official)
    save_file(state, ours)
    for path in (official, ours):
        network = I3D.pretrained(str(path), precision="bf16")
        assert all(torch.equal(value, state[name]) for name, value in network.state_dict().items())
        assert network.checksum == hashlib.sha256(path.read_bytes()).hexdigest()
        assert network.precision == "bf16" and network.name == "i3d" and network.width == 400
        assert not network.training and not any(weight.requires_grad for weight in network.parameters())
    assert I3D().checksum == ""


class Trap:
    """Unpickled, it leaves a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


ODD = b"\x80\x02\x87ir%\xa7"  # makes the unpickler raise an IndexError


def test_wrong_weights_are_refused_in_one_line_and_never_run(state, tmp_path):
    path, sprung = tmp_path / "weights.pt", tmp_path / "sprung"
    name = "Mixed_3b.b1b.conv3d.weight"
    broken = {
        "1 names are missing, Mixed_3b.b1b.conv3d.weight": {key: state[key] for key in state if key != name},
        "1 names are unknown, head.weight": state | {"head.weight": torch.zeros(2)},
        r"Mixed_3b.b1b.conv3d.weight has shape \(2, 3\), I3D has": state | {name: torch.zeros(2, 3)},
        "Mixed_3b.b1b.conv3d.weight holds values that are not finite": state | {name: state[name] * torch.nan},
        "not a state dict": [1, 2],
        "neither safetensors nor": {"weights": Trap(sprung)},
    }
    for message, content in broken.items():
        torch.save(content, path)
        with pytest.raises(ValueError, match=message) as refused:
            I3D.pretrained(path)
        assert str(refused.value).startswith(str(path)) and "\n" not in str(refused.value)
    assert not sprung.exists()
    save_file(state, path)
    whole = path.read_bytes()
    torch.save(state, path)
    zipped = path.read_bytes()
    for damaged in (b"", b"no weights", whole[:1000], whole[:-4], zipped[: len(zipped) // 2], pickle.dumps([1]), ODD):
        path.write_bytes(damaged)
        with pytest.raises(ValueError, match=str(path)) as refused:
            I3D.pretrained(path)
        assert "\n" not in str(refused.value)
    with pytest.raises(ValueError, match="nothing: cannot be read: No such file"):
        I3D.pretrained(tmp_path / "nothing")


def test_a_file_that_is_larger_than_weights_can_be_is_not_read(state, tmp_path):
    path = tmp_path / "weights.pt"
    torch.save(state, path)
    with path.open("ab") as file:
        file.truncate(2**34)
    with pytest.raises(UserError, match=r"weights\.pt: not the weights of I3D: 17179869184 bytes; allowed: \d+$"):
        I3D.pretrained(path)
    name = "Mixed_3b.b1b.conv3d.weight"
    for save in (torch.save, save_file):
        save(state | {name: state[name].long()}, path)
        with pytest.raises(UserError, match=rf"{name} has dtype torch\.int64"):
            I3D.pretrained(path)


def test_the_cache_says_how_to_get_weights_and_notices_damage(state, tmp_path, monkeypatch):
    monkeypatch.setenv("TATS_EXP_CACHE", str(tmp_path))
    with pytest.raises(ValueError, match=r"run `python -m tats_exp\.features\.weights i3d`$"):
        I3D.pretrained()
    path = i3d_weights.cached_path()
    save_file(state, path)
    with pytest.raises(ValueError, match=f"{path}: damaged, .*run `python -m tats_exp.features.weights i3d` again"):
        I3D.pretrained()
    monkeypatch.setattr(i3d_weights, "CACHED_SHA256", hashlib.sha256(path.read_bytes()).hexdigest())
    assert I3D.pretrained().checksum == i3d_weights.CACHED_SHA256


def test_the_cache_lies_where_the_environment_says(monkeypatch):
    monkeypatch.setenv("TATS_EXP_CACHE", "/one")
    monkeypatch.setenv("XDG_CACHE_HOME", "/two")
    assert files.cache_folder() == Path("/one")
    monkeypatch.delenv("TATS_EXP_CACHE")
    assert files.cache_folder() == Path("/two/tats_exp")
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert files.cache_folder() == Path.home() / ".cache/tats_exp"


# In a process of its own: checks of shapes, as tests have them, are no part of what is compiled.
COMPILED = """
import functools, sys, torch
torch.set_num_threads(1)
device, backend, tolerance = sys.argv[1], sys.argv[2], float(sys.argv[3])
torch.compile = functools.partial(torch.compile, backend=backend)
from features.i3d_networks import formula_state, random_clips
from tats_exp.features import I3D
state, video = formula_state(12.9898, 78.233), random_clips(2)
eager = I3D()
eager.load_state_dict(state)
for precision, allowed in (("fp32", 1e-4), ("bf16", tolerance)):
    network = I3D(precision, compile=True)
    network.load_state_dict(state)
    logits = network.to(device)(video.to(device)).cpu()
    difference = (logits - eager(video)).abs().max().item()
    assert logits.dtype == torch.float32 and difference < allowed, (precision, difference)
"""


def run_compiled(*arguments: str) -> None:
    tests = Path(__file__).parents[1]
    result = subprocess.run(
        [sys.executable, "-c", COMPILED, *arguments], cwd=tests, capture_output=True, text=True, timeout=1800
    )
    assert result.returncode == 0, result.stderr


@pytest.mark.slow
def test_the_network_compiles_as_one_graph_and_gives_the_same():
    run_compiled("cpu", "eager", "3e-3")


@pytest.mark.gpu
def test_on_a_gpu_in_both_precisions_compiled():
    run_compiled("cuda", "inductor", "5e-3")


@pytest.mark.slow
@with_clips
def test_real_clips_are_classified(i3d_weights):
    """With what the clips show; windows begin at a quarter of a video, 32 frames at stride 2."""
    expected = {  # class of Kinetics-400 (alphabetical) and its probability
        "arm_wrestling/demo.mp4": (6, 1.0),
        "cooking/flipping_a_pancake.mkv": (129, 1.0),
        "pool/test.mp4": (62, 1.0),  # cleaning pool
        "makeup/test.avi": (388, 0.65),  # waxing eyebrows
    }
    clips = []
    for name in expected:
        path = Path(CLIPS or "") / "train" / name
        reader = open_reader(path)
        start = reader.length // 4
        clips.append(crop_and_resize(reader.read(range(start, start + 63, 2)), 224))
    network = I3D.pretrained()
    assert network.checksum == hashlib.sha256(i3d_weights.read_bytes()).hexdigest()
    likely = network(torch.from_numpy(np.stack(clips))).softmax(1)
    for row, (label, probability) in zip(likely, expected.values(), strict=True):
        assert row.argmax() == label
        assert row[label].item() == pytest.approx(probability, abs=0.06)
