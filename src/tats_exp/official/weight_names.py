"""How the weights of the official code are called, and how ours are: state dicts from one to the other."""

from collections.abc import Mapping
from typing import TypeVar

import torch
from torch import Tensor

from tats_exp import UserError
from tats_exp.vqgan.discriminators import SpatialDiscriminator, TemporalDiscriminator
from tats_exp.vqgan.encoder_decoder import Norm
from tats_exp.vqgan.vqgan import VQGAN

VQGAN_PARTS = ("encoder.", "decoder.", "pre_vq_conv.", "post_vq_conv.", "codebook.")
OURS_ALONE = ("codebook.initialised", "codebook.step")
DISCRIMINATORS: dict[str, tuple[str, type[SpatialDiscriminator] | type[TemporalDiscriminator]]] = {
    "spatial": ("image_discriminator.", SpatialDiscriminator),
    "temporal": ("video_discriminator.", TemporalDiscriminator),
}
TRANSFORMER_PREFIX = "transformer."
OFFICIAL_NORMS: tuple[Norm, ...] = ("batch", "group")

Stored = TypeVar("Stored")
State = dict[str, Tensor]


def vqgan_state_dict(official: Mapping[str, Tensor]) -> State:
    """State dict of a `VQGAN` from that of the official `VQGAN`.

    Args:
        official: the `state_dict` of an official checkpoint; perceptual network and discriminators are left out.

    Returns:
        All entries of our VQGAN; its codebook counts as initialised, or training on would begin it anew.

    Raises:
        UserError: it is not the state dict of a VQGAN.
    """
    own = vqgan_weights(official)
    device = own["codebook.N"].device if "codebook.N" in own else None
    own["codebook.initialised"] = torch.tensor(True, device=device)
    own["codebook.step"] = torch.tensor(0, device=device)
    return own


def official_state_dict(vqgan: VQGAN) -> State:
    """State dict of the official `VQGAN`, without the perceptual network, from ours and its `discriminators`."""
    weights = {name: value for name, value in vqgan.state_dict().items() if name not in OURS_ALONE}
    for kind, (prefix, _) in DISCRIMINATORS.items():
        if kind in vqgan.discriminators:
            own = vqgan.discriminators[kind].state_dict()
            weights |= {prefix + name.replace("blocks.", "model", 1): value for name, value in own.items()}
    return weights


def transformer_state_dict(official: Mapping[str, Stored]) -> dict[str, Stored]:
    """State dict of a `Transformer` from that of the official `Net2NetTransformer` or of the GPT inside it.

    Args:
        official: names with the prefix `transformer.` (then all others are left out) or without it.

    Returns:
        All weights of our transformer; the masks, which are computed here, are left out.

    Raises:
        UserError: it is not the state dict of a transformer.
    """
    inner = weights_under(official, TRANSFORMER_PREFIX) or official
    own = {name: value for name, value in inner.items() if not name.endswith("attn.mask")}
    missing = [name for name in ("pos_emb", "tok_emb.weight", "head.weight") if name not in own]
    if missing:
        raise UserError(f"no official transformer: no weights named {', '.join(missing)} in it")
    return own


def vqgan_weights(official: Mapping[str, Stored]) -> dict[str, Stored]:
    """The weights that a VQGAN of ours reads from an official state dict.

    Raises:
        UserError: a part of it has none.
    """
    own = {name: official[name] for name in official if name.startswith(VQGAN_PARTS) and name not in OURS_ALONE}
    missing = [part for part in VQGAN_PARTS if not any(name.startswith(part) for name in own)]
    if missing:
        raise UserError(f"no official VQGAN: no weights named {', '.join(part + '*' for part in missing)} in it")
    return own


def weights_under(weights: Mapping[str, Stored], prefix: str) -> dict[str, Stored]:
    """The weights whose names begin with a prefix, under the rest of their names."""
    return {name.removeprefix(prefix): value for name, value in weights.items() if name.startswith(prefix)}
