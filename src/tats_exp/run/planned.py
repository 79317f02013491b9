"""The stages of a sweep before any of them is made: a key follows from declared inputs, so it is known beforehand."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tats_exp.config.schema import Config
from tats_exp.files import Stage
from tats_exp.run.store import redo_from, stage_key
from tats_exp.stages.context import Left, RunContext, meaning
from tats_exp.stages.order import stages_of


@dataclass(frozen=True)
class Planned:
    """A stage that a run will walk.

    Attributes:
        run: that walks it.
        name: of the stage.
        folder: in the store; runs that share a stage share its folder.
        held: whether the store has it, and it is not to be made again.
    """

    run: RunContext
    name: str
    folder: Path
    held: bool


def planned_stages(configs: Sequence[Config]) -> list[list[Planned]]:
    """What each run will walk, in its order.

    Args:
        configs: of the runs, with what the sweep settles filled in.
    """
    data: dict[str, RunContext] = {}
    networks: dict[str, RunContext] = {}
    perceptual: dict[str, RunContext] = {}
    planned = []
    for config in configs:
        run = RunContext(config)
        # To open a data set or read a network can take seconds; runs that name the same one share it.
        first = data.setdefault(repr(config.data), run)
        run.source, run.train, run.test = first.source, first.train, first.test
        run.networks = networks.setdefault(config.metrics.model_dump_json(), run).networks
        run.perceptual = perceptual.setdefault(repr(config.vqgan.training.perceptual), run).perceptual
        planned.append(_stages_of(run))
    return planned


def _stages_of(run: RunContext) -> list[Planned]:
    config, root = run.config, Path(run.config.store.root)
    stages: tuple[Stage[Any, Any], ...] = stages_of(config, run.condition)
    redo = redo_from(config.store.redo, [stage.name for stage in stages])
    planned = []
    for stage in stages:
        key = stage_key(stage.name, stage.version, meaning(stage.inputs(run)))
        folder = root / stage.name / key
        run.left[stage.name] = Left(key, folder)
        planned.append(Planned(run, stage.name, folder, folder.is_dir() and stage.name not in redo))
    return planned
