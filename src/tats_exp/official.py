"""Checkpoints of the official TATS code: read and, for the VQGAN, written.

Such a file is a pickled dict of Lightning's: `state_dict` holds the weights, `hyper_parameters["args"]` the command
line as an `argparse.Namespace`. What else is in it (perceptual network, optimizers, callbacks, the first stage inside
a transformer's) is ignored. The modules here carry the official names, so that little renaming is left.
"""

import math
from argparse import Namespace
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeVar, cast

import torch
from torch import Tensor, nn

from tats_exp import UserError
from tats_exp.features.torch_file import TorchFile
from tats_exp.features.torch_pickle import LONGEST_NAME, StoredTensor
from tats_exp.files import atomic
from tats_exp.official_claims import (
    argument,
    check_discriminator,
    check_transformer,
    check_vqgan,
    is_plain,
    share,
    shown,
    strides,
    whole_number,
)
from tats_exp.transformer.masks import Mask
from tats_exp.transformer.transformer import Transformer
from tats_exp.vqgan.codebook import EMACodebook
from tats_exp.vqgan.discriminators import PatchGAN, SpatialDiscriminator, TemporalDiscriminator
from tats_exp.vqgan.padding import Replicate
from tats_exp.vqgan.vqgan import VQGAN

VQGAN_PARTS = ("encoder.", "decoder.", "pre_vq_conv.", "post_vq_conv.", "codebook.")
OURS_ALONE = ("codebook.initialised", "codebook.step")
DISCRIMINATORS: dict[str, tuple[str, type[SpatialDiscriminator] | type[TemporalDiscriminator]]] = {
    "spatial": ("image_discriminator.", SpatialDiscriminator),
    "temporal": ("video_discriminator.", TemporalDiscriminator),
}
TRANSFORMER_PREFIX = "transformer."
SPACE_STRIDE = 8  # of every VQGAN that the official README trains; the checkpoint of a transformer does not say
OFFICIAL_NORMS = ("batch", "group")
GROUPS = 32  # of every group norm there; a narrower layer has none
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

Built = TypeVar("Built")
Module = TypeVar("Module", bound=nn.Module)
Stored = TypeVar("Stored")
State = dict[str, Tensor]


@dataclass(frozen=True)
class _Checkpoint:
    """What is of use in a file: its arguments, and the tensors of its state dict, which are not read yet."""

    file: TorchFile
    args: Namespace
    state: dict[str, StoredTensor]


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
    return _load(path, _vqgan)


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
    return _load(path, partial(_transformer, window=window))


def arguments(path: Path | str) -> dict[str, Any]:
    """What a checkpoint of the official code says of how its model was trained: the command line's arguments.

    Raises:
        UserError: in one line, as for `load_vqgan`.
    """
    return _load(
        path, lambda checkpoint: {name: value for name, value in vars(checkpoint.args).items() if is_plain(value)}
    )


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


def vqgan_state_dict(official: Mapping[str, Tensor]) -> State:
    """State dict of a `VQGAN` from that of the official `VQGAN`.

    Args:
        official: the `state_dict` of an official checkpoint; perceptual network and discriminators are left out.

    Returns:
        All entries of our VQGAN; its codebook counts as initialised, or training on would begin it anew.

    Raises:
        UserError: it is not the state dict of a VQGAN.
    """
    found = _vqgan_parts(official)
    device = found["codebook.N"].device if "codebook.N" in found else None
    found["codebook.initialised"] = torch.tensor(True, device=device)
    found["codebook.step"] = torch.tensor(0, device=device)
    return found


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
    inner = _inside(official, TRANSFORMER_PREFIX) or official
    found = {name: value for name, value in inner.items() if not name.endswith("attn.mask")}
    missing = [name for name in ("pos_emb", "tok_emb.weight", "head.weight") if name not in found]
    if missing:
        raise UserError(f"no official transformer: no weights named {', '.join(missing)} in it")
    return found


def _vqgan_parts(official: Mapping[str, Stored]) -> dict[str, Stored]:
    found = {name: official[name] for name in official if name.startswith(VQGAN_PARTS) and name not in OURS_ALONE}
    missing = [part for part in VQGAN_PARTS if not any(name.startswith(part) for name in found)]
    if missing:
        raise UserError(f"no official VQGAN: no weights named {', '.join(part + '*' for part in missing)} in it")
    return found


def _inside(weights: Mapping[str, Stored], prefix: str) -> dict[str, Stored]:
    return {name.removeprefix(prefix): value for name, value in weights.items() if name.startswith(prefix)}


def _load(path: Path | str, build: Callable[[_Checkpoint], Built]) -> Built:
    """Read a checkpoint and build what is in it; every complaint names the file."""
    try:
        return build(_read(Path(path)))
    except ValueError as error:
        raise UserError(f"checkpoint {path}: {error}") from None


def _read(path: Path) -> _Checkpoint:
    file = TorchFile(path)
    content = file.content if isinstance(file.content, dict) else {}
    state, hyper = content.get("state_dict"), content.get("hyper_parameters")
    args = hyper.get("args") if isinstance(hyper, dict) else None
    if not isinstance(state, dict) or not isinstance(args, Namespace):
        raise UserError("not of the official code; its checkpoints hold state_dict and hyper_parameters['args']")
    tensors = {str(name): value for name, value in state.items() if isinstance(value, StoredTensor)}
    if (longest := max(map(len, tensors), default=0)) > LONGEST_NAME:
        raise UserError(f"damaged, a weight's name has {longest} characters")
    return _Checkpoint(file, args, tensors)


def _vqgan(checkpoint: _Checkpoint) -> VQGAN:
    args, weights = checkpoint.args, _vqgan_parts(checkpoint.state)
    padding = getattr(args, "padding_type", "replicate")
    if padding != "replicate":
        raise UserError(f"padding_type={shown(padding)} is refused, it means something else there; allowed: replicate")
    check_vqgan(args, _shapes(weights))
    vqgan = _filled(partial(_new_vqgan, args), checkpoint.file, weights, vqgan_state_dict)
    for kind, (prefix, discriminator) in DISCRIMINATORS.items():
        inside = _inside(checkpoint.state, prefix)
        own = {name.replace("model", "blocks.", 1): value for name, value in inside.items()}
        if len(own) < len(inside):
            raise UserError(f"has some weights of {prefix}* twice")
        if own:
            check_discriminator(args, _shapes(own))
            width, layers, channels = (
                whole_number(args, name) for name in ("disc_channels", "disc_layers", "image_channels")
            )
            make = partial(discriminator, width, layers, image_channels=channels)
            vqgan.discriminators[kind] = _filled(make, checkpoint.file, own)
    return vqgan


def _new_vqgan(args: Namespace) -> VQGAN:
    restart_below = None if argument(args, "no_random_restart", bool) else share(args, "restart_thres")
    codes, dim, n_hiddens = (whole_number(args, name) for name in ("n_codes", "embedding_dim", "n_hiddens"))
    norm = argument(args, "norm_type", str)
    if norm not in OFFICIAL_NORMS:
        raise UserError(f"norm_type={shown(norm)} is unknown; allowed: {', '.join(OFFICIAL_NORMS)}")
    codebook, channels = EMACodebook(codes, dim, restart_below=restart_below), whole_number(args, "image_channels")
    return VQGAN(codebook, n_hiddens, strides(args), norm=norm, image_channels=channels)


def _transformer(checkpoint: _Checkpoint, window: Sequence[int] | None) -> Transformer:
    args, weights = checkpoint.args, transformer_state_dict(checkpoint.state)
    condition = getattr(args, "cond_stage_key", "label")
    if condition != "label":
        raise UserError(f"cond_stage_key={shown(condition)} cannot be read; allowed: label, or unconditional")
    check_transformer(args, _shapes(weights))
    rows, codes = weights["tok_emb.weight"].shape[0], whole_number(args, "first_stage_vocab_size")
    if rows < codes or (rows > codes and getattr(args, "unconditional", False)):
        raise UserError(f"tok_emb has {rows} rows, first_stage_vocab_size={codes} asks for {codes}, more with labels")
    layers, heads, width = (whole_number(args, name) for name in ("n_layer", "n_head", "n_embd"))
    unmasked = whole_number(args, "n_unmasked", 0)
    mask: Mask = "c" if unmasked else "causal"
    grid = _window(args, unmasked, window)
    make = partial(Transformer, rows - codes, codes, grid, layers, heads, width, mask)
    return _filled(make, checkpoint.file, weights)


def _window(args: Namespace, unmasked: int, window: Sequence[int] | None) -> tuple[int, ...]:
    block = whole_number(args, "block_size")
    if window is None:
        side = math.isqrt(unmasked) if unmasked else whole_number(args, "resolution") // SPACE_STRIDE
        window = (block // max(side * side, 1), side, side)
    if math.prod(window) != block or unmasked not in (0, window[1] * window[2]):
        raise UserError(f"window={tuple(window)} does not fit block_size={block}, n_unmasked={unmasked}; give another")
    return tuple(window)


def _shapes(weights: Mapping[str, StoredTensor]) -> dict[str, tuple[int, ...]]:
    return {name: value.shape for name, value in weights.items()}


def _filled(
    make: Callable[[], Module],
    file: TorchFile,
    weights: Mapping[str, StoredTensor],
    complete: Callable[[State], State] = dict,
) -> Module:
    """A module with these weights, in eval mode; never initialised at random, which takes time and random numbers.

    Args:
        make: makes the module; what it takes was held against the weights.
        file: that they lie in.
        weights: of the module.
        complete: adds what the module has and the file has not.
    """
    try:
        with torch.device("meta"):
            module = make()
    except (RuntimeError, OverflowError):
        raise UserError("its arguments ask for more than any memory holds") from None
    own = {name: value for name, value in module.state_dict().items() if name not in OURS_ALONE}
    for problem, names in (("lacks", own.keys() - weights.keys()), ("has unknown", weights.keys() - own.keys())):
        if names:
            raise UserError(f"{problem} weights, {len(names)} in all: {min(names)}{' ...' if len(names) > 1 else ''}")
    for name, value in own.items():
        there = weights[name]
        if there.shape != value.shape:
            raise UserError(f"{name} has shape {there.shape}, its arguments ask for {tuple(value.shape)}")
        if there.is_floating_point != value.is_floating_point():
            raise UserError(f"{name} has dtype {there.storage.dtype}, its like have {value.dtype}")
    read = complete(file.tensors(weights))
    module.to_empty(device="cpu").load_state_dict(read)
    return module.eval()


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
