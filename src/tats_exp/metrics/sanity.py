"""Does a distance grow when video gets worse? Curves of both distances against distortions by degrees.

Axes: B T H W C clips, N clips in all, D features.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from tats_exp.metrics.distortions import add_noise, blur, freeze_frames, reverse_time, shuffle_frames
from tats_exp.metrics.frechet import FrechetReference, polynomial_mmd
from tats_exp.metrics.networks import Networks


@dataclass(frozen=True)
class Distortion:
    """One way for video to be wrong.

    Attributes:
        name: of the curve.
        unit: what a level is.
        levels: growing, without 0.
        apply: clips, level and seed in, distorted clips out.
    """

    name: str
    unit: str
    levels: tuple[float, ...]
    apply: Callable[[Tensor, float, int], Tensor]


DISTORTIONS = (
    Distortion("noise", "deviation, share of grey range", (0.02, 0.05, 0.1, 0.2, 0.4), add_noise),
    Distortion(
        "blur", "deviation, share of side", (0.01, 0.02, 0.04, 0.08), lambda video, level, _: blur(video, level)
    ),
    Distortion("shuffled frames", "block, share of clip", (0.25, 0.5, 1.0), shuffle_frames),
    Distortion("frozen frames", "share of frames", (0.25, 0.5, 0.75, 1.0), freeze_frames),
    Distortion("time reversed", "played backwards", (1.0,), lambda video, _level, _seed: reverse_time(video)),
)

PASSES = 1 + sum(len(distortion.levels) for distortion in DISTORTIONS)
"""How often the network looks at each of the distorted clips."""


def sanity_curves(
    networks: Networks,
    clean: Iterable[UInt8[Tensor, "_ T H W C"]],
    clips: Iterable[UInt8[Tensor, "_ T H W C"]],
    seed: int,
    progress: Callable[[int], None],
) -> list[dict[str, float | str]]:
    """Distances of clips, distorted by degrees, from clean ones of the same source.

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
        Rows of `distortion`, `level` (0 first), `fvd` and `kvd`.

    Raises:
        ValueError: fewer than 2 clips on a side.
    """
    done = 0

    def features(batch: UInt8[Tensor, "_ T H W C"]) -> Float[Tensor, "_ D"]:
        nonlocal done
        given = networks.features(batch)
        done += len(batch)
        progress(done)
        return given

    real = torch.cat([features(batch) for batch in clean])
    seen: dict[tuple[str, float], list[Tensor]] = {}
    first = 0
    for batch in clips:
        seen.setdefault(("", 0.0), []).append(features(batch))
        seeds = range(seed + first, seed + first + len(batch))
        for distortion in DISTORTIONS:
            for level in distortion.levels:
                each = [distortion.apply(clip[None], level, own) for clip, own in zip(batch, seeds, strict=True)]
                seen.setdefault((distortion.name, level), []).append(features(torch.cat(each)))
        first += len(batch)
    reference = FrechetReference(real)
    distances = {}
    for key, parts in seen.items():
        found = torch.cat(parts)
        distances[key] = {"fvd": float(reference.distance(found)), "kvd": float(polynomial_mmd(real, found))}
    rows: list[dict[str, float | str]] = []
    for distortion in DISTORTIONS:
        rows.append({"distortion": distortion.name, "level": 0.0, **distances["", 0.0]})
        for level in distortion.levels:
            rows.append({"distortion": distortion.name, "level": level, **distances[distortion.name, level]})
    return rows
