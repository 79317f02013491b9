"""The rebuilt windows: the reference and long real videos through the VQGAN of a run, without a transformer.

What sampling adds to a distance shows against windows that the VQGAN has spoilt alike. Long real videos are encoded
window by window, and their codes are joined and decoded as sampled ones are: what the decoder alone makes of joined
windows.

Axes: N windows or videos.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from einops import rearrange

from tats_exp.data.videos import Videos
from tats_exp.data.windows import Window, draw_windows
from tats_exp.files import Stage, load_tensors, save_tensors
from tats_exp.metrics.findings import Rebuilt
from tats_exp.metrics.gaps import latent_layouts
from tats_exp.metrics.networks import Networks, statistics_along, windows_looked_at
from tats_exp.metrics.reference_windows import ReferenceWindows
from tats_exp.metrics.window_statistics import WindowStatistics
from tats_exp.stages.context import Chosen, Earlier, NoMeaning, RunContext, Work
from tats_exp.stages.decoder import FrameDecoder
from tats_exp.stages.reconstructions import Reconstructor
from tats_exp.stages.reference import REFERENCE_STAGE
from tats_exp.stages.vqgan import VQGAN_STAGE
from tats_exp.vqgan.vqgan import VQGAN

REBUILT, TRUTH, LAYOUTS = "rebuilt.safetensors", "truth.safetensors", "latent_layouts.safetensors"


@dataclass(frozen=True)
class RebuiltInputs:
    """What rebuilt windows depend on.

    Attributes:
        reference: the real windows.
        vqgan: rebuilds them.
        real: where they lie.
        data_seed: of the draw of long videos.
        networks: look at them.
        frames: of a window.
        sampled_frames: of a sampled video: long real ones are no longer.
        looked_at: `metrics.windows`.
        batch_size: windows side by side.
        decode_chunk: latent frames decoded at a time.
    """

    reference: Earlier[ReferenceWindows]
    vqgan: Earlier[VQGAN]
    real: Videos
    data_seed: int
    networks: Chosen[Networks]
    frames: int
    sampled_frames: int
    looked_at: str
    batch_size: NoMeaning[int]
    decode_chunk: NoMeaning[int]


def _inputs(run: RunContext) -> RebuiltInputs:
    config = run.config
    return RebuiltInputs(
        reference=run.earlier(REFERENCE_STAGE),
        vqgan=run.earlier(VQGAN_STAGE),
        real=run.real,
        data_seed=run.data_seed,
        networks=run.networks,
        frames=config.frames,
        sampled_frames=config.sampled_frames,
        looked_at=config.metrics.windows,
        batch_size=config.metrics.batch_size,
        decode_chunk=config.sampling.decode_chunk,
    )


def _make(inputs: RebuiltInputs, work: Work) -> None:
    """Leaves statistics of the rebuilt windows and, where there are long real videos, of every window of these."""
    decoder = FrameDecoder(inputs.vqgan.read().to(work.device), inputs.decode_chunk, work.device)
    reconstruct = Reconstructor(decoder, inputs.frames, inputs.batch_size)
    networks, reference = inputs.networks.object, inputs.reference.read()
    long, windows = long_windows(
        inputs.real, reference.count, inputs.frames, inputs.sampled_frames // inputs.frames, inputs.data_seed
    )
    total = len(reference.windows) + len(long)

    def progress(before: int) -> Callable[[int], None]:
        return lambda done: work.progress(before + done, total)

    statistics, layouts = [], []
    for _, rebuilt in reconstruct(inputs.real, reference.windows, progress(0)):
        statistics.append(networks.statistics(rebuilt))
        layouts.append(latent_layouts(rebuilt, inputs.frames // decoder.vqgan.time_stride))
    seen = WindowStatistics.joined(statistics)
    ReferenceWindows.of(seen, reference.repeats, reference.count).save(work.folder / REBUILT)
    apart = rearrange(torch.cat(layouts), "(r w) t d -> r w t d", r=reference.repeats)
    save_tensors(work.folder / LAYOUTS, {"layouts": apart.contiguous()})
    batches = reconstruct.joined(inputs.real, long, windows, progress(len(reference.windows)))
    looked_at = windows_looked_at(inputs.looked_at, inputs.sampled_frames // inputs.frames)
    truth = statistics_along(batches, networks, looked_at) if long else []
    tensors = {f"{t}.{name}": value for t, window in enumerate(truth) for name, value in window.given().items()}
    save_tensors(work.folder / TRUTH, tensors)


def long_windows(videos: Videos, wanted: int, frames: int, most: int, seed: int) -> tuple[list[Window], int]:
    """Draw pieces of real videos, as many windows long as `wanted` of them can be.

    Args:
        videos: where to draw from.
        wanted: pieces.
        frames: of a window.
        most: windows of a piece.
        seed: of the draw.

    Returns:
        The pieces and how many windows each has; no piece where there are not enough of two windows.
    """
    for windows in range(most, 1, -1):
        drawn = draw_windows(videos, wanted, windows * frames, seed)
        if len(drawn) == wanted:
            return drawn, windows
    return [], 0


def read_rebuilt(_config: object, folder: Path) -> Rebuilt:
    """What a finished stage left.

    Raises:
        UserError: a file is damaged.
    """
    windows: dict[int, dict[str, torch.Tensor]] = {}
    for key, value in load_tensors(folder / TRUTH).items():
        number, name = key.split(".")
        windows.setdefault(int(number), {})[name] = value
    truth = tuple(WindowStatistics(**windows[number]) for number in sorted(windows))
    layouts = load_tensors(folder / LAYOUTS)["layouts"]
    return Rebuilt(ReferenceWindows.load(folder / REBUILT), truth, latent_layouts=layouts)


REBUILT_STAGE = Stage("rebuilt", 2, _inputs, _make, read_rebuilt)
