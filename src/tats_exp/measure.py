"""The metrics stage: what is measured of one run, from what the other stages left.

Axes: N videos, T frames of a window, t h w latent grid, K codebook size, D features.
"""

import statistics
from collections.abc import Callable
from pathlib import Path

import torch
from jaxtyping import Float, Float64, Int64
from torch import Tensor

from tats_exp.data.clips import Window, draw_windows, read_along
from tats_exp.data.video_writer import write_row
from tats_exp.log import write_metrics, write_table
from tats_exp.metrics import (
    Protocol,
    code_histograms,
    code_perplexity,
    js_divergence,
    nearest_distance,
    place_probe,
    share_unchanged,
    shift_nll_gap,
    windows,
)
from tats_exp.metrics.evaluation import FEW_WINDOWS, Evaluation, Look, Values, joined
from tats_exp.metrics.look import look, pixels
from tats_exp.metrics.trend import bootstrap_code_slope, slope
from tats_exp.rebuild import rebuild, rebuilt_errors, rebuilt_features
from tats_exp.stages import CODES, SHOWN, Parts, decoded, sampled_codes
from tats_exp.tensors import load_tensors
from tats_exp.transformer.losses import code_nll
from tats_exp.transformer.transformer import Transformer
from tats_exp.vqgan.vqgan import VQGAN


def make_metrics(
    parts: Parts, folder: Path, reference: Path, vqgan: Path, codes: Path, transformer: Path, samples: Path
) -> None:
    """Measure a run.

    Leaves metrics.json (values, floors, protocol), curves.csv, code_histogram.csv and videos/.
    """
    model = parts.vqgan(vqgan)
    real = load_tensors(reference / "reference.safetensors")
    real_codes = load_tensors(codes / CODES)
    names = parts.network.name, (parts.classifier or parts.network).name
    evaluation = Evaluation(*names, real, parts.config.metrics.videos)
    total = evaluation.repeats * evaluation.count
    sampled, has_margin = sampled_codes(samples)
    sampled = sampled[:total]
    size = parts.config.codebook_size

    floor = [Window(*place) for place in real["floor_windows"].tolist()]
    held_out = draw_windows(parts.test, evaluation.count, parts.config.frames, parts.data_seed)
    looks = len(floor) + len(held_out) + len(sampled)

    def told(before: int) -> Callable[[int], None]:
        return lambda done: parts.progress("metrics", before + done, looks)

    rebuilt = rebuilt_features(parts, rebuild(parts, model, parts.real, floor, told(0)))
    reconstruction = evaluation.distances(rebuilt, "floor_reference")
    errors, pictures = rebuilt_errors(rebuild(parts, model, parts.test, held_out, told(len(floor))), SHOWN)
    seen = _look_along(parts, model, sampled, has_margin, told(len(floor) + len(held_out)))
    inner = _inner(model, sampled, has_margin)
    same_count = min(total, len(real_codes["train"]))  # divergences of histograms compare at equal counts only
    train_histogram = code_histograms(real_codes["train"][:same_count], size)
    held_out_histogram = code_histograms(real_codes["held_out"][:same_count], size)
    rows = evaluation.rows(seen)
    for row, more in zip(rows, _code_rows(parts, train_histogram, inner[:same_count], len(rows)), strict=True):
        row |= more
    values = {
        **_code_use(real_codes, size),
        **evaluation.values(rows, seen, parts.config.metrics.resamples, parts.data_seed),
        **{f"{key}/reconstruction": statistics.fmean(found) for key, found in reconstruction.items()},
        **_code_slope(parts, train_histogram, inner[:same_count], [row["codes/js_divergence"] for row in rows]),
        **errors,
        **_memorisation(parts, real, seen[0]["features"]),
        **_code_values(parts, parts.transformer(transformer), real_codes),
    }
    floors = {
        "real": {
            **evaluation.floors,
            "codes/js_divergence": float(js_divergence(train_histogram, held_out_histogram).mean()),
        },
        "reconstruction": {key: statistics.fmean(found) for key, found in reconstruction.items()},
        "chance": {"codes/place_probe": 1 / parts.config.latent_grid[0]},
    }
    write_table(folder / "curves.csv", rows)
    _write_histogram(folder / "code_histogram.csv", real_codes["train"], inner, size)
    write_row(folder / "videos" / "samples.mp4", decoded(parts, model, sampled[:SHOWN], has_margin))
    write_row(
        folder / "videos" / "real.mp4", read_along(parts.train, SHOWN, parts.config.sampled_frames, parts.data_seed)
    )
    write_row(folder / "videos" / "reconstruction.mp4", [pictures])
    write_metrics(folder, values, floors, evaluation.notes, _protocol(parts, evaluation).as_dict())


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
        data=parts.real.fingerprint(),
        seed=parts.data_seed,
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


def _memorisation(parts: Parts, real: dict[str, Tensor], sampled: Float[Tensor, "N D"]) -> dict[str, float | None]:
    """How near samples, and held-out windows, come to the windows of the train split; a copy is much nearer."""
    if parts.config.metrics.split != "train":  # the held-out windows may be among the reference
        return {}
    training = real["reference"].flatten(0, 1)
    nearest = {"sample": sampled, "held_out": real["held_out"]}
    return {f"memorisation/nearest_{name}": float(nearest_distance(f, training).mean()) for name, f in nearest.items()}


@torch.inference_mode()
def _code_values(parts: Parts, transformer: Transformer, codes: dict[str, Tensor]) -> dict[str, float | None]:
    """What codes of real video tell without any sampling: time-agnosticity and likelihoods."""
    held_out, shifted = codes["held_out"], codes["held_out_shifted"]
    condition = parts.condition.codes(codes["held_out_labels"])
    on_device = (held_out.to(parts.device), shifted.to(parts.device))
    gap = shift_nll_gap(transformer, condition.to(parts.device), *on_device)
    train_condition = parts.condition.codes(codes["train_labels"])[: len(held_out)]
    videos = codes["held_out_videos"]
    first = torch.isin(videos, videos.unique()[: len(videos.unique()) // 2])
    probe = place_probe(held_out[first], held_out[~first], parts.config.codebook_size) if first.any() else None
    held_out_nll = _nll(parts, transformer, condition, held_out)
    train_nll = _nll(parts, transformer, train_condition, codes["train"][: len(held_out)])
    return {
        "codes/unchanged": share_unchanged(held_out, shifted),
        "codes/place_probe": probe,  # None: a single held-out video, which cannot be both trained and tested on
        "codes/shift_nll_gap": float(gap.mean()),
        **{f"codes/shift_nll_gap/slot_{slot}": float(value) for slot, value in enumerate(gap)},
        "val/transformer/nll": held_out_nll,
        "val/transformer/nll_gap": held_out_nll - train_nll,
    }


def _nll(
    parts: Parts, transformer: Transformer, condition: Int64[Tensor, "N c"], codes: Int64[Tensor, "N t h w"]
) -> float:
    """Mean negative log-likelihood of windows of codes, nats a code."""
    total = 0.0
    for some, batch in zip(condition.split(_batch(parts)), codes.flatten(1).split(_batch(parts)), strict=True):
        batch = batch.to(parts.device)
        logits = transformer.logits(some.to(parts.device), batch)
        total += float(code_nll(logits, batch, transformer.condition_codes).double().sum())
    return total / codes.numel()


def _look_along(
    parts: Parts, vqgan: VQGAN, codes: Int64[Tensor, "N t h w"], has_margin: bool, progress: Callable[[int], None]
) -> list[Look]:
    """What is kept of every window of all sampled videos, window by window; a few videos are decoded at a time."""
    count = parts.config.sampled_frames // parts.config.frames
    ends = parts.config.metrics.windows == "ends"

    def looks(start: int) -> list[Look]:
        progress(start)
        chunks = decoded(parts, vqgan, codes[start : start + _batch(parts)], has_margin)
        seen = []
        for t, window in enumerate(windows(chunks, parts.config.frames)):
            skipped = ends and 0 < t < count - 1
            seen.append(pixels(window) if skipped else look(parts.network, window, parts.device, parts.classifier))
        return seen

    return joined(looks(start) for start in range(0, len(codes), _batch(parts)))


def _inner(vqgan: VQGAN, codes: Int64[Tensor, "N t h w"], has_margin: bool) -> Int64[Tensor, "N u h w"]:
    margin = vqgan.code_margin if has_margin else 0
    return codes[:, margin : codes.shape[1] - margin]


def _write_histogram(
    path: Path, real: Int64[Tensor, "N t h w"], generated: Int64[Tensor, "M u h w"], size: int
) -> None:
    """Share of each code among the real and the sampled ones."""
    shares: list[Float64[Tensor, " K"]] = [code_histograms(codes, size).mean(dim=0) for codes in (real, generated)]
    rows = [{"code": k, "real": float(shares[0][k]), "generated": float(shares[1][k])} for k in range(size)]
    write_table(path, rows)


def _batch(parts: Parts) -> int:
    return parts.config.metrics.batch_size
