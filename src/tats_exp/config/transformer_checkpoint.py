"""A transformer that is read from a checkpoint of the official code instead of trained: how the config describes it.

It speaks the codes of the VQGAN it was trained with, so that one must be given, too.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import Literal

from tats_exp import UserError
from tats_exp.config.checkpoints import refuse_other
from tats_exp.config.sections import Node, TransformerSection
from tats_exp.official import SPACE_STRIDE, arguments, load_transformer
from tats_exp.transformer.transformer import Transformer

Name = Literal["transformer", "interpolation"]
WINDOW_FROM = {
    "transformer": "it follows from frames and resolution",
    "interpolation": "it follows from sampler.key_every and resolution",
}


@dataclass(frozen=True)
class Described:
    """What a transformer is; see `Transformer` for the names."""

    layers: int
    heads: int
    width: int
    mask: str
    video_codes: int
    condition_codes: int


def read_transformer(name: Name, path: str, window: Sequence[int]) -> Transformer:
    """The transformer of a checkpoint, in eval mode on the CPU.

    Args:
        name: of the config's section.
        path: of the file.
        window: latent grid (t, h, w) that it is to have.

    Raises:
        UserError: in one line: as `tats_exp.official.load_transformer`, or it is of the other kind.
    """
    try:
        transformer = load_transformer(path, window)
    except ValueError as error:
        raise UserError(f"{name}.checkpoint: {error}".replace("give another", WINDOW_FROM[name])) from None
    kind = "transformer" if transformer.mask == "causal" else "interpolation"
    if kind != name:
        trained_with = f"{name}.checkpoint={path}: the transformer in it has mask {transformer.mask}"
        raise UserError(f"{trained_with}; it fits {kind}.checkpoint")
    return transformer


def describe(name: Name, path: str, window: Sequence[int]) -> Described:
    """What is in a checkpoint, read once for the same file; arguments and errors as for `read_transformer`."""
    changed = Path(path).stat().st_mtime_ns if Path(path).exists() else 0
    return _describe(name, path, tuple(window), changed)


@lru_cache
def _describe(name: Name, path: str, window: tuple[int, ...], _changed: int) -> Described:
    made = read_transformer(name, path, window)
    width = made.head.in_features
    return Described(len(made.blocks), made.heads, width, made.mask, made.video_codes, made.condition_codes)


def filled_from_checkpoint(
    name: Name,
    section: TransformerSection,
    window: Sequence[int],
    video_codes: int,
    resolution: int,
    latent_step: int,
) -> TransformerSection:
    """The section as it would have to be to build what is in its checkpoint.

    Args:
        name: of the section.
        section: as composed, with a `checkpoint`.
        window: latent grid (t, h, w) that the transformer is to have.
        video_codes: size of the VQGAN's codebook.
        resolution: of the videos, pixels.
        latent_step: latent frames from one that the autoregressive transformer is to model to the next.

    Raises:
        UserError: in one line: the file cannot be read, has another window or vocabulary, or `mask` is not its.
    """
    assert section.checkpoint is not None
    found = describe(name, section.checkpoint, window)
    if found.video_codes != video_codes:
        raise UserError(
            f"{name}.checkpoint={section.checkpoint}: its vocabulary has {found.video_codes} video codes, the VQGAN "
            f"{video_codes}; allowed: one that was trained with this VQGAN"
        )
    _check_training(name, section.checkpoint, window, resolution, latent_step)
    model: Node = {"_target_": "tats_exp.transformer.Transformer"}
    model |= {key: value for key, value in asdict(found).items() if key in ("layers", "heads", "width")}
    if name == "interpolation":
        refuse_other(name, "mask", section.model.get("mask"), found.mask)
        model["mask"] = found.mask
    return section.model_copy(update={"model": model})


def _check_training(name: Name, path: str, window: Sequence[int], resolution: int, latent_step: int) -> None:
    """Refuse windows of as many codes as the file's that are other windows, where its arguments tell.

    They name the step between latent frames only if the original drew them from longer windows of codes.
    """
    trained_with = arguments(path)
    step, trained_at = trained_with.get("sample_every_n_latent_frames"), trained_with.get("resolution")
    if name == "transformer" and isinstance(step, int) and step not in (0, latent_step):
        raise UserError(
            f"{name}.checkpoint={path}: it models every {step}. latent frame; allowed: sampler=hierarchical "
            f"sampler.key_every={step}"
        )
    if isinstance(trained_at, int) and trained_at != resolution and trained_at // SPACE_STRIDE != window[1]:
        raise UserError(f"{name}.checkpoint={path}: it was trained at resolution={trained_at}, not {resolution}")


def check_condition(name: Name, path: str, window: Sequence[int], condition_codes: int) -> None:
    """Refuse a checkpoint that was trained with another condition than the run has.

    Raises:
        UserError: in one line.
    """
    found = describe(name, path, window).condition_codes
    if found == condition_codes:
        return
    has = f"a condition of {found} classes" if found else "no condition"
    wants = f"the data have {condition_codes} classes" if condition_codes else "condition=none"
    allowed = "condition=label with data of as many classes" if found else "condition=none"
    raise UserError(f"{name}.checkpoint={path}: it was trained with {has}, {wants}; allowed: {allowed}")
