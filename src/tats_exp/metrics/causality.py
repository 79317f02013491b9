"""Does a transformer hear, in training, of codes that it must not know when it samples?

A code must not know itself, nor what is sampled after it. An interpolation transformer is given its anchors, so they
are no secret, and are not predicted. Two measures: the gradient of a code's logits with respect to what it must not
know, and how much better the code is expected with it than without.

Axes: N windows, L codes of a window, t latent frames, n audited codes, D width, V vocabulary.
"""

import math
from dataclasses import dataclass

import torch
from einops import reduce
from jaxtyping import Float, Float64, Int64
from torch import Tensor

from tats_exp.transformer.losses import code_nll
from tats_exp.transformer.masks import is_causal
from tats_exp.transformer.transformer import Transformer

_TOKENS = 2048  # of copies of a window that are differentiated side by side: memory at any size of the model


@dataclass(frozen=True)
class Leak:
    """What a teacher-forced pass tells of codes that are not to be known.

    Attributes:
        blocks: root mean square gradient of a logit of latent frame i (row) with respect to the embedding of a code of
            latent frame j (column) that it must not know; nan where there is no such code. Logits are weighted by
            random numbers of unit variance, so this is the root mean square entry of the Jacobian, times sqrt(V D).
        share: of all squared gradients, those with respect to what must not be known, 0 to 1.
    """

    blocks: Float64[Tensor, "t t"]
    share: float


def leak(
    transformer: Transformer, condition: Int64[Tensor, "N c"], codes: Int64[Tensor, "N L"], count: int = 64
) -> Leak:
    """Differentiate logits with respect to codes that they must not know.

    Args:
        transformer: in eval mode; its weights gather no gradient.
        condition: condition codes of the windows.
        codes: whole windows.
        count: codes that are audited, spread evenly over those that are predicted.

    Returns:
        Zero for `causal`, `a` and `c`; not for `b` with two layers or more.
    """
    c, frame, frames = transformer.condition_length, transformer.codes_per_frame, transformer.window[0]
    rows = audited(transformer, count).to(codes.device)
    last = transformer.predicted.stop
    place = torch.arange(c + codes.shape[1] - 1, device=codes.device) - c  # which code each token is
    squares = torch.zeros(frames, frames, dtype=torch.float64, device=codes.device)
    counts, total = torch.zeros_like(squares), 0.0
    for window, label in zip(codes, condition, strict=True):
        for part in rows.split(max(1, _TOKENS // len(place))):
            gradient = _squared_gradient(transformer, label, window, part)
            unknown = (place >= part[:, None]) & (place < last)
            total += float(gradient.sum())
            for row, frame_of_row in enumerate((part // frame).tolist()):
                column = place[unknown[row]] // frame
                squares[frame_of_row].index_add_(0, column, gradient[row, unknown[row]])
                counts[frame_of_row].index_add_(0, column, torch.ones_like(column, dtype=torch.float64))
    return Leak((squares / counts).sqrt().cpu(), float(squares.sum()) / total if total else math.nan)


@torch.no_grad()
def hidden_nll(
    transformer: Transformer, condition: Int64[Tensor, "N c"], codes: Int64[Tensor, "N L"], count: int = 64
) -> tuple[float, float]:
    """How well codes are expected by a teacher-forced pass, and by one that reads what a sampler knows, and no more.

    Args:
        transformer: in eval mode.
        condition: condition codes of the windows.
        codes: whole windows.
        count: codes that are scored, spread evenly over those that are predicted.

    Returns:
        Mean negative log-likelihoods in nats a code: teacher-forced, and as when sampling. Equal for `causal`, `a` and
        `c`; under `b` the first is lower by what leaks.
    """
    c, length = transformer.condition_length, codes.shape[1]
    tokens = torch.cat([condition, codes + transformer.condition_codes], dim=1)[:, :-1]
    place = torch.arange(c + length - 1, device=codes.device)
    anchor = place[:0] if is_causal(transformer.mask) else place[c + transformer.predicted.stop :]
    rows = audited(transformer, count).to(codes.device)
    forced = code_nll(transformer.logits(condition, codes)[:, rows], codes[:, rows], transformer.condition_codes)
    hidden = 0.0
    for row in rows.tolist():
        known = torch.cat([anchor, place[: c + row]])
        logits = transformer.prefill(tokens[:, known], known)
        hidden += float(code_nll(logits[:, None], codes[:, row, None], transformer.condition_codes).double().mean())
    return float(forced.double().mean()), hidden / len(rows)


def audited(transformer: Transformer, count: int) -> Int64[Tensor, " n"]:
    """Codes of a window, `count` of them or all that are predicted, spread evenly."""
    predicted = torch.arange(transformer.window_codes)[transformer.predicted]
    return predicted[torch.linspace(0, len(predicted) - 1, min(count, len(predicted))).round().long()]


def _squared_gradient(
    transformer: Transformer,
    condition: Int64[Tensor, " c"],
    window: Int64[Tensor, " L"],
    rows: Int64[Tensor, " n"],
) -> Float64[Tensor, "n tokens"]:
    """Squared gradient of randomly weighted logits of each row with respect to the embedding of each token."""
    embedded: list[Tensor] = []

    def keep(_module: object, _inputs: object, output: Tensor) -> Tensor:
        embedded.append(output.detach().requires_grad_())
        return embedded[0]

    learned = [weight for weight in transformer.parameters() if weight.requires_grad]
    hook = transformer.tok_emb.register_forward_hook(keep)
    try:
        transformer.requires_grad_(False)  # or all that their gradients need would be kept, too
        with torch.inference_mode(False), torch.enable_grad():
            copies = (part.clone().expand(len(rows), -1) for part in (condition, window))
            logits: Float[Tensor, "n L V"] = transformer.logits(*copies)
            weights = torch.randn(logits.shape[2], generator=torch.Generator().manual_seed(0)).to(logits)
            chosen = logits[torch.arange(len(rows), device=rows.device), rows]
            (gradient,) = torch.autograd.grad((chosen * weights).sum(), embedded[0])
    finally:
        hook.remove()
        for weight in learned:
            weight.requires_grad_()
    return reduce(gradient.double().square(), "n tokens D -> n tokens", "sum")
