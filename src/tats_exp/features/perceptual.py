"""Perceptual losses: distances between features of a clip and of its reconstruction. All convert range and layout.

Axes: B C T H W pixels in [-0.5, 0.5], N = B*T images.
"""

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import torch
import torch.nn.functional as F
from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn

from tats_exp import UserError
from tats_exp.features.i3d import I3D
from tats_exp.features.i3d_blocks import max_pool
from tats_exp.features.vgg16 import TAP_WIDTHS, VGG16, read_weights


class Perceptual(nn.Module, ABC):
    """A perceptual loss: a fixed network and a distance between what it makes of two clips.

    Attributes:
        checksum: SHA-256 of its weights.
        sees_time: whether it wants whole clips; otherwise it is given one frame of each (T = 1).
    """

    checksum: str
    sees_time: bool

    @abstractmethod
    def forward(self, x: Float[Tensor, "B C T H W"], x_hat: Float[Tensor, "B C T H W"]) -> Float[Tensor, ""]:
        """Distance of reconstructions from their clips, both in [-0.5, 0.5]; gradient for `x_hat` alone."""


class VGG16L1(Perceptual):
    """L1 between the activations of VGG16, summed over its five levels: the formula of the paper.

    Source: Ge et al. 2022, section 3.1 (Johnson et al. 2016).
    """

    sees_time = False

    def __init__(self, network: VGG16) -> None:
        """Take the network."""
        super().__init__()
        self.network, self.checksum = network, network.checksum

    @classmethod
    def pretrained(cls, weights: str | None = None) -> "VGG16L1":
        """With torchvision's weights; arguments and errors as `VGG16.pretrained`."""
        return cls(VGG16.pretrained(weights))

    def forward(self, x: Float[Tensor, "B C T H W"], x_hat: Float[Tensor, "B C T H W"]) -> Float[Tensor, ""]:
        """Mean over images, places and channels."""
        return sum_of_l1(*activations_of_both(self.network, _images(x), _images(x_hat)))


class LPIPS(Perceptual):
    """LPIPS v0.1 on VGG16: squared distances of unit features, weighed by channel with learned heads.

    Source: Zhang et al. 2018. What the official code of TATS does, except that it feeds [-0.5, 0.5] where the network
    expects its images normalised from [-1, 1].
    """

    sees_time = False

    def __init__(self, network: VGG16) -> None:
        """Take the network; the heads weigh every channel alike."""
        super().__init__()
        self.network, self.checksum = network, network.checksum
        self.heads = nn.ParameterList(torch.full((width,), 1 / width) for width in TAP_WIDTHS)
        self.requires_grad_(False)

    @classmethod
    def pretrained(cls, weights: str | None = None, heads: str | None = None) -> "LPIPS":
        """With torchvision's VGG16 and the heads of the `lpips` package, in eval mode, on the CPU.

        Args:
            weights: file of VGG16; None: where `torch.hub` and torchvision keep theirs.
            heads: file of the heads, `weights/v0.1/vgg.pth` of the package; None: that of the installed package.

        Raises:
            UserError: files are not there (all that are missing are named), or are not what they should be; one line.
        """
        missing = []
        try:
            network = VGG16.pretrained(weights)
        except UserError as error:
            missing.append(str(error))
        path = Path(heads) if heads is not None else _installed_heads()
        if path is None or not path.is_file():
            why = "the package lpips is not installed" if path is None else f"{path} is not there"
            missing.append(f"no heads of LPIPS: {why}; give the file, or: pip install --no-deps lpips")
        if path is None or missing:
            raise UserError("; ".join(missing))
        loss, state = cls(network), read_weights(path, "lin")
        for level, head in enumerate(loss.heads):
            given = state.get(f"lin{level}.model.1.weight")
            if given is None or given.numel() != head.numel():
                raise UserError(f"{path} does not hold the heads of LPIPS for VGG16; expected lin0..lin4 of v0.1")
            head.copy_(given.flatten())
        loss.checksum = hashlib.sha256((loss.checksum + _sha256(path)).encode()).hexdigest()
        return loss.eval()

    def forward(self, x: Float[Tensor, "B C T H W"], x_hat: Float[Tensor, "B C T H W"]) -> Float[Tensor, ""]:
        """Mean over images and places, sum over levels."""
        levels = zip(self.heads, *activations_of_both(self.network, _images(x), _images(x_hat)), strict=True)
        distances = [
            torch.einsum("nchw,c->nhw", (_unit(seen) - _unit(remade)).square(), head).mean()
            for head, seen, remade in levels
        ]
        return torch.stack(distances).sum()


class I3DEarly(Perceptual):
    """L1 between the first activations of the Kinetics I3D: convolutions over time and space, so it sees motion.

    Clips keep their size: these layers are convolutional, and 224 pixels are not needed to tell edges and movement.
    """

    sees_time = True

    def __init__(self, network: I3D) -> None:
        """Take the first three convolutions of the network."""
        super().__init__()
        self.checksum = network.checksum
        self.first, self.second, self.third = network.Conv3d_1a_7x7, network.Conv3d_2b_1x1, network.Conv3d_2c_3x3
        self.eval().requires_grad_(False)

    @classmethod
    def pretrained(cls, weights: str | None = None) -> "I3DEarly":
        """With the Kinetics-400 weights, in eval mode, on the CPU.

        Args:
            weights: as `I3D.pretrained`, but no TorchScript detector.

        Raises:
            UserError: there are no weights, or not such ones; one line.
        """
        network = I3D.pretrained(weights)
        if not isinstance(network, I3D):
            raise UserError(f"weights={weights}: a TorchScript detector has no layers to look into; give a state dict")
        return cls(network)

    def forward(self, x: Float[Tensor, "B C T H W"], x_hat: Float[Tensor, "B C T H W"]) -> Float[Tensor, ""]:
        """Mean over clips, places and channels, sum over the convolutions."""
        return sum_of_l1(*activations_of_both(self.activations, x, x_hat))

    def activations(self, video: Float[Tensor, "B 3 T H W"]) -> list[Tensor]:
        """Activations of clips in [-0.5, 0.5]; the network was trained on [-1, 1]."""
        first = self.first(2 * video)
        second = self.second(max_pool(first, (1, 3, 3), (1, 2, 2)))
        return [first, second, self.third(second)]


def activations_of_both(
    network: Callable[[Tensor], list[Tensor]], x: Float[Tensor, "N *axes"], x_hat: Float[Tensor, "N *axes"]
) -> tuple[list[Tensor], list[Tensor]]:
    """Features of clips, without a graph, and of their reconstructions, both in float32."""
    with torch.no_grad():
        seen = network(x)
    return [features.float() for features in seen], [features.float() for features in network(x_hat)]


def sum_of_l1(seen: list[Tensor], remade: list[Tensor]) -> Float[Tensor, ""]:
    """Mean absolute difference of each level, summed."""
    return torch.stack([F.l1_loss(new, old) for old, new in zip(seen, remade, strict=True)]).sum()


def _images(video: Tensor) -> Tensor:
    return rearrange(video, "b c t h w -> (b t) c h w")


def _unit(features: Tensor) -> Tensor:
    return features / (features.norm(dim=1, keepdim=True) + 1e-10)


def _installed_heads() -> Path | None:
    """The heads among the files of the package `lpips`, which is not imported: it wants torchvision."""
    spec = find_spec("lpips")
    folders = (spec.submodule_search_locations or []) if spec else []
    return Path(folders[0]) / "weights" / "v0.1" / "vgg.pth" if folders else None


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
