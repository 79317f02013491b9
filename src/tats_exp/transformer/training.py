"""Training of the transformer on codes that were computed once.

Axes: B batch, L codes of a window, c condition codes.
"""

from typing import TypedDict

import lightning.pytorch as L
from jaxtyping import Int64
from lightning.pytorch.utilities.types import OptimizerLRScheduler
from torch import Tensor, nn
from torch.utils.data import Dataset

from tats_exp.transformer.losses import code_nll
from tats_exp.transformer.transformer import Transformer
from tats_exp.vqgan.training import MakeOptimizer, MakeScheduler, optimizer_and_scheduler


class CodesItem(TypedDict):
    """One window of codes."""

    condition: Int64[Tensor, " c"]
    codes: Int64[Tensor, " L"]


class CodeWindows(Dataset[CodesItem]):
    """Windows of codes with their condition: condition (N, c), codes (N, t, h, w), both int64."""

    def __init__(self, condition: Int64[Tensor, "N c"], codes: Int64[Tensor, "N t h w"]) -> None:
        self.condition = condition
        self.codes = codes.flatten(1)

    def __len__(self) -> int:
        """Number of windows."""
        return len(self.codes)

    def __getitem__(self, index: int) -> CodesItem:
        """One window: time-major, each latent frame row by row."""
        return {"condition": self.condition[index], "codes": self.codes[index]}


class TransformerTraining(L.LightningModule):
    """Next-code prediction, one optimiser step a batch."""

    def __init__(
        self,
        transformer: Transformer,
        optimizer: MakeOptimizer,
        scheduler: MakeScheduler | None,
        name: str = "transformer",
        anchors_in_loss: bool = False,
    ) -> None:
        """Take the parts.

        Args:
            transformer: trained in place.
            optimizer: called with parameter groups; its weight decay applies to the weights of linear layers only.
            scheduler: called with the optimiser; None keeps the learning rate.
            name: what its loss is logged as, `train/<name>/nll`.
            anchors_in_loss: whether an interpolating transformer also learns its anchors, as the original does.
        """
        super().__init__()
        self.transformer, self.name = transformer, name
        self._learned = slice(None) if anchors_in_loss else transformer.predicted
        self._make_optimizer, self._make_scheduler = optimizer, scheduler

    def training_step(self, batch: CodesItem, batch_idx: int) -> Tensor:
        """Mean negative log-likelihood of the codes (B, L) that are to be learned, in nats a code."""
        logits, codes = self.transformer(batch["condition"], batch["codes"]), batch["codes"]
        nll = code_nll(logits[:, self._learned], codes[:, self._learned], self.transformer.condition_codes).mean()
        self.log_dict({f"train/{self.name}/nll": nll.detach()})
        return nll

    def configure_optimizers(self) -> OptimizerLRScheduler:
        """Weight decay for the matrices of linear layers, none for embeddings, norms and biases."""
        decayed = {m.weight for m in self.transformer.modules() if isinstance(m, nn.Linear)}
        rest = [p for p in self.transformer.parameters() if p not in decayed]
        kept = [p for p in self.transformer.parameters() if p in decayed]
        optimizer = self._make_optimizer([{"params": kept}, {"params": rest, "weight_decay": 0.0}])
        return optimizer_and_scheduler(optimizer, self._make_scheduler)
