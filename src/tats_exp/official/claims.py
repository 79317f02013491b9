"""What the arguments of an official checkpoint claim, held against its tensors before anything is built.

A file of two kilobytes can name ten million layers; the tensors that are in it cannot lie.
"""

from argparse import Namespace
from collections.abc import Mapping, Sequence
from typing import TypeVar

from tats_exp import UserError

Kind = TypeVar("Kind")
Option = TypeVar("Option", bound=str)
Shapes = Mapping[str, tuple[int, ...]]
BLOCK_TENSORS = 16
"""Of a transformer's block: four projections, two layers and two norms, each a weight and a bias."""
PATCH_TENSORS = 7
"""Of a discriminator's block: a convolution, and a batch norm with its statistics."""
LONGEST = 60
"""Characters of a value that a message shows."""


def is_plain(value: object) -> bool:
    """Whether a value is what a command line gives: text, a number, nothing, or a few of those."""
    if isinstance(value, tuple | list):
        return len(value) <= LONGEST and all(isinstance(part, int | float | str) and is_plain(part) for part in value)
    return value is None or isinstance(value, float | str) or (isinstance(value, int) and value.bit_length() < 64)


def shown(value: object) -> str:
    """A value in a message, in a few characters: what a file holds can have a text of any length."""
    return repr(value)[:LONGEST] if is_plain(value) else f"<{type(value).__name__}>"


def argument(args: Namespace, name: str, *kinds: type[Kind]) -> Kind:
    """The argument of that name, if it is there and of one of these kinds.

    Raises:
        UserError: it is not.
    """
    value = getattr(args, name, None)
    if not isinstance(value, kinds) or not is_plain(value):
        raise UserError(f"argument {name}={shown(value)} is missing, too large or of the wrong type")
    return value


def whole_number(args: Namespace, name: str, least: int = 1) -> int:
    """The argument of that name, if it is an integer and not below `least`; errors as for `argument`."""
    value = argument(args, name, int)
    if isinstance(value, bool) or value < least:
        raise UserError(f"argument {name}={value}; allowed: {least} or more")
    return value


def share(args: Namespace, name: str) -> float:
    """The argument of that name, if it is a number from 0 to 1; errors as for `argument`."""
    value = argument(args, name, int, float)
    if isinstance(value, bool) or not 0 <= value <= 1:
        raise UserError(f"argument {name}={value}; allowed: 0 to 1")
    return float(value)


def choice(args: Namespace, name: str, allowed: Sequence[Option]) -> Option:
    """The argument of that name, if it is one of these texts; errors as for `argument`."""
    given = argument(args, name, str)
    for option in allowed:
        if option == given:
            return option
    raise UserError(f"{name}={shown(given)} is unknown; allowed: {', '.join(allowed)}")


def strides(args: Namespace) -> tuple[int, int, int]:
    """The argument `downsample`, if it is three integers; errors as for `argument`."""
    given = argument(args, "downsample", tuple, list)
    if len(given) != 3 or not all(type(factor) is int and factor > 0 for factor in given):
        raise UserError(f"argument downsample={shown(given)}; allowed: three powers of two")
    return given[0], given[1], given[2]


def check_vqgan(args: Namespace, shapes: Shapes) -> None:
    """Refuse a VQGAN whose arguments claim what its tensors do not have.

    Raises:
        UserError: in one line.
    """
    first, entries, last = "encoder.conv_first.conv.weight", "codebook.embeddings", "pre_vq_conv.conv.weight"
    for name, weight, axis in (
        ("n_hiddens", first, 0),
        ("image_channels", first, 1),
        ("n_codes", entries, 0),
        ("embedding_dim", entries, 1),
    ):
        _check_axis(shapes, weight, axis, whole_number(args, name), name)
    levels = max(factor.bit_length() for factor in strides(args)) - 1
    _check_blocks(shapes, "encoder.conv_blocks.", levels, "downsample", 1)
    width = whole_number(args, "n_hiddens") * 2**levels
    _check_axis(shapes, last, 1, width, "n_hiddens, doubled by every level of downsample, ")


def check_discriminator(args: Namespace, shapes: Shapes) -> None:
    """Refuse a discriminator; as `check_vqgan`. Its names are ours."""
    layers = whole_number(args, "disc_layers")
    _check_axis(shapes, "blocks.0.0.weight", 0, whole_number(args, "disc_channels"), "disc_channels")
    _check_blocks(shapes, "blocks.", layers + 2, "two more than disc_layers, ", 0)
    if PATCH_TENSORS * layers > len(shapes):
        raise UserError(f"lacks weights: {len(shapes)} tensors for disc_layers={layers}")


def check_transformer(args: Namespace, shapes: Shapes) -> None:
    """Refuse a transformer; as `check_vqgan`."""
    _check_axis(shapes, "tok_emb.weight", 1, whole_number(args, "n_embd"), "n_embd")
    _check_axis(shapes, "pos_emb", 1, whole_number(args, "block_size"), "block_size")
    _check_blocks(shapes, "blocks.", whole_number(args, "n_layer"), "n_layer", BLOCK_TENSORS)


def _check_axis(shapes: Shapes, weight: str, axis: int, claimed: int, name: str) -> None:
    if weight not in shapes:
        raise UserError(f"lacks weights, {weight} among them")
    if len(shapes[weight]) <= axis or shapes[weight][axis] != claimed:
        raise UserError(f"{weight} has shape {shapes[weight]}, its arguments ask for {name}={claimed}")


def _check_blocks(shapes: Shapes, prefix: str, claimed: int, name: str, tensors: int) -> None:
    inside = [shape.removeprefix(prefix) for shape in shapes if shape.startswith(prefix)]
    blocks = len({inner.partition(".")[0] for inner in inside})
    if blocks != claimed:
        raise UserError(f"has {blocks} {prefix}*, its arguments ask for {name}={claimed}")
    if len(inside) < tensors * blocks:
        raise UserError(f"lacks weights: {len(inside)} of {prefix}*, {blocks} blocks have {tensors * blocks}")
