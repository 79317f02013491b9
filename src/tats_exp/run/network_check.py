"""The networks that look at the videos of a sweep: loaded once, tried, and asked what they will cost."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch

from tats_exp import UserError
from tats_exp.config.build import blamed_on, build
from tats_exp.config.endpoints import check_columns
from tats_exp.config.networks import classifier, clip_of, feature_network
from tats_exp.config.schema import Config
from tats_exp.features.clip import CLIP
from tats_exp.features.video_network import VideoClassifier, VideoNetwork
from tats_exp.metrics.networks import Networks
from tats_exp.run.cost import cost_line, seconds_per_clip
from tats_exp.stages.context import RunContext
from tats_exp.stages.metrics import measures_of, reads_texts
from tats_exp.stages.samples import SPEED_COLUMN


@dataclass(frozen=True)
class Alike:
    """Runs that are measured alike, and what looks at their videos.

    Attributes:
        configs: of the runs.
        network: whose features distances are taken in.
        judge: whose opinions are asked for.
        clip: reads what videos are asked for; None: none does.
        device: of all.
    """

    configs: list[Config]
    network: VideoNetwork
    judge: VideoClassifier
    clip: CLIP | None
    device: torch.device


def check_networks(configs: list[Config]) -> list[Alike]:
    """Load each network that looks at videos, once; a perceptual one looks at a clip of the size that it will see.

    Raises:
        UserError: weights are not there, or a network does not fit: all that there is to mend, in one line.
    """
    alike: dict[str, list[Config]] = {}
    for config in configs:
        alike.setdefault(config.metrics.model_dump_json(), []).append(config)
    faults: list[str] = []
    found: list[Alike] = []
    perceptual = {json.dumps([c.vqgan.training.perceptual, c.resolution, c.frames]): c for c in configs}
    for config in perceptual.values():
        with _gathered(faults):
            _try_perceptual(config)
    for group in alike.values():
        run, judge, clip = RunContext(group[0]), None, None
        with _gathered(faults):
            judge = classifier(run.config.metrics.classifier, run.device)
        with _gathered(faults):
            reads = any(reads_texts(RunContext(config)) for config in group)
            clip = clip_of(run.config.metrics.clip, run.device) if reads else None
        with _gathered(faults):
            network = feature_network(run.config.metrics.network, run.device)
            found.append(Alike(group, network, judge or network, clip, run.device))
    if faults:
        raise UserError("; ".join(dict.fromkeys(faults)))
    return found


def check_endpoints(alike: Alike) -> None:
    """Refuse endpoints that the measures of runs do not know."""
    for config in alike.configs:
        measures = measures_of(RunContext(config)).values()
        columns = [*(column for measure in measures for column in measure.columns), SPEED_COLUMN]
        check_columns(config, columns, alike.network.name, alike.judge.name)


@contextmanager
def _gathered(faults: list[str]) -> Iterator[None]:
    """A block whose mistakes of the user are put down, to be told together."""
    try:
        yield
    except UserError as error:
        faults.append(str(error))


def _try_perceptual(config: Config) -> None:
    node, size = config.vqgan.training.perceptual, config.resolution
    if node is not None:
        network = build(node, "vqgan.training.perceptual")
        with blamed_on("vqgan.training.perceptual", node):
            clip = torch.zeros(1, 3, config.frames if network.sees_time else 1, size, size)
            network(clip, clip)


def costs_of(networks: list[Alike]) -> list[str]:
    """Tell what looking at the videos of the sweep will cost."""
    lines = []
    for alike in networks:
        network, config = alike.network, alike.configs[0]
        metrics = config.metrics
        windows = config.sampled_frames // config.frames
        looked = min(2, windows) if metrics.windows == "ends" else windows
        once = metrics.repeats * (metrics.videos + metrics.reference_videos) + metrics.videos
        clips = once + len(alike.configs) * config.sampled_videos * (looked + 1)
        size = (config.frames, config.resolution, config.resolution)
        looks = Networks(network, None, alike.device).statistics
        told = [cost_line(network.name, clips, seconds_per_clip(looks, *size))]
        if (clip := alike.clip) is not None:
            reading = sum(reads_texts(RunContext(config)) for config in alike.configs)
            clips = reading * config.sampled_videos * (looked + 2)  # and real windows, and these rebuilt
            seconds = seconds_per_clip(clip.frames, *size)
            told.append(cost_line("the CLIP", clips, seconds))
        lines += [line for line in told if line]
    return lines
