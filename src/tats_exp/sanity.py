"""`python -m tats_exp.sanity clips=DIR out=DIR`: does FVD grow when real clips are made worse?

Takes windows of the videos below a folder and leaves sanity.csv, sanity.png and protocol.json: both distances of
distorted windows from clean ones, distortion by distortion. What they are blind to stays at the floor.
"""

import argparse
import csv
import math
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

from jaxtyping import UInt8
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter
from omegaconf import OmegaConf
from pydantic import Field
from torch import Tensor
from tqdm import tqdm

from tats_exp.config import Section, validated
from tats_exp.cost import chosen_device
from tats_exp.data.clips import Videos, Window, draw_windows, read_windows
from tats_exp.data.video_folder import VideoFolder
from tats_exp.metrics.protocol import Protocol
from tats_exp.metrics.sanity import DISTORTIONS, PASSES, sanity_curves
from tats_exp.report.style import LIGHT, panels, save
from tats_exp.store import atomic, write_json

FRAMES = 16
BATCH = 8

KEYS = """keys:
  clips=DIR         folder of real videos
  out=DIR           where to write
  network=i3d       or shapes_cnn
  windows=64        of each of the two sets, clean and distorted, at most
  resolution=null   height and width all frames are brought to; null: as they are
  seed=0            of the windows and the distortions
  device=auto       or cpu, cuda"""


class SanityConfig(Section):
    """What was asked for, checked."""

    clips: str
    out: str
    network: Literal["i3d", "shapes_cnn"] = "i3d"
    windows: int = Field(default=64, ge=2)
    resolution: int | None = Field(default=None, ge=1)
    seed: int = Field(default=0, ge=0)
    device: Literal["auto", "cpu", "cuda"] = "auto"


def run(config: SanityConfig) -> None:
    """Draw the windows, measure, write.

    Raises:
        ValueError: the folder or the weights are not there, or there are fewer than 4 windows; one line.
    """
    device = chosen_device(config.device)
    videos = VideoFolder(config.clips, config.resolution, shortest=FRAMES)
    drawn = draw_windows(videos, 2 * config.windows, FRAMES, config.seed)
    count = len(drawn) // 2
    if count < 2:
        raise ValueError(f"clips: {len(drawn)} windows of {FRAMES} frames in {config.clips}, at least 4 are needed")
    network = _network(config.network).to(device).eval()
    clean, distorted = drawn[0 : 2 * count : 2], drawn[1 : 2 * count : 2]  # both spread over all videos alike
    print(f"{config.network}: {count} clean and {count} other windows, distorted in {PASSES - 1} ways", flush=True)
    with tqdm(total=count * (1 + PASSES), unit="clip", disable=None) as bar:
        rows = sanity_curves(
            network,
            _batches(videos, clean),
            _batches(videos, distorted),
            device,
            config.seed,
            lambda done: bar.update(done - bar.n) and None,
        )
    out = Path(config.out)
    out.mkdir(parents=True, exist_ok=True)
    with atomic(out / "sanity.csv") as temporary, temporary.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    write_json(out / "protocol.json", _protocol(config, network, videos, count).as_dict())
    with LIGHT.apply():
        save(draw(rows, network.name), out / "sanity.png")
    print(f"wrote {out / 'sanity.csv'} and {out / 'sanity.png'}")


def draw(rows: list[dict[str, Any]], network: str) -> Figure:
    """Both distances over the level, a column per distortion; the floor is what undistorted clips get."""
    columns = len(DISTORTIONS)
    figure, axes = panels(2 * columns, columns, height=2.4, width=2.7 * columns)
    for row, key in enumerate(("fvd", "kvd")):
        first, values = axes[row * columns], [found[key] for found in rows]
        floor = values[0]  # level 0 of every distortion
        for axis, distortion in zip(axes[row * columns :], DISTORTIONS, strict=False):
            axis.axhline(floor, color=LIGHT.floor, linestyle=(0, (4, 2)), linewidth=1.2, zorder=1)
            curve = [(found["level"], found[key]) for found in rows if found["distortion"] == distortion.name]
            axis.plot(*zip(*curve, strict=True), color=LIGHT.colour(row), marker="o", markersize=4)
            axis.set_title(distortion.name if row == 0 else "")
            axis.set_xlabel(distortion.unit if row == 1 else "")
            # Logarithmic above the floor, as curves differ by orders of magnitude; below it only chance is at work.
            axis.set_yscale("symlog", linthresh=10 ** math.ceil(math.log10(max(abs(floor), 1e-6))))
            axis.set_ylim(min(0.0, 1.3 * min(values)), max(1e-6, 1.3 * max(values)))
            axis.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        first.set_ylabel(f"{key}/{network}")
    return figure


def _network(name: str) -> Any:
    if name == "i3d":
        from tats_exp.features.i3d import I3D  # here, as the other network needs none of it

        return I3D.pretrained()
    from tats_exp.features.shapes_cnn import ShapesCNN

    return ShapesCNN.pretrained()


def _batches(videos: Videos, windows: list[Window]) -> Iterator[UInt8[Tensor, "_ T H W C"]]:
    for start in range(0, len(windows), BATCH):
        yield read_windows(videos, windows[start : start + BATCH], FRAMES)


def _protocol(config: SanityConfig, network: Any, videos: VideoFolder, count: int) -> Protocol:
    height, width = videos.size
    return Protocol(
        features=network.name,
        checksum=network.checksum,
        precision=network.precision,
        classifier="none",
        n_real=count,
        n_generated=count,
        repeats=1,
        split="all",
        clip_length=FRAMES,
        windows=1,
        frame_stride=videos.frame_stride,
        resolution=f"{height}x{width}",
        resize_real=videos.resize,
        resize_generated=videos.resize,
        codec_real=videos.codec,
        codec_generated=videos.codec,
        data=videos.fingerprint(),
        seed=config.seed,
    )


def main(arguments: list[str] | None = None) -> int:
    """Draw the curves that the command line asks for.

    Args:
        arguments: instead of the command line's own.

    Returns:
        0, or 2 if the input is wrong; the reason is then one line on stderr.
    """
    parser = argparse.ArgumentParser(
        prog="python -m tats_exp.sanity",
        description=__doc__,
        epilog=KEYS,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("keys", nargs="*", metavar="KEY=VALUE")
    given = parser.parse_args(arguments).keys
    try:
        run(validated(OmegaConf.from_dotlist(given), SanityConfig))
    except (ValueError, OSError) as error:
        print(f"tats_exp.sanity: {' '.join(str(error).split())}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
