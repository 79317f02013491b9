"""A VQGAN that is read from a checkpoint of the official code instead of trained: how the config describes it."""

from functools import lru_cache
from pathlib import Path
from typing import Any, cast

from tats_exp import UserError
from tats_exp.config.build import build
from tats_exp.config.checkpoints import refuse_other
from tats_exp.config.schema import Padding
from tats_exp.config.sections import Node, VQGANSection
from tats_exp.official import load_vqgan
from tats_exp.vqgan.codebook import EMACodebook
from tats_exp.vqgan.discriminators import PatchGAN
from tats_exp.vqgan.vqgan import VQGAN

PADDING = "replicate"
"""The option of `padding` that those files have, as it is called on the command line."""


def read_checkpoint(path: str) -> VQGAN:
    """The VQGAN of a checkpoint, with its discriminators, in eval mode on the CPU; the same one for the same file.

    Raises:
        UserError: in one line: as `tats_exp.official.load_vqgan`, or it is not made for videos of three channels.
    """
    file = Path(path)
    try:
        vqgan = _read(path, file.stat().st_mtime_ns if file.exists() else 0)
    except ValueError as error:
        raise UserError(f"vqgan.checkpoint: {error}") from None
    channels = vqgan.encoder.conv_first.conv.in_channels
    if channels != 3:
        raise UserError(f"vqgan.checkpoint={path}: its videos have {channels} channels; allowed: 3")
    return vqgan


@lru_cache(maxsize=2)
def _read(path: str, _changed: int) -> VQGAN:
    return load_vqgan(path)


def filled_from_checkpoint(section: VQGANSection, padding: Padding) -> VQGANSection:
    """The section as it would have to be to build what is in its checkpoint.

    Args:
        section: as composed, with a `checkpoint`.
        padding: what the config says that pads it.

    Returns:
        The same with model and discriminators of the file, no perceptual network, and no weight for any adversary.

    Raises:
        UserError: in one line: the file cannot be read, or an option of `padding`, `norm` or `quantizer` is not its.
    """
    assert section.checkpoint is not None
    vqgan = read_checkpoint(section.checkpoint)
    model = _model(vqgan)
    asked = section.model
    for half in ("encoder", "decoder"):
        if build(getattr(padding.halves, half), "padding") != getattr(vqgan, f"{half}_padding"):
            refuse_other("vqgan", f"padding.{half}", getattr(padding, half), PADDING)
    for group, there, given in (
        ("norm", model["norm"], asked.get("norm")),
        ("vqgan.model.codebook._target_", *(node["codebook"]["_target_"] for node in (model, asked))),
    ):
        refuse_other("vqgan", group, given, there)
    judges = {"spatial": None, "temporal": None} | {
        kind: _discriminator(cast(PatchGAN, judge)) for kind, judge in vqgan.discriminators.items()
    }
    weights = {"spatial_weight": 0.0, "temporal_weight": 0.0, "matching_weight": 0.0}
    training = section.training.model_copy(
        update={
            "discriminators": section.training.discriminators.model_copy(update={**judges, **weights}),
            "perceptual": None,
            "perceptual_weight": 0.0,
        }
    )
    return section.model_copy(update={"model": model, "training": training})


def _model(vqgan: VQGAN) -> Node:
    codebook = cast(EMACodebook, vqgan.codebook)
    node: dict[str, Any] = {name: getattr(vqgan, name) for name in ("n_hiddens", "decoder_blocks", "norm")}
    return node | {
        "_target_": "tats_exp.vqgan.VQGAN",
        "downsample": list(vqgan.downsample),
        "codebook": {
            "_target_": "tats_exp.vqgan.EMACodebook",
            "size": codebook.size,
            "dim": codebook.dim,
            "restart_below": codebook.restart_below,
        },
    }


def _discriminator(judge: PatchGAN) -> Node:
    return {
        "_target_": f"tats_exp.vqgan.{type(judge).__name__}",
        "width": judge.width,
        "layers": judge.layers,
        "norm": judge.norm,
    }
