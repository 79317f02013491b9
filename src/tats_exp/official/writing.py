"""A VQGAN of ours written as a checkpoint of the official code."""

from argparse import Namespace
from pathlib import Path
from typing import Any, cast

import torch

from tats_exp import UserError
from tats_exp.files import atomic
from tats_exp.official.weight_names import OFFICIAL_NORMS, official_state_dict
from tats_exp.vqgan.codebook import EMACodebook
from tats_exp.vqgan.discriminators import PatchGAN
from tats_exp.vqgan.padding import Replicate
from tats_exp.vqgan.vqgan import VQGAN

GROUPS = 32
"""Of every group norm there; a narrower layer has none."""
# Arguments that the official constructor wants and that say nothing about the weights: those of the official README.
_TRAINING = {
    "sample_every_n_frames": 1,
    "discriminator_iter_start": 10000,
    "disc_loss_type": "hinge",
    "image_gan_weight": 1.0,
    "video_gan_weight": 1.0,
    "gan_feat_weight": 4.0,
    "perceptual_weight": 4.0,
    "l1_weight": 4.0,
    "lr": 3e-5,
}


def save_official_vqgan(vqgan: VQGAN, path: Path | str, frames: int = 16, resolution: int = 128) -> None:
    """Write a VQGAN and its `discriminators` as a checkpoint of the official code.

    `load_vqgan` reads the same weights back; only the codebook's count of steps, which seeds the restart of entries,
    has no place in the file. The official code reads it with `strict=False`: there is no perceptual network in it.

    Args:
        vqgan: the model.
        path: file to write; whole or absent.
        frames: length of the clips it was trained on, for the official code to know.
        resolution: their height and width.

    Raises:
        UserError: in one line: it is built in a way that the official code does not know.
        OSError: the file cannot be written.
    """
    args = Namespace(**_TRAINING, **_official_arguments(vqgan), sequence_length=frames, resolution=resolution)
    checkpoint = {
        "epoch": 0,
        "global_step": 0,
        "pytorch-lightning_version": "1.5.4",
        "state_dict": official_state_dict(vqgan),
        "hparams_name": "kwargs",
        "hyper_parameters": {"args": args},
    }
    with atomic(Path(path)) as temporary:
        torch.save(checkpoint, temporary)


def _official_arguments(vqgan: VQGAN) -> dict[str, Any]:
    """The official constructor's arguments for such a VQGAN, if it can make one."""
    codebook, adversaries = cast(EMACodebook, vqgan.codebook), cast(list[PatchGAN], [*vqgan.discriminators.values()])
    norms = OFFICIAL_NORMS if 2 * vqgan.n_hiddens >= GROUPS else ("batch",)
    for name, value, allowed in (
        ("encoder_padding", vqgan.encoder_padding, (Replicate(),)),
        ("decoder_padding", vqgan.decoder_padding, (Replicate(),)),
        ("decoder_blocks", vqgan.decoder_blocks, (2,)),
        ("norm", vqgan.norm, norms),
        ("codebook", type(codebook).__name__, ("EMACodebook",)),
        *(("norm of a discriminator", d.norm, ("batch",)) for d in adversaries),
        *(("width of a discriminator", d.width, (adversaries[0].width,)) for d in adversaries),
        *(("layers of a discriminator", d.layers, (adversaries[0].layers,)) for d in adversaries),
    ):
        if value not in allowed:
            raise UserError(f"{name}={value!r} cannot be written; allowed: {', '.join(map(str, allowed))}")
    return {
        "n_codes": codebook.size,
        "embedding_dim": codebook.dim,
        "no_random_restart": codebook.restart_below is None,
        "restart_thres": 1.0 if codebook.restart_below is None else codebook.restart_below,
        "n_hiddens": vqgan.n_hiddens,
        "downsample": vqgan.downsample,
        "norm_type": vqgan.norm,
        "padding_type": "replicate",
        "image_channels": vqgan.encoder.conv_first.conv.in_channels,
        "disc_channels": adversaries[0].width if adversaries else 64,
        "disc_layers": adversaries[0].layers if adversaries else 3,
    }
