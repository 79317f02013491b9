"""The transformers of a run: trained on stored codes, or read from checkpoints of the original code.

Axes: N windows, t h w latent grid, c condition codes.
"""

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal

import torch

from tats_exp.config.models import build_transformer, condition_codes, transformer_of
from tats_exp.config.schema import Config
from tats_exp.config.sections import InterpolationSection, TransformerSection
from tats_exp.config.transformer_checkpoint import read_transformer as read_checkpoint
from tats_exp.files import Stage
from tats_exp.stages.codes import CODES_STAGE, LONG_CODES_STAGE, CodesInputs, WindowCodes
from tats_exp.stages.context import Earlier, IfAny, RunContext, Work
from tats_exp.stages.trained import (
    MODEL,
    FromFile,
    budget,
    finite_weights,
    from_file,
    optimization,
    was_trained,
    write_model,
)
from tats_exp.transformer.transformer import Transformer, tokens_read

Name = Literal["transformer", "interpolation"]
Grid = tuple[int, int, int]


@dataclass(frozen=True)
class TransformerInputs:
    """What a trained transformer depends on.

    Attributes:
        codes: what it learns from.
        section: of the config: its model and training.
        seed: of initialisation and order.
        precision: of the training.
        condition_codes: C.
        condition_length: c.
        video_codes: K.
        window: latent grid of its window.
        key_every: latent frames from one key frame to the next; 1 without a hierarchy.
        condition_drop: with what probability it learns a window without its condition; then the last of C is its code.
    """

    codes: Earlier[WindowCodes]
    section: TransformerSection
    seed: int
    precision: str
    condition_codes: int
    condition_length: int
    video_codes: int
    window: Grid
    key_every: int
    condition_drop: IfAny[float] = 0.0


@dataclass(frozen=True)
class TransformerFile(FromFile):
    """A transformer in a checkpoint of the original code, and the latent grid (t, h, w) that it is to have."""

    window: Grid


def learned_from(config: Config) -> Stage[CodesInputs, WindowCodes]:
    """The stage whose codes the transformers of a run learn from."""
    return LONG_CODES_STAGE if config.learns_long else CODES_STAGE


def _inputs(run: RunContext, name: Name) -> TransformerInputs | TransformerFile:
    config = run.config
    if (file := from_file(config, name)) is not None:
        return TransformerFile(file.checkpoint, file.path, config.window_of(name))
    return TransformerInputs(
        codes=run.earlier(learned_from(config)),
        section=getattr(config, name),
        seed=config.seed,
        precision=config.trainer["precision"],
        condition_codes=condition_codes(config, name, run.condition, len(run.train.label_names)),
        condition_length=run.condition.length,
        video_codes=config.codebook_size,
        window=config.window_of(name),
        key_every=config.key_every,
        condition_drop=config.condition_drop(name),
    )


def _make(inputs: TransformerInputs | TransformerFile, work: Work, name: Name) -> None:
    """Leaves the weights of a transformer and, where it was trained, its losses."""
    if isinstance(inputs, TransformerFile):
        return write_model(read_checkpoint(name, inputs.path, inputs.window), work.folder)
    if was_trained(work.folder):
        return
    from tats_exp.fit import fit  # Lightning comes with these
    from tats_exp.transformer.training import CodeWindows, TransformerTraining

    codes = inputs.codes.read()
    torch.manual_seed(inputs.seed)
    section = inputs.section
    sizes = (inputs.condition_codes, inputs.condition_length, inputs.video_codes, inputs.window)
    transformer = build_transformer(name, section.model, *sizes, null=inputs.condition_drop > 0)
    anchors = isinstance(section, InterpolationSection) and section.anchors_in_loss
    module = TransformerTraining(
        transformer,
        *optimization(section.training),
        name=name,
        anchors_in_loss=anchors,
        condition_drop=inputs.condition_drop,
        seed=inputs.seed,
    )
    if work.compile:
        transformer.compile()
    of_gaps = codes.train_parts if name == "interpolation" else None
    condition = codes.train_condition if of_gaps is None else of_gaps
    dataset = CodeWindows(condition, codes.shards, inputs.key_every, gaps=name == "interpolation")
    videos = codes.train_videos.repeat_interleave(dataset.each).tolist()
    time = budget(section.training, workers=0)  # a code is read faster than handed over by another process
    fit(module, dataset, time, work.folder, work.make_trainer, inputs.seed, work.losses, work.progress, videos)
    write_model(transformer, work.folder)


def read_transformer(config: Config, folder: Path, name: Name) -> Transformer:
    """The transformer that a finished stage left, in eval mode on the CPU.

    Its weights tell what condition it was trained with: C rows of its embedding, c of its positions.

    Args:
        config: of the run.
        folder: of the stage.
        name: of the stage.

    Raises:
        UserError: the file is damaged.
    """
    weights = finite_weights(folder / MODEL)
    codes = len(weights["tok_emb.weight"]) - config.codebook_size
    condition_length = weights["pos_emb"].shape[1] - tokens_read(0, config.window_of(name))
    transformer = transformer_of(config, name, codes, condition_length)
    transformer.load_state_dict(weights)
    return transformer.eval()


def _stage(name: Name) -> Stage[TransformerInputs | TransformerFile, Transformer]:
    read = partial(read_transformer, name=name)
    return Stage(name, 3, partial(_inputs, name=name), partial(_make, name=name), read, trained=True)


TRANSFORMER_STAGE = _stage("transformer")
"""The autoregressive transformer: of a hierarchy it models key frames."""
INTERPOLATION_STAGE = _stage("interpolation")
"""The interpolation transformer, which fills the gaps between key frames."""
