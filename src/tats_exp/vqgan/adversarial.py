"""Losses between the VQGAN and its discriminators, each a function of logits or features and nothing else.

Logits are those of patches, of any shape; above 0 means real. Which step a term begins at, what it weighs and which
optimiser minimises it is the training's business. x is a clip (or frame), x_hat its reconstruction.
"""

from collections.abc import Sequence
from typing import Literal, get_args

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

DiscriminatorLoss = Literal["hinge", "log"]
"""What a discriminator minimises; see `discriminator_loss`."""


def discriminator_loss(
    real_logits: Float[Tensor, "*patches"], fake_logits: Float[Tensor, "*patches"], form: DiscriminatorLoss = "hinge"
) -> Float[Tensor, ""]:
    """What a discriminator minimises: the mean of its errors on real and on reconstructed patches.

    Args:
        real_logits: of x.
        fake_logits: of x_hat; detach x_hat before it is judged, or the VQGAN is trained to help its adversary.
        form: `hinge`: (max(0, 1 - real) + max(0, 1 + fake)) / 2; `log`: -(log f(x) + log(1 - f(x_hat))) / 2 where f is
            the sigmoid of the logits.

    Returns:
        Scalar, 0 or more; 1 (`hinge`) or log 2 (`log`) at logits of 0.

    Raises:
        ValueError: unknown `form`.

    Source: Ge et al. 2022, section 3.1 (`log`); official code (both, called vanilla and hinge, with the factor 1/2).
    """
    if form == "hinge":
        return (F.relu(1 - real_logits).mean() + F.relu(1 + fake_logits).mean()) / 2
    if form == "log":
        return (F.softplus(-real_logits).mean() + F.softplus(fake_logits).mean()) / 2
    raise ValueError(f"discriminator loss {form!r} is unknown; allowed: {', '.join(get_args(DiscriminatorLoss))}")


def generator_loss(fake_logits: Float[Tensor, "*patches"]) -> Float[Tensor, ""]:
    """What the VQGAN minimises to be taken for real, against either form of `discriminator_loss`.

    Args:
        fake_logits: of x_hat.

    Returns:
        Scalar, of either sign.

    Source: official code, Lim and Ye 2017.
    """
    return -fake_logits.mean()


def feature_matching(
    real_features: Sequence[Tensor], fake_features: Sequence[Tensor], weights: Sequence[float] | None = None
) -> Float[Tensor, ""]:
    """L1 between a discriminator's features of x and x_hat; x is the target and gets no gradient.

    Args:
        real_features: of x, one tensor per layer.
        fake_features: of x_hat, of the same shapes.
        weights: p_i, one per layer; None weighs each 1, as the official code does.

    Returns:
        Scalar, 0 or more: sum over layers i of p_i * mean |f_i(x_hat) - f_i(x)|.

    Raises:
        ValueError: not one weight per layer.

    Source: Ge et al. 2022, section 3.1.
    """
    weights = [1.0] * len(real_features) if weights is None else weights
    if len(weights) != len(real_features):
        raise ValueError(
            f"matching weights {list(weights)}: {len(weights)} given, the features are {len(real_features)}"
        )
    layers = zip(weights, real_features, fake_features, strict=True)
    terms = [p * F.l1_loss(fake, real.detach()) for p, real, fake in layers]
    return torch.stack(terms).sum()


def lecam(
    real_logits: Float[Tensor, "*patches"], fake_logits: Float[Tensor, "*patches"], averages: Float[Tensor, " 2"]
) -> Float[Tensor, ""]:
    """LeCam regularisation: hold a discriminator near what it lately said of the other side, lest it runs away.

    Args:
        real_logits: of x, from the step at hand.
        fake_logits: of x_hat.
        averages: moving averages of the mean logits of x and of x_hat, see `lecam_averages`.

    Returns:
        Scalar, 0 or more, not weighted, for the discriminator to minimise; 0 where it takes one side for the other.

    Source: Tseng et al. 2021, Eq. 3, one-sided as in their code: only logits on the right side of the average count.
    """
    real_average, fake_average = averages.detach().unbind()
    return F.relu(real_logits - fake_average).square().mean() + F.relu(real_average - fake_logits).square().mean()


@torch.no_grad()
def lecam_averages(
    averages: Float[Tensor, " 2"],
    real_logits: Float[Tensor, "*patches"],
    fake_logits: Float[Tensor, "*patches"],
    decay: float = 0.99,
) -> Float[Tensor, " 2"]:
    """The averages after one more step; the caller keeps them in a buffer, which begins as zeros.

    Args:
        averages: before this step.
        real_logits: of x.
        fake_logits: of x_hat.
        decay: 0 up to but not including 1; share of the old averages in the new ones.

    Returns:
        New tensor (real, fake).
    """
    now = torch.stack([real_logits.mean(), fake_logits.mean()]).to(averages.dtype)
    return averages.lerp(now, 1 - decay)


def adaptive_weight(
    reconstruction_loss: Float[Tensor, ""],
    adversarial_loss: Float[Tensor, ""],
    last_layer: Tensor,
    largest: float = 1e4,
) -> Float[Tensor, ""]:
    """Weight that gives the adversarial loss as much say over the last layer as the reconstruction loss has.

    Costs two more backward passes, from each loss to the last layer, and keeps both graphs.

    Args:
        reconstruction_loss: all non-adversarial terms that reach the last layer.
        adversarial_loss: the generator loss, not weighted.
        last_layer: weight of the decoder's last convolution.
        largest: upper bound.

    Returns:
        Scalar 0..largest, a constant as far as gradients go.

    Source: Esser et al. 2021, Eq. 7 (delta = 1e-4, bound 1e4: their code).
    """
    norms = [
        torch.autograd.grad(loss, last_layer, retain_graph=True)[0].float().norm()
        for loss in (reconstruction_loss, adversarial_loss)
    ]
    return (norms[0] / (norms[1] + 1e-4)).clamp(0, largest).detach()
