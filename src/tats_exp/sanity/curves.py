"""Distances of distorted windows from clean ones, distortion by distortion, as a table and a figure."""

import csv
import math
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from jaxtyping import UInt8
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter
from torch import Tensor
from tqdm import tqdm

from tats_exp import UserError
from tats_exp.cli import path_of
from tats_exp.config.check import check_metrics
from tats_exp.config.command import chosen_device
from tats_exp.config.networks import feature_network
from tats_exp.data.video_folder import VideoFolder
from tats_exp.data.videos import Videos
from tats_exp.data.window_reading import read_windows
from tats_exp.data.windows import Window, draw_windows
from tats_exp.files import atomic, write_json
from tats_exp.metrics import Networks, Protocol
from tats_exp.metrics.evaluation import Counts, Origin, make_protocol
from tats_exp.metrics.sanity import DISTORTIONS, PASSES, sanity_curves
from tats_exp.report.panel import panels, save
from tats_exp.report.style import LIGHT
from tats_exp.run.folders import writable
from tats_exp.sanity.config import SanityConfig

FRAMES = 16


def measure(config: SanityConfig) -> None:
    """Draw the windows, measure, write.

    Raises:
        UserError: the folder or the weights are not there, or there are fewer than 4 windows; one line.
    """
    check_metrics(config.metrics)
    device, batch = chosen_device(config.device), config.metrics.batch_size
    videos = VideoFolder(config.clips, config.resolution, shortest=FRAMES, limits=config.limits)
    drawn = draw_windows(videos, 2 * config.windows, FRAMES, config.seed)
    count = len(drawn) // 2
    if count < 2:
        raise UserError(f"clips: {len(drawn)} windows of {FRAMES} frames in {config.clips}, at least 4 are needed")
    networks = Networks(feature_network(config.metrics.network, device), None, device)
    name = networks.network.name
    clean, distorted = drawn[0 : 2 * count : 2], drawn[1 : 2 * count : 2]  # both spread over all videos alike
    out = Path(config.out)
    with path_of("out", out):
        writable(out)  # not to learn at the end that it cannot be
    print(f"{name}: {count} clean and {count} other windows, distorted in {PASSES - 1} ways", flush=True)
    with tqdm(total=count * (1 + PASSES), unit="clip", disable=None) as bar:
        rows = sanity_curves(
            networks,
            _batches(videos, clean, batch),
            _batches(videos, distorted, batch),
            config.seed,
            lambda done: bar.update(done - bar.n) and None,
        )
    with atomic(out / "sanity.csv") as temporary, temporary.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    write_json(out / "protocol.json", _protocol(config, networks, videos, count).as_dict())
    with LIGHT.apply():
        save(draw(rows, name), out / "sanity.png")
    print(f"wrote {out / 'sanity.csv'} and {out / 'sanity.png'}")


def draw(rows: list[dict[str, Any]], network: str) -> Figure:
    """All distances over the level, a column per distortion; the floor is what undistorted clips get."""
    columns, labels = len(DISTORTIONS), {"fvd": f"fvd/{network}", "kvd": f"kvd/{network}", "layout": "layout"}
    figure, axes = panels(len(labels) * columns, columns, height=2.4, width=2.7 * columns)
    for row, (key, label) in enumerate(labels.items()):
        first, values = axes[row * columns], [found[key] for found in rows]
        floor = values[0]  # level 0 of every distortion
        for axis, distortion in zip(axes[row * columns :], DISTORTIONS, strict=False):
            axis.axhline(floor, color=LIGHT.floor, linestyle=(0, (4, 2)), linewidth=1.2, zorder=1)
            curve = [(found["level"], found[key]) for found in rows if found["distortion"] == distortion.name]
            axis.plot(*zip(*curve, strict=True), color=LIGHT.colour(row), marker="o", markersize=4)
            axis.set_title(distortion.name if row == 0 else "")
            axis.set_xlabel(distortion.unit if row == len(labels) - 1 else "")
            # Logarithmic above the floor, as curves differ by orders of magnitude; below it only chance is at work.
            axis.set_yscale("symlog", linthresh=10 ** math.ceil(math.log10(max(abs(floor), 1e-6))))
            axis.set_ylim(min(0.0, 1.3 * min(values)), max(1e-6, 1.3 * max(values)))
            axis.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        first.set_ylabel(label)
    return figure


def _batches(videos: Videos, windows: list[Window], size: int) -> Iterator[UInt8[Tensor, "_ T H W C"]]:
    for start in range(0, len(windows), size):
        yield read_windows(videos, windows[start : start + size], FRAMES)


def _protocol(config: SanityConfig, networks: Networks, videos: VideoFolder, count: int) -> Protocol:
    counts = Counts(real=count, generated=count, repeats=1, windows=1)
    protocol = make_protocol(
        networks,
        counts,
        videos,
        Origin.of(videos),
        split="all",
        clip_length=FRAMES,
        size=videos.size,
        seed=config.seed,
        reference="real windows",
    )
    return replace(protocol, classifier="none")
