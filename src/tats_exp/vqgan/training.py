"""Training of the VQGAN: which parts are stepped and what is logged. The model and its losses know nothing of this."""

from collections.abc import Callable

import lightning.pytorch as L
import torch
from lightning.pytorch.utilities.types import OptimizerLRScheduler
from torch import Tensor

from tats_exp.data.clips import ClipItem, to_float
from tats_exp.vqgan.losses import vqgan_losses
from tats_exp.vqgan.vqgan import VQGAN

MakeOptimizer = Callable[..., torch.optim.Optimizer]
MakeScheduler = Callable[..., torch.optim.lr_scheduler.LRScheduler]


def optimizer_and_scheduler(optimizer: torch.optim.Optimizer, scheduler: MakeScheduler | None) -> OptimizerLRScheduler:
    """What Lightning wants to be told: the optimiser, and a scheduler that is stepped with it."""
    if scheduler is None:
        return optimizer
    return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler(optimizer), "interval": "step"}}


class VQGANTraining(L.LightningModule):
    """One autoencoder pass and one optimiser step a batch."""

    def __init__(
        self, vqgan: VQGAN, optimizer: MakeOptimizer, scheduler: MakeScheduler | None, l1_weight: float
    ) -> None:
        """Take the parts.

        Args:
            vqgan: trained in place.
            optimizer: called with the parameters.
            scheduler: called with the optimiser; None keeps the learning rate.
            l1_weight: weight of the L1 reconstruction loss.
        """
        super().__init__()
        self.vqgan = vqgan
        self._make_optimizer, self._make_scheduler, self.l1_weight = optimizer, scheduler, l1_weight

    def training_step(self, batch: ClipItem, batch_idx: int) -> Tensor:
        """Reconstruct the middle of each clip (B, margin + T + margin, H, W, C); returns the total loss."""
        video = to_float(batch["video"])
        reconstruction = self.vqgan(video)
        losses = vqgan_losses(reconstruction, self.vqgan.middle(video), self.l1_weight)
        logged = {**losses, "code_perplexity": reconstruction.perplexity}
        self.log_dict({f"train/vqgan/{name}": value.detach() for name, value in logged.items()})
        return losses["total"]

    def configure_optimizers(self) -> OptimizerLRScheduler:
        """One optimiser over the whole autoencoder."""
        return optimizer_and_scheduler(self._make_optimizer(self.vqgan.parameters()), self._make_scheduler)
