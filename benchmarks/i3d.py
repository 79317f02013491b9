"""What a clip costs I3D by each way to compute it, and what each does to FVD: `python benchmarks/i3d.py VIDEOS`.

`python benchmarks/i3d.py cores`: clips side by side, one core each, against all cores inside a clip; random weights.

VIDEOS is a folder of real videos, train/<class>/* and test/<class>/*; windows of 16 frames are read from it at 128
pixels. Every path looks at the same three sets: real windows, other real windows, and those with noise. The paths take
turns, six clips at a time, so that a machine whose speed drifts treats all alike; medians are compared. One thread.
"""

import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from unittest.mock import patch

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from tats_exp.data.video_files import VideoFiles
from tats_exp.data.window_reading import read_windows
from tats_exp.data.windows import draw_windows
from tats_exp.features import I3D
from tats_exp.features.clip_batches import in_parts
from tats_exp.features.i3d import _prepare
from tats_exp.features.i3d_blocks import CPU_HAS_BF16, Unit3D, same_padding
from tats_exp.metrics import frechet_distance

ROUNDS, SETS, FRAMES, SIDE, NOISE = 6, 3, 16, 128, 12.0


@dataclass(frozen=True)
class Path:
    """One way to compute.

    Attributes:
        unit: stands in for `Unit3D.forward`; None: as it is.
        clips: that go through the network at once.
        channels_last: how clips lie in memory.
        autocast: to bf16.
        precision: of the network.
        compiled: by `torch.compile`.
    """

    unit: Callable[[Unit3D, Tensor], Tensor] | None = None
    clips: int = 2
    channels_last: bool = True
    autocast: bool = False
    precision: str = "fp32"
    compiled: bool = False


def padded(unit: Unit3D, x: Tensor) -> Tensor:
    """The input of a convolution without padding of its own."""
    return functional.pad(x, [size for pair in reversed(same_padding(x, unit.kernel, unit.stride)) for size in pair])


def plain(unit: Unit3D, x: Tensor) -> Tensor:
    """Padding, convolution, batch norm and ReLU, each by itself."""
    return functional.relu(unit.bn(unit.conv3d(padded(unit, x))))


def folded(unit: Unit3D, x: Tensor) -> Tensor:
    """Batch norm folded into the convolution, nothing else."""
    weight, bias = unit.folded()
    return functional.relu(functional.conv3d(padded(unit, x), weight, bias, unit.stride))


PATHS = {
    "plain eager loop, one clip at a time": Path(plain, clips=1, channels_last=False),
    "batches of 6": Path(plain, clips=6, channels_last=False),
    "channels last": Path(plain),
    "batch norm folded": Path(folded, channels_last=False),
    "channels last, batch norm folded": Path(folded),
    "the same, linear layers for 1x1x1: `I3D()`": Path(),
    "`I3D()`, one clip at a time": Path(clips=1),
    "`I3D()`, batches of 6": Path(clips=6),
    "`I3D(compile=True)`": Path(compiled=True),
    "bf16 autocast, channels last": Path(plain, autocast=True),
    "`I3D('bf16')`": Path(precision="bf16"),
}


@torch.no_grad()
def look(network: I3D, path: Path, video: Tensor) -> Tensor:
    """Logits of (B, T, H, W, C) uint8 video by one path."""
    logits = []
    with patch.object(Unit3D, "forward", path.unit or Unit3D.forward):
        for part in video.split(path.clips):
            x = _prepare(part)
            x = x if path.channels_last else x.contiguous()
            x = x.bfloat16() if path.precision == "bf16" else x
            with torch.autocast("cpu", torch.bfloat16, enabled=path.autocast):
                logits.append((compiled if path.compiled else I3D.logits_of)(network, x).float())
    return torch.cat(logits)


compiled = torch.compile(I3D.logits_of, fullgraph=True)


def main(folder: str) -> None:
    """Print a table of medians, ratios and distances."""
    torch.set_num_threads(1)
    videos = VideoFiles(folder, SIDE).split("train")
    windows = read_windows(videos, draw_windows(videos, 4 * ROUNDS, FRAMES, seed=0), FRAMES)
    real, other = windows[: 2 * ROUNDS], windows[2 * ROUNDS :]
    noise = torch.from_numpy(np.random.default_rng(0).normal(0, NOISE, other.shape))
    noisy = (other + noise).round().clamp(0, 255).to(torch.uint8)
    network = I3D.pretrained()
    paths = {name: path for name, path in PATHS.items() if CPU_HAS_BF16 or not path.autocast}
    seconds: dict[str, list[float]] = {name: [] for name in paths}
    logits: dict[str, list[Tensor]] = {name: [] for name in paths}
    for name, path in paths.items():
        started = time.process_time()
        look(network, path, real[:6])
        print(f"{name}: warm after {time.process_time() - started:.0f} s", file=sys.stderr, flush=True)
    for turn in range(ROUNDS):
        pick = slice(2 * turn, 2 * turn + 2)
        batch = torch.cat([real[pick], other[pick], noisy[pick]])
        for name, path in paths.items():
            started = time.process_time()
            logits[name].append(look(network, path, batch).unflatten(0, (SETS, 2)))
            seconds[name].append((time.process_time() - started) / len(batch))
    report(seconds, {name: torch.cat(parts, dim=1) for name, parts in logits.items()})


def compare_cores(rounds: int = 7, clips: int = 8) -> None:
    """Print clips a wall second both ways, in turn, and whether they give what one thread gives."""
    network, cores = I3D().eval(), torch.get_num_threads()
    video = torch.randint(256, (clips, FRAMES, SIDE, SIDE, 3), dtype=torch.uint8)
    torch.set_num_threads(1)
    alone = network.features(video)
    torch.set_num_threads(cores)
    ways = {
        "side by side, one core each": lambda: network.features(video),
        "all cores inside a clip": lambda: in_parts(network._look, video, in_turn=True),
    }
    taken: dict[str, list[float]] = {name: [] for name in ways}
    equal = {}
    for turn in range(rounds + 1):
        for name, look_at in ways.items():
            started = time.perf_counter()
            with torch.no_grad():
                equal[name] = torch.equal(look_at(), alone)
            if turn:
                taken[name].append((time.perf_counter() - started) / clips)
    print(f"| {cores} cores | clips/s | to the bit as one thread |\n|---|---:|---|")
    for name, seconds in taken.items():
        print(f"| {name} | {1 / statistics.median(seconds):.2f} | {'yes' if equal[name] else 'no'} |")


def report(seconds: dict[str, list[float]], logits: dict[str, Tensor]) -> None:
    """Print the table: `logits` are (sets, clips, classes)."""
    medians = {name: statistics.median(values) for name, values in seconds.items()}
    distances = {
        name: [float(frechet_distance(sets[0], sets[1])), float(frechet_distance(sets[0], sets[2]))]
        for name, sets in logits.items()
    }
    base = next(iter(medians))
    print("| path | clips/s | times the loop | FVD of noise, against fp32 | FVD of real, against fp32 |")
    print("|---|---:|---:|---:|---:|")
    for name, median in medians.items():
        same, noisy = (100 * (d / b - 1) for d, b in zip(distances[name], distances[base], strict=True))
        print(f"| {name} | {1 / median:.2f} | {medians[base] / median:.2f} | {noisy:+.3f}% | {same:+.3f}% |")
    print(
        f"\nFVD of noise {distances[base][1]:.1f}, of other real windows {distances[base][0]:.1f}; {2 * ROUNDS} a side"
    )


if __name__ == "__main__":
    compare_cores() if sys.argv[1] == "cores" else main(sys.argv[1])
