"""TorchScript archives of users: called as they want to be, refused in one line when they are something else."""

import hashlib
import os
import zipfile
from functools import partial
from pathlib import Path

import pytest
import torch
from torch import nn

from features.i3d_networks import random_clips
from tats_exp import UserError
from tats_exp.features import I3D
from tats_exp.features.i3d_weights import MOST_COMPRESSED, is_torchscript
from tats_exp.features.torchscript import TorchScriptClassifier, TorchScriptI3D

trusted = partial(TorchScriptClassifier, trust_torchscript=True)


class Detector(nn.Module):
    """Answers with what it was given, as far as 400 logits can tell."""

    def forward(
        self, x: torch.Tensor, rescale: bool = False, resize: bool = False, return_features: bool = False
    ) -> torch.Tensor:
        asked = float(rescale) + 2 * float(resize) + 4 * float(return_features)
        told = torch.stack([x[:, 0].mean((1, 2, 3)), x.amax((1, 2, 3, 4)), torch.full((len(x),), asked)], dim=1)
        return torch.nn.functional.pad(told, (0, 397))


class Corner(nn.Module):
    """First value of each clip, in the order of the axes it was given, and how far apart its values lie."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        sizes = torch.tensor([x.size(1), x.size(2), x.size(3), x.size(4)]).float().expand(len(x), 4)
        return torch.cat([sizes, x.flatten(1).amin(1)[:, None], x.flatten(1).amax(1)[:, None]], dim=1)


def archive(module: nn.Module, path: Path) -> Path:
    torch.jit.script(module).save(str(path))
    return path


def test_the_detector_is_called_as_its_authors_call_it(tmp_path: Path) -> None:
    path = archive(Detector(), tmp_path / "i3d_torchscript.pt")
    network = I3D.pretrained(path, trust_torchscript=True)
    assert isinstance(network, TorchScriptI3D) and network.name == "i3d" and network.precision == "fp32"
    assert network.checksum == hashlib.sha256(path.read_bytes()).hexdigest()
    video = random_clips(5, frames=16)
    logits = network(video)
    assert torch.equal(logits, network.features(video)) and logits.shape == (5, 400)
    torch.testing.assert_close(logits[:, 0], video[..., 0].float().mean((1, 2, 3)))  # red, 0 to 255, not rescaled
    assert logits[0, 1] == video[0].max() and set(logits[:, 2].tolist()) == {7.0}


@pytest.mark.parametrize("layout, sizes", [("BCTHW", [3, 9, 8, 8]), ("BTCHW", [9, 3, 8, 8]), ("BTHWC", [9, 8, 8, 3])])
def test_a_classifier_gets_its_axes_size_and_range(tmp_path: Path, layout: str, sizes: list[int]) -> None:
    path = archive(Corner(), tmp_path / "c3d.pt")
    network = trusted(path, "c3d", 8, (-1.0, 3.0), layout)
    video = torch.zeros(2, 9, 40, 40, 3, dtype=torch.uint8)
    video[1] = 255
    logits = network(video)
    assert logits[:, :4].tolist() == [sizes, sizes]
    assert logits[:, 4:].tolist() == [[-1, -1], [3, 3]]
    assert network.name == "c3d" and len(network.checksum) == 64
    for other in ((9, (-1.0, 3.0), layout), (8, (0.0, 3.0), layout)):
        assert trusted(path, "c3d", *other).checksum != network.checksum, "asked otherwise, it is another"
    assert trusted(path, "c3d", 8, [-1.0, 3.0], layout).checksum == network.checksum


def test_without_a_size_frames_stay_as_they_are(tmp_path: Path) -> None:
    network = trusted(archive(Corner(), tmp_path / "c3d.pt"), "c3d", None, (0.0, 1.0))
    assert network(random_clips(1, side=24))[0, :4].tolist() == [3, 9, 24, 24]


def test_archives_are_told_by_their_content(tmp_path: Path) -> None:
    torch.save({"a": torch.zeros(1)}, tmp_path / "state.pt")
    (tmp_path / "text.pt").write_text("no archive")
    assert is_torchscript(archive(Corner(), tmp_path / "anything"))
    assert not is_torchscript(tmp_path / "state.pt") and not is_torchscript(tmp_path / "text.pt")


def test_what_an_archive_claims_is_held_against_the_file(tmp_path: Path) -> None:
    path = archive(Corner(), tmp_path / "c3d.pt")
    other = tmp_path / os.fsdecode(b"caf\xe9.pt")
    other.write_bytes(path.read_bytes())
    assert trusted(other, "c3d", None, (0.0, 1.0))(random_clips(1)).shape == (1, 6)
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as file:
        file.writestr("c3d/code/bomb.py", b" " * (MOST_COMPRESSED + 1))
    with pytest.raises(UserError, match=r"c3d\.pt: not a TorchScript archive, or damaged") as error:
        trusted(path, "c3d", 8, (0.0, 1.0))
    assert "is compressed" in str(error.value.__cause__) and not is_torchscript(path)


def test_what_does_not_fit_is_one_line(tmp_path: Path) -> None:
    path = archive(Corner(), tmp_path / "c3d.pt")
    damaged = tmp_path / "damaged.pt"
    damaged.write_bytes(path.read_bytes()[:200])
    wrong = {
        "no such file": lambda: trusted(tmp_path / "gone.pt", "c3d", 8, (0.0, 1.0)),
        "not a TorchScript archive": lambda: trusted(damaged, "c3d", 8, (0.0, 1.0)),
        "layout must be one of": lambda: trusted(path, "c3d", 8, (0.0, 1.0), "TBCHW"),
        "size must be": lambda: trusted(path, "c3d", 0, (0.0, 1.0)),
        "value_range must go": lambda: trusted(path, "c3d", 8, (1.0, 0.0)),
        "cannot be called": lambda: TorchScriptI3D(path, trust_torchscript=True)(random_clips(1)),
        "takes precision=fp32": lambda: I3D.pretrained(path, precision="bf16", trust_torchscript=True),
        "one row of logits": lambda: trusted(archive(nn.Flatten(0), tmp_path / "flat.pt"), "flat", 8, (0.0, 1.0))(
            random_clips(1)
        ),
    }
    for said, call in wrong.items():
        with pytest.raises(ValueError, match=said) as refused:
            call()
        assert "\n" not in str(refused.value)


@pytest.mark.parametrize("name", ["c3d.pt", "i3d_pretrained_400.pt", "weights.safetensors"])
def test_an_archive_runs_only_where_that_was_allowed(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever its name says: what it is shows in the file."""
    path = archive(Detector(), tmp_path / name)
    monkeypatch.setattr(torch.jit, "load", lambda *_, **__: pytest.fail("it was loaded"))
    for load in (
        lambda: TorchScriptClassifier(path, "c3d", 8, (0.0, 1.0)),
        lambda: TorchScriptI3D(path),
        lambda: I3D.pretrained(path),
    ):
        with pytest.raises(UserError, match=r"is a program, .* trust_torchscript=true") as error:
            load()
        assert "\n" not in str(error.value)
