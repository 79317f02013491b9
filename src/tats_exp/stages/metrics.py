"""The metrics stage: what is measured of one run, from what the other stages left.

Axes: N videos, T frames of a window, t h w latent grid, K codebook size, D features.
"""

import math
import statistics
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from einops import rearrange, repeat
from jaxtyping import Float, Float64, Int64, UInt8
from torch import Tensor

from tats_exp.data.video_writer import write_row
from tats_exp.data.window_reading import read_along
from tats_exp.data.windows import Window
from tats_exp.files import Stage
from tats_exp.metrics import (
    code_histograms,
    code_perplexity,
    js_divergence,
    label_coherence,
    nearest_of_repeats,
    place_probe,
    share_unchanged,
)
from tats_exp.metrics.evaluation import FEW_WINDOWS, Evaluation, Look, Values, count_notes
from tats_exp.metrics.trend import bootstrap_code_slope, slope
from tats_exp.run_folder import CODE_HISTOGRAM, CURVES, Protocol, write_metrics, write_table
from tats_exp.stages.codes import CODES_STAGE, LONG_CODES_STAGE, WindowCodes
from tats_exp.stages.context import Earlier, NoMeaning, RunContext, Work
from tats_exp.stages.decoded import decoded
from tats_exp.stages.likelihood import hierarchy_values, transformer_values
from tats_exp.stages.parts import Parts
from tats_exp.stages.reconstructions import held_out_windows, rebuild, rebuilt_errors, rebuilt_features
from tats_exp.stages.reference import REFERENCE_STAGE
from tats_exp.stages.samples import SAMPLES_STAGE, Samples
from tats_exp.stages.transformers import INTERPOLATION_STAGE, TRANSFORMER_STAGE
from tats_exp.stages.vqgan import VQGAN_STAGE
from tats_exp.stages.windows import look_along
from tats_exp.transformer.transformer import Transformer
from tats_exp.vqgan.vqgan import VQGAN

SHOWN = 4  # videos of each kind that are written as mp4


@dataclass(frozen=True)
class MetricsInputs:
    """What the metrics depend on.

    Attributes:
        reference: real windows.
        vqgan: of the run.
        codes: real windows as its transformers see them.
        long_codes: the same of a hierarchy, else None.
        transformer: of the run.
        interpolation: of a hierarchy, else None.
        samples: what is measured.
        reserve: frames that the held-out windows whose reconstructions are measured have on either side.
        windows: which windows the networks look at.
        resamples: of the bootstrap.
        run: where data and networks are found; what they are is part of the reference.
    """

    reference: Earlier[dict[str, Tensor]]
    vqgan: Earlier[VQGAN]
    codes: Earlier[WindowCodes]
    long_codes: Earlier[WindowCodes] | None
    transformer: Earlier[Transformer]
    interpolation: Earlier[Transformer] | None
    samples: Earlier[Samples]
    reserve: int
    windows: str
    resamples: int
    run: NoMeaning[RunContext]


def _inputs(run: RunContext) -> MetricsInputs:
    hierarchy = run.config.interpolates
    return MetricsInputs(
        run.earlier(REFERENCE_STAGE),
        run.earlier(VQGAN_STAGE),
        run.earlier(CODES_STAGE),
        run.earlier(LONG_CODES_STAGE) if hierarchy else None,
        run.earlier(TRANSFORMER_STAGE),
        run.earlier(INTERPOLATION_STAGE) if hierarchy else None,
        run.earlier(SAMPLES_STAGE),
        run.config.reserve.training,
        run.config.metrics.windows,
        run.config.metrics.resamples,
        run,
    )


def _make(inputs: MetricsInputs, work: Work) -> None:
    """Measure a run.

    Leaves metrics.json (values, floors, protocol), curves.csv, code_histogram.csv, videos/ and, with an interpolation
    transformer, mask.json.
    """
    parts = Parts(inputs.run, work)
    folder = work.folder
    model = inputs.vqgan.read().to(work.device)
    real = inputs.reference.read()
    window_codes = inputs.codes.read()
    codes = {name: value for name, value in asdict(window_codes).items() if value is not None}
    evaluation = Evaluation(parts.network.name, (parts.classifier or parts.network).name, real)
    total = evaluation.repeats * evaluation.count
    samples = inputs.samples.read().first(total)
    size = parts.config.codebook_size

    # The floor was drawn together with the reference, which knows no margin: near the ends of a video it has none, and
    # end frames are repeated there.
    floor = [Window(*place) for place in real["floor_windows"].tolist()]
    held_out = held_out_windows(
        parts.test, evaluation.count, parts.config.frames, parts.config.reserve.training, parts.data_seed
    )
    looks = len(floor) + len(held_out) + len(samples.codes)

    def told(before: int) -> Callable[[int], None]:
        return lambda done: parts.progress("metrics", before + done, looks)

    rebuilt = rebuilt_features(parts, rebuild(parts, model, parts.real, floor, told(0)))
    reconstruction = evaluation.distances(rebuilt)
    errors, pictures = rebuilt_errors(rebuild(parts, model, parts.test, held_out, told(len(floor))), SHOWN)
    seen, joints = look_along(parts, model, samples, told(len(floor) + len(held_out)))
    inner = _inner(model, samples)
    same_count = min(total, len(codes["train"]))  # divergences of histograms compare at equal counts only
    train_histogram = code_histograms(codes["train"][:same_count], size)
    held_out_histogram = code_histograms(codes["held_out"][:same_count], size)
    rows = evaluation.rows(seen)
    for row, more in zip(rows, _code_rows(parts, train_histogram, inner[:same_count], len(rows)), strict=True):
        row |= more
    labels = _label_floor(parts, real, evaluation)
    for key in labels:
        for row, window in zip(rows, seen, strict=True):
            row[key] = _label_share(window, samples.labels)
    values = {
        **_code_use(codes, size),
        **evaluation.values(rows, seen, parts.config.metrics.resamples, parts.data_seed),
        **{f"{key}/{place}": rows[t][key] for key in labels for place, t in (("window_0", 0), ("last", -1))},
        **{f"{key}/reconstruction": statistics.fmean(found) for key, found in reconstruction.items()},
        **_code_slope(parts, train_histogram, inner[:same_count], [row["codes/js_divergence"] for row in rows]),
        **errors,
        **_memorisation(parts, real, seen[0]["features"]),
        **_code_values(parts, codes),
        **joints,
    }
    asked = parts.config.metrics.videos, parts.config.metrics.reference_videos
    notes = [*evaluation.notes, *count_notes(asked, (evaluation.count, real["reference"].shape[1]))]
    if parts.config.interpolates:
        values |= hierarchy_values(parts, folder, inputs)
        notes.append(f"codes/shift_nll_gap: not measured, the transformer models every {_nth(parts)} latent frame")
    else:
        values |= transformer_values(parts, inputs.transformer.read().to(work.device), codes)
    floors = {
        "real": {
            **evaluation.floors,
            **labels,
            "codes/js_divergence": float(js_divergence(train_histogram, held_out_histogram).mean()),
        },
        "reconstruction": {key: statistics.fmean(found) for key, found in reconstruction.items()},
        "chance": {"codes/place_probe": 1 / parts.config.latent_grid[0]},
    }
    write_table(folder / CURVES, rows)
    _write_histogram(folder / CODE_HISTOGRAM, codes["train"], inner, size)
    _write_videos(parts, folder / "videos", decoded(parts, model, samples.codes[:SHOWN], samples.has_margin), pictures)
    write_metrics(folder, values, floors, notes, _protocol(parts, evaluation))


def _protocol(parts: Parts, evaluation: Evaluation) -> Protocol:
    metrics, judge = parts.config.metrics, parts.classifier or parts.network
    return Protocol(
        features=parts.network.name,
        checksum=parts.network.checksum,
        precision=parts.network.precision,
        classifier=f"{judge.name} {judge.checksum}",
        n_real=evaluation.real["reference"].shape[1],
        n_generated=evaluation.count,
        repeats=evaluation.repeats,
        split=metrics.split,
        clip_length=parts.config.frames,
        windows=parts.config.sampled_frames // parts.config.frames,
        frame_stride=parts.train.frame_stride,
        resolution=f"{parts.train.resolution}x{parts.train.resolution}",
        resize_real=parts.real.resize,
        resize_generated="none",
        codec_real=parts.real.codec,
        codec_generated="none",
        decoder_real=parts.real.decoder,
        decoder_generated="none",
        data=parts.real.fingerprint(),
        seed=parts.data_seed,
        given_frames=parts.config.sampling.given_frames,
    )


def _code_rows(
    parts: Parts, real_histogram: Float64[Tensor, "t K"], sampled: Int64[Tensor, "N time h w"], count: int
) -> list[dict[str, float]]:
    """What the codes of every window of the sampled videos say."""
    size, frames = parts.config.codebook_size, parts.config.latent_grid[0]
    rows = []
    for t in range(count):
        histogram = code_histograms(sampled[:, t * frames : (t + 1) * frames], size)
        rows.append(
            {
                "codes/js_divergence": float(js_divergence(real_histogram, histogram).mean()),
                "codes/perplexity": float(code_perplexity(histogram.mean(dim=0))),
            }
        )
    return rows


def _code_use(codes: dict[str, Tensor], size: int) -> dict[str, float | None]:
    """Share of the codebook that real videos use, and perplexity of that use, over all kept codes of each split."""
    values: dict[str, float | None] = {}
    for split in ("train", "held_out"):
        shares = code_histograms(codes[split], size).mean(dim=0)
        values[f"codes/usage/{split}"] = float((shares > 0).double().mean())
        values[f"codes/perplexity/{split}"] = float(code_perplexity(shares))
    return values


def _code_slope(
    parts: Parts, real_histogram: Float64[Tensor, "t K"], sampled: Int64[Tensor, "N time h w"], curve: list[float]
) -> Values:
    """How fast the codes of the sampled videos move away from real ones, nats a window."""
    if len(curve) < FEW_WINDOWS:
        return {}
    key, resamples = "codes/js_divergence/slope", parts.config.metrics.resamples
    values: Values = {key: slope(curve)}
    if resamples:
        windows = sampled.split(parts.config.latent_grid[0], dim=1)[: len(curve)]
        low, high = bootstrap_code_slope(real_histogram, windows, resamples, parts.data_seed)
        values |= {f"{key}/low": low, f"{key}/high": high}
    return values


def _memorisation(parts: Parts, real: dict[str, Tensor], sampled: Float[Tensor, "N D"]) -> Values:
    """How near samples, and held-out windows, come to the windows of the train split; a copy is much nearer."""
    if parts.config.metrics.split != "train":  # the held-out windows may be among the reference
        return {}
    reference = real["reference"]
    held_out = repeat(real["held_out"], "n d -> r n d", r=len(reference))
    sides = {"sample": rearrange(sampled, "(r n) d -> r n d", r=len(reference)), "held_out": held_out}
    return nearest_of_repeats(sides, reference)


def _code_values(parts: Parts, codes: dict[str, Tensor]) -> dict[str, float | None]:
    """What codes of real video tell of the VQGAN: its time-agnosticity."""
    held_out, videos = codes["held_out"], codes["held_out_videos"]
    first = torch.isin(videos, videos.unique()[: len(videos.unique()) // 2])
    probe = place_probe(held_out[first], held_out[~first], parts.config.codebook_size) if first.any() else None
    return {
        "codes/unchanged": share_unchanged(held_out, codes["held_out_shifted"]),
        "codes/place_probe": probe,  # None: a single held-out video, which cannot be both trained and tested on
    }


def _label_floor(parts: Parts, real: Look, evaluation: Evaluation) -> dict[str, float]:
    """Share of real windows that are put in their class, by the key of the metric; {} where there is no such share.

    There is where videos were asked for a class, or go on from one that has it, and the classifier's classes are those
    of the data.
    """
    known = parts.condition_codes > 0 or parts.config.given_latents > 0
    if not known or real["probabilities"].shape[1] != len(parts.real.label_names):
        return {}
    labels = torch.tensor([parts.real.labels[video] for video, _ in real["floor_windows"].tolist()])
    share = float(label_coherence(real["probabilities"][:, None], labels)[0])
    return {f"label/{evaluation.classifier}": share}


def _label_share(window: Look, labels: Int64[Tensor, " N"]) -> float:
    """Share of videos whose window is put in the class asked for; nan where no network looked."""
    if "probabilities" not in window:
        return math.nan
    return float(label_coherence(window["probabilities"][:, None], labels)[0])


def _nth(parts: Parts) -> str:
    every = parts.config.key_every
    return {2: "2nd", 3: "3rd"}.get(every, f"{every}th")


def _inner(vqgan: VQGAN, samples: Samples) -> Int64[Tensor, "N u h w"]:
    """The sampled codes that are measured: without margins, and without those given."""
    margin = vqgan.code_margin if samples.has_margin else 0
    return samples.codes[:, margin + samples.given : samples.codes.shape[1] - margin]


def _write_histogram(
    path: Path, real: Int64[Tensor, "N t h w"], generated: Int64[Tensor, "M u h w"], size: int
) -> None:
    """Share of each code among the real and the sampled ones."""
    shares: list[Float64[Tensor, " K"]] = [code_histograms(codes, size).mean(dim=0) for codes in (real, generated)]
    rows = [{"code": k, "real": float(shares[0][k]), "generated": float(shares[1][k])} for k in range(size)]
    write_table(path, rows)


def _write_videos(
    parts: Parts, folder: Path, sampled: Iterable[UInt8[Tensor, "N _ H W C"]], rebuilt: UInt8[Tensor, "n T two_H W C"]
) -> None:
    """Rows of a few videos: sampled ones, with what was given, real ones, and real windows above reconstructions."""
    write_row(folder / "samples.mp4", sampled)
    write_row(folder / "real.mp4", read_along(parts.train, SHOWN, parts.config.sampled_frames, parts.data_seed))
    write_row(folder / "reconstruction.mp4", [rebuilt])


METRICS_STAGE = Stage("metrics", 8, _inputs, _make, lambda _config, folder: folder)
