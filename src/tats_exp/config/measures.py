"""The measures that the config names."""

from collections.abc import Mapping

from tats_exp import UserError
from tats_exp.config.build import build
from tats_exp.config.sections import Node
from tats_exp.config.targets import check_target
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
        check_target(path, node, Measure)
        measure: Measure = build(node, path)
        for column in measure.columns:
            if (other := declared.setdefault(column.key, name)) != name:
                raise UserError(f"{path}: the column {column.key} is one of metrics.measures.{other}, too")
        measures[name] = measure
    return measures
