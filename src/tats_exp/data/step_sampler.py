"""In which order clips and windows are drawn."""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray
from torch.utils.data import Sampler


class StepSampler(Sampler[list[int]]):
    """Batches of indices where the batch of step k depends on the seed and k alone.

    A resumed training therefore draws what an uninterrupted one would, whatever the number of loader workers.
    Within a batch no index comes twice, unless the batch is larger than the data. Of several processes each draws the
    same batch and takes its share.
    """

    def __init__(
        self,
        size: int,
        batch_size: int,
        seed: int,
        steps: int,
        start_step: int = 0,
        rank: int = 0,
        processes: int = 1,
    ) -> None:
        """Set up the draw.

        Args:
            size: number of items to draw from.
            batch_size: items of a batch.
            seed: of the whole training.
            steps: steps of the whole training; batches are drawn for the steps start_step .. steps - 1.
            start_step: steps already done.
            rank: number of this process, 0 to `processes` - 1.
            processes: processes that share a batch.

        Raises:
            ValueError: `size` or `batch_size` is below 1, or the processes cannot have equal shares.
        """
        if batch_size % processes:
            raise ValueError(f"batch_size={batch_size} must be a multiple of the {processes} processes that share it")
        if size < 1 or batch_size < 1:
            raise ValueError(f"size and batch_size must be at least 1, got {size} and {batch_size}")
        self.size = size
        self.batch_size = batch_size
        self.seed = seed
        self.steps = steps
        self.start_step = start_step
        share = batch_size // processes
        self.share = slice(rank * share, (rank + 1) * share)

    def batch(self, step: int) -> list[int]:
        """The indices of one step, of all processes."""
        rng = np.random.default_rng([self.seed, step])
        return rng.choice(self.size, self.batch_size, replace=self.batch_size > self.size).tolist()

    def __iter__(self) -> Iterator[list[int]]:
        """Batches of the steps that are left, this process's share of each."""
        for step in range(self.start_step, self.steps):
            yield self.batch(step)[self.share]


class EpochSampler(StepSampler):
    """As `StepSampler`, in epochs: each takes one item of every video, in an order and at places of its own.

    Epoch e depends on the seed and e alone, so the batch of a step does on the seed and the step. It may be of two
    epochs.
    """

    def __init__(
        self,
        videos: Sequence[int],
        batch_size: int,
        seed: int,
        steps: int,
        start_step: int = 0,
        rank: int = 0,
        processes: int = 1,
    ) -> None:
        """Set up the draw.

        Args:
            videos: the video that each item comes from.
            batch_size: as for `StepSampler`, as the arguments behind it.
            seed: of the whole training.
            steps: of the whole training.
            start_step: steps already done.
            rank: number of this process.
            processes: processes that share a batch.

        Raises:
            ValueError: as `StepSampler`.
        """
        super().__init__(len(videos), batch_size, seed, steps, start_step, rank, processes)
        of_item = np.asarray(videos)
        self._by_video = np.argsort(of_item, kind="stable")
        _, self._first, self._items = np.unique(of_item[self._by_video], return_index=True, return_counts=True)

    def batch(self, step: int) -> list[int]:
        """The indices of one step, of all processes."""
        epochs, places = np.divmod(np.arange(step * self.batch_size, (step + 1) * self.batch_size), len(self._items))
        return np.concatenate([self._epoch(int(e))[places[epochs == e]] for e in np.unique(epochs)]).tolist()

    def _epoch(self, number: int) -> NDArray[np.int64]:
        """One item of every video, in the order of an epoch."""
        rng = np.random.default_rng([self.seed, number])
        order = rng.permutation(len(self._items))
        return self._by_video[self._first[order] + rng.integers(self._items[order])]
