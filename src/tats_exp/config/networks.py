"""The networks that the config chooses to look at videos."""

from typing import Any

import torch

from tats_exp import UserError
from tats_exp.config.build import build
from tats_exp.config.schema import Metrics
from tats_exp.config.sections import Node, identity

CLASSIFIER = ("name", "checksum")
FEATURES = (*CLASSIFIER, "precision", "features")
"""What a feature network must have, beside being called for logits; see `VideoFeatures` in metrics/frechet.py."""


def feature_network(node: Node, device: torch.device) -> Any:
    """The network whose features distances are taken in, in eval mode on a device.

    Args:
        node: section of the config, `metrics.network`.
        device: where it goes.

    Raises:
        UserError: its weights are not there or not what they should be, or it is no such network; one line.
    """
    return _load("metrics.network", node, device, FEATURES)


def classifier(node: Node | None, device: torch.device) -> Any:
    """The network whose opinions are asked for; None where that is the feature network. As `feature_network`."""
    return None if node is None else _load("metrics.classifier", node, device, CLASSIFIER)


def identities(metrics: Metrics, network: Any, judge: Any) -> dict[str, Node | None]:
    """What the networks of an evaluation are, for the keys of what was seen with them.

    Args:
        metrics: section of the config that chooses them.
        network: the feature network; how it computes is part of it, said or not.
        judge: the network whose opinions are asked for, None where it is the feature network.
    """
    seen_by = {**identity(metrics.network, network.checksum), "precision": network.precision}
    asked = None if metrics.classifier is None else identity(metrics.classifier, judge.checksum)
    return {"network": seen_by, "classifier": asked}


def _load(key: str, node: Node, device: torch.device, wanted: tuple[str, ...]) -> Any:
    network = build(node, key)
    missing = [name for name in wanted if not hasattr(network, name)]
    if missing:
        raise UserError(f"{key}: {type(network).__name__} has no {missing[0]}; needed are {', '.join(wanted)}")
    return network.to(device).eval()
