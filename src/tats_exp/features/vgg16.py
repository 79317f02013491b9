"""The convolutions of VGG16 as a fixed network, with the names and weights of torchvision.

Axes: N images, H W pixels.
"""

import hashlib
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor, nn

from tats_exp import UserError
from tats_exp.features.torch_file import TorchFile
from tats_exp.features.torch_pickle import StoredTensor

FILE = "vgg16-397923af.pth"
URL = f"https://download.pytorch.org/models/{FILE}"
WIDTHS = (64, 64, 0, 128, 128, 0, 256, 256, 256, 0, 512, 512, 512, 0, 512, 512, 512)  # 0: a max pool
TAPS = (3, 8, 15, 22, 29)
TAP_WIDTHS = (64, 128, 256, 512, 512)
SMALLEST = 16
# Of ImageNet, for images in [0, 1].
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


class VGG16(nn.Module):
    """Features of images: the last activation of each of the five levels.

    Attributes:
        checksum: SHA-256 of the weights file; empty unless made by `pretrained`.

    Source: Simonyan and Zisserman 2015, configuration D, numbered as torchvision's `vgg16().features`.
    """

    _mean: Tensor
    _std: Tensor

    def __init__(self) -> None:
        """Build the network with random weights."""
        super().__init__()
        self.checksum = ""
        layers: list[nn.Module] = []
        before = 3
        for width in WIDTHS:
            if width:
                layers += [nn.Conv2d(before, width, 3, padding=1), nn.ReLU()]
                before = width
            else:
                layers.append(nn.MaxPool2d(2))
        self.features = nn.Sequential(*layers)
        self.register_buffer("_mean", torch.tensor(MEAN).view(3, 1, 1), persistent=False)
        self.register_buffer("_std", torch.tensor(STD).view(3, 1, 1), persistent=False)

    @classmethod
    def pretrained(cls, weights: str | None = None) -> "VGG16":
        """The network with torchvision's ImageNet weights, in eval mode, on the CPU.

        Args:
            weights: file of them; None: where `torch.hub` and torchvision keep theirs.

        Raises:
            UserError: the file is not there, or is not what it should be; one line.
        """
        path = Path(weights) if weights is not None else Path(torch.hub.get_dir()) / "checkpoints" / FILE
        if not path.is_file():
            raise UserError(f"no weights of VGG16 at {path}; get them with: curl -L --create-dirs -o {path} {URL}")
        network = cls()
        state = read_weights(path, "features.")
        try:
            network.load_state_dict(state)
        except RuntimeError:
            raise UserError(f"{path} does not hold torchvision's VGG16; expected {FILE}") from None
        with path.open("rb") as file:
            network.checksum = hashlib.file_digest(file, "sha256").hexdigest()
        return network.eval().requires_grad_(False)

    def forward(self, images: Float[Tensor, "N 3 H W"]) -> list[Tensor]:
        """Look at images.

        Args:
            images: in [-0.5, 0.5], RGB, 16 pixels or more a side.

        Returns:
            Five tensors (N, width, h, w), from fine to coarse.

        Raises:
            UserError: the images are too small.
        """
        if min(images.shape[-2:]) < SMALLEST:
            raise UserError(f"VGG16 looks at images of {SMALLEST} pixels or more, given {tuple(images.shape[-2:])}")
        x = (images + 0.5 - self._mean) / self._std
        taps = []
        for index, layer in enumerate(self.features):
            x = layer(x)
            if index in TAPS:
                taps.append(x)
        return taps


def read_weights(path: Path, prefix: str) -> dict[str, Tensor]:
    """Read weights of a file; no code in it is run.

    Args:
        path: of the file.
        prefix: of the names of those that are wanted; the others are not read.

    Raises:
        UserError: it cannot be read; one line.
    """
    try:
        file = TorchFile(path)
        if not isinstance(file.content, dict):
            raise UserError(f"a dict of tensors is expected, found {type(file.content).__name__}")
        wanted = {name: value for name, value in file.content.items() if isinstance(value, StoredTensor)}
        return file.tensors({name: value for name, value in wanted.items() if str(name).startswith(prefix)})
    except UserError as error:
        raise UserError(f"weights {path} cannot be read: {error}") from None
