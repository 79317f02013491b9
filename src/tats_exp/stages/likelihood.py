"""What the trained transformers of a run expect of real codes, teacher-forced: part of the metrics stage.

Axes: N windows, S shifts, g gaps of a window, t h w latent grid, c condition codes.
"""

import math
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from jaxtyping import Float64, Int64
from torch import Tensor

from tats_exp.data.codes import gaps, key_frames
from tats_exp.metrics import Leak, hidden_nll, leak, shift_nll_gap, sliding_gap
from tats_exp.metrics.findings import LeakFindings, SplitNLL
from tats_exp.run_folder import MaskLeak
from tats_exp.transformer.losses import code_nll
from tats_exp.transformer.masks import visible_blocks
from tats_exp.transformer.transformer import Transformer

AUDITED = 16
"""Held-out gaps in which it is measured what leaks."""
AUDITED_BY_GRADIENT = 4
"""As many of them are differentiated, which costs more."""


@dataclass(frozen=True)
class ConditionedCodes:
    """Windows of real codes, or the gaps of windows, and the condition of each window.

    Attributes:
        codes: of windows, or of the gaps between their key frames.
        condition: of each window.
        of_gaps: of each gap of each window, where the condition moves along; None: that of its window.
    """

    codes: Int64[Tensor, "N *gaps t h w"]
    condition: Int64[Tensor, "N c"]
    of_gaps: Int64[Tensor, "N P c"] | None = None

    def first(self, count: int) -> "ConditionedCodes":
        """The first `count` windows."""
        of_gaps = None if self.of_gaps is None else self.of_gaps[:count]
        return ConditionedCodes(self.codes[:count], self.condition[:count], of_gaps)

    def flat(self) -> "ConditionedCodes":
        """Every gap as a window of its own."""
        if self.codes.ndim == 4:
            return self
        of_windows = self.condition.repeat_interleave(self.codes.shape[1], dim=0)
        condition = of_windows if self.of_gaps is None else self.of_gaps.flatten(0, 1)
        return ConditionedCodes(self.codes.flatten(0, 1), condition)


@dataclass(frozen=True)
class Likelihoods:
    """What the transformers of a run expect of real codes.

    Attributes:
        nll: of both splits, by name of the transformer.
        shift_gap: of a transformer of consecutive latent frames, as `shift_nll_gap` gives it.
        sliding_gap: of one whose window slides, as the function of that name gives it.
        leak: of an interpolation transformer.
    """

    nll: dict[str, SplitNLL]
    shift_gap: Float64[Tensor, " slots"] | None = None
    sliding_gap: float | None = None
    leak: LeakFindings | None = None


def likelihoods_of_windows(
    transformer: Transformer,
    train: ConditionedCodes,
    held_out: Int64[Tensor, "N S t h w"],
    held_out_condition: Int64[Tensor, "N *S c"],
    context: int | None,
    batch_size: int,
    device: torch.device,
) -> Likelihoods:
    """How well a transformer of consecutive latent frames expects real codes, also those of another place.

    Args:
        transformer: in eval mode.
        train: windows of the train split.
        held_out: of the test split, each encoded at its place and 1, 2, ... latent frames later.
        held_out_condition: of each of them, or of each of its shifts.
        context: latent frames that the window keeps when it slides; None: it does not.
        batch_size: windows scored side by side.
        device: where the transformer is.
    """

    def condition(shift: int) -> Int64[Tensor, "N c"]:
        return held_out_condition if held_out_condition.ndim == 2 else held_out_condition[:, shift]

    in_place = ConditionedCodes(held_out[:, 0], condition(0))
    nll = {"transformer": split_nll(transformer, train, in_place, batch_size, device)}
    # Videos may have had no room for windows moved so far.
    there, shifted, slid = held_out.shape[1], None, None
    # What is compared are frames of the window that begins one latent frame later, or `context` of them.
    if there > 1:
        shifted = shift_nll_gap(transformer, condition(1).to(device), *held_out[:, :2].to(device).unbind(1)).cpu()
    if context is not None and context < there:
        slid = sliding_gap(transformer, condition(context).to(device), held_out[:, : context + 1].to(device), context)
    return Likelihoods(nll, shift_gap=shifted, sliding_gap=slid)


def likelihoods_of_hierarchy(
    transformer: Transformer,
    interpolation: Transformer,
    train: ConditionedCodes,
    held_out: ConditionedCodes,
    key_every: int,
    batch_size: int,
    device: torch.device,
) -> Likelihoods:
    """How well the transformers of a hierarchy expect real codes, and what leaks through the mask.

    Args:
        transformer: of key frames, in eval mode.
        interpolation: of the gaps between them, likewise.
        train: long windows of the train split.
        held_out: of the test split.
        key_every: latent frames from one key frame to the next.
        batch_size: windows or gaps scored side by side.
        device: where the transformers are.
    """
    train_keys, held_out_keys = (replace(side, codes=key_frames(side.codes, key_every)) for side in (train, held_out))
    train_gaps, held_out_gaps = (replace(side, codes=gaps(side.codes, key_every)) for side in (train, held_out))
    nll = {
        "transformer": split_nll(transformer, train_keys, held_out_keys, batch_size, device),
        "interpolation": split_nll(interpolation, train_gaps, held_out_gaps, batch_size, device),
    }
    return Likelihoods(nll, leak=leak_through_mask(interpolation, held_out_gaps, device))


def leak_through_mask(interpolation: Transformer, held_out: ConditionedCodes, device: torch.device) -> LeakFindings:
    """What an interpolation transformer hears of codes that it must not know, in the first gap of a few windows.

    Args:
        interpolation: in eval mode.
        held_out: gaps of windows.
        device: where the transformer is.
    """
    few = held_out.first(AUDITED)
    condition, gap = few.condition.to(device), few.codes[:, 0].flatten(1).to(device)
    by_gradient = leak(interpolation, condition[:AUDITED_BY_GRADIENT], gap[:AUDITED_BY_GRADIENT])
    forced, hidden = hidden_nll(interpolation, condition, gap)
    return LeakFindings(by_gradient, forced, hidden)


def write_mask(folder: Path, interpolation: Transformer, found: Leak) -> None:
    """Write the mask of an interpolation transformer, its window, and the measured leak by frame blocks."""
    MaskLeak(
        mask=interpolation.mask,
        window=interpolation.window,
        condition_length=interpolation.condition_length,
        visible=visible_blocks(interpolation.mask, interpolation.condition_length, interpolation.window).tolist(),
        leak=[[None if math.isnan(value) else value for value in row] for row in found.blocks.tolist()],
    ).write(folder)


def split_nll(
    transformer: Transformer,
    train: ConditionedCodes,
    held_out: ConditionedCodes,
    batch_size: int,
    device: torch.device,
) -> SplitNLL:
    """Likelihood of real codes of both splits, over as many windows of each.

    Args:
        transformer: in eval mode.
        train: windows or gaps of the train split.
        held_out: of the test split.
        batch_size: windows scored side by side.
        device: where the transformer is.
    """
    sides = (train.first(len(held_out.codes)).flat(), held_out.flat())
    return SplitNLL(*(mean_nll(transformer, side, batch_size, device) for side in sides))


@torch.inference_mode()
def mean_nll(transformer: Transformer, windows: ConditionedCodes, batch_size: int, device: torch.device) -> float:
    """Mean negative log-likelihood of what is predicted of windows, teacher-forced, in nats a code."""
    predicted, total, count = transformer.predicted, 0.0, 0
    batches = zip(windows.condition.split(batch_size), windows.codes.flatten(1).split(batch_size), strict=True)
    for condition, codes in batches:
        codes = codes.to(device)
        logits = transformer.logits(condition.to(device), codes)[:, predicted]
        nll = code_nll(logits, codes[:, predicted], transformer.condition_codes)
        total, count = total + float(nll.double().sum()), count + nll.numel()
    return total / count
