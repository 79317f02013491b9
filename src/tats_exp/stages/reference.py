"""The reference: the real windows that a run is measured against, looked at once.

Axes: N windows, R repeats, D features.
"""

import logging
from dataclasses import dataclass, replace
from pathlib import Path

from tats_exp.data.videos import Videos
from tats_exp.data.windows import Window, draw_windows
from tats_exp.files import Stage
from tats_exp.metrics.networks import Networks, statistics_of_windows
from tats_exp.metrics.reference_windows import ReferenceWindows, draw_reference, places_of
from tats_exp.metrics.window_statistics import WindowStatistics
from tats_exp.stages.context import Chosen, NoMeaning, RunContext, Work

logger = logging.getLogger(__name__)

REFERENCE = "reference.safetensors"


@dataclass(frozen=True)
class ReferenceInputs:
    """What the reference depends on.

    Attributes:
        real: where its windows are drawn.
        test: where as many held-out windows are drawn.
        data_seed: of the draw, unless the reference was given a seed of its own.
        frames: of a window.
        videos: windows of a floor, as many as there are videos to measure.
        reference_videos: windows of the reference.
        repeats: R.
        networks: look at them.
        batch_size: windows looked at side by side.
    """

    real: Videos
    test: Videos
    data_seed: int
    frames: int
    videos: int
    reference_videos: int
    repeats: int
    networks: Chosen[Networks]
    batch_size: NoMeaning[int]


def _inputs(run: RunContext) -> ReferenceInputs:
    metrics = run.config.metrics
    return ReferenceInputs(
        real=run.real,
        test=run.test,
        data_seed=run.reference_seed,
        frames=run.config.frames,
        videos=metrics.videos,
        reference_videos=metrics.reference_videos,
        repeats=metrics.repeats,
        networks=run.networks,
        batch_size=metrics.batch_size,
    )


def _make(inputs: ReferenceInputs, work: Work) -> None:
    """Leaves what was seen of the real windows, where they lie, and features of as many held-out ones as in a floor."""
    wanted = (inputs.reference_videos, inputs.videos)
    drawn, count = draw_reference(inputs.real, *wanted, inputs.frames, inputs.repeats, inputs.data_seed)
    if len(drawn[0]) < sum(wanted):
        logger.warning("reference: %d windows without overlap instead of %d", len(drawn[0]), sum(wanted))
    held_out = draw_windows(inputs.test, count, inputs.frames, inputs.data_seed)
    windows = [window for repeat in drawn for window in repeat]
    total = len(windows) + len(held_out)

    def statistics(videos: Videos, places: list[Window], before: int) -> WindowStatistics:
        def progress(done: int) -> None:
            work.progress(before + done, total)

        networks = inputs.networks.object
        return statistics_of_windows(networks, videos, places, inputs.frames, inputs.batch_size, progress)

    real = ReferenceWindows.of(statistics(inputs.real, windows, 0), inputs.repeats, count)
    features = statistics(inputs.test, held_out, len(windows)).features
    replace(real, held_out=features, places=places_of(windows)).save(work.folder / REFERENCE)


def read_reference(_config: object, folder: Path) -> ReferenceWindows:
    """What a finished stage left.

    Raises:
        UserError: the file is damaged.
    """
    return ReferenceWindows.load(folder / REFERENCE)


REFERENCE_STAGE = Stage("reference", 5, _inputs, _make, read_reference)
