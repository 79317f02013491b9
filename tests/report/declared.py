"""The columns that the measures of the package declare, for reports on made-up runs."""

from collections.abc import Iterable

from omegaconf import OmegaConf

from tats_exp.config.measures import build_measures
from tats_exp.config.schema import conf_dir
from tats_exp.run_folder.columns import Column
from tats_exp.stages.samples import SPEED_COLUMN

_NODES = OmegaConf.to_container(OmegaConf.load(conf_dir() / "metrics" / "shapes_cnn.yaml").measures)
_DECLARED = [column for measure in build_measures(_NODES).values() for column in measure.columns]
_OF_NETWORKS = ("fvd", "kvd", "is", "ccs", "ics", "label")


def columns_of(keys: Iterable[str]) -> tuple[Column, ...]:
    """All columns, for `shapes_cnn` and for every network that a key names."""
    parts = [key.split("/") for key in keys]
    networks = sorted({"shapes_cnn", *(part[1] for part in parts if part[0] in _OF_NETWORKS)})
    named = [column.named(network, network) for column in _DECLARED for network in networks]
    return tuple({column.key: column for column in [*named, SPEED_COLUMN]}.values())
