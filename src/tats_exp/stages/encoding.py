"""Frames to latents, for the stages that encode real windows.

Axes: N windows, T H W C pixels, D channels, t h w latent grid.
"""

import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from tats_exp import NotFiniteError
from tats_exp.data.pixels import to_float
from tats_exp.vqgan.vqgan import VQGAN


def finite_latents(vqgan: VQGAN, video: UInt8[Tensor, "N T H W C"], device: torch.device) -> Float[Tensor, "N D t h w"]:
    """What enters the codebook, on the device.

    Args:
        vqgan: in eval mode, on the device.
        video: windows with the margins that it wants.
        device: where the VQGAN is.

    Raises:
        NotFiniteError: a latent is not finite; the nearest code of such a one would mean nothing.
    """
    latents = vqgan.latents(to_float(video.to(device)))
    if not bool(latents.isfinite().all()):
        raise NotFiniteError("latents of real windows are not finite: the VQGAN diverged in its training")
    return latents
