"""One stage of a run: found in the store, or made there, by as many processes as the trainer has devices."""

from pathlib import Path
from typing import Any

from tats_exp import NotFiniteError
from tats_exp.files import Stage
from tats_exp.progress import Progress
from tats_exp.run.log import RunLog
from tats_exp.run.processes import make_together
from tats_exp.run.store import Store
from tats_exp.stages.context import Left, RunContext, earlier_keys, meaning
from tats_exp.stages.trained import FromFile


def walk(stage: Stage[Any, Any], run: RunContext, store: Store, progress: Progress, log: RunLog) -> None:
    """Walk one stage; what it left is noted in the run.

    Args:
        stage: the next one.
        run: with what the stages before it left.
        store: where it is found or made.
        progress: told how far it is.
        log: told the losses of a training.

    Raises:
        NotFiniteError: a number in what the stage makes is not finite; the line begins with its name.
    """
    inputs = stage.inputs(run)
    several = stage.trained and int(run.config.trainer["devices"]) > 1 and not isinstance(inputs, FromFile)

    def advance(done: int, total: int) -> None:
        progress(stage.name, done, total)

    def losses(step: int, values: dict[str, float]) -> None:
        progress.losses(values)
        log.losses(stage.name, step, values)

    def make(folder: Path) -> None:
        if several:
            make_together(stage, run, folder, progress, losses)
        else:
            stage.make(inputs, run.work(folder, advance, losses))

    try:
        made = store.stage(stage.name, stage.version, meaning(inputs), make, earlier_keys(inputs))
    except NotFiniteError as error:
        raise NotFiniteError(f"{stage.name}: {error}") from error
    run.left[stage.name] = Left(made.key, made.path)
    advance(1, 1)
