"""Names of the official TATS code's weights, and those of this project.

The modules here carry the official names, so what remains is to leave out what is not a weight of the model.
"""

from collections.abc import Mapping

import torch
from torch import Tensor

VQGAN_PARTS = ("encoder.", "decoder.", "pre_vq_conv.", "post_vq_conv.", "codebook.")
TRANSFORMER_PREFIX = "transformer."


def vqgan_state_dict(official: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """State dict of a `VQGAN` from that of the official `VQGAN`.

    Args:
        official: the `state_dict` of an official checkpoint; perceptual network and discriminators are left out.

    Returns:
        All entries of our VQGAN; its codebook counts as initialised, or training on would begin it anew.

    Raises:
        ValueError: it is not the state dict of a VQGAN.
    """
    found = {name: value for name, value in official.items() if name.startswith(VQGAN_PARTS)}
    missing = [part for part in VQGAN_PARTS if not any(name.startswith(part) for name in found)]
    if missing:
        raise ValueError(f"official VQGAN: no weights named {', '.join(part + '*' for part in missing)} in it")
    device = found["codebook.N"].device if "codebook.N" in found else None
    found["codebook.initialised"] = torch.tensor(True, device=device)
    found["codebook.step"] = torch.tensor(0, device=device)
    return found


def transformer_state_dict(official: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """State dict of a `Transformer` from that of the official `Net2NetTransformer` or of the GPT inside it.

    Args:
        official: names with the prefix `transformer.` (then all others are left out) or without it.

    Returns:
        All weights of our transformer; the masks, which are computed here, are left out.

    Raises:
        ValueError: it is not the state dict of a transformer.
    """
    inner = {n.removeprefix(TRANSFORMER_PREFIX): v for n, v in official.items() if n.startswith(TRANSFORMER_PREFIX)}
    found = {name: value for name, value in (inner or official).items() if not name.endswith("attn.mask")}
    missing = [name for name in ("pos_emb", "tok_emb.weight", "head.weight") if name not in found]
    if missing:
        raise ValueError(f"official transformer: no weights named {', '.join(missing)} in it")
    return found
