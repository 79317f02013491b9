"""How far the windows of a long video have moved away from real ones: in their codes, and when it is past saving.

Window t of the sampled videos is compared with real windows.

Axes: N videos, t h w latent grid, K codebook size.
"""

import math
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


def first_window_past(fvd_per_window: Sequence[float], floor: float) -> int | None:
    """The first window where a video has collapsed: its distance above the floor has doubled.

    The rule is FVD_t - floor > 2 max(FVD_0 - floor, floor / 2): a good start must double its distance to the floor, a
    start within the floor must leave it by a whole floor.

    Args:
        fvd_per_window: Fréchet distances of consecutive windows to the reference, window 0 first.
        floor: The distance of real videos to disjoint real ones at equal N.

    Returns:
        The index of the window, or None when no window is past.

    Raises:
        ValueError: No window, a value that is not finite, or a negative floor.
    """
    if not fvd_per_window or not all(math.isfinite(value) for value in fvd_per_window):
        raise ValueError(f"fvd_per_window: {list(fvd_per_window)}, allowed: one finite value per window")
    if not math.isfinite(floor) or floor < 0:
        raise ValueError(f"floor: {floor}, allowed: a finite value, not negative")
    allowed = 2 * max(fvd_per_window[0] - floor, floor / 2)
    return next((window for window, value in enumerate(fvd_per_window) if value - floor > allowed), None)
