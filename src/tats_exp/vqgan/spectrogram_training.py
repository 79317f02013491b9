"""Training of the VQGAN of sound: what is stepped and what is logged."""

import lightning.pytorch as L
import torch
from lightning.pytorch.utilities.types import OptimizerLRScheduler
from torch import Tensor

from tats_exp.data.spectrogram import SpanItem
from tats_exp.vqgan.alarms import CodeUsage
from tats_exp.vqgan.spectrogram_vqgan import SpectrogramVQGAN, picture_to_float
from tats_exp.vqgan.training import optimizer_and_scheduler

USAGE_WINDOW = 100
"""Batches over which the use of the codes is counted."""


class SpectrogramTraining(L.LightningModule):
    """Squared error and commitment, one step of Adam a batch; the rate falls along half a cosine."""

    def __init__(self, vqgan: SpectrogramVQGAN, name: str, learning_rate: float, steps: int) -> None:
        """Take the parts.

        Args:
            vqgan: trained in place.
            name: what its losses are logged as, `train/<name>/...`.
            learning_rate: at the beginning.
            steps: of the training, at whose end the rate is 0.
        """
        super().__init__()
        self.vqgan, self.name, self.learning_rate, self.steps = vqgan, name, learning_rate, steps
        self.usage = CodeUsage(vqgan.codebook.size, USAGE_WINDOW)
        self.logged: dict[str, Tensor] = {}

    def training_step(self, batch: SpanItem, batch_idx: int) -> Tensor:
        """Reconstruct pictures (B, 1, M, F); returns the sum of the losses."""
        picture = picture_to_float(batch["picture"])
        heard = self.vqgan(picture)
        error = (picture - heard.picture).square().mean()
        total = error + heard.commitment
        losses = {
            "total": total,
            "reconstruction": error,
            "commitment": heard.commitment,
            "code_perplexity": heard.perplexity,
            "code_usage": self.usage.update(heard.codes).window,
        }
        self.logged = {f"train/{self.name}/{name}": value.detach() for name, value in losses.items()}
        return total

    def configure_optimizers(self) -> OptimizerLRScheduler:
        """Adam over all weights."""
        optimizer = torch.optim.Adam(self.vqgan.parameters(), self.learning_rate, betas=(0.9, 0.99))
        return optimizer_and_scheduler(
            optimizer, lambda adam: torch.optim.lr_scheduler.CosineAnnealingLR(adam, T_max=self.steps)
        )
