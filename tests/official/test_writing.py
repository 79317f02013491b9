"""A VQGAN of ours written for the official code, and read again."""

import os
from argparse import Namespace
from pathlib import Path

import pytest
import torch

from tats_exp.official import (
    load_vqgan,
    save_official_vqgan,
)
from tats_exp.vqgan import VQGAN
from tats_exp.vqgan.fsq import FSQ
from tats_exp.vqgan.padding import Real, Zero
from tests.golden import (
    OURS_ALONE,
    discriminator_shapes,
)
from tests.official.models import with_discriminators
from tests.vqgan.models import noise_video, small_vqgan

REFERENCE = Path(os.environ.get("TATS_EXP_REFERENCE", "."))
needs_reference = pytest.mark.skipif("TATS_EXP_REFERENCE" not in os.environ, reason="TATS_EXP_REFERENCE is not set")


@pytest.mark.parametrize("restart_below", [None, 0.5])
@torch.no_grad()
def test_a_written_vqgan_reads_back_identically(restart_below: float | None, tmp_path: Path) -> None:
    vqgan = with_discriminators(small_vqgan(downsample=(2, 4, 4)))
    vqgan.codebook.initialised.fill_(True)
    vqgan.codebook.restart_below = restart_below
    save_official_vqgan(vqgan, tmp_path / "ours.ckpt", frames=8, resolution=8)
    back = load_vqgan(tmp_path / "ours.ckpt")
    assert all(torch.equal(value, back.state_dict()[name]) for name, value in vqgan.state_dict().items())
    assert back.codebook.restart_below == restart_below
    video = noise_video(8)
    assert torch.equal(back.decode(back.encode(video)), vqgan.decode(vqgan.encode(video)))
    for kind, x in (("spatial", video[:, :, 0]), ("temporal", video)):
        assert torch.equal(back.discriminators[kind](x)[0], vqgan.discriminators[kind].eval()(x)[0])


def test_a_written_vqgan_is_in_the_official_format(tmp_path: Path) -> None:
    vqgan = with_discriminators(small_vqgan())
    save_official_vqgan(vqgan, tmp_path / "ours.ckpt", frames=8, resolution=8)
    written = torch.load(tmp_path / "ours.ckpt", weights_only=False)
    args = written["hyper_parameters"]["args"]
    assert isinstance(args, Namespace)
    assert (args.downsample, args.n_codes, args.disc_channels, args.disc_layers) == ((4, 4, 4), 32, 4, 2)
    own = {name: tuple(value.shape) for name, value in vqgan.state_dict().items() if name not in OURS_ALONE}
    for prefix, axes in (("image_discriminator", 2), ("video_discriminator", 3)):
        own |= discriminator_shapes(prefix, axes, 4, 2)
    assert {name: tuple(value.shape) for name, value in written["state_dict"].items()} == own


@needs_reference
def test_the_reference_written_again_is_the_reference(tmp_path: Path) -> None:
    source = REFERENCE / "vqgan_ucf_like.ckpt"
    save_official_vqgan(load_vqgan(source), tmp_path / "again.ckpt", frames=16, resolution=64)
    original, again = (torch.load(path, weights_only=False) for path in (source, tmp_path / "again.ckpt"))
    assert original.keys() == again.keys()
    assert vars(original["hyper_parameters"]["args"]).keys() == vars(again["hyper_parameters"]["args"]).keys()
    assert original["state_dict"].keys() == again["state_dict"].keys()
    assert all(torch.equal(value, again["state_dict"][name]) for name, value in original["state_dict"].items())


def test_a_vqgan_without_discriminators_reads_back_without(tmp_path: Path) -> None:
    save_official_vqgan(small_vqgan(), tmp_path / "ours.ckpt")
    assert load_vqgan(tmp_path / "ours.ckpt").discriminators == {}


@pytest.mark.parametrize(
    "make,said",
    [
        (lambda: small_vqgan(encoder=Zero()), r"encoder_padding=Zero\(\) cannot be written; allowed: Replicate\(\)"),
        (lambda: small_vqgan(decoder=Real()), r"decoder_padding=Real\(\)"),
        (lambda: small_vqgan(blocks=1), "decoder_blocks=1"),
        (lambda: small_vqgan(norm="frame_group"), "norm='frame_group'"),
        (lambda: small_vqgan(norm="group"), "norm='group'"),  # of fewer than 32 groups
        (lambda: VQGAN(FSQ([4, 4]), 4, (2, 2, 2)), "codebook='FSQ'"),
        (lambda: with_discriminators(small_vqgan(), width=8), "width of a discriminator=4"),
    ],
)
def test_what_the_official_code_does_not_know_is_not_written(make, said: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=said):
        save_official_vqgan(make(), tmp_path / "ours.ckpt")
    assert not list(tmp_path.iterdir())
