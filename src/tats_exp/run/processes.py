"""A training stage on several devices: one process for each, started for the stage and gone after it.

The run itself stays one process, which holds the lock of the stage and the log; what is logged comes to it by a queue.
"""

import os
import queue
import warnings
from collections.abc import Callable
from pathlib import Path

import torch
from torch import multiprocessing
from torch.distributed import TCPStore

from tats_exp import UserError
from tats_exp.cli import disk_is_full
from tats_exp.config.schema import Config
from tats_exp.fit import Scalars
from tats_exp.progress import Progress
from tats_exp.stages.parts import Parts

MakeStage = Callable[..., None]
"""A stage that is trained: takes the parts, its folder, folders of earlier stages, and where to tell its losses."""


def train(make: MakeStage, parts: Parts, folders: tuple[Path, ...], scalars: Scalars) -> None:
    """Make a stage, in as many processes as the trainer has devices.

    Args:
        make: the stage, a function that can be found by its name.
        parts: of the run.
        folders: of the stage and of those that it reads.
        scalars: called with (step, values) in this process whenever losses are logged.

    Raises:
        UserError: what `make` raised as one.
        OSError: the disk is full.
        RuntimeError: a process ended otherwise; the message has its traceback.
    """
    processes = int(parts.config.trainer["devices"])
    if processes == 1:
        return make(parts, *folders, scalars)
    # Whether all weights take part differs from step to step, which torch would remark on in every process.
    os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "ERROR")
    reports = multiprocessing.get_context("spawn").Queue()
    # The store takes a free port and holds it; a port that is found and let go can be taken by another program.
    store = TCPStore("127.0.0.1", 0, is_master=True, wait_for_workers=False)
    arguments = (make, parts.config, parts.progress, folders, store.port, reports)
    running = multiprocessing.spawn(_work, arguments, nprocs=processes, join=False)
    error: UserError | OSError | None = None

    def listen(timeout: float) -> None:
        nonlocal error
        while True:
            try:
                step, values = reports.get(timeout=timeout)
            except queue.Empty:
                return
            if isinstance(values, UserError | OSError):
                error = error or values
            else:
                scalars(step, values)

    try:
        while not running.join(timeout=0):
            listen(timeout=0.5)
    except (multiprocessing.ProcessRaisedException, multiprocessing.ProcessExitedException) as failed:
        listen(timeout=0.5)
        if error is not None:
            raise error from None
        raise RuntimeError(str(failed)) from None
    listen(timeout=0.5)


def _work(
    rank: int,
    make: MakeStage,
    config: Config,
    progress: Progress,
    folders: tuple[Path, ...],
    port: int,
    reports: "multiprocessing.Queue[tuple[int, dict[str, float] | UserError | OSError]]",
) -> None:
    """One of the processes: Lightning learns from the environment that it need not start them."""
    os.environ |= {"LOCAL_RANK": str(rank), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    os.environ["TORCHELASTIC_USE_AGENT_STORE"] = "True"  # the process that started this one holds the store
    torch.set_num_threads(max(1, (config.threads or os.cpu_count() or 1) // int(config.trainer["devices"])))
    warnings.filterwarnings("ignore", module="lightning.*")
    warnings.filterwarnings("ignore", message="Grad strides do not match bucket view strides")
    try:
        make(Parts(config, progress), *folders, lambda step, values: reports.put((step, values)))
    except (UserError, OSError) as error:
        if isinstance(error, UserError) or disk_is_full(error):
            reports.put((0, error))
        raise
