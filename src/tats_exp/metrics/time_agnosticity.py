"""Does a code know where in its window it was encoded? Measures of a VQGAN that need no sampling.

The same frames are encoded in several windows: at frame f, f + s, f + 2s, ..., s being the time stride of the VQGAN, so
that latent frame i + 1 of one and latent frame i of the next are made of the same frames.

Axes: N windows, S shifts, t h w latent grid, K codebook size, L code sequence.
"""

import math
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from einops import rearrange, repeat
from jaxtyping import Float, Float64, Int64
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from tats_exp.transformer.losses import code_nll

_WEIGHT_PENALTY = 1.0  # half of it times the squared weights is added to the summed loss (C = 1 of other packages)
_PROBE_ITERATIONS = 500
_BATCH = 16  # windows a transformer sees at once: logits over a large vocabulary are what fills the memory


@runtime_checkable
class CodeModel(Protocol):
    """What the gaps ask of a transformer."""

    condition_codes: int

    def logits(self, condition: Tensor, codes: Tensor) -> Tensor:
        """Teacher-forced logits (B, L, V) of codes (B, L) after condition (B, c); V counts the condition codes too."""
        ...


@dataclass(frozen=True)
class Probe:
    """What a probe found.

    Attributes:
        accuracy: In [0, 1], of all guesses.
        standard_error: Of the mean accuracy of a video: with V videos of accuracies a_v it is
            sqrt(sum over v of (a_v - mean a)^2 / (V - 1) / V). Windows of one video are no independent trials. nan for
            a single video.
    """

    accuracy: float
    standard_error: float


def share_unchanged(shifts: Int64[Tensor, "N S t h w"]) -> float:
    """Share of codes that stay the same when their frames are encoded one latent frame earlier in the window.

    Args:
        shifts: Codes of windows at frame f, f + s, f + 2s, ...; all pairs of neighbours count.

    Returns:
        A share in [0, 1]; 1 for true neighbours (`real` padding) by construction.

    Raises:
        ValueError: Fewer than 2 shifts, or windows of a single latent frame.
    """
    if shifts.shape[1] < 2:
        raise ValueError(f"shifts: {shifts.shape[1]} of each window, at least 2 are needed")
    later, earlier = _same_frames(shifts[:, :-1].flatten(0, 1), shifts[:, 1:].flatten(0, 1))
    return float((later == earlier).double().mean())


def place_probe(
    codes_train: Int64[Tensor, "N t h w"],
    codes_test: Int64[Tensor, "M t h w"],
    codebook_size: int,
    test_videos: Int64[Tensor, " M"],
) -> Probe:
    """How well a logistic regression tells a latent frame's place in its window from its code counts.

    The regression (L2 penalty, bias left free) is fitted to convergence from zero in float64, so the value is
    deterministic. A code unseen in training has no weight.

    Args:
        codes_train: Codes of the windows it learns from.
        codes_test: Codes of windows of other videos.
        codebook_size: K.
        test_videos: The video of each of these windows.

    Returns:
        Accuracy on the test windows, of which 1 / t is chance, and its standard error over videos.

    Raises:
        ValueError: No window, windows of different lengths, or a code outside 0..K-1.
    """
    for name, codes in (("codes_train", codes_train), ("codes_test", codes_test)):
        if codes.numel() == 0:
            raise ValueError(f"{name}: shape {tuple(codes.shape)}, at least one window is needed")
        if int(codes.min()) < 0 or int(codes.max()) >= codebook_size:
            raise ValueError(f"{name}: {int(codes.min())}..{int(codes.max())}, allowed: 0..{codebook_size - 1}")
    places = codes_train.shape[1]
    if codes_test.shape[1] != places:
        raise ValueError(f"codes_test: windows of {codes_test.shape[1]} latent frames, codes_train has {places}")
    seen = codes_train.unique()
    column = torch.full((codebook_size,), seen.numel(), device=seen.device)
    column[seen] = torch.arange(seen.numel(), device=seen.device)
    train = _counts(column[codes_train], seen.numel())
    test = _counts(column[codes_test], seen.numel())
    weight, bias = _fit_logistic_regression(train, _places(codes_train), places)
    right = ((test @ weight + bias).argmax(dim=1) == _places(codes_test)).double().view(-1, places).mean(dim=1)
    by_video = torch.stack([right[test_videos == video].mean() for video in test_videos.unique()])
    error = float(by_video.std()) / math.sqrt(len(by_video)) if len(by_video) > 1 else math.nan
    return Probe(float(right.mean()), error)


@torch.no_grad()
def shift_nll_gap(
    transformer: CodeModel,
    condition: Int64[Tensor, "N c"],
    codes: Int64[Tensor, "N t h w"],
    codes_shifted: Int64[Tensor, "N t h w"],
) -> Float64[Tensor, " places"]:
    """How much less a transformer expects codes that were encoded one place later than where they stand.

    The same frames stand at slots 0..t-2 twice: encoded there (native), and encoded one slot later, with the context
    before them, as a sliding window puts them. The transformer is used as it is: put it into eval mode.

    Args:
        transformer: The autoregressive model of windows of consecutive latent frames.
        condition: Condition codes of the windows; zeros (N, 1) when unconditional.
        codes: Codes of windows at frame f.
        codes_shifted: Codes of the same videos' windows at frame f + s.

    Returns:
        t - 1 values: mean NLL at slot i of codes encoded at slot i + 1 minus that of codes encoded at i, in nats per
        code. 0 for a VQGAN blind to time, positive when codes carry their place.

    Raises:
        ValueError: Different shapes, or windows of a single latent frame.
    """
    shifted, native = _same_frames(codes, codes_shifted)
    return _slot_nll(transformer, condition, shifted) - _slot_nll(transformer, condition, native)


@torch.no_grad()
def sliding_gap(
    transformer: CodeModel, condition: Int64[Tensor, "N c"], shifts: Int64[Tensor, "N S t h w"], context: int
) -> float:
    """How much less a transformer expects real codes behind a context coded as a sliding window meets it.

    A window that has been sliding by one latent frame holds `context` latent frames that were all drawn at slot
    `context`, and draws the next one there. In training they stood at slots 0..context-1, and were encoded there.

    Args:
        transformer: The autoregressive model of windows of consecutive latent frames, in eval mode.
        condition: Condition codes of the windows; zeros (N, 1) when unconditional.
        shifts: Codes of windows at frame f, f + s, f + 2s, ...
        context: Latent frames that the window keeps, 1..min(t, S) - 1.

    Returns:
        Mean NLL of the codes at slot `context`, encoded there, behind a context encoded at slot `context` minus that
        behind the context encoded where it stands, in nats per code. 0 for a VQGAN blind to time.

    Raises:
        ValueError: A context out of its range.
    """
    most = min(shifts.shape[1:3]) - 1
    if not 1 <= context <= most:
        raise ValueError(f"context: {context}, allowed: 1..{most} with shifts of shape {tuple(shifts.shape)}")
    native = shifts[:, context, : context + 1]
    # The same latent frames: number i of the window that begins `context` later is number `context` of the i-th.
    slid = torch.cat([shifts[:, :context, context], native[:, context:]], dim=1)
    met, learned = (_slot_nll(transformer, condition, codes)[context] for codes in (slid, native))
    return float(met - learned)


def _same_frames(
    codes: Int64[Tensor, "N t h w"], codes_shifted: Int64[Tensor, "N t h w"]
) -> tuple[Int64[Tensor, "N places h w"], Int64[Tensor, "N places h w"]]:
    if codes.shape != codes_shifted.shape:
        raise ValueError(f"codes_shifted: shape {tuple(codes_shifted.shape)}, codes has {tuple(codes.shape)}")
    if codes.shape[0] == 0 or codes.shape[1] < 2:
        raise ValueError(f"codes: shape {tuple(codes.shape)}, at least one window of 2 latent frames is needed")
    return codes[:, 1:], codes_shifted[:, :-1]


def _slot_nll(
    transformer: CodeModel, condition: Int64[Tensor, "N c"], codes: Int64[Tensor, "N places h w"]
) -> Float64[Tensor, " places"]:
    sequences = rearrange(codes, "n t h w -> n (t h w)")
    total = torch.zeros(sequences.shape[1], dtype=torch.float64, device=codes.device)
    for batch_condition, batch in zip(condition.split(_BATCH), sequences.split(_BATCH), strict=True):
        nll = code_nll(transformer.logits(batch_condition, batch), batch, transformer.condition_codes)
        total += nll.double().sum(dim=0)
    return rearrange(total / codes.shape[0], "(t s) -> t s", t=codes.shape[1]).mean(dim=1)


def _counts(columns: Int64[Tensor, "N t h w"], size: int) -> Float64[Tensor, "frames size"]:
    frames = rearrange(columns, "n t h w -> (n t) (h w)")
    bins = frames + (size + 1) * torch.arange(frames.shape[0], device=frames.device)[:, None]
    counts = torch.bincount(bins.flatten(), minlength=frames.shape[0] * (size + 1))
    return rearrange(counts, "(f k) -> f k", k=size + 1)[:, :size].double()


def _places(codes: Int64[Tensor, "N t h w"]) -> Int64[Tensor, " frames"]:
    return repeat(torch.arange(codes.shape[1], device=codes.device), "t -> (n t)", n=codes.shape[0])


def _fit_logistic_regression(
    inputs: Float64[Tensor, "frames D"], targets: Int64[Tensor, " frames"], classes: int
) -> tuple[Float[Tensor, "D classes"], Float[Tensor, " classes"]]:
    # whoever measures is likely to have switched gradients off
    with torch.inference_mode(False), torch.enable_grad():
        penalty = _WEIGHT_PENALTY / inputs.shape[0]
        # Codes are used very unevenly, which makes the problem badly conditioned. Centring (the bias takes it up) and
        # a variable of unit curvature per code at the start leave the optimum where it is.
        mean, variance = inputs.mean(dim=0), inputs.var(dim=0, correction=0)
        scale = (variance * (1 - 1 / classes) / classes + penalty).rsqrt()[:, None]
        centred, targets = inputs - mean, targets.clone()
        scaled_weight = nn.Parameter(inputs.new_zeros(inputs.shape[1], classes))
        bias = nn.Parameter(inputs.new_zeros(classes))
        optimizer = torch.optim.LBFGS(
            [scaled_weight, bias],
            max_iter=_PROBE_ITERATIONS,
            tolerance_grad=1e-7,
            tolerance_change=1e-12,
            history_size=20,
            line_search_fn="strong_wolfe",
        )

        def loss() -> Tensor:
            optimizer.zero_grad()
            weight = scale * scaled_weight
            value = cross_entropy(centred @ weight + bias, targets) + penalty / 2 * weight.square().sum()
            value.backward()
            return value

        optimizer.step(loss)
        weight = (scale * scaled_weight).detach()
    return weight, bias.detach() - mean @ weight
