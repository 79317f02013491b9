"""Runs that were not measured alike get a table each, and the page says in words what differs between them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, fields

from tats_exp.report.columns import value_columns
from tats_exp.report.runs import Run
from tats_exp.run_folder import Protocol

WORDS = {
    "features": "feature network",
    "checksum": "weights of the feature network",
    "precision": "precision of the feature network",
    "classifier": "classifier",
    "n_real": "real windows",
    "n_generated": "generated videos",
    "repeats": "repeats",
    "reference": "reference of the distances",
    "split": "split of the real windows",
    "clip_length": "frames of a window",
    "windows": "windows of a generated video",
    "frame_stride": "frame stride",
    "resolution": "resolution",
    "resize_real": "resize of real frames",
    "resize_generated": "resize of generated frames",
    "codec_real": "codec of real videos",
    "codec_generated": "codec of generated videos",
    "decoder_real": "decoder of real videos",
    "decoder_generated": "decoder of generated videos",
    "data": "data",
    "seed": "seed of the draw",
    "given_frames": "given frames",
}
"""Fields of a protocol as people read them."""
DIGEST = 8
"""Letters of a checksum or fingerprint that are shown."""


@dataclass(frozen=True)
class Alike:
    """Finished runs that were measured alike.

    Attributes:
        runs: them, in their order.
        protocol: what of their protocol other runs of the report do not share, in words; "" where all were measured
            alike.
    """

    runs: list[Run]
    protocol: str


def measured_alike(runs: list[Run]) -> list[Alike]:
    """Finished runs, apart where values under different protocols would meet in one column of a table.

    Args:
        runs: all runs of a report; those that are not finished are left aside.
    """
    finished = [run for run in runs if run.state == "finished"]
    apart: dict[Protocol | None, list[Run]] = {}
    for run in finished:
        apart.setdefault(run.protocol, []).append(run)
    if not any(_meet(column.key, finished) for column in value_columns(finished) if column.protocol):
        return [Alike(finished, "")]
    names = differing(list(apart))
    return [
        Alike(alike, ", ".join(f"{WORDS[name]} {_shown(protocol, name)}" for name in names))
        for protocol, alike in apart.items()
    ]


def differing(protocols: Sequence[Protocol | None]) -> list[str]:
    """Names of the fields in which protocols differ, in the order of the class; a run without one differs in all."""
    names = [field.name for field in fields(Protocol)]
    return [name for name in names if len({_value(protocol, name) for protocol in protocols}) > 1]


def not_alike(parts: list[Alike]) -> str:
    """One line that says that runs were measured differently, and in what; "" where all were measured alike."""
    if len(parts) < 2:
        return ""
    names = differing([part.runs[0].protocol for part in parts])
    fields = ", ".join(f"{WORDS[name]} ({name})" for name in names)
    return f"Not all runs were measured alike: a table each, whose values do not compare. What differs: {fields}."


def _meet(key: str, runs: list[Run]) -> bool:
    """Whether a column would hold values of different protocols."""
    protocols = [run.protocol for run in runs if run.protocol and key in run.values]
    return any(protocol != protocols[0] for protocol in protocols)


def _value(protocol: Protocol | None, name: str) -> str:
    return "not told" if protocol is None else str(getattr(protocol, name))


def _shown(protocol: Protocol | None, name: str) -> str:
    value = _value(protocol, name)
    if name == "classifier":  # a name and a checksum
        return " ".join(word[:DIGEST] if len(word) >= 40 else word for word in value.split())
    return value[:DIGEST] if re.fullmatch(r"[0-9a-f]{40,}", value) else value
