"""The losses of the VQGAN, as named terms."""

from jaxtyping import Float
from torch import Tensor

from tats_exp.vqgan.reconstruction import PixelLoss
from tats_exp.vqgan.vqgan import Reconstruction


def vqgan_losses(
    reconstruction: Reconstruction,
    target: Float[Tensor, "B C T H W"],
    pixel_loss: PixelLoss,
    reconstruction_weight: float,
    perceptual: Float[Tensor, ""] | None = None,
    perceptual_weight: float = 0.0,
) -> dict[str, Tensor]:
    """All terms of the VQGAN's loss but those of its adversaries.

    Args:
        reconstruction: what `VQGAN.forward` returned.
        target: the clip without its margins, [-0.5, 0.5].
        pixel_loss: compares both pixel by pixel.
        reconstruction_weight: weight of this term; the commitment term carries its weight already.
        perceptual: distance of target and reconstruction to a perceptual network; None: there is no such term.
        perceptual_weight: its weight.

    Returns:
        `reconstruction` and `perceptual` (not weighted), `commitment` and `total`, the one to minimise.

    Source: Ge et al. 2022, Eq. 2, without the adversarial terms; there the pixel loss is L1.
    """
    error = pixel_loss(target, reconstruction.video)
    terms = {"reconstruction": error, "commitment": reconstruction.commitment}
    total = reconstruction_weight * error + reconstruction.commitment
    if perceptual is None:
        return {**terms, "total": total}
    return {**terms, "perceptual": perceptual, "total": total + perceptual_weight * perceptual}
