"""The stages of a run, in the order in which they are walked."""

from typing import Any

from tats_exp import UserError
from tats_exp.config.schema import Config
from tats_exp.files import Stage
from tats_exp.stages.codes import CODES_STAGE, LONG_CODES_STAGE
from tats_exp.stages.metrics import METRICS_STAGE
from tats_exp.stages.rebuilt import REBUILT_STAGE
from tats_exp.stages.reference import REFERENCE_STAGE
from tats_exp.stages.samples import SAMPLES_STAGE
from tats_exp.stages.transformers import INTERPOLATION_STAGE, TRANSFORMER_STAGE
from tats_exp.stages.vqgan import VQGAN_STAGE
from tats_exp.transformer.conditions import Condition


def versions() -> dict[str, int]:
    """The version of every stage that is not brought along by a condition, by its name."""
    stages: tuple[Stage[Any, Any], ...] = (
        *(REFERENCE_STAGE, VQGAN_STAGE, REBUILT_STAGE, CODES_STAGE, LONG_CODES_STAGE),
        *(TRANSFORMER_STAGE, INTERPOLATION_STAGE, SAMPLES_STAGE, METRICS_STAGE),
    )
    return {stage.name: stage.version for stage in stages}


def stages_of(config: Config, condition: Condition) -> tuple[Stage[Any, Any], ...]:
    """What a run goes through; each stage may read what those before it left.

    Args:
        config: of the run.
        condition: of the run; stages of its own stand before the codes.

    Raises:
        UserError: two stages have one name.
    """
    stages: tuple[Stage[Any, Any], ...] = (
        REFERENCE_STAGE,
        VQGAN_STAGE,
        REBUILT_STAGE,
        *condition.stages(),
        CODES_STAGE,
        *([LONG_CODES_STAGE] if config.learns_long else []),
        TRANSFORMER_STAGE,
        *([INTERPOLATION_STAGE] if config.interpolates else []),
        SAMPLES_STAGE,
        METRICS_STAGE,
    )
    names = [stage.name for stage in stages]
    if twice := [name for name in names if names.count(name) > 1]:
        raise UserError(f"condition: two stages are called {twice[0]}; allowed: a name of its own for each")
    if odd := [name for name in names if not name.isidentifier()]:
        raise UserError(f"condition: a stage is called {odd[0]!r}; allowed: letters, digits and _")
    return stages
