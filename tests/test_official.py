"""Parity with the official code: the same numbers from the same weights."""

import json
import math
from itertools import pairwise
from pathlib import Path

import pytest
import torch
from torch import Tensor

from tats_exp.official import transformer_state_dict, vqgan_state_dict
from tats_exp.vqgan import VQGAN, EMACodebook

GOLDEN = json.loads((Path(__file__).parent / "golden.json").read_text())
OURS_ALONE = ("codebook.initialised", "codebook.step")


def discriminator_shapes(prefix: str, axes: int, channels: int, layers: int) -> dict[str, tuple[int, ...]]:
    """Entries of an official PatchGAN: `layers` + 2 blocks, BatchNorm in all but the first and the last."""
    shapes: dict[str, tuple[int, ...]] = {}
    widths = [3, *(channels * 2**i for i in range(layers + 1)), 1]
    for i, (before, after) in enumerate(pairwise(widths)):
        block = f"{prefix}.model{i}"
        shapes |= {f"{block}.0.weight": (after, before, *[4] * axes), f"{block}.0.bias": (after,)}
        if 0 < i < layers + 1:
            shapes |= {f"{block}.1.{name}": (after,) for name in ("weight", "bias", "running_mean", "running_var")}
            shapes[f"{block}.1.num_batches_tracked"] = ()
    return shapes


def formula_entry(name: str, shape: tuple[int, ...], i: int, codebook_scale: float) -> Tensor:
    """Entry number i of a state dict whose values are made by a formula."""
    if name.endswith("num_batches_tracked"):
        return torch.tensor(0)
    if name == "codebook.N":
        return torch.ones(shape)
    numel = math.prod(shape)
    shift = 0 if name.startswith("codebook.") else i
    w = torch.sin(torch.arange(numel, dtype=torch.float64) * 12.9898 + shift * 78.233) * 43758.5453
    w = w - w.floor()
    if name.startswith("codebook."):
        value = (w - 0.5) * 2 * codebook_scale
    elif name.endswith("running_var"):
        value = 0.5 + w
    elif name.endswith(("running_mean", "bias")):
        value = (w - 0.5) * 0.2
    elif len(shape) == 1:
        value = 0.75 + 0.5 * w
    else:
        value = (w - 0.5) * 2 * math.sqrt(3 / (numel / shape[0]))
    return value.reshape(shape).float()


def formula_vqgan(case: dict) -> VQGAN:
    config = case["config"]
    vqgan = VQGAN(
        EMACodebook(config["n_codes"], config["embedding_dim"]),
        config["n_hiddens"],
        config["downsample"],
        norm=config.get("norm_type", "batch"),
    )
    shapes = {name: tuple(v.shape) for name, v in vqgan.state_dict().items() if name not in OURS_ALONE}
    for prefix, axes in (("image_discriminator", 2), ("video_discriminator", 3)):
        shapes |= discriminator_shapes(prefix, axes, config["disc_channels"], config.get("disc_layers", 3))
    official = {
        name: formula_entry(name, shape, i, case["codebook_scale"])
        for i, (name, shape) in enumerate(sorted(shapes.items()))
    }
    vqgan.load_state_dict(vqgan_state_dict(official))
    return vqgan.eval()


def formula_video(frames: int, size: int) -> Tensor:
    c, t, y, x = (torch.arange(n, dtype=torch.float64) for n in (3, frames, size, size))
    c, t, y = c[:, None, None, None], t[:, None, None], y[:, None]
    return (0.5 * torch.sin(0.7 * c + 0.35 * t + 0.21 * y + 0.13 * x + 0.05 * x * y))[None].float()


def sampled(x: Tensor, recorded: list) -> tuple[Tensor, Tensor]:
    """The values of `x` that were recorded, and the record."""
    step = max(x.numel() // len(recorded), 1)
    return x.flatten()[::step][: len(recorded)], torch.tensor(recorded)


@pytest.mark.parametrize("name", [name for name in GOLDEN if name.startswith("vqgan")])
@torch.no_grad()
def test_vqgan_equals_the_official_one_with_formula_weights(name: str) -> None:
    case = GOLDEN[name]
    vqgan = formula_vqgan(case)
    video = formula_video(case["frames"], case["size"])
    latents = vqgan.latents(video)
    codes = vqgan.encode(video)
    reconstruction = vqgan.decode(codes)
    assert list(latents.shape) == case["latents_shape"]
    assert list(codes.shape) == case["codes_shape"]
    assert list(reconstruction.shape) == case["reconstruction_shape"]
    torch.testing.assert_close(*sampled(latents, case["latents"]), rtol=0, atol=1e-4)
    assert codes.flatten().tolist() == case["codes"]
    torch.testing.assert_close(*sampled(reconstruction, case["reconstruction"]), rtol=0, atol=1e-4)


def test_loaded_codebook_counts_as_initialised() -> None:
    vqgan = formula_vqgan(GOLDEN["vqgan_group_222"]).train()
    before = vqgan.codebook.embeddings.clone()
    vqgan(formula_video(4, 8))
    drift = (vqgan.codebook.embeddings - before).abs().max()
    assert 0 < drift < 0.2 * before.abs().max(), "training on must move the entries a little, not begin anew"


def test_official_names_that_are_no_weights_of_ours_are_left_out() -> None:
    vqgan = VQGAN(EMACodebook(4, 3), 2, (1, 2, 2))
    own = {name: value for name, value in vqgan.state_dict().items() if name not in OURS_ALONE}
    other = {"perceptual_model.lin0.model.1.weight": torch.ones(1), "image_discriminator.model0.0.bias": torch.ones(1)}
    assert set(vqgan_state_dict(own | other)) == set(vqgan.state_dict())


def test_transformer_map_takes_the_gpt_alone() -> None:
    gpt = {"pos_emb": torch.ones(1), "tok_emb.weight": torch.ones(2), "head.weight": torch.ones(3)}
    gpt |= {"blocks.0.attn.mask": torch.ones(4), "blocks.0.attn.key.weight": torch.ones(5)}
    net = {f"transformer.{name}": value for name, value in gpt.items()} | {
        "first_stage_model.codebook.N": torch.ones(6)
    }
    names = {"pos_emb", "tok_emb.weight", "head.weight", "blocks.0.attn.key.weight"}
    assert set(transformer_state_dict(gpt)) == names
    assert set(transformer_state_dict(net)) == names


@pytest.mark.parametrize("convert", [vqgan_state_dict, transformer_state_dict])
def test_foreign_state_dict_is_refused_in_one_line(convert) -> None:
    with pytest.raises(ValueError, match="no weights named") as error:
        convert({"layer4.weight": torch.ones(1)})
    assert "\n" not in str(error.value)
