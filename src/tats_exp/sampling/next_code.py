"""Sample the codes of a window one at a time.

From the key/value cache for the masks `causal`, `a` and `c`, whose logits equal those of the full pass; on CUDA by
a step that is captured once. With mask `b` the last anchor would have to see every new code, so each code costs a pass
of its own over all that is known.
"""

import math
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel

from tats_exp.sampling.captured import LEAST_STEPS, CapturedStep, Draw, captured_step
from tats_exp.sampling.packed import stepping
from tats_exp.transformer import Transformer
from tats_exp.transformer.masks import is_causal

FEW = 512
"""Logits of all videos together up to which a whole sort is the fastest."""


class RandomStreams:
    """One stream of random numbers per video, so that a video does not depend on the batch it was made in.

    Args:
        seeds: one non-negative integer per video; None draws them from torch's global generator.
        batch: number of videos.

    Raises:
        ValueError: another number of seeds than videos, or a negative one.
    """

    def __init__(self, seeds: Sequence[int] | None, batch: int) -> None:
        if seeds is None:
            seeds = torch.randint(2**62, (batch,)).tolist()
        if len(seeds) != batch:
            raise ValueError(f"seeds holds {len(seeds)} seeds for {batch} videos; one per video is needed")
        if min(seeds, default=0) < 0:
            raise ValueError(f"seeds holds {min(seeds)}; a seed must be 0 or more")
        self._streams = [np.random.default_rng(int(seed)) for seed in seeds]

    def __len__(self) -> int:
        return len(self._streams)

    def uniforms(self, steps: int) -> Float[Tensor, "B steps"]:
        """The next `steps` numbers in [0, 1) of every video, on the CPU."""
        return torch.from_numpy(np.stack([stream.random(steps, dtype=np.float32) for stream in self._streams]))

    def skip(self, steps: int) -> None:
        """Pass over numbers of codes that are given: what follows them is drawn as if they had been drawn, too."""
        if steps:
            self.uniforms(steps)


@dataclass(frozen=True)
class Chooser:
    """How a code is drawn from its logits: temperature, then top-k, then top-p, then the inverse of what is left.

    Attributes:
        temperature: divides the logits; below 1 sharper, above 1 flatter.
        top_k: keep this many of the likeliest codes; None keeps all.
        top_p: keep the smallest set of likeliest codes that holds this much probability; None keeps all.
        greedy: take the likeliest code instead of drawing.

    Raises:
        ValueError: a value outside its range.
    """

    temperature: float = 1.0
    top_k: int | None = None
    top_p: float | None = None
    greedy: bool = False

    def __post_init__(self) -> None:
        if not self.temperature > 0:
            raise ValueError(f"temperature={self.temperature} must be above 0; for the likeliest code use top_k=1")
        if self.top_k is not None and self.top_k < 1:
            raise ValueError(f"top_k={self.top_k} must be at least 1, or None for no limit")
        if self.top_p is not None and not 0 < self.top_p <= 1:
            raise ValueError(f"top_p={self.top_p} must be above 0 and at most 1, or None for no limit")

    def probabilities(self, logits: Float[Tensor, "B K"]) -> Float[Tensor, "B K"]:
        """What is drawn from, in the order of the vocabulary; zero for codes that were filtered out."""
        probabilities = torch.softmax(logits.float() / self.temperature, dim=-1)
        size = probabilities.shape[-1]
        top_k = size if self.top_k is None else min(self.top_k, size)
        if top_k == size and (self.top_p is None or self.top_p == 1):
            return probabilities
        ranked, order = _descending(probabilities, top_k)
        taken = ranked >= 0
        if self.top_p is not None and self.top_p < 1:
            total = nn.functional.pad(ranked, (0, size - top_k)).sum(dim=-1, keepdim=True)
            taken = ranked.cumsum(dim=-1) - ranked < self.top_p * total
        if order is None:
            kept = probabilities.masked_fill(~_likeliest(probabilities, ranked, taken), 0)
        else:
            kept = torch.zeros_like(probabilities).scatter_(-1, order, ranked.masked_fill(~taken, 0))
        return kept / kept.sum(dim=-1, keepdim=True)

    def __call__(self, logits: Float[Tensor, "B K"], uniform: Float[Tensor, " B"]) -> Int64[Tensor, " B"]:
        """One index per video: the first whose cumulative probability exceeds the video's uniform number.

        The sum runs in the order of the vocabulary, not of likelihood: two codes of nearly equal likelihood would
        otherwise change places with the rounding of another batch size.
        """
        if self.greedy or self.top_k == 1:
            return logits.argmax(dim=-1)
        probabilities = self.probabilities(logits)
        cumulative = probabilities.cumsum(dim=-1)
        target = uniform.to(logits.device)[:, None] * cumulative[:, -1:]
        index = torch.searchsorted(cumulative, target, right=True)[:, 0]
        # Rounding can bring the target up to the total itself: then the last code that was not filtered out is meant.
        if index.device.type == "cpu" and bool((index < probabilities.shape[-1]).all()):
            return index
        positions = torch.arange(probabilities.shape[-1], device=logits.device)
        last_kept = positions.masked_fill(~(probabilities > 0), 0).amax(dim=-1)
        return torch.minimum(index, last_kept)


def _descending(values: Float[Tensor, "B K"], count: int) -> tuple[Float[Tensor, "B k"], Int64[Tensor, "B k"] | None]:
    """The largest of every row, sorted, and where in it they came from, equal ones in the order of the vocabulary.

    The second is None where it would cost the most: NumPy sorts many values on a CPU without it, which torch cannot.
    """
    if values.device.type != "cpu" or values.numel() <= FEW:
        ranked, order = values.sort(dim=-1, descending=True, stable=True)
        return ranked[:, :count], order[:, :count]
    rest, largest = values.shape[1] - count, values.detach().numpy()
    if rest:
        largest = np.partition(largest, rest, axis=-1)[:, rest:]
    return torch.from_numpy(np.sort(largest, axis=-1)).flip(-1), None


def _likeliest(
    values: Float[Tensor, "B K"], ranked: Float[Tensor, "B k"], taken: Bool[Tensor, "B k"]
) -> Bool[Tensor, "B K"]:
    """Which values are taken, where one knows which ranks are; of equal ones the first in the vocabulary. On a CPU."""
    least = ranked.masked_fill(~taken, math.inf).amin(dim=-1, keepdim=True)
    kept = values >= least
    if np.count_nonzero(kept.numpy()) == np.count_nonzero(taken.numpy()):
        return kept
    larger = values > least
    equal, room = kept & ~larger, taken.sum(dim=-1, keepdim=True) - larger.sum(dim=-1, keepdim=True)
    return larger | (equal & (equal.cumsum(dim=-1) <= room))


@torch.no_grad()
def sample_codes(
    transformer: Transformer,
    condition: Int64[Tensor, "B c"],
    steps: int,
    prefix: Int64[Tensor, "B P"] | None = None,
    last_anchor: Int64[Tensor, "B A"] | None = None,
    temperature: float = 1.0,
    top_k: int | None = None,
    top_p: float | None = None,
    greedy: bool = False,
    seeds: Sequence[int] | RandomStreams | None = None,
    restrict: bool = True,
    guidance: float = 1.0,
) -> Int64[Tensor, "B steps"]:
    """Sample the next codes of every video's window.

    Args:
        transformer: the model; its mask says how it is read.
        condition: condition codes, 0..C-1; zeros (B, 1) when unconditional.
        steps: how many codes to sample, at least 1.
        prefix: codes 0..K-1 that the window begins with; an interpolating window begins with its first anchor.
        last_anchor: codes 0..K-1 of the window's last latent frame; masks `b` and `c` need it, with `a` it is
            accepted and informs nothing, with `causal` it is refused.
        temperature: divides the logits.
        top_k: draw from this many likeliest codes.
        top_p: draw from the smallest set of likeliest codes with this much probability, after top-k.
        greedy: take the likeliest code instead of drawing.
        seeds: one per video; or streams, which go on from where the last call left them; None: torch's global seed.
        restrict: only video codes can be drawn; False draws from the whole vocabulary.
        guidance: classifier-free guidance: how far logits go from those without the condition to those with it and
            beyond; 1 is where they are with it. Another number costs two passes, side by side.

    Returns:
        Codes 0..K-1, without condition or prefix; indices 0..V-1 of the whole vocabulary with `restrict=False`.

    Raises:
        ValueError: more steps than the window has room for, an argument out of its range, guidance of a transformer
            that never learned without its condition, or logits that are not finite when the first code is drawn.

    Source: Ge et al. 2022. Unlike the official sampler, codes outside the video vocabulary are never drawn instead of
    clamped, and between anchors the first code is taken from the row of the code before it, the last anchor stands
    at its own position and is seen by the first one.
    """
    batch = condition.shape[0]
    prefix = condition.new_empty((batch, 0)) if prefix is None else prefix
    _check_window(transformer, condition, steps, prefix, last_anchor)
    choose = Chooser(temperature, top_k, top_p, greedy)
    streams = seeds if isinstance(seeds, RandomStreams) else RandomStreams(seeds, batch)
    if len(streams) != batch:
        raise ValueError(f"seeds holds {len(streams)} streams for {batch} videos; one per video is needed")
    uniforms = streams.uniforms(steps).to(condition.device)
    first = transformer.condition_codes if restrict else 0

    def draw(logits: Tensor, uniform: Tensor) -> Tensor:
        return choose(logits[:, first:], uniform) + first

    def draw_guided(logits: Tensor, uniform: Tensor) -> Tensor:
        told, untold = logits[:, first:].chunk(2)
        token = choose(untold + guidance * (told - untold), uniform[: len(told)]) + first
        return torch.cat([token, token])

    anchor = None if last_anchor is None else last_anchor + transformer.condition_codes
    if guidance != 1:  # each video a second time, without its condition
        draw = draw_guided
        condition = torch.cat([condition, torch.full_like(condition, _null_code(transformer, guidance))])
        prefix, uniforms = torch.cat([prefix, prefix]), torch.cat([uniforms, uniforms])
        anchor = None if anchor is None else torch.cat([anchor, anchor])
    known = torch.cat([condition, prefix + transformer.condition_codes], dim=1)
    with _steady_attention(condition.device):
        if transformer.mask == "b":
            return _sample_by_full_passes(transformer, known, anchor, uniforms, draw)[:batch] - first
        anchor = None if transformer.mask == "a" else anchor
        if condition.device.type == "cuda" and steps >= LEAST_STEPS:
            captured = captured_step(transformer, len(known), draw, (choose, first, guidance))
            return _sample_by_replay(transformer, known, anchor, uniforms, draw, captured)[:batch] - first
        return _sample_from_cache(transformer, known, anchor, uniforms, draw)[:batch] - first


def _null_code(transformer: Transformer, guidance: float) -> int:
    if transformer.null_code is None:
        raise ValueError(f"guidance={guidance}: the transformer never learned without its condition; allowed: 1")
    return transformer.null_code


def _steady_attention(device: torch.device) -> AbstractContextManager[None]:
    """Attention by kernels that take any length at once: cuDNN plans anew for each number of tokens it is given."""
    if device.type != "cuda":
        return nullcontext()
    return sdpa_kernel([SDPBackend.FLASH_ATTENTION, SDPBackend.EFFICIENT_ATTENTION, SDPBackend.MATH])


def _finite(logits: Float[Tensor, "B V"]) -> Float[Tensor, "B V"]:
    """The logits of the first code, which are looked at."""
    if not logits.isfinite().all():
        raise ValueError("the logits of the transformer are not finite: its training has diverged")
    return logits


def _sample_from_cache(
    transformer: Transformer,
    known: Int64[Tensor, "B N"],
    anchor: Int64[Tensor, "B A"] | None,
    uniforms: Float[Tensor, "B steps"],
    draw: Draw,
) -> Int64[Tensor, "B steps"]:
    """Read what is known once, then one token after the other; the last code drawn is never read."""
    (batch, steps), start = uniforms.shape, known.shape[1]
    tokens, positions = _with_anchor(transformer, known, anchor)
    cache = transformer.new_cache(batch, tokens.shape[1] + steps - 1)
    drawn = [draw(_finite(transformer.prefill(tokens, positions, cache)), uniforms[:, 0])]
    model = stepping(transformer, batch, steps)
    for step in range(1, steps):
        drawn.append(draw(model.step(drawn[-1], start + step - 1, cache), uniforms[:, step]))
    return torch.stack(drawn, dim=1)


def _sample_by_replay(
    transformer: Transformer,
    known: Int64[Tensor, "B N"],
    anchor: Int64[Tensor, "B A"] | None,
    uniforms: Float[Tensor, "B steps"],
    draw: Draw,
    captured: CapturedStep,
) -> Int64[Tensor, "B steps"]:
    """The same as `_sample_from_cache` by a step that was captured."""
    tokens, positions = _with_anchor(transformer, known, anchor)
    drawn = [draw(_finite(transformer.prefill(tokens, positions, captured.cache)), uniforms[:, 0])]
    captured.begin(drawn[0], known.shape[1])
    drawn += [captured(uniform) for uniform in uniforms[:, 1:].unbind(1)]
    return torch.stack(drawn, dim=1)


def _sample_by_full_passes(
    transformer: Transformer,
    known: Int64[Tensor, "B N"],
    anchor: Int64[Tensor, "B A"] | None,
    uniforms: Float[Tensor, "B steps"],
    draw: Draw,
) -> Int64[Tensor, "B steps"]:
    """Read everything known anew for every code."""
    start = known.shape[1]
    for step, uniform in enumerate(uniforms.unbind(1)):
        logits = transformer.prefill(*_with_anchor(transformer, known, anchor))
        token = draw(logits if step else _finite(logits), uniform)
        known = torch.cat([known, token[:, None]], dim=1)
    return known[:, start:]


def _with_anchor(
    transformer: Transformer, known: Int64[Tensor, "B N"], anchor: Int64[Tensor, "B A"] | None
) -> tuple[Int64[Tensor, "B M"], Int64[Tensor, " M"] | None]:
    """Put the last anchor, but for its last code, in front of what is known: the last known token stays last."""
    if anchor is None:
        return known, None
    end = transformer.condition_length + transformer.window_codes - 1
    places = torch.arange(end, device=known.device)
    positions = torch.cat([places[end - anchor.shape[1] + 1 :], places[: known.shape[1]]])
    return torch.cat([anchor[:, :-1], known], dim=1), positions


def _check_window(
    transformer: Transformer, condition: Tensor, steps: int, prefix: Tensor, last_anchor: Tensor | None
) -> None:
    """Refuse, in one line, what does not fit the window or the vocabulary."""
    frame, interpolates = transformer.codes_per_frame, not is_causal(transformer.mask)
    if condition.shape[1] != transformer.condition_length:
        raise ValueError(f"condition holds {condition.shape[1]} codes; the model takes {transformer.condition_length}")
    if transformer.mask == "causal" and last_anchor is not None:
        raise ValueError("last_anchor is for interpolation (mask a, b or c); this transformer is causal")
    if interpolates and (last_anchor is None or prefix.shape[1] < frame):
        raise ValueError(f"mask={transformer.mask!r} needs both anchors: last_anchor, and a prefix of {frame} or more")
    if last_anchor is not None and last_anchor.shape[1] != frame:
        raise ValueError(f"last_anchor holds {last_anchor.shape[1]} codes; a latent frame has {frame}")
    room = transformer.window_codes - prefix.shape[1] - (frame if last_anchor is not None else 0)
    if not 1 <= steps <= room:
        raise ValueError(f"steps={steps} must be 1 to {room}, the room left in the window")
    ranges = {
        "condition": (condition, max(transformer.condition_codes, 1)),
        "prefix": (prefix, transformer.video_codes),
    }
    if last_anchor is not None:
        ranges["last_anchor"] = (last_anchor, transformer.video_codes)
    for name, (codes, size) in ranges.items():
        if codes.numel() and not 0 <= int(codes.min()) <= int(codes.max()) < size:
            raise ValueError(
                f"{name} holds codes {int(codes.min())} to {int(codes.max())}; allowed are 0 to {size - 1}"
            )
