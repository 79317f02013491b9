"""The time-sensitive transformer: a GPT over the codes of one window.

Pre-norm blocks, exact GELU, head without bias, learned absolute positions inside the window. Vocabulary: condition
codes 0..C-1, video codes C..C+K-1. Input = cat(condition, codes + C) without the last code; the row of position
c - 1 + n predicts code n. Names of parameters are the official ones.

Axes: B batch, L codes of a window, c condition codes, N positions (tokens read), M tokens in the cache, D width,
V = C + K vocabulary.
"""

from collections.abc import Sequence

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from tats_exp.transformer.attention import Attention, Cache, Visible, visible_pairs
from tats_exp.transformer.masks import Mask, attention_mask, check_mask, is_causal, tokens_read

MOST_LAYERS = 1000
"""More are no model: to build them would take minutes before anything could be said of their size."""


class Block(nn.Module):
    """Attention and MLP, each behind a LayerNorm and added to its input."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.ln1 = nn.LayerNorm(width)
        self.ln2 = nn.LayerNorm(width)
        self.attn = Attention(width, heads)
        self.mlp = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))

    def forward(
        self,
        x: Float[Tensor, "B N D"],
        visible: Visible,
        causal: bool,
        cache: Cache | None = None,
        layer: int = 0,
    ) -> Float[Tensor, "B N D"]:
        """One layer; arguments as in `Attention.forward`."""
        x = x + self.attn(self.ln1(x), visible, causal, cache, layer)
        return x + self.mlp(self.ln2(x))


class Transformer(nn.Module):
    """GPT over windows of codes, autoregressive (`mask="causal"`) or interpolating (`a`, `b`, `c`).

    Args:
        condition_codes: C, size of the condition vocabulary; 0 for an unconditional model, whose start code 0 then
            shares its embedding with video code 0, as in the official code.
        video_codes: K, size of the VQGAN's codebook.
        window: latent grid (t, h, w) of a window.
        layers: number of blocks.
        heads: attention heads per block.
        width: D, a multiple of `heads`.
        mask: who sees whom, see `masks.py`.
        condition_length: c, condition codes per video; 1 for an unconditional model.
        null: whether the last condition code, C-1, stands for a condition that was dropped.

    Raises:
        ValueError: a size below 1, a width that is no multiple of the heads, or a mask that does not fit the window.

    Source: Ge et al. 2022; the sizes of the paper are 24 layers, 16 heads, width 1,024. Unlike in the
    official code positions are drawn like the other embeddings, not zero, at the start.
    """

    def __init__(
        self,
        condition_codes: int,
        video_codes: int,
        window: Sequence[int],
        layers: int,
        heads: int,
        width: int,
        mask: Mask = "causal",
        condition_length: int = 1,
        null: bool = False,
    ) -> None:
        super().__init__()
        self.window: tuple[int, int, int] = (int(window[0]), int(window[1]), int(window[2]))
        _check_sizes(condition_codes, video_codes, self.window, layers, heads, width, condition_length)
        check_mask(mask, self.window)
        if null and condition_codes < 2:
            raise ValueError(f"null=true: of condition_codes={condition_codes} none would be left; allowed: 2 or more")
        self.null_code = condition_codes - 1 if null else None
        self.condition_codes = condition_codes
        self.video_codes = video_codes
        self.condition_length = condition_length
        self.mask: Mask = mask
        self.heads = heads
        self.codes_per_frame = self.window[1] * self.window[2]
        self.window_codes = self.window[0] * self.codes_per_frame

        self.tok_emb = nn.Embedding(self.vocabulary, width)
        self.pos_emb = nn.Parameter(torch.empty(1, tokens_read(condition_length, self.window), width))
        self.blocks = nn.ModuleList(Block(width, heads) for _ in range(layers))
        self.ln_f = nn.LayerNorm(width)
        self.head = nn.Linear(width, self.vocabulary, bias=False)
        self.apply(_init_weights)
        nn.init.normal_(self.pos_emb, std=0.02)

    @property
    def vocabulary(self) -> int:
        """V = C + K."""
        return self.condition_codes + self.video_codes

    @property
    def predicted(self) -> slice:
        """Which codes of a window are to be predicted: all, or those between the anchors of an interpolation."""
        anchor = 0 if self.mask == "causal" else self.codes_per_frame
        return slice(anchor, self.window_codes - anchor)

    def logits(self, condition: Int64[Tensor, "B c"], codes: Int64[Tensor, "B L"]) -> Float[Tensor, "B L V"]:
        """Scores of every code of a window given the codes that its row may see (teacher forcing).

        Args:
            condition: condition codes, 0..C-1; zeros (B, 1) for an unconditional model.
            codes: video codes without offset, 0..K-1, a whole window, or its beginning when the mask is causal.

        Returns:
            Row n scores code n over the whole vocabulary, condition codes first.

        Raises:
            ValueError: a condition or window of another length than the model's.
        """
        self._check_lengths(condition.shape[1], codes.shape[1])
        tokens = torch.cat([condition, codes + self.condition_codes], dim=1)[:, :-1]
        causal = is_causal(self.mask)
        visible: Visible = None
        if not causal:
            head_width = self.head.in_features // self.heads
            visible = visible_pairs(self.mask, self.condition_length, self.window, head_width, tokens.device)
        x = self.tok_emb(tokens) + self.pos_emb[:, : tokens.shape[1]]
        for block in self.blocks:
            x = block(x, visible, causal)
        return self.head(self.ln_f(x[:, self.condition_length - 1 :]))

    def forward(self, condition: Int64[Tensor, "B c"], codes: Int64[Tensor, "B L"]) -> Float[Tensor, "B L V"]:
        """The same as `logits`, where wrappers (DDP, compile) look for it."""
        return self.logits(condition, codes)

    def new_cache(self, batch: int, room: int) -> Cache:
        """An empty cache for `room` tokens of `batch` videos, of the parameters' device and precision."""
        width = self.head.in_features // self.heads
        kept = self.pos_emb.new_empty(len(self.blocks), 2, batch, self.heads, room, width)
        return Cache(kept, [module.joined() for module in self.modules() if isinstance(module, Attention)])

    def prefill(
        self,
        tokens: Int64[Tensor, "B N"],
        positions: Int64[Tensor, " N"] | None = None,
        cache: Cache | None = None,
    ) -> Float[Tensor, "B V"]:
        """Read tokens at given positions at once, each seeing what the mask allows, and score what follows the last.

        Args:
            tokens: vocabulary indices, 0..V-1 (video codes with offset), of some or all positions, in any order.
            positions: where in the window each stands, condition included; 0..N-1 when left out.
            cache: empty, takes the keys and values; left out when nothing is to be read after these.

        Returns:
            Scores of the code after the last token given.
        """
        causal = positions is None and is_causal(self.mask)
        if positions is None:
            positions = torch.arange(tokens.shape[1], device=tokens.device)
        visible: Visible = None
        if not causal:
            whole = attention_mask(self.mask, self.condition_length, self.window, tokens.device)
            visible = whole[positions[:, None], positions[None, :]]
        x = self.tok_emb(tokens) + self.pos_emb[:, positions]
        return self._last_logits(x, visible, causal, cache)

    def step(self, token: Int64[Tensor, " B"], position: int, cache: Cache) -> Float[Tensor, "B V"]:
        """Read one more token per video, which sees all that the cache holds, and score what follows.

        Equal to the full pass for `causal`, `a` and `c`. Not for `b`, whose last anchor would have to see this token.

        Args:
            token: vocabulary indices, 0..V-1 (video codes with offset).
            position: where in the window it stands, condition included.
            cache: what was read before; takes this token, too.
        """
        x = self.tok_emb(token)[:, None] + self.pos_emb[:, position : position + 1]
        return self._last_logits(x, None, False, cache)

    def step_in_place(
        self, token: Int64[Tensor, " B"], position: Int64[Tensor, " 1"], cache: Cache
    ) -> Float[Tensor, "B V"]:
        """As `step`, with all that differs from one token to the next on the device, so that it can be captured.

        Args:
            token: as for `step`.
            position: as for `step`.
            cache: with a `slot`, behind which it must not hold nan or infinities.
        """
        assert cache.slot is not None
        x = self.tok_emb(token)[:, None] + self.pos_emb[:, position]
        read = torch.arange(cache.kept.shape[4], device=token.device) <= cache.slot
        return self._last_logits(x, read[None], False, cache)

    def _last_logits(
        self, x: Float[Tensor, "B N D"], visible: Visible, causal: bool, cache: Cache | None
    ) -> Float[Tensor, "B V"]:
        for layer, block in enumerate(self.blocks):
            x = block(x, visible, causal, cache, layer)
        if cache is not None:
            cache.filled += x.shape[1]
        return self.head(self.ln_f(x[:, -1]))

    def _check_lengths(self, condition: int, codes: int) -> None:
        if condition != self.condition_length:
            raise ValueError(f"condition holds {condition} codes; this transformer takes {self.condition_length}")
        if is_causal(self.mask) and not 1 <= codes <= self.window_codes:
            raise ValueError(f"codes holds {codes} codes; this transformer's window takes 1 to {self.window_codes}")
        if not is_causal(self.mask) and codes != self.window_codes:
            raise ValueError(f"codes holds {codes}; mask={self.mask!r} takes a whole window: {self.window_codes}")


def _check_sizes(
    condition_codes: int,
    video_codes: int,
    window: tuple[int, int, int],
    layers: int,
    heads: int,
    width: int,
    condition_length: int,
) -> None:
    if condition_codes < 0:
        raise ValueError(f"condition_codes={condition_codes} must be 0 (unconditional) or more")
    sizes = {"video_codes": video_codes, "layers": layers, "heads": heads, "condition_length": condition_length}
    for name, size in sizes.items():
        if size < 1:
            raise ValueError(f"{name}={size} must be at least 1")
    if layers > MOST_LAYERS:
        raise ValueError(f"layers={layers} must be at most {MOST_LAYERS}")
    if min(window) < 1:
        raise ValueError(f"window={window} must be at least (1, 1, 1)")
    if condition_codes == 0 and condition_length != 1:
        raise ValueError(f"condition_length={condition_length} must be 1 when condition_codes=0 (unconditional)")
    if width < 1 or width % heads:
        raise ValueError(f"width={width} must be a multiple of heads={heads}")


def _init_weights(module: nn.Module) -> None:
    """Normal weights of deviation 0.02 and zero biases, as GPT."""
    if isinstance(module, nn.Linear | nn.Embedding):
        nn.init.normal_(module.weight, std=0.02)
    if isinstance(module, nn.Linear) and module.bias is not None:
        nn.init.zeros_(module.bias)
