"""The metrics stage: what is measured of one run, from what the other stages left.

Axes: N videos, T frames of a window, t h w latent grid, K codebook size, D features.
"""

import math
from collections.abc import Iterator
from pathlib import Path

import torch
from einops import rearrange
from jaxtyping import Float64, Int64, UInt8
from torch import Tensor

from tats_exp.data.clips import Window, draw_windows, read_windows, to_float
from tats_exp.data.video_writer import VideoWriter
from tats_exp.log import write_table
from tats_exp.metrics import (
    Protocol,
    ccs,
    code_histograms,
    code_perplexity,
    first_window_past,
    frechet_distance,
    js_divergence,
    look,
    nearest_distance,
    place_probe,
    share_unchanged,
    shift_nll_gap,
    windows,
)
from tats_exp.stages import CODES, SHOWN, Parts, decoded, load_tensors, sampled_codes
from tats_exp.store import write_json
from tats_exp.transformer.losses import code_nll
from tats_exp.transformer.transformer import Transformer
from tats_exp.vqgan.vqgan import VQGAN

FPS = 12
SHOWN_HEIGHT = 96  # pixels; smaller videos are enlarged for the eye


def make_metrics(
    parts: Parts, folder: Path, reference: Path, vqgan: Path, codes: Path, transformer: Path, samples: Path
) -> None:
    """Measure a run.

    Leaves metrics.json (values, floors, protocol), curves.csv, code_histogram.csv and videos/.
    """
    model = parts.vqgan(vqgan)
    real = load_tensors(reference / "reference.safetensors")
    real_codes = load_tensors(codes / CODES)
    sampled, has_margin = sampled_codes(samples)
    count = len(real["floor"])
    sampled = sampled[:count]
    name = parts.network.name
    fvd = f"fvd/{name}"

    floor = float(frechet_distance(real["reference"], real["floor"]))
    rebuilt = _reconstruct(parts, model, real["floor_windows"])
    reconstruction = torch.cat(
        [look(parts.network, batch, parts.device)["features"] for batch in rebuilt.split(_batch(parts))]
    )
    reconstruction_fvd = float(frechet_distance(real["reference"], reconstruction))

    seen = list(_look_along(parts, model, sampled, has_margin))
    size = _codebook_size(parts)
    inner = _inner(model, sampled, has_margin)
    same_count = min(count, len(real_codes["train"]))  # divergences of histograms compare at equal counts only
    train_histogram = code_histograms(real_codes["train"][:same_count], size)
    held_out_histogram = code_histograms(real_codes["held_out"][:same_count], size)
    curves = _window_curves(parts, real, train_histogram, seen, inner[:same_count])
    distances = [row[fvd] for row in curves]
    values: dict[str, float | None] = {
        f"{fvd}/window_0": distances[0],
        f"{fvd}/last": distances[-1],
        f"{fvd}/growth": distances[-1] - distances[0],
        f"{fvd}/reconstruction": reconstruction_fvd,
        "drift/first_window": first_window_past(distances, floor),
        "memorisation/nearest_sample": float(nearest_distance(seen[0]["features"], real["reference"]).mean()),
        "memorisation/nearest_other_real": float(nearest_distance(real["floor"], real["reference"]).mean()),
        **{f"{key}/last": curves[-1][key] for key in curves[-1] if key.startswith(("codes/", "drift/"))},
        **_code_values(parts, parts.transformer(transformer), real_codes),
    }
    grid = parts.config.latent_grid
    protocol = Protocol(
        features=name,
        checksum=parts.network.checksum,
        n_real=len(real["reference"]),
        n_generated=count,
        split="train",
        clip_length=parts.config.frames,
        frame_stride=parts.train.frame_stride,
        resolution=parts.train.resolution,
        resize=parts.train.resize,
        codec="none",
        data=parts.train.fingerprint(),
        seed=parts.data_seed,
    )
    floors = {
        "real": {fvd: floor, "codes/js_divergence": float(js_divergence(train_histogram, held_out_histogram).mean())},
        "reconstruction": {fvd: reconstruction_fvd},
        "chance": {"codes/place_probe": 1 / grid[0]},
    }
    write_table(folder / "curves.csv", curves)
    _write_histogram(folder / "code_histogram.csv", real_codes["train"], inner, size)
    _write_videos(parts, model, folder / "videos", sampled, has_margin, real["floor_windows"], rebuilt)
    values = {key: value if value is None or math.isfinite(value) else None for key, value in values.items()}
    write_json(folder / "metrics.json", {"values": values, "floors": floors, "protocol": protocol.as_dict()})


def _window_curves(
    parts: Parts,
    real: dict[str, Tensor],
    real_histogram: Float64[Tensor, "t K"],
    seen: list[dict[str, Tensor]],
    sampled: Int64[Tensor, "N time h w"],
) -> list[dict[str, float]]:
    """One row per window of the sampled videos."""
    size, frames = _codebook_size(parts), parts.config.latent_grid[0]
    coherence = ccs(torch.stack([window["probabilities"] for window in seen], dim=1))
    rows = []
    for t, window in enumerate(seen):
        histogram = code_histograms(sampled[:, t * frames : (t + 1) * frames], size)
        rows.append(
            {
                "window": t,
                f"fvd/{parts.network.name}": float(frechet_distance(real["reference"], window["features"])),
                "codes/js_divergence": float(js_divergence(real_histogram, histogram).mean()),
                "codes/perplexity": float(code_perplexity(histogram.mean(dim=0))),
                **{f"drift/{name}": _ratio(window[name], real[name]) for name in ("motion", "contrast", "brightness")},
                "drift/label_coherence": float(coherence[t]),
            }
        )
    return rows


def _ratio(sampled: Float64[Tensor, " N"], real: Float64[Tensor, " M"]) -> float:
    """Mean of the sampled over mean of the real; nan where the real is 0 (stills do not move)."""
    return float(sampled.mean() / real.mean()) if real.mean() > 0 else math.nan


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
    probe = place_probe(held_out[first], held_out[~first], _codebook_size(parts)) if first.any() else None
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
    parts: Parts, vqgan: VQGAN, codes: Int64[Tensor, "N t h w"], has_margin: bool
) -> Iterator[dict[str, Tensor]]:
    """What is kept of every window of all sampled videos, window by window; a few videos are decoded at a time."""
    batches: list[list[dict[str, Tensor]]] = []
    for start in range(0, len(codes), _batch(parts)):
        chunks = decoded(parts, vqgan, codes[start : start + _batch(parts)], has_margin)
        batches.append([look(parts.network, window, parts.device) for window in windows(chunks, parts.config.frames)])
        parts.progress("metrics", start, len(codes))
    for same_window in zip(*batches, strict=True):
        yield {name: torch.cat([part[name] for part in same_window]) for name in same_window[0]}


@torch.inference_mode()
def _reconstruct(parts: Parts, vqgan: VQGAN, places: Int64[Tensor, "N 2"]) -> UInt8[Tensor, "N T H W C"]:
    """Real windows through the VQGAN; at the ends of a video its end frame fills the margin."""
    frames, margin = parts.config.frames, vqgan.training_margin
    out = []
    for start in range(0, len(places), parts.config.codes.batch_size):
        batch = _with_margin(parts, places[start : start + parts.config.codes.batch_size], frames, margin)
        codes = vqgan.encode(to_float(batch.to(parts.device)))
        out.append(torch.cat(list(decoded(parts, vqgan, codes, has_margin=vqgan.code_margin > 0)), dim=1))
    return torch.cat(out)


def _with_margin(parts: Parts, places: Int64[Tensor, "N 2"], frames: int, margin: int) -> UInt8[Tensor, "N T H W C"]:
    """Windows with `margin` frames on either side, end frames repeated where the video ends first."""
    videos, clips = parts.train, []
    for video, start in places.tolist():
        stride, last = videos.frame_stride, videos.lengths[video] - 1
        before = min(margin, start // stride)
        after = min(margin, (last - start) // stride - (frames - 1))
        clip = read_windows(videos, [Window(video, start)], frames, before, after)[0]
        first, end = clip[:1], clip[-1:]
        clips.append(
            torch.cat([first.expand(margin - before, -1, -1, -1), clip, end.expand(margin - after, -1, -1, -1)])
        )
    return torch.stack(clips)


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


def _write_videos(
    parts: Parts,
    vqgan: VQGAN,
    folder: Path,
    codes: Int64[Tensor, "N t h w"],
    has_margin: bool,
    places: Int64[Tensor, "N 2"],
    rebuilt: UInt8[Tensor, "N T H W C"],
) -> None:
    """Rows of a few videos: sampled ones, real ones, and real windows above their reconstructions."""
    folder.mkdir(exist_ok=True)
    scale = max(1, SHOWN_HEIGHT // parts.config.resolution)
    with VideoWriter(folder / "samples.mp4", FPS, scale) as writer:
        for chunk in decoded(parts, vqgan, codes[:SHOWN], has_margin):
            writer.write(rearrange(chunk, "n f h w c -> f h (n w) c").numpy())
    videos, frames = parts.train, parts.config.sampled_frames
    long = draw_windows(videos, SHOWN, frames, parts.data_seed)
    while not long:  # no real video is as long as the sampled ones: the longest that there are
        frames -= parts.config.frames
        long = draw_windows(videos, SHOWN, frames, parts.data_seed)
    with VideoWriter(folder / "real.mp4", FPS, scale) as writer:
        for start in range(0, frames, parts.config.frames):
            part = read_windows(videos, long, parts.config.frames, shift=start)
            writer.write(rearrange(part, "n f h w c -> f h (n w) c").numpy())
    real = _with_margin(parts, places[:SHOWN], parts.config.frames, 0)
    with VideoWriter(folder / "reconstruction.mp4", FPS, scale) as writer:
        both = torch.stack([real, rebuilt[: len(real)]])
        writer.write(rearrange(both, "two n f h w c -> f (two h) (n w) c").numpy())


def _codebook_size(parts: Parts) -> int:
    return int(parts.config.vqgan.model["codebook"]["size"])


def _batch(parts: Parts) -> int:
    return parts.config.metrics.batch_size
