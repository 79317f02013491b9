"""From what was seen of a set of videos to all that is reported of them: what a run and `evaluate` have in common."""

import fnmatch
import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

from tats_exp import NotFiniteError, UserError
from tats_exp.data.videos import Videos
from tats_exp.metrics.findings import Findings
from tats_exp.metrics.measure import Measure, Measurement, Values
from tats_exp.metrics.networks import Networks
from tats_exp.metrics.reference_windows import ReferenceWindows
from tats_exp.run_folder import Protocol
from tats_exp.run_folder.columns import TO_REAL, TO_REBUILT, Column


@dataclass(frozen=True)
class Evaluation:
    """All that measures say of a set of videos.

    Attributes:
        columns: that the measures declare, networks named.
        values: by key.
        rows: one per window, `window` among its keys.
        floors: by kind, then by key.
        notes: what a reader of the values has to know.
        free: keys of values that a degenerate model gets for nothing, and what makes it one.
    """

    columns: list[Column]
    values: Values
    rows: list[dict[str, float]]
    floors: dict[str, dict[str, float]]
    notes: list[str]
    free: dict[str, str]


def evaluate(measures: Mapping[str, Measure], findings: Findings) -> Evaluation:
    """Ask every measure.

    Args:
        measures: by their names in `metrics.measures`.
        findings: what was seen of the videos.

    Raises:
        UserError: a measure gives what it has not declared.
        NotFiniteError: a value is not finite, and no count of windows until what never happened.
    """
    values: Values = {}
    rows = [{"window": float(t)} for t in range(len(findings.windows))]
    floors: dict[str, dict[str, float]] = {}
    notes: list[str] = []
    free: dict[str, str] = {}
    columns = []
    for name, measure in measures.items():
        declared = [column.named(findings.network, findings.classifier) for column in measure.columns]
        measurement = measure(findings)
        if not isinstance(measurement, Measurement):
            raise UserError(f"metrics.measures.{name}: gave {type(measurement).__name__}; wanted is a Measurement")
        _check_declared(name, declared, measurement)
        _check_finite(name, declared, measurement)
        if twice := [key for key in (*measurement.values, *measurement.curves) if key in values or key in rows[0]]:
            raise UserError(f"metrics.measures.{name}: gives {twice[0]}, which another measure gives, too")
        columns += [_shown(column, measurement) for column in declared]
        values |= measurement.values
        for key, curve in measurement.curves.items():
            for row, value in zip(rows, curve, strict=True):
                row[key] = value
        for kind, floor in measurement.floors.items():
            floors.setdefault(kind, {}).update(floor)
        notes += measurement.notes
        free |= {key: why for key, why in measurement.free.items() if measurement.values.get(key) is not None}
    return Evaluation(columns, values, rows, floors, notes, free)


def _shown(column: Column, measurement: Measurement) -> Column:
    """The column; out of the main table where a measure gives the distance to rebuilt windows, which tells more."""
    plain = column.key.removesuffix(TO_REAL)
    if plain != column.key and not measurement.values.keys().isdisjoint((plain, plain + TO_REBUILT)):
        return replace(column, in_table=False)
    return column


def _check_declared(name: str, declared: list[Column], measurement: Measurement) -> None:
    """Without a column a value would be in no table."""
    for keys, is_curve in ((measurement.values, False), (measurement.curves, True)):
        allowed = [column.key for column in declared if column.is_curve == is_curve]
        for key in keys:
            if not any(fnmatch.fnmatchcase(key, pattern) for pattern in allowed):
                kind = "curve" if is_curve else "value"
                raise UserError(f"metrics.measures.{name}: gives the {kind} {key}; declared: {', '.join(allowed)}")


def _check_finite(name: str, declared: list[Column], measurement: Measurement) -> None:
    """What is not defined is None, so nan and infinity say that what was measured, or the measure, went wrong."""
    never = {column.key for column in declared if column.never}
    for key, value in measurement.values.items():
        if value is not None and not (math.isfinite(value) or (value == math.inf and key in never)):
            raise NotFiniteError(f"metrics.measures.{name}: {key} is {value}; what is not defined is None")
    for key, curve in measurement.curves.items():
        if any(map(math.isinf, curve)):
            raise NotFiniteError(f"metrics.measures.{name}: the curve {key} is infinite; what is not defined is nan")


def count_notes(wanted: tuple[int, int], measured: tuple[int, int]) -> list[str]:
    """What to say where fewer were measured than asked for.

    Args:
        wanted: generated videos and real windows.
        measured: the same.
    """
    if wanted == measured:
        return []
    line = "{} generated videos against {} real windows"
    return [f"{line.format(*measured)} were measured in place of {line.format(*wanted)}: there are no more"]


@dataclass(frozen=True)
class Counts:
    """How many were measured: real windows and videos of each repeat, repeats, and windows of a video."""

    real: int
    generated: int
    repeats: int
    windows: int

    @classmethod
    def of(cls, real: ReferenceWindows, windows: int) -> "Counts":
        """Of videos of so many windows that are measured against these real ones."""
        return cls(real.reference_count, real.count, real.repeats, windows)


@dataclass(frozen=True)
class Origin:
    """How frames came to be what the networks see; see `Protocol` for each."""

    resize: str = "none"
    codec: str = "none"
    decoder: str = "none"

    @classmethod
    def of(cls, videos: Videos) -> "Origin":
        """Of the frames of a split or a folder."""
        return cls(videos.resize, videos.codec, videos.decoder)


def make_protocol(
    networks: Networks,
    counts: Counts,
    real: Videos,
    generated: Origin,
    *,
    split: str,
    clip_length: int,
    size: tuple[int, int],
    seed: int,
    reference: str,
    given_frames: int = 0,
) -> Protocol:
    """How videos were measured.

    Args:
        networks: looked at them.
        counts: how many were measured.
        real: where the real windows come from.
        generated: how the generated frames came to be.
        split: of the real videos.
        clip_length: frames of a window.
        size: height and width of a frame, in pixels.
        seed: of the draw of real windows.
        reference: what distances without a reference in their name, or to rebuilt windows, were taken to.
        given_frames: real frames that each generated video went on from.
    """
    height, width = size
    return Protocol(
        features=networks.network.name,
        checksum=networks.network.checksum,
        precision=networks.network.precision,
        classifier=f"{networks.judge.name} {networks.judge.checksum}",
        n_real=counts.real,
        n_generated=counts.generated,
        repeats=counts.repeats,
        reference=reference,
        split=split,
        clip_length=clip_length,
        windows=counts.windows,
        frame_stride=real.frame_stride,
        resolution=f"{height}x{width}",
        resize_real=real.resize,
        resize_generated=generated.resize,
        codec_real=real.codec,
        codec_generated=generated.codec,
        decoder_real=real.decoder,
        decoder_generated=generated.decoder,
        data=real.fingerprint(),
        seed=seed,
        given_frames=given_frames,
    )
