"""The losses of the VQGAN, as named terms."""

from jaxtyping import Float
from torch import Tensor

from tats_exp.vqgan.vqgan import Reconstruction


def reconstruction_l1(
    target: Float[Tensor, "B C T H W"], reconstruction: Float[Tensor, "B C T H W"]
) -> Float[Tensor, ""]:
    """Mean absolute difference of pixels.

    Args:
        target: the clip, [-0.5, 0.5].
        reconstruction: what the VQGAN made of it.

    Returns:
        Scalar, not weighted.
    """
    return (target - reconstruction).abs().mean()


def vqgan_losses(
    reconstruction: Reconstruction,
    target: Float[Tensor, "B C T H W"],
    l1_weight: float = 4.0,
    perceptual: Float[Tensor, ""] | None = None,
    perceptual_weight: float = 0.0,
) -> dict[str, Tensor]:
    """All terms of the VQGAN's loss but those of its adversaries.

    Args:
        reconstruction: what `VQGAN.forward` returned.
        target: the clip without its margins, [-0.5, 0.5].
        l1_weight: weight of the L1 term; the commitment term carries its weight already.
        perceptual: distance of target and reconstruction to a perceptual network; None: there is no such term.
        perceptual_weight: its weight.

    Returns:
        `l1` and `perceptual` (not weighted), `commitment` and `total`, the one to minimise.

    Source: Ge et al. 2022, Eq. 2, without the adversarial terms.
    """
    l1 = reconstruction_l1(target, reconstruction.video)
    terms = {"l1": l1, "commitment": reconstruction.commitment}
    total = l1_weight * l1 + reconstruction.commitment
    if perceptual is None:
        return {**terms, "total": total}
    return {**terms, "perceptual": perceptual, "total": total + perceptual_weight * perceptual}
