"""How far the windows of a long video have moved away from real ones: in their codes, and when it is past saving.

Window t of the sampled videos is compared with real windows.

Axes: N videos, t h w latent grid, K codebook size.
"""

import math
import statistics
from collections.abc import Sequence

import torch
from einops import rearrange, repeat
from jaxtyping import Float, Float64, Int64
from torch import Tensor


def code_histograms(
    codes: Int64[Tensor, "N t h w"], codebook_size: int, counts: Int64[Tensor, " N"] | None = None
) -> Float64[Tensor, "t K"]:
    """How often each code is used, for every place in time of a window apart.

    Apart, because a window is compared with real codes *at the same place*: a code may be common at one place of the
    window and rare at another. The mean over places is the histogram of the whole window.

    Args:
        codes: Codes of N windows.
        codebook_size: K.
        counts: How often each window counts, as a bootstrap draws them; None for once.

    Returns:
        Shares; every row sums to 1.

    Raises:
        ValueError: No window, or a code outside 0..K-1.
    """
    if codes.numel() == 0:
        raise ValueError(f"codes: shape {tuple(codes.shape)}, at least one window is needed")
    if int(codes.min()) < 0 or int(codes.max()) >= codebook_size:
        raise ValueError(f"codes: {int(codes.min())}..{int(codes.max())}, allowed: 0..{codebook_size - 1}")
    places = codes.shape[1]
    at_place = rearrange(codes, "n t h w -> t (n h w)")
    bins = at_place + codebook_size * torch.arange(places, device=codes.device)[:, None]
    weights = None
    if counts is not None:
        weights = repeat(counts.double(), "n -> (t n hw)", t=places, hw=codes[0, 0].numel())
    found = torch.bincount(bins.flatten(), weights, minlength=places * codebook_size)
    by_place = rearrange(found, "(t k) -> t k", t=places).double()
    return by_place / by_place.sum(dim=1, keepdim=True)


def js_divergence(p: Float[Tensor, "*batch K"], q: Float[Tensor, "*batch K"]) -> Float64[Tensor, "*batch"]:
    """Jensen-Shannon divergence of histograms, in nats.

    Histograms of few codes differ by chance alone (by some K / (8 n) each way), so compare only values taken over
    equal numbers of windows, and with the value of real codes against real codes.

    Args:
        p: Shares that sum to 1.
        q: Shares that sum to 1.

    Returns:
        Values between 0 (equal) and ln 2 (no code in common).
    """
    a, b = p.double(), q.double()
    middle = ((a + b) / 2).clamp(min=torch.finfo(torch.float64).tiny)  # a code that neither uses adds 0, not 0 / 0
    terms = torch.special.xlogy(a, a / middle) + torch.special.xlogy(b, b / middle)
    return (terms.sum(dim=-1) / 2).clamp(0.0, math.log(2))


def frames_at(windows: Int64[Tensor, "N long h w"], slots: Sequence[tuple[int, ...]]) -> Int64[Tensor, "N t h w"]:
    """Latent frames at places of windows, one for each of t.

    Args:
        windows: Codes of N windows.
        slots: For each of t latent frames the places it may be taken from. Where there are several, the windows take
            turns.

    Raises:
        ValueError: A latent frame without a place.
    """
    if not all(slots):
        raise ValueError(f"slots: {list(slots)}, at least one place is needed for each latent frame")
    number = torch.arange(len(windows))
    return torch.stack([windows[number, torch.tensor(some)[number % len(some)]] for some in slots], dim=1)


def drawn_divergence(
    codes: Int64[Tensor, "N t h w"],
    real: Int64[Tensor, "N long h w"],
    slots: Sequence[tuple[int, ...]],
    codebook_size: int,
) -> float:
    """Jensen-Shannon divergence of latent frames from real codes of the slots that each was drawn in.

    A tokenizer may use other codes at every slot, and a sampler draws most frames of a video at one slot: against real
    codes *at the same place of the window* the alphabet of that slot would count as drift.

    Args:
        codes: Codes of a window of N videos.
        real: Codes of N real windows as the transformers learned them.
        slots: For each of the t latent frames where in such a window it was drawn. Whatever their number, both sides
            have N latent frames.
        codebook_size: K.

    Returns:
        The mean over latent frames, in nats, as `js_divergence`.

    Raises:
        ValueError: Other numbers of windows or latent frames on the other side, or as `frames_at`.
    """
    if len(codes) != len(real) or codes.shape[1] != len(slots):
        raise ValueError(
            f"codes: shape {tuple(codes.shape)}, allowed: {len(real)} windows of {len(slots)} latent frames, as on the "
            "other side"
        )
    sides = (code_histograms(side, codebook_size) for side in (codes, frames_at(real, slots)))
    return float(js_divergence(*sides).mean())


def code_perplexity(histogram: Float[Tensor, "*batch K"]) -> Float64[Tensor, "*batch"]:
    """How many codes are in use, effectively: exp of the entropy of a histogram.

    Args:
        histogram: Shares that sum to 1.

    Returns:
        Values between 1 (a single code) and K (all alike).
    """
    p = histogram.double()
    return (-torch.special.xlogy(p, p).sum(dim=-1)).exp()


def growth(curve: Sequence[float], floor: float) -> float | None:
    """By what factor a distance grows along the videos, as a logarithm: ln((D_late + F) / (D_0 + F)).

    D_late is the mean over the windows ceil(n / 2)..n - 1. The floor F keeps chance from being a factor: a distance
    that stays about its floor has a growth about 0.

    Args:
        curve: Distance of each of n windows; nan where one was not measured.
        floor: F, the distance of other windows of the reference's kind.

    Returns:
        The logarithm; None below 2 windows, or where a value that it needs was not measured or F + D_0 is 0.
    """
    if len(curve) < 2 or floor + curve[0] <= 0:
        return None
    value = math.log((statistics.fmean(curve[-(len(curve) // 2) :]) + floor) / (curve[0] + floor))
    return value if math.isfinite(value) else None


def first_window_past(lower: Sequence[float], limit: float) -> float:
    """The first window from which on all are past a limit.

    Args:
        lower: Of each window, how far at least its distance has risen above that of window 0.
        limit: What every one of them must exceed.

    Returns:
        Number of the window, infinity if there is none.
    """
    within = [t for t, value in enumerate(lower) if not value > limit]
    first = within[-1] + 1 if within else 0
    return float(first) if first < len(lower) else math.inf
