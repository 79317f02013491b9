"""Columns for reports on made-up runs: those that the measures of the package declare, and a few made up here.

What is made up stands for columns of every kind, so that a test says what it needs of them.
"""

from collections.abc import Iterable

from omegaconf import OmegaConf

from tats_exp.config.measures import build_measures
from tats_exp.config.schema import conf_dir
from tats_exp.run_folder.columns import Column
from tats_exp.stages.samples import SPEED_COLUMN

_NODES = OmegaConf.to_container(OmegaConf.load(conf_dir() / "metrics" / "shapes_cnn.yaml").measures)
_DECLARED = [column for measure in build_measures(_NODES).values() for column in measure.columns]
_OF_NETWORKS = ("fvd", "kvd", "is", "ccs", "ics", "label")

GROWTH = Column(
    "layout/growth",
    ("layout", "growth"),
    "ln of how much further the late windows are than window 0.",
    unit="log of a ratio",
    better="lower",
    phrase="growth of the layout distance",
    in_table=True,
    protocol=True,
)
COLLAPSE = Column(
    "drift/collapse_window",
    ("collapse", "at window"),
    "First window from which on the layout distance stays far above the floor.",
    unit="window",
    better="higher",
    phrase="window of collapse",
    in_table=True,
    never=True,
    protocol=True,
)
FVD = Column(
    "fvd/{network}/last",
    ("FVD {network}", "last window"),
    "Fréchet distance to rebuilt windows.",
    unit="Fréchet distance",
    better="lower",
    phrase="FVD of the last window ({network})",
    in_table=True,
    ratio=True,
    protocol=True,
)
SHIFT = Column(
    "codes/latent_shift",
    ("latent", "shift"),
    "How far latents move with their window.",
    better="zero",
    phrase="relative latent shift",
    in_table=True,
)
PSNR = Column(
    "val/vqgan/psnr", ("PSNR", "reconstr."), "Of held-out windows.", "dB", "higher", "PSNR of reconstructions", True
)
LAYOUT = Column(
    "layout", ("Layout distance", ""), "Mean colours.", "layout distance", "lower", is_curve=True, ratio=True
)
TRUTH = Column("truth/layout", ("Layout", "without transformer"), "Real video.", "", "lower", is_curve=True)
MADE_UP = (GROWTH, COLLAPSE, FVD, SHIFT, PSNR, LAYOUT, TRUTH)


def columns_of(keys: Iterable[str]) -> tuple[Column, ...]:
    """All columns, for `shapes_cnn` and for every network that a key names."""
    parts = [key.split("/") for key in keys]
    networks = sorted({"shapes_cnn", *(part[1] for part in parts if part[0] in _OF_NETWORKS)})
    named = [column.named(network, network) for column in (*MADE_UP, *_DECLARED) for network in networks]
    return tuple({column.key: column for column in reversed([*named, SPEED_COLUMN])}.values())[::-1]
