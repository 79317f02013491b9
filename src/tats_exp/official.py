"""Checkpoints of the official TATS code: read and, for the VQGAN, written.

Such a file is a pickled dict of Lightning's: `state_dict` holds the weights, `hyper_parameters["args"]` the command
line as an `argparse.Namespace`. What else is in it (perceptual network, optimizers, callbacks, the first stage inside
a transformer's) is ignored. The modules here carry the official names, so that little renaming is left.
"""

import math
import re
from argparse import Namespace
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, TypeVar, cast
from zipfile import is_zipfile

import torch
from torch import Tensor, nn

from tats_exp import UserError
from tats_exp.files import atomic
from tats_exp.transformer.masks import Mask
from tats_exp.transformer.transformer import Transformer
from tats_exp.vqgan.codebook import EMACodebook
from tats_exp.vqgan.discriminators import PatchGAN, SpatialDiscriminator, TemporalDiscriminator
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
# Lightning before 1.5 keyed the states of callbacks by their class. They are not used, so an empty one stands for it.
_CALLBACK = type("ModelCheckpoint", (), {"__module__": "pytorch_lightning.callbacks.model_checkpoint"})
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
State = dict[str, Tensor]


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
    return _load(path, lambda _, args: vars(args))


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
    found = {name: value for name, value in official.items() if name.startswith(VQGAN_PARTS)}
    missing = [part for part in VQGAN_PARTS if not any(name.startswith(part) for name in found)]
    if missing:
        raise UserError(f"no official VQGAN: no weights named {', '.join(part + '*' for part in missing)} in it")
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


def transformer_state_dict(official: Mapping[str, Tensor]) -> State:
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


def _inside(weights: Mapping[str, Tensor], prefix: str) -> State:
    return {name.removeprefix(prefix): value for name, value in weights.items() if name.startswith(prefix)}


def _load(path: Path | str, build: Callable[[State, Namespace], Built]) -> Built:
    """Read a checkpoint and build what is in it; every complaint names the file."""
    try:
        return build(*_read(Path(path)))
    except ValueError as error:
        raise UserError(f"checkpoint {path}: {error}") from None


def _read(path: Path) -> tuple[State, Namespace]:
    if not path.is_file():
        raise UserError("no such file")
    with torch.serialization.safe_globals([Namespace, _CALLBACK]):
        try:
            # Mapped, so that the states of optimizers, most of a real checkpoint, are never read from the disk.
            checkpoint = torch.load(path, map_location="cpu", weights_only=True, mmap=is_zipfile(path))
        except Exception as error:  # what a damaged pickle raises can be anything
            raise UserError(_why_unreadable(error)) from None
    content = checkpoint if isinstance(checkpoint, dict) else {}
    state, hyper = content.get("state_dict"), content.get("hyper_parameters")
    args = hyper.get("args") if isinstance(hyper, dict) else None
    if not isinstance(state, Mapping) or not isinstance(args, Namespace):
        raise UserError("not of the official code; its checkpoints hold state_dict and hyper_parameters['args']")
    return {name: value for name, value in state.items() if isinstance(value, Tensor)}, args


def _why_unreadable(error: Exception) -> str:
    # torch's own words would advise to switch the protection off.
    refused = re.search(r"GLOBAL (\S+)", str(error))
    if refused:
        return f"refused, {refused[1]} in it could run code; allowed: tensors, numbers, text and argparse.Namespace"
    return f"cannot be opened ({error})" if isinstance(error, OSError) else "damaged, cut off or no checkpoint"


def _vqgan(state: State, args: Namespace) -> VQGAN:
    weights = vqgan_state_dict(state)
    padding = getattr(args, "padding_type", "replicate")
    if padding != "replicate":
        raise UserError(f"padding_type={padding!r} is refused, it means something else there; allowed: replicate")
    image_channels = _argument(args, "image_channels", int)
    vqgan = _filled(partial(_new_vqgan, args, image_channels), weights)
    for kind, (prefix, discriminator) in DISCRIMINATORS.items():
        own = {name.replace("model", "blocks.", 1): value for name, value in _inside(state, prefix).items()}
        if own:
            width, layers = _argument(args, "disc_channels", int), _argument(args, "disc_layers", int)
            make = partial(discriminator, width, layers, image_channels=image_channels)
            vqgan.discriminators[kind] = _filled(make, own)
    return vqgan


def _new_vqgan(args: Namespace, image_channels: int) -> VQGAN:
    keep = _argument(args, "no_random_restart", bool)
    restart_below = None if keep else float(_argument(args, "restart_thres", int | float))
    codes, dim, n_hiddens = (_argument(args, name, int) for name in ("n_codes", "embedding_dim", "n_hiddens"))
    codebook = EMACodebook(codes, dim, restart_below=restart_below)
    downsample, norm = _argument(args, "downsample", tuple | list), _argument(args, "norm_type", str)
    if norm not in OFFICIAL_NORMS:
        raise UserError(f"norm_type={norm!r} is unknown; allowed: {', '.join(OFFICIAL_NORMS)}")
    return VQGAN(codebook, n_hiddens, downsample, norm=norm, image_channels=image_channels)


def _transformer(state: State, args: Namespace, window: Sequence[int] | None) -> Transformer:
    weights = transformer_state_dict(state)
    condition = getattr(args, "cond_stage_key", "label")
    if condition != "label":
        raise UserError(f"cond_stage_key={condition!r} cannot be read; allowed: label, or unconditional")
    rows, codes = weights["tok_emb.weight"].shape[0], _argument(args, "first_stage_vocab_size", int)
    if rows < codes or (rows > codes and getattr(args, "unconditional", False)):
        raise UserError(f"tok_emb has {rows} rows, first_stage_vocab_size={codes} asks for {codes}, more with labels")
    layers, heads, width = (_argument(args, name, int) for name in ("n_layer", "n_head", "n_embd"))
    unmasked = _argument(args, "n_unmasked", int)
    mask: Mask = "c" if unmasked else "causal"
    grid = _window(args, unmasked, window)
    return _filled(partial(Transformer, rows - codes, codes, grid, layers, heads, width, mask), weights)


def _window(args: Namespace, unmasked: int, window: Sequence[int] | None) -> tuple[int, ...]:
    block = _argument(args, "block_size", int)
    if window is None:
        side = math.isqrt(unmasked) if unmasked > 0 else _argument(args, "resolution", int) // SPACE_STRIDE
        window = (block // max(side * side, 1), side, side)
    if math.prod(window) != block or unmasked not in (0, window[1] * window[2]):
        raise UserError(f"window={tuple(window)} does not fit block_size={block}, n_unmasked={unmasked}; give another")
    return tuple(window)


def _argument(args: Namespace, name: str, kind: Any) -> Any:
    """The argument of that name, if it is there and of that kind."""
    value = getattr(args, name, None)
    if not isinstance(value, kind):
        raise UserError(f"argument {name}={value!r} is missing or of the wrong type")
    return value


def _filled(make: Callable[[], Module], weights: State) -> Module:
    """A module with these weights, in eval mode; never initialised at random, which takes time and random numbers."""
    with torch.device("meta"):
        module = make()
    own = module.state_dict()
    for problem, names in (("lacks", own.keys() - weights.keys()), ("has unknown", weights.keys() - own.keys())):
        if names:
            raise UserError(f"{problem} weights, {len(names)} in all: {min(names)}{' ...' if len(names) > 1 else ''}")
    for name, value in own.items():
        if weights[name].shape != value.shape:
            found, wanted = tuple(weights[name].shape), tuple(value.shape)
            raise UserError(f"{name} has shape {found}, its arguments ask for {wanted}")
    module.to_empty(device="cpu").load_state_dict(weights)
    return module.eval()


def _official_arguments(vqgan: VQGAN) -> dict[str, Any]:
    """The official constructor's arguments for such a VQGAN, if it can make one."""
    codebook, adversaries = cast(EMACodebook, vqgan.codebook), cast(list[PatchGAN], [*vqgan.discriminators.values()])
    norms = OFFICIAL_NORMS if 2 * vqgan.n_hiddens >= GROUPS else ("batch",)
    for name, value, allowed in (
        ("encoder_padding", vqgan.encoder_padding, ("replicate",)),
        ("decoder_padding", vqgan.decoder_padding, ("replicate",)),
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
        "padding_type": vqgan.encoder_padding,
        "image_channels": vqgan.encoder.conv_first.conv.in_channels,
        "disc_channels": adversaries[0].width if adversaries else 64,
        "disc_layers": adversaries[0].layers if adversaries else 3,
    }
