"""Official checkpoints whose weights are made by a formula, for the numbers recorded in golden.json."""

import json
import math
from argparse import Namespace
from itertools import pairwise
from pathlib import Path

import torch
from torch import Tensor

from tats_exp.transformer import Transformer
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


def formula_entry(name: str, shape: tuple[int, ...], i: int, codebook_scale: float = 1.0) -> Tensor:
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


def golden_vqgan(name: str) -> dict:
    """A checkpoint of the golden VQGAN of that name, as the official code would have written it."""
    case = GOLDEN[name]
    args = {"norm_type": "batch", "disc_layers": 3, "image_channels": 3, "padding_type": "replicate"} | case["config"]
    args |= {"no_random_restart": True, "restart_thres": 1.0, "lr": 3e-5}
    codebook = EMACodebook(args["n_codes"], args["embedding_dim"])
    own = VQGAN(codebook, args["n_hiddens"], args["downsample"], norm=args["norm_type"]).state_dict()
    shapes = {name: tuple(value.shape) for name, value in own.items() if name not in OURS_ALONE}
    for prefix, axes in (("image_discriminator", 2), ("video_discriminator", 3)):
        shapes |= discriminator_shapes(prefix, axes, args["disc_channels"], args["disc_layers"])
    return checkpoint(shapes, args, case["codebook_scale"])


def golden_transformer(name: str) -> dict:
    """The same for a transformer, whose numbers were made of names without the prefix."""
    config = GOLDEN[name]["config"]
    unmasked, block = config["n_unmasked"], config["window"]
    args = {key: config[key] for key in ("n_layer", "n_head", "n_embd", "n_unmasked")}
    args |= {"block_size": block, "first_stage_vocab_size": config["video_codes"], "resolution": 32}
    args |= {"cond_stage_key": "label", "unconditional": config["condition_codes"] == 0}
    frame = unmasked or 16
    side = math.isqrt(frame)
    grid, mask = (block // frame, side, side), "c" if unmasked else "causal"
    model = Transformer(config["condition_codes"], config["video_codes"], grid, *list(args.values())[:3], mask)
    made = checkpoint({name: tuple(value.shape) for name, value in model.state_dict().items()}, args)
    made["state_dict"] = {f"transformer.{name}": value for name, value in made["state_dict"].items()}
    made["state_dict"]["transformer.blocks.0.attn.mask"] = torch.ones(1, 1, block, block)
    return made


def checkpoint(shapes: dict[str, tuple[int, ...]], args: dict, codebook_scale: float = 1.0) -> dict:
    entries = enumerate(sorted(shapes.items()))
    state = {name: formula_entry(name, shape, i, codebook_scale) for i, (name, shape) in entries}
    return {"state_dict": state, "hyper_parameters": {"args": Namespace(**args)}, "pytorch-lightning_version": "1.5.4"}


def saved(content: object, folder: Path) -> Path:
    torch.save(content, folder / "official.ckpt")
    return folder / "official.ckpt"


def formula_video(frames: int, size: int) -> Tensor:
    c, t, y, x = (torch.arange(n, dtype=torch.float64) for n in (3, frames, size, size))
    c, t, y = c[:, None, None, None], t[:, None, None], y[:, None]
    return (0.5 * torch.sin(0.7 * c + 0.35 * t + 0.21 * y + 0.13 * x + 0.05 * x * y))[None].float()
