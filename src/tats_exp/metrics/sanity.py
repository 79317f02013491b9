"""Does a distance grow when video gets worse? Curves of distances against distortions by degrees.

Axes: B T H W C clips, N clips in all, D features.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import NamedTuple

import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from tats_exp.metrics.distortions import (
    add_noise,
    blur,
    freeze_frames,
    push,
    recolour,
    reverse_time,
    shuffle_frames,
)
from tats_exp.metrics.frechet import frechet_distance, polynomial_mmd
from tats_exp.metrics.layout import layout, layout_distance
from tats_exp.metrics.networks import Networks


@dataclass(frozen=True)
class Distortion:
    """One way for video to be wrong.

    Attributes:
        name: of the curve.
        unit: what a level is.
        levels: growing, without 0.
        apply: clips, level, seed and the first clip of all in, distorted clips out.
    """

    name: str
    unit: str
    levels: tuple[float, ...]
    apply: Callable[[Tensor, float, int, Tensor], Tensor]


DISTORTIONS = (
    Distortion(
        "noise",
        "deviation, share of grey range",
        (0.02, 0.05, 0.1, 0.2, 0.4),
        lambda video, level, seed, _: add_noise(video, level, seed),
    ),
    Distortion(
        "blur", "deviation, share of side", (0.01, 0.02, 0.04, 0.08), lambda video, level, *_: blur(video, level)
    ),
    Distortion(
        "shuffled frames",
        "block, share of clip",
        (0.25, 0.5, 1.0),
        lambda video, level, seed, _: shuffle_frames(video, level, seed),
    ),
    Distortion(
        "frozen frames",
        "share of frames",
        (0.25, 0.5, 0.75, 1.0),
        lambda video, level, seed, _: freeze_frames(video, level, seed),
    ),
    Distortion("time reversed", "played backwards", (1.0,), lambda video, *_: reverse_time(video)),
    Distortion(
        "one palette",
        "share of the way to the first clip's",
        (0.25, 0.5, 1.0),
        lambda video, level, _, first: recolour(video, level, first),
    ),
    Distortion(
        "one place", "push to a corner, share of side", (0.125, 0.25, 0.5), lambda video, level, *_: push(video, level)
    ),
)

PASSES = 1 + sum(len(distortion.levels) for distortion in DISTORTIONS)
"""How often the network looks at each of the distorted clips."""


class Seen(NamedTuple):
    """What the distances are taken of."""

    features: Float[Tensor, "N D"]
    layouts: Float[Tensor, "N 48"]

    @classmethod
    def joined(cls, parts: list["Seen"]) -> "Seen":
        """All clips of several batches."""
        return cls(*(torch.cat(of) for of in zip(*parts, strict=True)))


def sanity_curves(
    networks: Networks,
    clean: Iterable[UInt8[Tensor, "_ T H W C"]],
    clips: Iterable[UInt8[Tensor, "_ T H W C"]],
    seed: int,
    progress: Callable[[int], None],
) -> list[dict[str, float | str]]:
    """Three distances of clips, distorted by degrees, from clean ones of the same source.

    The two sets must be disjoint, as real and generated videos are. Clips against their own distorted selves would
    make 0 of level 0 and hide the floor: a clip shares all that is accidental about it with its distorted self, so
    faint distortions would look visible that drown in the spread between sets of this size. Level 0 here is what real
    clips get against other real ones; a distortion that stays there is one that the distance does not see.

    Args:
        networks: give the features.
        clean: batches of the clips to measure from; looked at once.
        clips: batches of the clips that are distorted; looked at `PASSES` times, one batch held at a time.
        seed: of the distortions; clip i draws from `seed + i`, whatever the batches.
        progress: told after every batch how many clips were looked at in all, distorted ones counted each time.

    Returns:
        Rows of `distortion`, `level` (0 first), `fvd` and `kvd` in the features of the network, and `layout`.

    Raises:
        ValueError: fewer than 2 clips on a side, or frames too small for a layout.
    """
    done = 0

    def look(batch: UInt8[Tensor, "_ T H W C"]) -> Seen:
        nonlocal done
        seen = Seen(networks.features(batch), layout(batch))
        done += len(batch)
        progress(done)
        return seen

    real = Seen.joined([look(batch) for batch in clean])
    parts: dict[tuple[str, float], list[Seen]] = defaultdict(list)
    before, first = 0, None
    for batch in clips:
        first = batch[:1] if first is None else first
        parts["", 0.0].append(look(batch))
        seeds = range(seed + before, seed + before + len(batch))
        for distortion in DISTORTIONS:
            for level in distortion.levels:
                each = [distortion.apply(clip[None], level, own, first) for clip, own in zip(batch, seeds, strict=True)]
                parts[distortion.name, level].append(look(torch.cat(each)))
        before += len(batch)
    distances = {key: _distances(real, Seen.joined(given)) for key, given in parts.items()}
    rows: list[dict[str, float | str]] = []
    for distortion in DISTORTIONS:
        rows.append({"distortion": distortion.name, "level": 0.0, **distances["", 0.0]})
        for level in distortion.levels:
            rows.append({"distortion": distortion.name, "level": level, **distances[distortion.name, level]})
    return rows


def _distances(real: Seen, other: Seen) -> dict[str, float]:
    return {
        "fvd": float(frechet_distance(real.features, other.features)),
        "kvd": float(polynomial_mmd(real.features, other.features)),
        "layout": float(layout_distance(real.layouts, other.layouts)),
    }
