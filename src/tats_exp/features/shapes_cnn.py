"""A small 3D CNN that tells the labels of the `shapes` world: the features of `fvd/shapes_cnn`.

Its weights ship with the package; `python -m tats_exp.features.train_shapes_cnn` made them.

Axes: B batch, T frames, H W pixels, C colour channels, D features.
"""

import hashlib
from pathlib import Path

import torch
from einops import rearrange, reduce
from jaxtyping import Float, UInt8
from safetensors import SafetensorError
from safetensors.torch import load
from torch import Tensor, nn
from torch.nn import functional

from tats_exp import UserError
from tats_exp.data.pixels import to_float
from tats_exp.data.shapes_scene import LABEL_NAMES
from tats_exp.features.clip_batches import exact_float32
from tats_exp.features.video_network import VideoNetwork

WEIGHTS = Path(__file__).with_name("shapes_cnn.safetensors")
SIDE = 16
"""Height and width that the network sees, in pixels."""


class ShapesCNN(VideoNetwork):
    """Four convolutions over time and space, a mean over both, and a linear layer.

    Attributes:
        name: what metrics made with it are called after.
        checksum: SHA-256 of the weights file; empty unless made by `pretrained`.
        precision: it computes in.
        width: D, the number of features.
    """

    name = "shapes_cnn"
    precision = "fp32"
    width = 64

    def __init__(self) -> None:
        """Build the network with random weights."""
        super().__init__()
        self.checksum = ""
        self.body = nn.Sequential(
            *_layer(3, 24, kernel=(3, 5, 5), stride=(1, 2, 2)),
            *_layer(24, 32, kernel=(3, 3, 3), stride=(1, 1, 1)),
            *_layer(32, 48, kernel=(3, 3, 3), stride=(2, 2, 2)),
            *_layer(48, self.width, kernel=(3, 3, 3), stride=(2, 1, 1)),
        )
        self.head = nn.Linear(self.width, len(LABEL_NAMES))

    @classmethod
    def pretrained(cls, weights: str | Path | None = None) -> "ShapesCNN":
        """The network with trained weights, in eval mode, on the CPU.

        Args:
            weights: a file that `train_shapes_cnn` wrote. None: those that ship with the package.

        Raises:
            UserError: there is no such file, or it holds no such weights; one line.
        """
        network, path = cls(), WEIGHTS if weights is None else Path(weights)
        try:
            data = path.read_bytes()
            network.load_state_dict({name: value.float() for name, value in load(data).items()})
        except OSError as error:
            raise UserError(f"{path}: cannot be read: {error.strerror}") from error
        except (SafetensorError, RuntimeError) as error:
            raise UserError(f"{path}: not the weights of ShapesCNN") from error
        network.checksum = hashlib.sha256(data).hexdigest()
        # Channels last: 1.4 times as many clips per second on a CPU.
        network.to(memory_format=torch.channels_last_3d)  # type: ignore[call-overload]
        return network.eval().requires_grad_(False)

    def features(self, video: UInt8[Tensor, "B T H W C"]) -> Float[Tensor, "B D"]:
        """The layer before the logits.

        Args:
            video: RGB frames of any size and number, 0 to 255; made for clips of 16 frames.

        Returns:
            (B, 64) float32.
        """
        with exact_float32(video.device):
            return reduce(self.body(_shrink(to_float(video))), "b d t h w -> b d", "mean")

    def features_and_logits(
        self, video: UInt8[Tensor, "B T H W C"]
    ) -> tuple[Float[Tensor, "B D"], Float[Tensor, "B labels"]]:
        """Both in one pass. Arguments as `features`."""
        features = self.features(video)
        return features, self.head(features)

    def forward(self, video: UInt8[Tensor, "B T H W C"]) -> Float[Tensor, "B labels"]:
        """Logits of the 16 labels of `shapes`. Arguments as `features`."""
        return self.head(self.features(video))


def _layer(inputs: int, outputs: int, kernel: tuple[int, int, int], stride: tuple[int, int, int]) -> list[nn.Module]:
    padding = (kernel[0] // 2, kernel[1] // 2, kernel[2] // 2)
    convolution = nn.Conv3d(inputs, outputs, kernel, stride, padding, bias=False)
    return [convolution, nn.BatchNorm3d(outputs), nn.ReLU(inplace=True)]


def _shrink(video: Float[Tensor, "B C T H W"]) -> Float[Tensor, "B C T h w"]:
    """Resize every frame to the size the network knows, bilinearly and antialiased."""
    if video.shape[-2:] == (SIDE, SIDE):
        return video
    frames = rearrange(video, "b c t h w -> (b t) c h w")
    small = functional.interpolate(frames, size=(SIDE, SIDE), mode="bilinear", antialias=True)
    return rearrange(small, "(b t) c h w -> b c t h w", b=video.shape[0])
