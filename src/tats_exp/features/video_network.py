"""What a network is that looks at videos: the base classes of those that the group `metrics` can name."""

from abc import ABC, abstractmethod

from jaxtyping import Float, UInt8
from torch import Tensor, nn


class VideoClassifier(nn.Module, ABC):
    """A network whose opinions are asked for.

    Attributes:
        name: what metrics made with it are called after.
        checksum: SHA-256 of its weights; it is part of every protocol.
    """

    name: str
    checksum: str

    @abstractmethod
    def forward(self, video: UInt8[Tensor, "B T H W C"]) -> Float[Tensor, "B classes"]:
        """Logits of RGB frames, 0 to 255."""


class VideoNetwork(VideoClassifier):
    """A network in whose features distances are taken, too.

    Attributes:
        precision: it computes in.
    """

    precision: str

    @abstractmethod
    def features(self, video: UInt8[Tensor, "B T H W C"]) -> Float[Tensor, "B D"]:
        """One feature vector per video of RGB frames, 0 to 255."""
