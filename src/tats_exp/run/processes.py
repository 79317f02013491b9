"""A training stage on several devices: one process for each, started for the stage and gone after it.

The run itself stays one process, which holds the lock of the stage and the log; what is logged comes to it by a queue.
"""

import os
import queue
import warnings
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import multiprocessing
from torch.distributed import TCPStore

from tats_exp import UserError
from tats_exp.cli import disk_is_full, end_with
from tats_exp.config.schema import Config
from tats_exp.files import Stage
from tats_exp.progress import Progress
from tats_exp.stages.context import Left, RunContext
from tats_exp.stages.trained import RANK
from tats_exp.training import Scalars, keep_float32


def make_together(stage: Stage[Any, Any], run: RunContext, folder: Path, progress: Progress, scalars: Scalars) -> None:
    """Make a stage that trains, in as many processes as the trainer has devices.

    Args:
        stage: the stage.
        run: with what the stages before it left.
        folder: to be filled.
        progress: told how far it is.
        scalars: called with (step, values) in this process whenever losses are logged.

    Raises:
        UserError: what the stage raised as one.
        OSError: the disk is full.
        RuntimeError: a process ended otherwise; the message has its traceback.
    """
    processes = int(run.config.trainer["devices"])
    # Whether all weights take part differs from step to step, which torch would remark on in every process.
    os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "ERROR")
    reports = multiprocessing.get_context("spawn").Queue()
    # The store takes a free port and holds it; a port that is found and let go can be taken by another program.
    store = TCPStore("127.0.0.1", 0, is_master=True, wait_for_workers=False)
    arguments = (os.getpid(), stage, run.config, run.left, folder, progress, store.port, reports)
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
    finally:
        for process in running.processes:  # they would go on where this one was stopped, and it would wait for them
            process.kill()
    listen(timeout=0.5)


def _work(
    rank: int,
    parent: int,
    stage: Stage[Any, Any],
    config: Config,
    left: dict[str, Left],
    folder: Path,
    progress: Progress,
    port: int,
    reports: "multiprocessing.Queue[tuple[int, dict[str, float] | UserError | OSError]]",
) -> None:
    """One of the processes: Lightning learns from the environment that it need not start them."""
    end_with(parent)
    os.environ |= {RANK: str(rank), "LOCAL_RANK": str(rank), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    os.environ["TORCHELASTIC_USE_AGENT_STORE"] = "True"  # the process that started this one holds the store
    torch.set_num_threads(max(1, (config.threads or os.cpu_count() or 1) // int(config.trainer["devices"])))
    keep_float32()
    warnings.filterwarnings("ignore", module="lightning.*")
    warnings.filterwarnings("ignore", message="Grad strides do not match bucket view strides")
    try:
        run = RunContext(config, left)
        inputs = stage.inputs(run)
        stage.make(
            inputs, run.work(folder, partial(progress, stage.name), lambda step, values: reports.put((step, values)))
        )
    except (UserError, OSError) as error:
        if isinstance(error, UserError) or disk_is_full(error):
            reports.put((0, error))
        raise
