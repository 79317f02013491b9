"""What a classifier says of the consecutive windows of one long video: does it stay the same thing?

Axes: N videos, windows in time order, classes of the classifier. All take probabilities (softmax), not logits.
"""

import torch
from jaxtyping import Float, Float64, Int64
from torch import Tensor
from torch.nn.functional import one_hot

from tats_exp.metrics.drift import js_divergence

_EPSILON = 1e-20  # keeps the logarithm of a probability that underflowed finite


def ccs(probabilities: Float[Tensor, "N windows classes"]) -> Float64[Tensor, " windows"]:
    """Class coherence score: share of videos whose window t is still put in the class of window 0.

    Args:
        probabilities: The classifier's softmax for every window.

    Returns:
        One share in [0, 1] per window; 1 at window 0.

    Raises:
        ValueError: Values that are no probabilities.

    Source:
        Ge et al. 2022, section 4: CCS(t) = mean 1[argmax p_t = argmax p_0].
    """
    _check_probabilities(probabilities)
    labels = probabilities.argmax(dim=-1)
    return (labels == labels[:, :1]).double().mean(dim=0)


def kappa(probabilities: Float[Tensor, "N windows classes"]) -> Float64[Tensor, " windows"]:
    """Class coherence beyond chance: (CCS - chance) / (1 - chance), as Cohen's kappa.

    Videos that are all put in one class keep it by chance: CCS is 1 for them. Chance is sum_k s_0(k) s_t(k), s_t(k)
    being the share of videos whose window t is put in class k.

    Args:
        probabilities: The classifier's softmax for every window.

    Returns:
        At most 1, and 1 at window 0; 0 where a class is kept as often as by chance; nan where chance is 1.

    Raises:
        ValueError: Values that are no probabilities.
    """
    kept = ccs(probabilities)
    classes = probabilities.shape[-1]
    shares = one_hot(probabilities.argmax(dim=-1), classes).double().mean(dim=0)
    chance = shares @ shares[0]
    return torch.where(chance < 1, (kept - chance) / (1 - chance), torch.nan)


def opinion_js(probabilities: Float[Tensor, "N windows classes"]) -> Float64[Tensor, " windows"]:
    """How far the classifier's opinion of window t has moved from window 0: a bounded form of `ics`.

    Args:
        probabilities: The classifier's softmax for every window.

    Returns:
        Mean Jensen-Shannon divergence in nats, 0 to ln 2, one per window; 0 at window 0.

    Raises:
        ValueError: Values that are no probabilities.
    """
    _check_probabilities(probabilities)
    return js_divergence(probabilities, probabilities[:, :1].expand_as(probabilities)).mean(dim=0)


def ics(probabilities: Float[Tensor, "N windows classes"]) -> Float64[Tensor, " windows"]:
    """Inception coherence score: how far the classifier's opinion of window t has moved from window 0.

    Args:
        probabilities: The classifier's softmax for every window.

    Returns:
        mean KL(p_t || p_0) in nats per window; 0 at window 0, lower is more coherent.

    Raises:
        ValueError: Values that are no probabilities.

    Source:
        Ge et al. 2022, section 4, with 1e-20 inside both logarithms.
    """
    _check_probabilities(probabilities)
    p = probabilities.double()
    return _kl(p, p[:, :1]).mean(dim=0)


def label_coherence(
    probabilities: Float[Tensor, "N windows classes"],
    labels: Int64[Tensor, " N"],
    kinds: Int64[Tensor, " classes"] | None = None,
) -> Float64[Tensor, " windows"]:
    """Share of videos whose window t is put in the class that the video was asked for, or in one like it.

    Args:
        probabilities: The classifier's softmax for every window.
        labels: The class of each video.
        kinds: What of each class is compared, its colour say; None: the class itself.

    Returns:
        One share in [0, 1] per window.

    Raises:
        ValueError: Values that are no probabilities, or a label that is none of the classes.
    """
    seen, asked_for = _kinds_of(probabilities, labels, kinds)
    return (seen == asked_for[:, None]).double().mean(dim=0)


def label_chance(
    probabilities: Float[Tensor, "N windows classes"],
    labels: Int64[Tensor, " N"],
    kinds: Int64[Tensor, " classes"] | None = None,
) -> Float64[Tensor, " windows"]:
    """What `label_coherence` is on average where videos and the classes asked for are paired at random.

    It is sum_k p_k q_k(t), with p_k the share of videos that are asked for k and q_k(t) the share whose window t is put
    in k: videos that all look alike are right as often as their look is asked for. Arguments and errors as
    `label_coherence`.
    """
    seen, asked_for = _kinds_of(probabilities, labels, kinds)
    many = 1 + int(torch.maximum(seen.max(), asked_for.max()))
    return one_hot(seen, many).double().mean(dim=0) @ one_hot(asked_for, many).double().mean(dim=0)


def _kinds_of(
    probabilities: Float[Tensor, "N windows classes"],
    labels: Int64[Tensor, " N"],
    kinds: Int64[Tensor, " classes"] | None,
) -> tuple[Int64[Tensor, "N windows"], Int64[Tensor, " N"]]:
    """What is seen in every window, and what each video is asked for."""
    _check_probabilities(probabilities)
    if int(labels.min()) < 0 or int(labels.max()) >= probabilities.shape[-1]:
        given = f"labels: {int(labels.min())}..{int(labels.max())}"
        raise ValueError(f"{given}, allowed: 0..{probabilities.shape[-1] - 1}, the classes of the classifier")
    seen = probabilities.argmax(dim=-1)
    return (seen, labels) if kinds is None else (kinds[seen], kinds[labels])


def inception_score(probabilities: Float[Tensor, "N classes"]) -> Float64[Tensor, ""]:
    """Inception score, exp E KL(p(y|x) || p(y)), over all videos in one split.

    Few videos cannot fill many classes: it grows with their number, so compare at equal numbers only.

    Args:
        probabilities: The classifier's softmax for every video.

    Returns:
        A value between 1 (all videos look alike, or like nothing) and the number of classes.

    Raises:
        ValueError: Values that are no probabilities.

    Source:
        Salimans et al. 2016; one split, as Saito et al. (TGANv2) take it for video.
    """
    _check_probabilities(probabilities)
    p = probabilities.double()
    return _kl(p, p.mean(dim=0, keepdim=True)).mean().exp()


def _kl(p: Float64[Tensor, "*N classes"], q: Float64[Tensor, "*M classes"]) -> Float64[Tensor, "*N"]:
    return (p * ((p + _EPSILON).log() - (q + _EPSILON).log())).sum(dim=-1)


def _check_probabilities(probabilities: Tensor) -> None:
    if probabilities.shape[0] == 0:
        raise ValueError("probabilities: 0 videos, at least 1 is needed")
    sums = probabilities.double().sum(dim=-1)
    # half precision sums to 1 within a few thousandths
    if bool((probabilities < 0).any()) or not torch.allclose(sums, torch.ones_like(sums), atol=1e-2):
        raise ValueError(
            f"probabilities: rows that sum to {float(sums.min()):.3g}..{float(sums.max()):.3g}, least value "
            f"{float(probabilities.min()):.3g}; allowed: softmax probabilities, not logits"
        )
