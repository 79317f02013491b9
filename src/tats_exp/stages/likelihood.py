"""What the trained transformers of a run expect of real codes, teacher-forced: part of the metrics stage.

Axes: N windows, t h w latent grid, c condition codes.
"""

import math
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Int64
from torch import Tensor

from tats_exp.data.codes import gaps, key_frames
from tats_exp.metrics import hidden_nll, leak, shift_nll_gap
from tats_exp.metrics.evaluation import Values
from tats_exp.run_folder import MaskLeak
from tats_exp.stages.parts import Parts
from tats_exp.transformer.losses import code_nll
from tats_exp.transformer.transformer import Transformer

AUDITED = 16
"""Held-out gaps in which it is measured what leaks."""
AUDITED_BY_GRADIENT = 4
"""As many of them are differentiated, which costs more."""


@torch.inference_mode()
def transformer_values(parts: Parts, transformer: Transformer, codes: dict[str, Tensor]) -> Values:
    """How well a transformer of consecutive latent frames expects real codes, also those of another place."""
    condition = codes["held_out_condition"].to(parts.device)
    on_device = (codes[name].to(parts.device) for name in ("held_out", "held_out_shifted"))
    gap = shift_nll_gap(transformer, condition, *on_device)
    return {
        "codes/shift_nll_gap": float(gap.mean()),
        **{f"codes/shift_nll_gap/slot_{slot}": float(value) for slot, value in enumerate(gap)},
        **_nlls(parts, "transformer", transformer, codes, {name: codes[name] for name in ("train", "held_out")}),
    }


def hierarchy_values(parts: Parts, folder: Path, inputs: Any) -> Values:
    """How well the transformers of a hierarchy expect real codes, and what leaks through the mask.

    Leaves mask.json: the mask, the window, and the measured leak by frame blocks.
    """
    codes, every = {n: v for n, v in asdict(inputs.long_codes.read()).items() if v is not None}, parts.config.key_every
    keys = {name: key_frames(codes[name], every) for name in ("train", "held_out")}
    between = {name: gaps(codes[name], every) for name in ("train", "held_out")}
    interpolation = inputs.interpolation.read().to(parts.device)
    few = slice(AUDITED)
    condition = codes["held_out_condition"][few].to(parts.device)
    windows = between["held_out"][few, 0].flatten(1).to(parts.device)
    found_leak = leak(interpolation, condition[:AUDITED_BY_GRADIENT], windows[:AUDITED_BY_GRADIENT])
    forced, hidden = hidden_nll(interpolation, condition, windows)
    blocks = [[None if math.isnan(value) else value for value in row] for row in found_leak.blocks.tolist()]
    MaskLeak(
        mask=interpolation.mask,
        window=interpolation.window,
        condition_length=interpolation.condition_length,
        leak=blocks,
    ).write(folder)
    return {
        **_nlls(parts, "transformer", inputs.transformer.read().to(parts.device), codes, keys),
        **_nlls(parts, "interpolation", interpolation, codes, between),
        "leak/gradient": found_leak.share,
        "leak/nll": round(hidden - forced, 4) + 0.0,  # below is the rounding of logits; + 0.0 makes -0.0 a zero
    }


def _nlls(
    parts: Parts, name: str, transformer: Transformer, codes: dict[str, Tensor], windows: dict[str, Tensor]
) -> Values:
    """Held-out likelihood of windows (N, t, h, w) or (N, gaps, t, h, w), and by how much that of training is better."""
    count, found = len(windows["held_out"]), {}
    for split in ("train", "held_out"):
        some = windows[split][:count]
        condition = codes[f"{split}_condition"][:count]
        if some.ndim == 5:
            condition, some = condition.repeat_interleave(some.shape[1], dim=0), some.flatten(0, 1)
        found[split] = _nll(parts, transformer, condition, some)
    return {f"val/{name}/nll": found["held_out"], f"val/{name}/nll_gap": found["held_out"] - found["train"]}


@torch.inference_mode()
def _nll(
    parts: Parts, transformer: Transformer, condition: Int64[Tensor, "N c"], codes: Int64[Tensor, "N t h w"]
) -> float:
    """Mean negative log-likelihood of what is predicted of windows of codes, teacher-forced, nats a code."""
    size, predicted = parts.config.metrics.batch_size, transformer.predicted
    total, count = 0.0, 0
    for some, batch in zip(condition.split(size), codes.flatten(1).split(size), strict=True):
        batch = batch.to(parts.device)
        logits = transformer.logits(some.to(parts.device), batch)[:, predicted]
        nll = code_nll(logits, batch[:, predicted], transformer.condition_codes)
        total, count = total + float(nll.double().sum()), count + nll.numel()
    return total / count
