"""How long sampling takes: codes are drawn one after the other, so a few of them tell of all.

Axes: B videos or gaps, c condition codes.
"""

from dataclasses import dataclass
from functools import partial

import torch

from tats_exp.config.models import condition_codes, transformer_of
from tats_exp.config.transformer_checkpoint import read_transformer
from tats_exp.run.amounts import sampled_latents
from tats_exp.run.timing import seconds_of
from tats_exp.sampling.captured import LEAST_STEPS
from tats_exp.sampling.next_code import RandomStreams, sample_codes
from tats_exp.stages.context import RunContext
from tats_exp.stages.samples import PRECISIONS
from tats_exp.stages.transformers import Name
from tats_exp.transformer.transformer import Transformer

CHOICE = ("temperature", "top_k", "top_p")
"""Settings of a sampler that say how a code is drawn."""
DRAWN = 6
"""Codes that are drawn on a CPU; on a GPU as many as are worth a captured step."""


@dataclass(frozen=True)
class Pace:
    """Seconds of what a batch of windows goes through.

    Attributes:
        reading: what a window begins with.
        code: drawing one code of each.
    """

    reading: float
    code: float


def seconds_a_latent_frame(run: RunContext) -> float:
    """Seconds of a latent frame of one video: every code is counted as drawn once.

    With key frames it is the mean over those and the ones between them.
    """
    config = run.config
    sampler, per_frame = config.built_sampler, config.latent_grid[1] * config.latent_grid[2]
    videos = min(config.sampling.batch_size, config.sampled_videos)
    slid = int(config.sampler.get("stride", 1)) if sampler.context else config.window_of("transformer")[0]
    pace = _pace(run, "transformer", videos, sampler.context or 0)
    frame = (pace.reading / slid + per_frame * pace.code) / videos
    if not config.interpolates:
        return frame
    between = config.key_every - 1
    gaps = min(config.sampling.gaps_at_once, videos * -(-sampled_latents(config) // config.key_every))
    pace = _pace(run, "interpolation", gaps, 1)
    filled = (pace.reading + between * per_frame * pace.code) / gaps
    return (frame + filled) / config.key_every


def _pace(run: RunContext, name: Name, batch: int, kept: int) -> Pace:
    """Time a few codes of windows that begin with `kept` latent frames, and the first of them alone."""
    transformer = _transformer(run, name)
    device, per_frame = transformer.pos_emb.device, transformer.codes_per_frame
    codes = torch.randint(transformer.video_codes, (batch, kept * per_frame), device=device)
    draw = partial(
        sample_codes,
        transformer,
        torch.zeros(batch, transformer.condition_length, dtype=torch.int64, device=device),
        prefix=codes,
        last_anchor=codes if name == "interpolation" else None,
        seeds=RandomStreams(range(batch), batch),
        **{key: run.config.sampler[key] for key in CHOICE if key in run.config.sampler},
    )
    room = transformer.window_codes - kept * per_frame - (per_frame if name == "interpolation" else 0)
    several = min(LEAST_STEPS if device.type == "cuda" else DRAWN, room)
    with torch.inference_mode():
        whole = seconds_of(lambda: draw(steps=several), device)
        first = seconds_of(lambda: draw(steps=1), device) if several > 1 else whole
    code = max(0.0, whole - first) / (several - 1) if several > 1 else whole
    return Pace(max(0.0, first - code), code)


def _transformer(run: RunContext, name: Name) -> Transformer:
    config = run.config
    path = config.checkpoints.get(name)
    if path is not None:
        transformer = read_transformer(name, path, config.window_of(name))
    else:
        classes = len(run.train.label_names)
        transformer = transformer_of(
            config, name, condition_codes(config, name, run.condition, classes), run.condition.length
        )
    return transformer.eval().to(run.device, PRECISIONS[config.sampling.precision])
