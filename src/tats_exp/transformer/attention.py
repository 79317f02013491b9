"""Attention and its two ways to a mask: a dense one, and on CUDA kernels that skip the blocks nobody may look at.

The causal mask needs neither: `scaled_dot_product_attention` has a path of its own for it.

Axes: B batch, N new tokens, M all tokens, D width, d width of a head.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor, nn
from torch.nn.attention.flex_attention import BlockMask, create_block_mask, flex_attention
from torch.nn.functional import linear, scaled_dot_product_attention

from tats_exp.transformer.masks import Mask, attention_mask, mask_rule, tokens_read

Visible = Bool[Tensor, "N M"] | BlockMask | None
FLEX_LEAST_WIDTH = 16
"""Width of a head below which the kernels of `flex_attention` are not made."""
FLEX_LEAST_TOKENS = 512
"""Tokens of a window below which there are hardly blocks of 128 to skip, and compiling the kernels does not pay."""

JOINED_MOST_WIDTH = 256
"""Width of a model up to which a token's query, key and value come from one product: a call costs more than its
arithmetic there. Joining the weights for every window costs a wide model more than it gives."""


@dataclass
class Cache:
    """Keys and values of the tokens read so far, in room made once, and what makes them.

    Attributes:
        kept: keys (0) and values (1) of every layer.
        projections: weight (3 D, D) and bias (3 D) of every layer that give query, key and value at once, or None where
            that does not pay, see `JOINED_MOST_WIDTH`.
        filled: how many of the `room` tokens are there, equal for all layers between two passes.
        slot: (1,) where the next token goes, on the device: for a step that is captured once and replayed, in which no
            size may follow from `filled`. What is seen is told by a mask then. None: behind those that are there.
    """

    kept: Float[Tensor, "layers 2 B heads room d"]
    projections: Sequence[tuple[Tensor, Tensor] | None]
    filled: int = 0
    slot: Int64[Tensor, " 1"] | None = None


class Attention(nn.Module):
    """Multi-head attention of the new tokens to themselves and to what the cache holds."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.key = nn.Linear(width, width)
        self.query = nn.Linear(width, width)
        self.value = nn.Linear(width, width)
        self.proj = nn.Linear(width, width)

    def joined(self) -> tuple[Float[Tensor, "D3 D"], Float[Tensor, " D3"]] | None:
        """Weight and bias of query, key and value together, as a `Cache` takes them; None for a wide model."""
        three = (self.query, self.key, self.value)
        if self.proj.in_features > JOINED_MOST_WIDTH:
            return None
        return torch.cat([one.weight for one in three]), torch.cat([one.bias for one in three])

    def forward(
        self,
        x: Float[Tensor, "B N D"],
        visible: Visible,
        causal: bool,
        cache: Cache | None = None,
        layer: int = 0,
    ) -> Float[Tensor, "B N D"]:
        """Attend; `visible` None and not `causal` means that all sees all. A `BlockMask` takes no cache."""
        # Plain views: a token of a small model takes so little that einops would be a fifth of its time.
        projections = None if cache is None else cache.projections[layer]
        if projections is None:
            query, key, value = (
                projection(x).unflatten(2, (self.heads, -1)).transpose(1, 2)  # (B, heads, N, d)
                for projection in (self.query, self.key, self.value)
            )
        else:
            query, key, value = linear(x, *projections).unflatten(2, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        if cache is not None and cache.slot is not None:
            kept = cache.kept[layer]
            kept[0].index_copy_(2, cache.slot, key)
            kept[1].index_copy_(2, cache.slot, value)
            key, value = kept
        elif cache is not None:
            end, kept = cache.filled + x.shape[1], cache.kept[layer]
            kept[0, :, :, cache.filled : end] = key
            kept[1, :, :, cache.filled : end] = value
            key, value = kept[:, :, :, :end]
        if isinstance(visible, BlockMask):
            out = _flex_attention()(query, key, value, block_mask=visible)
        elif query.shape[2] == 1 and _by_products(query, visible):
            out = _one_query(query, key, value, visible)
        else:
            out = scaled_dot_product_attention(query, key, value, attn_mask=visible, is_causal=causal)
        return self.proj(out.transpose(1, 2).flatten(2))


def _by_products(query: Float[Tensor, "B heads 1 d"], visible: Visible) -> bool:
    """Whether products are faster for one token than `scaled_dot_product_attention`.

    It takes 2.6 times as long in bf16 on a CPU, and 4.8 times as long in float32 with a mask on an H100.
    """
    if query.device.type == "cpu" and visible is None:
        return query.dtype == torch.bfloat16
    return query.device.type == "cuda" and visible is not None and query.dtype == torch.float32


def _one_query(
    query: Float[Tensor, "B heads 1 d"],
    key: Float[Tensor, "B heads M d"],
    value: Float[Tensor, "B heads M d"],
    visible: Bool[Tensor, "1 M"] | None = None,
) -> Float[Tensor, "B heads 1 d"]:
    """Attention of one token."""
    scores = (key @ (query * query.shape[-1] ** -0.5).mT).mT
    if visible is not None:
        scores = scores.masked_fill(~visible, -torch.inf)
    return scores.softmax(dim=-1, dtype=torch.float32).to(value.dtype) @ value


def visible_pairs(
    mask: Mask, condition_length: int, window: Sequence[int], head_width: int, device: torch.device
) -> Visible:
    """Who sees whom in a pass over a whole window, in the form that is fastest on the device.

    Args:
        mask: not a causal one.
        condition_length: c.
        window: latent grid (t, h, w).
        head_width: d.
        device: where the pass runs.
    """
    pays = head_width >= FLEX_LEAST_WIDTH and tokens_read(condition_length, window) >= FLEX_LEAST_TOKENS
    if device.type == "cuda" and pays:
        return block_mask(mask, condition_length, (window[0], window[1], window[2]), device)
    return attention_mask(mask, condition_length, window, device)


@cache
def block_mask(
    mask: Mask, condition_length: int, window: tuple[int, int, int], device: torch.device | str
) -> BlockMask:
    """A mask as `flex_attention` takes it, made once; arguments as for `visible_pairs`."""
    rule = mask_rule(mask, condition_length, window)
    count = tokens_read(condition_length, window)
    with torch.inference_mode(False):  # what is made in inference mode cannot be trained with later
        return create_block_mask(
            lambda _batch, _head, row, column: rule(row, column), None, None, count, count, device=str(device)
        )


@cache
def _flex_attention() -> Callable[..., Tensor]:
    """Compiled, without which it would hold all scores in memory."""
    return torch.compile(flex_attention)
