"""The measures that the config names."""

import inspect
from collections.abc import Mapping

from hydra.utils import get_object

from tats_exp import UserError
from tats_exp.config.build import blamed_on, build
from tats_exp.config.sections import Node
from tats_exp.metrics.measure import Measure


def build_measures(nodes: Mapping[str, Node]) -> dict[str, Measure]:
    """The measures of `metrics.measures`, by name.

    Args:
        nodes: section of the config.

    Raises:
        UserError: one of them is no measure, which is told before it is built, or two declare one column; one line.
    """
    measures: dict[str, Measure] = {}
    declared: dict[str, str] = {}
    for name, node in nodes.items():
        path = f"metrics.measures.{name}"
        with blamed_on(f"{path}._target_"):
            target = get_object(str(node["_target_"]))
        if inspect.isclass(target) and not issubclass(target, Measure):
            raise UserError(f"{path}._target_: {target.__name__} is no Measure")
        measure = build(node, path)
        if not isinstance(measure, Measure):
            raise UserError(f"{path}: {type(measure).__name__} is no Measure")
        for column in measure.columns:
            if (other := declared.setdefault(column.key, name)) != name:
                raise UserError(f"{path}: the column {column.key} is one of metrics.measures.{other}, too")
        measures[name] = measure
    return measures
