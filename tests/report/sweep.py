"""A made-up sweep folder, as runs would leave it, with numbers the tests choose."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tats_exp.run_folder.columns import Column
from tats_exp.run_folder.pictures import shown_frames
from tests.report.declared import columns_of

PROTOCOL = {
    "features": "shapes_cnn",
    "checksum": "c0ffee",
    "precision": "fp32",
    "classifier": "shapes_cnn c0ffee",
    "n_real": 128,
    "n_generated": 128,
    "repeats": 1,
    "reference": "rebuilt by its VQGAN",
    "split": "train",
    "clip_length": 16,
    "windows": 16,
    "frame_stride": 1,
    "resolution": "16x16",
    "resize_real": "rendered at this size",
    "resize_generated": "none",
    "codec_real": "none",
    "codec_generated": "none",
    "decoder_real": "none",
    "decoder_generated": "none",
    "data": "shapes 1",
    "seed": 0,
}
FLOORS = {"real": {"fvd/shapes_cnn": 1.7}, "reconstruction": {"fvd/shapes_cnn": 2.1}}


def write_run(
    folder: Path,
    choices: dict[str, str],
    values: dict[str, float | None] | None = None,
    *,
    protocol: dict[str, Any] | None = None,
    floors: dict[str, dict[str, float]] | None = None,
    columns: Sequence[Column] = (),
    **status: Any,
) -> Path:
    """A run folder with status and metrics; `status` overrides what status.json says."""
    folder.mkdir(parents=True)
    said = {"state": "finished", "error": None, "experiment": "padding_ablation", "choices": choices} | status
    (folder / "status.json").write_text(json.dumps(said))
    if said["state"] == "finished":
        told = {key: "never" if value == math.inf else value for key, value in (values or {}).items()}
        metrics = {"choices": choices, "protocol": protocol or PROTOCOL, "values": told}
        metrics |= {"columns": [column.as_dict() for column in (columns or columns_of(values or {}))]}
        (folder / "metrics.json").write_text(json.dumps(metrics | {"floors": FLOORS if floors is None else floors}))
    return folder


def write_curves(folder: Path, columns: dict[str, list[float]]) -> None:
    length = len(next(iter(columns.values())))
    rows = [[window, *(column[window] for column in columns.values())] for window in range(length)]
    _write_csv(folder / "curves.csv", ["window", *columns], rows)


def write_losses(folder: Path, series: dict[tuple[str, str], list[float]]) -> None:
    rows = [[stage, step, key, value] for (stage, key), values in series.items() for step, value in enumerate(values)]
    _write_csv(folder / "losses.csv", ["stage", "step", "key", "value"], rows)


def write_histogram(folder: Path, real: np.ndarray, generated: np.ndarray) -> None:
    rows = [[code, *counts] for code, counts in enumerate(zip(real.tolist(), generated.tolist(), strict=True))]
    _write_csv(folder / "code_histogram.csv", ["code", "real", "generated"], rows)


def write_frames(path: Path, frames: list[int], decay: float, seed: int, videos: int = 8, size: int = 16) -> None:
    """The picture of a run: videos below each other, frames beside each other."""
    from PIL import Image

    path.parent.mkdir(exist_ok=True)
    columns = [np.concatenate(_frame(frame, decay, seed, videos, size), axis=0) for frame in frames]
    Image.fromarray((255 * np.concatenate(columns, axis=1)).astype(np.uint8)).save(path)


def _frame(frame: int, decay: float, seed: int, videos: int, size: int) -> list[np.ndarray]:
    """A disc per video on a dark ground, that fades into a still grey blob."""
    y, x = np.mgrid[:size, :size]
    fade = 1 - np.exp(-decay * frame)
    pictures = []
    for video in range(videos):
        phase = 1.7 * video + seed
        cx, cy = (
            size / 2 * (1 + (1 - fade) * 0.6 * np.sin(0.1 * frame * (1 + video % 3) + phase + p)) for p in (0, 1.4)
        )
        disc = np.clip(size / 5 - np.hypot(x - cx, y - cy) + 0.5, 0, 1)[..., None]
        colour = (1 - fade) * (np.eye(3)[video % 3] * 0.8 + 0.1) + fade * np.full(3, 0.5)
        pictures.append((1 - disc) * np.array([0.08, 0.09, 0.14]) + disc * colour)
    return pictures


def write_video(path: Path, frames: int, decay: float, seed: int, videos: int = 4, size: int = 16) -> None:
    """A row of discs on a drifting texture that fades into noise at the given rate per frame."""
    from tats_exp.data.video_writer import VideoWriter

    random = np.random.default_rng(seed)
    y, x = np.mgrid[:size, :size]
    with VideoWriter(path, fps=16.0, scale=6) as writer:
        for frame in range(frames):
            fade = 1 - np.exp(-decay * frame)
            row = []
            for video in range(videos):
                texture = 0.5 + 0.2 * np.sin(0.6 * x + 0.3 * y * (video + 1) + 0.1 * frame)
                cx, cy = (size / 2 * (1 + 0.6 * np.sin(0.1 * frame * (video + 1) + phase)) for phase in (0, 1.4))
                disc = np.clip(size / 5 - np.hypot(x - cx, y - cy) + 0.5, 0, 1)[..., None]
                colour = np.eye(3)[video % 3] * 0.8 + 0.1
                picture = (1 - disc) * texture[..., None] * np.array([0.7, 0.8, 1.0]) + disc * colour
                noise = random.random((size // 4, size // 4, 3)).repeat(4, 0).repeat(4, 1)
                row.append((1 - fade) * picture + fade * noise)
            writer.write((255 * np.concatenate(row, axis=1)).astype(np.uint8)[None])


ENDPOINTS = {
    "endpoint": "layout/growth",
    "secondary": ["drift/collapse_window", "fvd/{network}/last", "codes/latent_shift", "val/vqgan/psnr"],
    "record": "experiments/padding_ablation/README.md",
}


def demo_sweep(folder: Path, paddings: dict[str, float], seeds: int, windows: int = 16, frames: int = 256) -> None:
    """A whole ablation: padding -> how fast its videos collapse per window."""
    for padding, rate in paddings.items():
        for seed in range(seeds):
            demo_run(folder / "jobs" / f"padding={padding},seed={seed}", padding, rate, seed, windows, frames)


def demo_run(folder: Path, padding: str, rate: float, seed: int, windows: int, frames: int) -> None:
    """One run of it with everything that a report reads."""
    random = np.random.default_rng([seed, *map(ord, padding)])
    window = np.arange(windows)
    layout = 14 * np.exp(np.minimum(1.5 * rate * window, 4.2) + random.normal(0, 0.1, windows))
    fvd = 1.2 * np.exp(np.minimum(rate * window, 3) + random.normal(0, 0.1, windows))
    past = np.flatnonzero(layout - layout[0] > 40 * 12)
    values = {
        "layout/growth": float(np.log((layout[windows // 2 :].mean() + 12) / (layout[0] + 12))),
        "drift/collapse_window": float(past[0]) if len(past) else math.inf,
        "fvd/shapes_cnn/window_0": fvd[0],
        "fvd/shapes_cnn/last": fvd[-1],
        "codes/latent_shift": rate + 0.02 * random.normal() if padding != "real" else 0.0,
        "codes/place_probe": 0.25 + 0.5 * min(rate, 0.5) + 0.01 * random.normal(),
        "val/vqgan/psnr": 26.5 + 0.4 * random.normal(),
        "val/transformer/nll": 2.31 + 0.05 * random.normal(),
    }
    seconds = {"vqgan": 85.1 + seed, "codes": 2.2, "transformer": 65.0, "samples": 21.5, "metrics": 4.0}
    run = write_run(
        folder,
        {"padding": padding, "seed": str(seed)},
        values,
        protocol=PROTOCOL | {"windows": windows, "clip_length": frames // windows},
        floors={"rebuilt": {"layout": 12.0, "fvd/shapes_cnn": 0.8}, "chance": {"codes/place_probe": 0.25}},
        description="Does the way frames are padded in time decide how long a generated video stays alive?",
        seconds=seconds,
        reused=["codes"] if seed else [],
        stages={"vqgan": f"{padding}{seed}"},
        device="cpu",
        version={"tats-exp": "0.1.0", "torch": "2.13.0"},
        **ENDPOINTS,
    )
    (run / "config.yaml").write_text(f"padding: {padding}\nseed: {seed}\n")
    write_curves(
        run,
        {
            "layout": layout.tolist(),
            "truth/layout": (15 + random.normal(0, 1, windows)).tolist(),
            "fvd/shapes_cnn": fvd.tolist(),
            "codes/js_divergence": (0.03 + 0.02 * rate * window).tolist(),
            "drift/motion": (1 + 0.05 * rate * window + random.normal(0, 0.02, windows)).tolist(),
        },
    )
    steps = np.arange(200)
    write_losses(
        run,
        {
            ("vqgan", "train/vqgan/l1"): (0.3 * np.exp(-steps / 40) + 0.02 + rate / 100).tolist(),
            ("transformer", "train/transformer/nll"): (2.2 + 2.6 * np.exp(-steps / 50)).tolist(),
        },
    )
    real = np.sort(random.gamma(0.8, 100, 128))[::-1]
    write_histogram(run, real, real * np.exp(rate * random.normal(0, 2, 128)))
    write_video(run / "videos" / "samples.mp4", frames, 0.004 * rate, seed)
    write_video(run / "videos" / "reconstruction.mp4", 16, 0.0, seed)
    write_video(run / "videos" / "real.mp4", frames, 0.0, seed)
    write_frames(run / "videos" / "frames.png", shown_frames(frames), 0.05 * rate, seed)


def _write_csv(path: Path, head: list[str], rows: list[list[Any]]) -> None:
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(head)
        writer.writerows(rows)
