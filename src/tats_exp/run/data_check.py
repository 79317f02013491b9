"""Whether the data of a sweep have what its runs ask of them: each data set is opened and indexed once."""

import math
from typing import Any

from tats_exp import UserError
from tats_exp.config.build import blamed_on, build
from tats_exp.config.models import condition_of
from tats_exp.config.schema import Config
from tats_exp.config.transformer_checkpoint import check_condition
from tats_exp.data.clips import Clips
from tats_exp.data.videos import Videos
from tats_exp.data.windows import count_windows, draw_windows
from tats_exp.run.room import CODE, Grows, Need, main_memory, refuse
from tats_exp.stages.prompts import sampled_chapters


def check_data(configs: list[Config], reserve_training: int, reserve_encoding: int) -> None:
    """Index each data set that the sweep reads, once, and see that its clips fit."""
    seen: list[Any] = []
    for config in configs:
        windows_of = (config.frames, config.learned_frames, config.latent_grid)
        story = config.sampling.story
        wanted = (config.data, *windows_of, config.codebook_size, config.condition, config.checkpoints, story)
        if wanted in seen:
            continue
        seen.append(wanted)
        source = build(config.data, "data")
        with blamed_on("data", kinds=OSError):
            train, test = source.split("train"), source.split("test")
        if train.resolution != config.resolution:
            raise UserError(
                f"data.resolution={train.resolution}: allowed: resolution={config.resolution}, of the models"
            )
        with blamed_on("data"):
            Clips(train, config.frames, reserve=reserve_training)
            # At the last of its shifts a held-out window begins t - 1 latent frames later.
            Clips(test, 2 * config.frames - config.vqgan.model["downsample"][0], reserve=reserve_encoding)
        if config.vqgan.checkpoint is None:
            _check_codebook(config, train)
        if config.learns_long:
            _check_long_windows(config, (train, test), reserve_encoding)
        _check_memory(config, train)
        _check_conditions(config, train, test)
        sampled_chapters(config, condition_of(config), train)
        windows = len(draw_windows(train, 4, config.frames, seed=0))
        if windows < 4:
            raise UserError(f"data: {windows} windows of {config.frames} frames to compare with; 4 are the least")


def _check_memory(config: Config, train: Videos) -> None:
    """Refuse more codes of windows than the memory holds, of those that the videos have."""
    codes = config.codes.train_windows
    per_window = config.learned_frames // config.vqgan.model["downsample"][0] * math.prod(config.latent_grid[1:])
    size = CODE * count_windows(train, codes, config.learned_frames) * per_window
    refuse([Need("codes", "codes of windows", size, (Grows("codes.train_windows", codes),))], "memory", main_memory())


def _check_long_windows(config: Config, splits: tuple[Videos, Videos], reserve: int) -> None:
    """Refuse windows of the transformers that no video of a split is long enough for."""
    window = config.transformer.window
    long = f"transformer.window={window}" if window else f"sampler.key_every={config.key_every}"
    with blamed_on(long):
        for videos in splits:
            Clips(videos, config.learned_frames, reserve=reserve)


def _check_codebook(config: Config, train: Videos) -> None:
    """Refuse a codebook with more codes than the training videos have latents."""
    time, height, width = config.vqgan.model["downsample"]
    frames = sum((length - 1) // train.frame_stride + 1 for length in train.lengths)
    latents = frames // time * (config.resolution // height) * (config.resolution // width)
    if config.codebook_size > latents:
        raise UserError(
            f"codebook of {config.codebook_size} codes: the training videos have {latents} latents; allowed: at most "
            "as many codes (vqgan.sizes.codes or fsq_levels)"
        )


def _check_conditions(config: Config, train: Videos, test: Videos) -> None:
    """Refuse data without captions or sound, and checkpoints trained with another condition than the data have."""
    condition = condition_of(config)
    with blamed_on("condition", kinds=UserError):
        condition.check_videos(train)
        condition.check_videos(test)
    with blamed_on("condition", config.condition):
        condition_codes = condition.vocabulary(len(train.label_names))
    for name, path in config.checkpoints.items():
        if name != "vqgan":
            check_condition(name, path, config.window_of(name), condition_codes)
