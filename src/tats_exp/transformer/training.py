"""Training of the transformer on codes that were computed once.

Axes: B batch, L codes of a window, c condition codes.
"""

from typing import TypedDict

import lightning.pytorch as L
import torch
from jaxtyping import Int64
from lightning.pytorch.utilities.types import OptimizerLRScheduler
from torch import Tensor, nn
from torch.utils.data import Dataset

from tats_exp.data.code_shards import CodeShards
from tats_exp.data.codes import gaps as cut_gaps
from tats_exp.data.codes import key_frames
from tats_exp.training import MakeOptimizer, MakeScheduler
from tats_exp.transformer.losses import code_nll
from tats_exp.transformer.transformer import Transformer
from tats_exp.vqgan.adversaries import random_frames
from tats_exp.vqgan.training import optimizer_and_scheduler

DRAWS = 2**24
"""Numbers of which one is drawn to decide whether a condition is dropped."""


class CodesItem(TypedDict):
    """One window of codes."""

    condition: Int64[Tensor, " c"]
    codes: Int64[Tensor, " L"]


class CodeWindows(Dataset[CodesItem]):
    """What a transformer learns of windows of codes, with their condition: key frames, or each of the gaps between."""

    def __init__(
        self, condition: Int64[Tensor, "N *gaps c"], codes: CodeShards, key_every: int = 1, gaps: bool = False
    ) -> None:
        """Take windows.

        Args:
            condition: of each window, or of each of its gaps.
            codes: of the windows, N of them.
            key_every: latent frames from one key frame to the next; 1: all are.
            gaps: whether an item is a gap between two key frames, with both of them, not the key frames of a window.
        """
        self.condition, self.windows, self.key_every = condition, codes, key_every
        self.cut = cut_gaps if gaps else _key_frames
        self.each = len(self.cut(codes[0][None], key_every)[0])

    def __len__(self) -> int:
        """Number of items."""
        return len(self.windows) * self.each

    def __getitem__(self, index: int) -> CodesItem:
        """One item: time-major, each latent frame row by row."""
        window, part = divmod(index, self.each)
        codes = self.cut(self.windows[window][None], self.key_every)[0, part]
        condition = self.condition[window]
        return {"condition": condition if condition.ndim == 1 else condition[part], "codes": codes.flatten()}


def _key_frames(codes: Int64[Tensor, "N t h w"], key_every: int) -> Int64[Tensor, "N 1 keys h w"]:
    return key_frames(codes, key_every)[:, None]


class TransformerTraining(L.LightningModule):
    """Next-code prediction, one optimiser step a batch."""

    batches: Tensor

    def __init__(
        self,
        transformer: Transformer,
        optimizer: MakeOptimizer,
        scheduler: MakeScheduler | None,
        name: str = "transformer",
        anchors_in_loss: bool = False,
        condition_drop: float = 0.0,
        seed: int = 0,
    ) -> None:
        """Take the parts.

        Args:
            transformer: trained in place.
            optimizer: called with parameter groups; its weight decay applies to the weights of linear layers only.
            scheduler: called with the optimiser; None keeps the learning rate.
            name: what its loss is logged as, `train/<name>/nll`.
            anchors_in_loss: whether an interpolating transformer also learns its anchors, as the original does.
            condition_drop: with what probability a window is learned without its condition.
            seed: of which windows these are.
        """
        super().__init__()
        self.transformer, self.name, self.logged = transformer, name, dict[str, Tensor]()
        self._learned = slice(None) if anchors_in_loss else transformer.predicted
        self._make_optimizer, self._make_scheduler = optimizer, scheduler
        self.condition_drop, self.seed = condition_drop, seed
        if condition_drop:
            self.register_buffer("batches", torch.tensor(0))  # a resumed training goes on with the draws of the next

    def training_step(self, batch: CodesItem, batch_idx: int) -> Tensor:
        """Mean negative log-likelihood of the codes (B, L) that are to be learned, in nats a code."""
        condition, codes = self._dropped(batch["condition"]), batch["codes"]
        logits = self.transformer(condition, codes)
        nll = code_nll(logits[:, self._learned], codes[:, self._learned], self.transformer.condition_codes).mean()
        self.logged = {f"train/{self.name}/nll": nll.detach()}
        return nll

    def _dropped(self, condition: Int64[Tensor, "B c"]) -> Int64[Tensor, "B c"]:
        """The conditions of a batch, those that are dropped replaced by the code that stands for none."""
        null = self.transformer.null_code
        if not self.condition_drop or null is None:
            return condition
        drawn = random_frames(len(condition), DRAWS, self.seed, self.batches)
        self.batches += 1
        return condition.masked_fill((drawn < round(self.condition_drop * DRAWS))[:, None], null)

    def configure_optimizers(self) -> OptimizerLRScheduler:
        """Weight decay for the matrices of linear layers, none for embeddings, norms and biases."""
        decayed = {m.weight for m in self.transformer.modules() if isinstance(m, nn.Linear)}
        rest = [p for p in self.transformer.parameters() if p not in decayed]
        kept = [p for p in self.transformer.parameters() if p in decayed]
        optimizer = self._make_optimizer([{"params": kept}, {"params": rest, "weight_decay": 0.0}])
        return optimizer_and_scheduler(optimizer, self._make_scheduler)
