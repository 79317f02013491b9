"""Training of the VQGAN: which parts are stepped and what is logged. The model and its losses know nothing of this.

One pass of the autoencoder, one backward and one step of one optimiser serve the VQGAN and its discriminators: their
losses reach disjoint weights (see adversaries.py), Adam steps every weight by itself, and gradients are clipped network
by network. Accumulation, mixed precision, resumption and the count of steps stay what they are without discriminators.
"""

from typing import Any

import lightning.pytorch as L
import torch
from jaxtyping import Float, Int64
from lightning.pytorch.utilities.types import OptimizerLRScheduler
from torch import Tensor

from tats_exp.data.clips import ClipItem
from tats_exp.data.pixels import to_float
from tats_exp.features.perceptual import Perceptual
from tats_exp.training import MakeOptimizer, MakeScheduler
from tats_exp.vqgan.adversaries import Adversaries, random_frames
from tats_exp.vqgan.alarms import PREFIX, Alarms, CodeUsage
from tats_exp.vqgan.averaging import moving_average
from tats_exp.vqgan.discriminators import pick_frames
from tats_exp.vqgan.losses import vqgan_losses
from tats_exp.vqgan.reconstruction import PixelLoss
from tats_exp.vqgan.vqgan import VQGAN


def optimizer_and_scheduler(optimizer: torch.optim.Optimizer, scheduler: MakeScheduler | None) -> OptimizerLRScheduler:
    """What Lightning wants to be told: the optimiser, and a scheduler that is stepped with it."""
    if scheduler is None:
        return optimizer
    return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler(optimizer), "interval": "step"}}


class VQGANTraining(L.LightningModule):
    """One autoencoder pass and one optimiser step a batch, adversaries included."""

    batches: Tensor

    def __init__(
        self,
        vqgan: VQGAN,
        optimizer: MakeOptimizer,
        scheduler: MakeScheduler | None,
        pixel_loss: PixelLoss,
        reconstruction_weight: float,
        perceptual: Perceptual | None = None,
        perceptual_weight: float = 0.0,
        adversaries: Adversaries | None = None,
        average_decay: float | None = None,
        usage_window: int = 100,
        seed: int = 0,
    ) -> None:
        """Take the parts.

        Args:
            vqgan: trained in place.
            optimizer: called with the parameters.
            scheduler: called with the optimiser; None keeps the learning rate.
            pixel_loss: compares clips and reconstructions pixel by pixel.
            reconstruction_weight: its weight.
            perceptual: perceptual loss; None: there is none.
            perceptual_weight: its weight.
            adversaries: discriminators, trained along; None: there are none.
            average_decay: of the average of the VQGAN's weights, at step n at most (1 + n) / (10 + n); None: no average
                is kept.
            usage_window: batches over which the use of the codes is counted.
            seed: of the frames that are looked at one by one.
        """
        super().__init__()
        self.vqgan, self.adversaries = vqgan, adversaries
        self._make_optimizer, self._make_scheduler = optimizer, scheduler
        self.pixel_loss, self.reconstruction_weight = pixel_loss, reconstruction_weight
        # In a tuple, so that it is neither trained nor written into every checkpoint.
        self._perceptual, self.perceptual_weight = (perceptual,), perceptual_weight
        self.average = None if average_decay is None else moving_average(vqgan, average_decay)
        self.usage = CodeUsage(vqgan.codebook.size, usage_window)
        self.alarms = Alarms()
        if adversaries is not None:
            undecided = dict.fromkeys(adversaries.discriminators, adversaries.undecided)
            self.alarms = Alarms(undecided, adversaries.schedule.start_step)
        self.seed, self.logged = seed, dict[str, Tensor]()
        self.register_buffer("batches", torch.tensor(0))

    @property
    def result(self) -> VQGAN:
        """What the training leaves: the VQGAN, with the average of its weights where one is kept."""
        model = self.vqgan if self.average is None else self.average.module
        assert isinstance(model, VQGAN)
        return model

    def on_fit_start(self) -> None:
        """Bring along what is no part of this module."""
        for network in self._perceptual:
            if network is not None:
                network.to(self.device)

    def training_step(self, batch: ClipItem, batch_idx: int) -> Tensor:
        """Reconstruct the middle of each clip (B, margin + T + margin, H, W, C); returns the sum of all losses."""
        video = to_float(batch["video"])
        x, reconstruction = self.vqgan.middle(video), self.vqgan(video)
        x_hat = reconstruction.video
        frame = random_frames(len(x), x.shape[2], self.seed, self.batches)
        self.batches += 1
        perceptual = self._perceptual_loss(x, x_hat, frame)
        weights = (self.pixel_loss, self.reconstruction_weight, perceptual, self.perceptual_weight)
        losses = vqgan_losses(reconstruction, x, *weights)
        total, judged = losses["total"], {}
        if self.adversaries is not None and self.adversaries.schedule.learning(self.global_step):
            counts = self.adversaries.schedule.weight(self.global_step) > 0
            verdict = self.adversaries(x, x_hat, frame, counts)
            judged = verdict.discriminator
            if counts:
                last = self.vqgan.decoder.conv_last.conv.weight
                added = self.adversaries.generator_terms(verdict, self.global_step, losses["total"], last)
                losses["total"] = losses["total"] + added["adversarial"] + added["matching"]
                losses |= added
            losses |= verdict.named()
            total = losses["total"] + self.adversaries.discriminator_loss(verdict)
        usage = self.usage.update(reconstruction.codes)
        l1 = (x - x_hat).detach().abs().mean()  # whatever is trained on: by this one choices can be compared
        raised = self.alarms.update(self.global_step, l1, usage, judged)
        losses |= {"l1": l1, "code_perplexity": reconstruction.perplexity, "code_usage": usage.window}
        self.logged = {f"train/vqgan/{name}": value.detach() for name, value in losses.items()}
        self.logged |= {f"{PREFIX}{name}": value for name, value in raised.items()}
        return total

    def _perceptual_loss(
        self, x: Float[Tensor, "B C T H W"], x_hat: Float[Tensor, "B C T H W"], frame: Int64[Tensor, " B"]
    ) -> Tensor | None:
        (network,) = self._perceptual
        if network is None:
            return None
        if network.sees_time:
            return network(x, x_hat)
        return network(*(pick_frames(video, frame).unsqueeze(2) for video in (x, x_hat)))

    def configure_optimizers(self) -> OptimizerLRScheduler:
        """One optimiser: over the autoencoder and, in a group of their own, the discriminators."""
        if self.adversaries is None:
            return optimizer_and_scheduler(self._make_optimizer(self.vqgan.parameters()), self._make_scheduler)
        groups = [{"params": list(network.parameters())} for network in (self.vqgan, self.adversaries)]
        return optimizer_and_scheduler(self._make_optimizer(groups), self._make_scheduler)

    def configure_gradient_clipping(
        self,
        optimizer: torch.optim.Optimizer,
        gradient_clip_val: float | None = None,
        gradient_clip_algorithm: str | None = None,
    ) -> None:
        """Clip the norm of each group by itself: large gradients of one side must not shrink those of the other."""
        if gradient_clip_val:
            for group in optimizer.param_groups:
                torch.nn.utils.clip_grad_norm_(group["params"], gradient_clip_val)

    def optimizer_step(self, *arguments: Any, **options: Any) -> None:
        """Step, and let the average of the weights follow."""
        super().optimizer_step(*arguments, **options)
        if self.average is not None:
            self.average.update_parameters(self.vqgan)
