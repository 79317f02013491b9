"""How the original samples, written down plainly: what benchmarks/sampling.py compares with.

Keys and values of every step are kept in a list and concatenated anew at each step, layer by layer; scores are an
explicit softmax; gaps are filled one after the other. The weights are those of our own transformer, so that outputs can
be compared. Where the original is wrong (it takes the first code of a gap from the wrong row and puts the last anchor
one position off) the right rows and positions are read: the cost is the same.

Axes: B videos, L codes, N tokens, D width.
"""

import math
from collections.abc import Callable

import torch
from torch import Tensor

from tats_exp.transformer import Transformer


@torch.no_grad()
def forward_with_past(
    model: Transformer, tokens: Tensor, positions: Tensor, past: list[Tensor], visible: Tensor | None = None
) -> Tensor:
    """One pass over new tokens (B, N) behind all that is in `past`; appends their keys and values to it.

    Args:
        model: the transformer.
        tokens: vocabulary indices.
        positions: (N,) where they stand.
        past: (2, layers, B, heads, N, d) of each earlier call.
        visible: (N, N), for the first call.

    Returns:
        Logits (B, V) of what follows the last token.
    """
    before = torch.cat(past, dim=-2) if past else None
    x = model.tok_emb(tokens) + model.pos_emb[:, positions]
    keys, values = [], []
    for layer, block in enumerate(model.blocks):
        y, attention = block.ln1(x), block.attn
        shape = (*y.shape[:2], attention.heads, y.shape[2] // attention.heads)
        key, query, value = (
            projection(y).view(shape).transpose(1, 2)
            for projection in (attention.key, attention.query, attention.value)
        )
        keys.append(key)
        values.append(value)
        if before is not None:
            key = torch.cat([before[0, layer], key], dim=-2)
            value = torch.cat([before[1, layer], value], dim=-2)
        scores = query @ key.transpose(-2, -1) / math.sqrt(shape[-1])
        if visible is not None:
            scores = scores.masked_fill(~visible, -math.inf)
        seen = (scores.softmax(dim=-1) @ value).transpose(1, 2).reshape(y.shape)
        x = x + attention.proj(seen)
        x = x + block.mlp(block.ln2(x))
    past.append(torch.stack([torch.stack(keys), torch.stack(values)]))
    return model.head(model.ln_f(x))[:, -1]


def likeliest(logits: Tensor) -> Tensor:
    """The code (B,) to which the largest logit belongs."""
    return logits.argmax(dim=-1)


def drawn(logits: Tensor, top_k: int, top_p: float) -> Tensor:
    """A code (B,) of the `top_k` largest logits, of these from the fewest that hold `top_p` of the probability."""
    logits = logits.masked_fill(logits < logits.topk(top_k).values[:, -1:], -math.inf)
    ranked, order = logits.sort(dim=-1, descending=True)
    over = ranked.softmax(dim=-1).cumsum(dim=-1) > top_p
    over = torch.cat([torch.zeros_like(over[:, :1]), over[:, :-1]], dim=1)
    logits = logits.masked_fill(over.scatter(-1, order, over), -math.inf)
    return torch.multinomial(logits.softmax(dim=-1), 1)[:, 0]


def sample_with_past(
    model: Transformer,
    tokens: Tensor,
    positions: Tensor,
    visible: Tensor | None,
    steps: int,
    read: Tensor | None = None,
    choose: Callable[[Tensor], Tensor] = likeliest,
) -> Tensor:
    """Choose a video code `steps` times behind tokens (B, N); returns (B, steps) without offset.

    `read`: keys and values (2, layers, B, heads, M, d) of what was read before these tokens.
    """
    past = [] if read is None else [read]
    codes = []
    position = int(positions[-1])
    for step in range(steps):
        if step:
            position += 1
            logits = forward_with_past(model, tokens, positions.new_tensor([position]), past)
        else:
            logits = forward_with_past(model, tokens, positions, past, visible)
        codes.append(choose(logits[:, model.condition_codes :]))
        tokens = (codes[-1] + model.condition_codes)[:, None]
    return torch.stack(codes, dim=1)


def window(
    model: Transformer,
    condition: Tensor,
    prefix: Tensor,
    steps: int,
    choose: Callable[[Tensor], Tensor] = likeliest,
) -> Tensor:
    """The next codes of an autoregressive window."""
    tokens = torch.cat([condition, prefix + model.condition_codes], dim=1)
    positions = torch.arange(tokens.shape[1], device=tokens.device)
    return sample_with_past(model, tokens, positions, positions[:, None] >= positions, steps, None, choose)


def gap(model: Transformer, condition: Tensor, first: Tensor, last: Tensor) -> Tensor:
    """The codes between two anchors (B, h*w), greedily, under mask `c`."""
    frame, length = model.codes_per_frame, model.condition_length + model.window_codes - 1
    tokens = torch.cat([last[:, :-1] + model.condition_codes, condition, first + model.condition_codes], dim=1)
    end = torch.arange(length - frame + 1, length, device=tokens.device)
    start = torch.arange(model.condition_length + frame, device=tokens.device)
    visible = torch.ones(tokens.shape[1], tokens.shape[1], dtype=torch.bool, device=tokens.device)
    return sample_with_past(model, tokens, torch.cat([end, start]), visible, model.window_codes - 2 * frame)


def sliding(model: Transformer, condition: Tensor, latent_frames: int, context: int) -> Tensor:
    """A video (B, latent_frames, h*w) by sliding window, one latent frame per slide, greedily."""
    frame = model.codes_per_frame
    codes = window(model, condition, condition[:, :0], context * frame)
    while codes.shape[1] < latent_frames * frame:
        codes = torch.cat([codes, window(model, condition, codes[:, -context * frame :], frame)], dim=1)
    return codes[:, : latent_frames * frame].unflatten(1, (latent_frames, frame))


def filled(interpolation: Transformer, condition: Tensor, keys: Tensor) -> Tensor:
    """Key frames (B, n, h*w) and what lies between them, gap after gap, greedily."""
    every = interpolation.window[0] - 1
    frames = [keys[:, :1]]
    for first, last in zip(keys.unbind(1)[:-1], keys.unbind(1)[1:], strict=True):
        between = gap(interpolation, condition, first, last)
        frames += [between.unflatten(1, (every - 1, -1)), last[:, None]]
    return torch.cat(frames, dim=1)
