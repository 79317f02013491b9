"""The training core that both stages share: a Lightning trainer, resumable to the bit, with one log of its losses."""

import csv
import hashlib
import logging
import math
import warnings
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import lightning.pytorch as L
import torch
import torch.distributed as dist
from lightning.pytorch.plugins.io import TorchCheckpointIO
from torch.utils.data import DataLoader, Dataset

from tats_exp import NotFiniteError, UserError
from tats_exp.data.step_sampler import EpochSampler, StepSampler
from tats_exp.files import atomic
from tats_exp.training import (
    CHECKPOINT,
    DAMAGED,
    LOSSES,
    Budget,
    Scalars,
    Steps,
    by_step,
    diverged,
    not_finite,
    read_losses,
)

logger = logging.getLogger(__name__)

SUMMED = b"SHA-256 "
SUM_BYTES = len(SUMMED) + 32
BLOCK = 2**20


class AtomicCheckpoints(TorchCheckpointIO):
    """Checkpoints that are whole or absent, carry their own sum, and are read without unpickling objects."""

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None) -> None:
        """Write to a temporary name, flush to disk, rename."""
        with atomic(Path(path)) as temporary, temporary.open("w+b") as file:
            try:
                torch.save(checkpoint, file)
            except RuntimeError as error:  # torch's word for what went wrong in the file below it, a full disk say
                raise error.__context__ if isinstance(error.__context__, OSError) else error from None
            file.seek(0)
            digest = hashlib.file_digest(file, "sha256").digest()
            file.write(SUMMED + digest)  # at the end: all has been read

    def load_checkpoint(self, path: Any, map_location: Any = None, weights_only: bool | None = True) -> dict[str, Any]:
        """Read on the CPU, with `weights_only=True` whatever is asked."""
        return read_checkpoint(Path(path))


def read_checkpoint(path: Path) -> dict[str, Any]:
    """Read a checkpoint with `weights_only=True`, once it has been held against the sum at its end.

    An archive may have bytes behind its end; those of older versions have none and are read as they are.

    Raises:
        UserError: the file is damaged.
        OSError: there is none, or it may not be read.
    """
    try:
        if not _is_whole(path):
            raise ValueError("its SHA-256 is not the one that was written")
        return torch.load(path, map_location="cpu", weights_only=True)
    except (FileNotFoundError, PermissionError, MemoryError):
        raise
    except Exception as error:  # whatever torch and unpickling raise over damaged bytes
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise UserError(f"checkpoint {path} is damaged ({reason})") from None


def _is_whole(path: Path) -> bool:
    """Whether a checkpoint is as it was written, as far as it carries a sum."""
    left, digest = path.stat().st_size - SUM_BYTES, hashlib.sha256()
    with path.open("rb") as file:
        while left > 0 and (block := file.read(min(left, BLOCK))):
            digest.update(block)
            left -= len(block)
        end = file.read()
    return not end.startswith(SUMMED) or end == SUMMED + digest.digest()


def step_of(checkpoint: Path) -> int:
    """The step that a checkpoint goes on from: 0 where there is none, or a damaged one, which is put aside."""
    try:
        return int(read_checkpoint(checkpoint)["global_step"])
    except FileNotFoundError:
        return 0
    except PermissionError as error:
        raise UserError(f"checkpoint {checkpoint}: may not be read; its owner can change that (chmod g+rw)") from error
    except UserError as error:
        with suppress(FileNotFoundError):  # of several processes another one was first
            checkpoint.replace(checkpoint.with_name(DAMAGED))
        logger.warning("%s; put aside as %s, the training starts from its start", error, DAMAGED)
        return 0


class KeepCheckpoint(L.Callback):
    """Keeps the latest state of the training, every so many optimiser steps; never one with weights gone bad."""

    def __init__(self, path: Path, every: int, start_step: int) -> None:
        self.path, self.every, self.kept = path, every, start_step

    def on_train_start(self, trainer: L.Trainer, *_: Any) -> None:
        """Refuse to go on from a checkpoint that an earlier version wrote of a training that had diverged."""
        if self.kept and (name := not_finite(trainer.lightning_module.named_parameters())) is not None:
            raise NotFiniteError(
                f"{name} is not finite in the checkpoint {self.path}; delete it to train this stage from its start"
            )

    def on_train_batch_end(self, trainer: L.Trainer, *_: Any) -> None:
        """Save once per reached multiple of `every`.

        Raises:
            NotFiniteError: a weight is not finite; the checkpoint before stays.
        """
        step = trainer.global_step
        if step % self.every == 0 and step != self.kept:
            # Of buffers nothing is asked: some hold infinity on purpose, as a lowest value before there was one.
            if (name := not_finite(trainer.lightning_module.named_parameters())) is not None:
                raise diverged(f"the weight {name} is not finite", step, self.kept)
            self.kept = step
            trainer.save_checkpoint(self.path)


class LossLog(L.Callback):
    """Appends the logged losses to a CSV (step, key, value) and passes them on; the only place that does.

    Of several processes the first logs the means over all of them. Checkpoints hold them, too: what was logged before
    one is under its sum, and a training that goes on writes the CSV anew from there.
    """

    def __init__(
        self, path: Path, every: int, checkpoints: KeepCheckpoint, scalars: Scalars, steps: Steps, total: int
    ) -> None:
        self.path, self.every, self.scalars, self.steps, self.total = path, every, scalars, steps, total
        self.checkpoints, self.last = checkpoints, checkpoints.kept
        self.rows: list[tuple[int, str, float]] = []

    def state_dict(self) -> dict[str, Any]:
        """What was logged so far."""
        return {"rows": self.rows}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take back what was logged before a checkpoint."""
        self.rows = [(step, key, value) for step, key, value in state_dict["rows"]]

    def on_fit_start(self, trainer: L.Trainer, *_: Any) -> None:
        """Tell again what was logged up to the checkpoint, and forget what was logged after it.

        Of a training that has ended nothing else is left to be done.
        """
        if trainer.global_rank:
            return
        if self.last and not self.rows and self.path.exists():  # checkpoints of older versions do not hold it
            self.rows = [row for row in read_losses(self.path) if row[0] <= self.last]
        for step, values in by_step(self.rows).items():
            self.scalars(step, values)
        with atomic(self.path) as temporary, temporary.open("w", newline="") as file:
            rows = ((step, key, repr(value)) for step, key, value in self.rows)
            csv.writer(file).writerows([("step", "key", "value"), *rows])

    def on_train_batch_end(self, trainer: L.Trainer, *_: Any) -> None:
        """Log every `every` optimiser steps and at the last.

        Raises:
            NotFiniteError: a loss is not finite; it is logged all the same.
        """
        step = trainer.global_step
        if step == self.last:
            return
        self.last = step
        if not trainer.global_rank:
            self.steps(step, self.total)
        if step % self.every and step != self.total:
            return
        logged = trainer.lightning_module.logged
        assert isinstance(logged, dict)
        values = mean_over_processes(logged)
        if not trainer.global_rank:
            self.rows += [(step, key, value) for key, value in values.items()]
            with self.path.open("a", newline="") as file:
                csv.writer(file).writerows((step, key, repr(value)) for key, value in values.items())
            self.scalars(step, values)
        for key, value in values.items():
            if not math.isfinite(value):
                raise diverged(f"{key} is {value}", step, self.checkpoints.kept)


def mean_over_processes(logged: Mapping[str, torch.Tensor]) -> dict[str, float]:
    """Losses by name, in alphabetical order: their means over all processes, each of which has to ask."""
    names = sorted(logged)
    if not names:
        return {}
    values = torch.stack([logged[name].detach().float() for name in names])
    if dist.is_initialized():
        dist.all_reduce(values)
        values /= dist.get_world_size()
    return dict(zip(names, values.tolist(), strict=True))


def fit(
    module: L.LightningModule,
    dataset: Dataset,
    budget: Budget,
    folder: Path,
    make_trainer: Callable[..., L.Trainer],
    seed: int,
    scalars: Scalars,
    steps: Steps,
    videos: Sequence[int] | None = None,
) -> None:
    """Train a module in place, going on from the checkpoint in `folder` if there is a whole one.

    The batch of step k depends on `seed` and k alone, so that a training which was stopped and resumed equals one
    that was not, to the bit on a CPU.

    Args:
        module: trained in place; after a step its attribute `logged` holds the losses of that step by name, scalars
            that become rows of `folder/losses.csv`. They are read, and a device waited for, at steps that are logged.
        dataset: map-style; its items are collated into batches.
        budget: optimiser steps, batch size and so on.
        folder: gets `last.ckpt` and `losses.csv`.
        make_trainer: a partial of `lightning.pytorch.Trainer` that sets accelerator, devices and precision.
        seed: order of the items, and the random state of the training.
        scalars: called with (step, values) whenever losses are logged.
        steps: called with (steps done, steps in all).
        videos: the video that each item comes from, of which every epoch then takes one item; None: each batch is
            drawn from all items.

    Raises:
        UserError: the batch cannot be shared out evenly among the processes.
        NotFiniteError: the training diverges: a loss is not finite where it is logged, or a weight where a checkpoint
            is due or at the end.
    """
    checkpoint = folder / CHECKPOINT
    start = step_of(checkpoint)
    checkpoints = KeepCheckpoint(checkpoint, budget.checkpoint_every, start)
    torch.manual_seed(seed)
    trainer = make_trainer(
        max_steps=budget.steps,
        accumulate_grad_batches=budget.accumulate,
        gradient_clip_val=budget.gradient_clip or None,
        callbacks=[
            LossLog(folder / LOSSES, budget.log_every, checkpoints, scalars, steps, budget.steps),
            checkpoints,
        ],
        plugins=[AtomicCheckpoints()],
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        use_distributed_sampler=False,
    )
    drawn = {
        "batch_size": budget.batch_size,
        "seed": seed,
        "steps": budget.steps * budget.accumulate,
        "start_step": start * budget.accumulate,
        "rank": trainer.global_rank,
        "processes": trainer.world_size,
    }
    batches = StepSampler(len(dataset), **drawn) if videos is None else EpochSampler(videos, **drawn)  # type: ignore[arg-type]
    on_gpu = trainer.strategy.root_device.type == "cuda"
    loader: DataLoader = DataLoader(
        dataset,
        batch_sampler=batches,
        num_workers=budget.workers,
        pin_memory=on_gpu,
        persistent_workers=budget.workers > 0,
        multiprocessing_context="fork" if budget.workers else None,
    )
    with warnings.catch_warnings():
        # The loader is resumable without a state: its batches follow from the step. It has no length, since Lightning
        # would count the steps of before the checkpoint against it.
        warnings.filterwarnings("ignore", message=".*(dataloader is not resumable|does not have many workers)")
        try:
            trainer.fit(module, loader, ckpt_path=checkpoint if start else None, weights_only=True)
        except SystemExit as stop:  # Lightning makes a stop into one
            raise KeyboardInterrupt from stop
    if trainer.global_step != budget.steps:
        raise RuntimeError(f"training ended at step {trainer.global_step} of {budget.steps}")
    if (name := not_finite(module.named_parameters())) is not None:
        raise diverged(f"the weight {name} is not finite", budget.steps, checkpoints.kept)
