"""A step of the sampler as one CUDA graph, captured once and replayed for every code.

A step of a transformer is some hundred kernels that take microseconds each; started one by one from Python they take
several times as long to start as to run. In a graph nothing may change from one step to the next but the contents of
its buffers: keys and values lie in room for a whole window, and a mask says how far it is filled.

Axes: B videos, N tokens read.
"""

from collections import OrderedDict
from collections.abc import Callable
from typing import Any
from weakref import WeakKeyDictionary

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from tats_exp.transformer import Cache, Transformer

Draw = Callable[[Float[Tensor, "B V"], Float[Tensor, " B"]], Int64[Tensor, " B"]]
"""Draws tokens from logits and uniform numbers."""

LEAST_STEPS = 16
"""Steps below which capturing, which takes as long as some five of them, does not pay."""
KEPT = 2
"""Captured steps that are kept for each transformer: batches of several sizes take turns."""

_captured: "WeakKeyDictionary[Transformer, OrderedDict[Any, CapturedStep]]" = WeakKeyDictionary()


def weights_now(transformer: Transformer) -> tuple[tuple[int, torch.dtype, int], ...]:
    """Where the weights lie and how often they were changed: what is made of them holds as long as this does.

    A change in place through `.data`, or of weights made in inference mode, is not counted.
    """
    return tuple((p.data_ptr(), p.dtype, 0 if p.is_inference() else p._version) for p in transformer.parameters())


class CapturedStep:
    """Reads one token per video and draws the next one, in place.

    Attributes:
        cache: what tokens before the first step are read into.
    """

    def __init__(self, transformer: Transformer, batch: int, draw: Draw) -> None:
        """Capture the step.

        Args:
            transformer: in eval mode on a CUDA device, with a mask that can be cached.
            batch: B.
            draw: how a token is drawn.
        """
        device = transformer.pos_emb.device
        tokens = transformer.condition_length + transformer.window_codes
        room = -(-tokens // 16) * 16  # kernels of attention want masks that are aligned
        with torch.inference_mode(False), torch.no_grad():  # buffers of inference mode could not be written outside it
            self.cache = transformer.new_cache(batch, room)
            self.cache.kept.zero_()  # what is masked must be finite
            self._token = torch.zeros(batch, dtype=torch.int64, device=device)
            self._uniform = torch.zeros(batch, device=device)
            self._position = torch.zeros(1, dtype=torch.int64, device=device)
            self._slot = torch.zeros(1, dtype=torch.int64, device=device)
            static = Cache(self.cache.kept, self.cache.projections, slot=self._slot)

            def step() -> None:
                logits = transformer.step_in_place(self._token, self._position, static)
                self._token.copy_(draw(logits, self._uniform))
                self._position.add_(1)
                self._slot.add_(1)

            aside = torch.cuda.Stream(device)
            aside.wait_stream(torch.cuda.current_stream(device))
            with torch.cuda.stream(aside):
                for _ in range(2):  # what libraries set up at a first call cannot be captured
                    step()
            torch.cuda.current_stream(device).wait_stream(aside)
            self._graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(self._graph, capture_error_mode="thread_local"):
                step()

    def begin(self, token: Int64[Tensor, " B"], position: int) -> None:
        """Go on from what the cache holds.

        Args:
            token: to be read first.
            position: where in the window it stands.
        """
        self._token.copy_(token)
        self._position.fill_(position)
        self._slot.fill_(self.cache.filled)

    def __call__(self, uniform: Float[Tensor, " B"]) -> Int64[Tensor, " B"]:
        """Read the token drawn last and draw the next one."""
        self._uniform.copy_(uniform)
        self._graph.replay()
        return self._token.clone()


def captured_step(transformer: Transformer, batch: int, draw: Draw, drawn_as: tuple[Any, ...]) -> CapturedStep:
    """A captured step with an empty cache, found again where it was captured before.

    Args:
        transformer: see `CapturedStep`.
        batch: B.
        draw: how a token is drawn.
        drawn_as: what `draw` hangs on, hashable.
    """
    weights = weights_now(transformer)
    kept = _captured.setdefault(transformer, OrderedDict())
    for stale in [key for key in kept if key[0] != weights]:
        del kept[stale]
    key = (weights, batch, drawn_as)
    if key not in kept:
        kept[key] = CapturedStep(transformer, batch, draw)
        if len(kept) > KEPT:
            kept.popitem(last=False)
    kept.move_to_end(key)
    kept[key].cache.filled = 0
    return kept[key]
