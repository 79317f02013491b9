"""Models of ours read from checkpoints of the official code."""

import math
from argparse import Namespace
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from tats_exp import UserError
from tats_exp.official.checkpoint import Checkpoint, build_from, filled, shapes_of
from tats_exp.official.claims import (
    argument,
    check_discriminator,
    check_transformer,
    check_vqgan,
    choice,
    is_plain,
    share,
    shown,
    strides,
    whole_number,
)
from tats_exp.official.weight_names import (
    DISCRIMINATORS,
    OFFICIAL_NORMS,
    transformer_state_dict,
    vqgan_state_dict,
    vqgan_weights,
    weights_under,
)
from tats_exp.transformer.masks import Mask
from tats_exp.transformer.transformer import Transformer
from tats_exp.vqgan.codebook import EMACodebook
from tats_exp.vqgan.vqgan import VQGAN

SPACE_STRIDE = 8
"""Of every VQGAN that the official README trains; the checkpoint of a transformer does not say."""


def load_vqgan(path: Path | str) -> VQGAN:
    """Read a VQGAN of the official code.

    Args:
        path: a Lightning checkpoint. No code in it is run.

    Returns:
        The VQGAN in eval mode on the CPU. Its `discriminators` are those of the checkpoint, in eval mode, too.

    Raises:
        UserError: in one line: no such file, damaged or of another kind, weights that are missing or do not fit its
            arguments, a `padding_type` other than replicate.
    """
    return build_from(path, _vqgan)


def load_transformer(path: Path | str, window: Sequence[int] | None = None) -> Transformer:
    """Read a transformer of the official code: autoregressive, or interpolating (`n_unmasked`; our mask `c`).

    Args:
        path: a Lightning checkpoint. No code in it is run.
        window: latent grid (t, h, w). None: square frames of `n_unmasked` codes or, for an autoregressive one, of 1/8
            of the resolution it was trained at; as many as fill its block.

    Returns:
        The transformer in eval mode on the CPU.

    Raises:
        UserError: in one line: as for `load_vqgan`, a window that does not fit, or a condition other than a label.
    """
    return build_from(path, partial(_transformer, window=window))


def arguments(path: Path | str) -> dict[str, object]:
    """What a checkpoint of the official code says of how its model was trained: the command line's arguments.

    Raises:
        UserError: in one line, as for `load_vqgan`.
    """
    return build_from(path, _plain_arguments)


UNTOLD = {
    "text": "which codes the parts of a text have, nor how many of them precede a window",
    "stft": "how sound becomes the spectrograms that its cond_stage_model.* encodes, nor which of them a window has",
}
"""What a transformer with another condition would need, by `cond_stage_key`, and a checkpoint does not hold."""


def _plain_arguments(checkpoint: Checkpoint) -> dict[str, object]:
    return {name: value for name, value in vars(checkpoint.args).items() if is_plain(value)}


def _vqgan(checkpoint: Checkpoint) -> VQGAN:
    args, weights = checkpoint.args, vqgan_weights(checkpoint.state)
    padding = getattr(args, "padding_type", "replicate")
    if padding != "replicate":
        raise UserError(f"padding_type={shown(padding)} is refused, it means something else there; allowed: replicate")
    check_vqgan(args, shapes_of(weights))
    vqgan = filled(partial(_new_vqgan, args), checkpoint.file, weights, vqgan_state_dict)
    for kind, (prefix, discriminator) in DISCRIMINATORS.items():
        inside = weights_under(checkpoint.state, prefix)
        own = {name.replace("model", "blocks.", 1): value for name, value in inside.items()}
        if len(own) < len(inside):
            raise UserError(f"has some weights of {prefix}* twice")
        if own:
            check_discriminator(args, shapes_of(own))
            width, layers, channels = (
                whole_number(args, name) for name in ("disc_channels", "disc_layers", "image_channels")
            )
            make = partial(discriminator, width, layers, image_channels=channels)
            vqgan.discriminators[kind] = filled(make, checkpoint.file, own)
    return vqgan


def _new_vqgan(args: Namespace) -> VQGAN:
    restart_below = None if argument(args, "no_random_restart", bool) else share(args, "restart_thres")
    codes, dim, n_hiddens, channels = (
        whole_number(args, name) for name in ("n_codes", "embedding_dim", "n_hiddens", "image_channels")
    )
    norm, codebook = choice(args, "norm_type", OFFICIAL_NORMS), EMACodebook(codes, dim, restart_below=restart_below)
    return VQGAN(codebook, n_hiddens, strides(args), norm=norm, image_channels=channels)


def _transformer(checkpoint: Checkpoint, window: Sequence[int] | None) -> Transformer:
    args, weights = checkpoint.args, transformer_state_dict(checkpoint.state)
    condition = getattr(args, "cond_stage_key", "label")
    if condition != "label":
        missing = (isinstance(condition, str) and UNTOLD.get(condition)) or "what its condition is"
        raise UserError(
            f"cond_stage_key={shown(condition)}: the file does not tell {missing}; allowed: label, unconditional"
        )
    check_transformer(args, shapes_of(weights))
    rows, codes = weights["tok_emb.weight"].shape[0], whole_number(args, "first_stage_vocab_size")
    if rows < codes or (rows > codes and getattr(args, "unconditional", False)):
        raise UserError(f"tok_emb has {rows} rows, first_stage_vocab_size={codes} asks for {codes}, more with labels")
    layers, heads, width = (whole_number(args, name) for name in ("n_layer", "n_head", "n_embd"))
    unmasked = whole_number(args, "n_unmasked", 0)
    mask: Mask = "c" if unmasked else "causal"
    grid = _window(args, unmasked, window)
    make = partial(Transformer, rows - codes, codes, grid, layers, heads, width, mask)
    return filled(make, checkpoint.file, weights)


def _window(args: Namespace, unmasked: int, window: Sequence[int] | None) -> tuple[int, ...]:
    block = whole_number(args, "block_size")
    if window is None:
        side = math.isqrt(unmasked) if unmasked else whole_number(args, "resolution") // SPACE_STRIDE
        window = (block // max(side * side, 1), side, side)
    if math.prod(window) != block or unmasked not in (0, window[1] * window[2]):
        raise UserError(f"window={tuple(window)} does not fit block_size={block}, n_unmasked={unmasked}; give another")
    return tuple(window)
