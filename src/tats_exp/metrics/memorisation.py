"""Did the model learn to make videos, or to repeat those it was trained on?"""

import statistics
from collections.abc import Iterable, Mapping

import torch
from einops import rearrange
from jaxtyping import Float, Float64, Shaped
from torch import Tensor

_SAMPLES = 64
_TRAINING = 256  # clips of each side compared at a time: bounds the float64 copies


def nearest_distance(
    samples: Shaped[Tensor, "N *item"], training: Shaped[Tensor, "M *training_item"]
) -> Float64[Tensor, " N"]:
    """Distance of every sample to the nearest training item, in pixels or in features.

    A distance alone says little: compare with that of held-out real clips to the same training items. Samples that
    are much nearer were copied.

    Args:
        samples: Features (N, D), or pixels (N, T, H, W, C) uint8.
        training: The same of the training clips.

    Returns:
        Root mean square difference per element, one value per sample: grey levels (0..255) for uint8 pixels, feature
        units for features. 0 is an exact copy.

    Raises:
        ValueError: An empty side, or items of different shapes.
    """
    for name, items in (("samples", samples), ("training", training)):
        if items.numel() == 0:
            raise ValueError(f"{name}: shape {tuple(items.shape)}, at least one item is needed")
    if samples.shape[1:] != training.shape[1:]:
        raise ValueError(f"samples: items of {tuple(samples.shape[1:])}, training has {tuple(training.shape[1:])}")
    rows = rearrange(samples, "n ... -> n (...)")
    others = rearrange(training, "m ... -> m (...)")
    nearest = [_nearest(part.double(), others) for part in rows.split(_SAMPLES)]
    return torch.cat(nearest) / rows.shape[1] ** 0.5


def nearest_of_repeats(
    sides: Mapping[str, Iterable[Float[Tensor, "_ D"]]], reference: Float[Tensor, "R N D"]
) -> dict[str, float | None]:
    """How near each side comes to the reference of its own repeat: mean over its items, then over the repeats.

    With more of the reference in one heap everything would be nearer, and a value would hang on how often was drawn.

    Args:
        sides: name -> features of each repeat, e.g. of samples and of real clips that are not in the reference; a copy
            is much nearer.
        reference: features of the real windows of every repeat.

    Returns:
        `memorisation/nearest_<name>` of every side.
    """
    found: dict[str, float | None] = {}
    for name, side in sides.items():
        pairs = zip(side, reference, strict=True)
        found[f"memorisation/nearest_{name}"] = statistics.fmean(float(nearest_distance(*p).mean()) for p in pairs)
    return found


def _nearest(rows: Float64[Tensor, "n D"], others: Shaped[Tensor, "M D"]) -> Float64[Tensor, " n"]:
    # the matrix product form, in float64: exact for uint8, good to 1e-7 of the size of the features otherwise
    distances = [torch.cdist(rows, part.to(rows)).amin(dim=1) for part in others.split(_TRAINING)]
    return torch.stack(distances).amin(dim=0)
