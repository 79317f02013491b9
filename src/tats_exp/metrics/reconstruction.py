"""How well a VQGAN gives back what it was shown: pixel for pixel, frame by frame, a few windows at a time.

Axes: N windows, T frames, H W pixels, C colour channels.
"""

import math

import torch
from einops import rearrange
from jaxtyping import Float64, UInt8
from torch import Tensor

from tats_exp.metrics.pixels import gradient

_GREY_LEVELS = 255.0
SSIM_WINDOW = 11
"""Pixels; smaller frames have no structural similarity."""


class ReconstructionErrors:
    """Errors of windows against their reconstructions, summed up batch by batch: memory does not grow with N."""

    def __init__(self) -> None:
        """Begin with no window."""
        self.windows = self.pixels = 0
        self._squared = 0.0
        self._ssim: float | None = 0.0
        self._gradients = {"real": 0.0, "rebuilt": 0.0}
        self._frames: Float64[Tensor, " T"] = torch.zeros(1, dtype=torch.float64)

    def add(self, real: UInt8[Tensor, "N T H W C"], rebuilt: UInt8[Tensor, "N T H W C"]) -> None:
        """Compare some windows.

        Args:
            real: windows.
            rebuilt: the same through the VQGAN.
        """
        difference = real.short() - rebuilt.short()
        self.windows += len(real)
        self.pixels += real.numel()
        self._squared += float(difference.double().square().sum())
        for name, side in (("real", real), ("rebuilt", rebuilt)):
            self._gradients[name] += float(gradient(side).sum())
        self._frames = self._frames + difference.abs().double().mean(dim=(2, 3, 4)).sum(dim=0)
        if min(real.shape[2:4]) < SSIM_WINDOW:
            self._ssim = None
        if self._ssim is not None:
            # Here, because torchmetrics takes a second to be imported and few need it.
            from torchmetrics.functional.image import structural_similarity_index_measure

            target, made = (rearrange(side, "n t h w c -> (n t) c h w").float() for side in (real, rebuilt))
            similarity = structural_similarity_index_measure(made, target, data_range=_GREY_LEVELS)
            assert isinstance(similarity, Tensor)
            self._ssim += float(similarity) * len(real)

    @property
    def frame_errors(self) -> Float64[Tensor, " T"]:
        """Mean absolute error at every place of the window, as a share of the grey range; nan without a window."""
        return self._frames / (self.windows * _GREY_LEVELS)

    @property
    def edge_ratio(self) -> float:
        """Error of the first and last frame over that of the rest: 1 where the place in the window does not matter."""
        errors = self.frame_errors
        middle = float(errors[1:-1].mean())
        return float((errors[0] + errors[-1]) / 2) / middle if middle > 0 else math.nan

    @property
    def gradient_ratio(self) -> float:
        """Mean spatial gradient over that of the real windows: below 1 is blurred; noise and wrong edges raise it."""
        real = self._gradients["real"]
        return self._gradients["rebuilt"] / real if real > 0 else math.nan

    @property
    def psnr(self) -> float:
        """Peak signal-to-noise ratio in dB, of the mean squared error over all windows; infinite where it is 0.

        nan without a window.
        """
        if not self.pixels:
            return math.nan
        mean = self._squared / self.pixels
        return 10 * math.log10(_GREY_LEVELS**2 / mean) if mean > 0 else math.inf

    @property
    def ssim(self) -> float | None:
        """Structural similarity of frames, -1 to 1, mean over all; None for frames smaller than its 11-pixel window.

        None without a window, too.

        Source: Wang et al. 2004, deviation 1.5, as torchmetrics computes it (frames are reflected at their borders).
        """
        return None if self._ssim is None or not self.windows else self._ssim / self.windows
