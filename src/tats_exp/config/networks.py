"""The networks that the config chooses to look at videos."""

import torch

from tats_exp.config.build import blamed_on, build
from tats_exp.config.schema import Metrics
from tats_exp.config.sections import Node, identity
from tats_exp.features.clip import CLIP
from tats_exp.features.video_network import VideoClassifier, VideoNetwork


def feature_network(node: Node, device: torch.device) -> VideoNetwork:
    """The network whose features distances are taken in, in eval mode on a device.

    Args:
        node: section of the config, `metrics.network`.
        device: where it goes.

    Raises:
        UserError: its weights are not there or not what they should be; one line.
    """
    network: VideoNetwork = build(node, "metrics.network")
    return network.to(device).eval()


def classifier(node: Node | None, device: torch.device) -> VideoClassifier | None:
    """The network whose opinions are asked for; None where that is the feature network. As `feature_network`."""
    if node is None:
        return None
    network: VideoClassifier = build(node, "metrics.classifier")
    return network.to(device).eval()


def clip_of(place: str | None, device: torch.device) -> CLIP | None:
    """The CLIP that reads what videos were asked for, `metrics.clip`; None: none does. As `feature_network`."""
    if place is None:
        return None
    with blamed_on("metrics.clip"):
        return CLIP(place).to(device)


def identities(metrics: Metrics, network: VideoNetwork, judge: VideoClassifier | None) -> dict[str, Node | None]:
    """What the networks of an evaluation are, for the keys of what was seen with them.

    Args:
        metrics: section of the config that chooses them.
        network: the feature network; how it computes is part of it, said or not.
        judge: the network whose opinions are asked for, None where it is the feature network.
    """
    seen_by = {**identity(metrics.network, network.checksum), "precision": network.precision}
    asked = None if metrics.classifier is None or judge is None else identity(metrics.classifier, judge.checksum)
    return {"network": seen_by, "classifier": asked}
