"""I3D of Kinetics-400: the network whose logits are the features of FVD and KVD.

Inception-v1 inflated to three dimensions, written from Carreira & Zisserman 2017, "Quo Vadis, Action Recognition? A New
Model and the Kinetics Dataset"; modules are named as in the official state dict `i3d_pretrained_400.pt`. Its blocks are
in `i3d_blocks.py`.

Axes: B batch, C colour or feature channels, T frames, H W pixels; c t h w inside a clip.
"""

from functools import cache
from pathlib import Path
from typing import Any

import torch
from einops import rearrange
from jaxtyping import Float, UInt8
from torch import Tensor, nn
from torch.nn import functional

from tats_exp.features.clip_batches import check_video, exact_float32, in_parts
from tats_exp.features.i3d_blocks import Mixed, Unit3D, max_pool
from tats_exp.features.i3d_weights import is_torchscript, read_cached, read_state
from tats_exp.features.torchscript import TorchScriptI3D
from tats_exp.features.video_network import VideoNetwork

PRECISIONS = {"fp32": torch.float32, "bf16": torch.bfloat16}
CLASSES = 400
SIDE = 224
"""Height and width that the network sees, in pixels."""
MIN_FRAMES = 9
"""Time shrinks eightfold, rounded up, and the last pool wants two steps."""

# Output channels of the branches: b0; b1a, b1b; b2a, b2b; b3b. In the order of the network.
MIXED = {
    "Mixed_3b": (64, 96, 128, 16, 32, 32),
    "Mixed_3c": (128, 128, 192, 32, 96, 64),
    "Mixed_4b": (192, 96, 208, 16, 48, 64),
    "Mixed_4c": (160, 112, 224, 24, 64, 64),
    "Mixed_4d": (128, 128, 256, 24, 64, 64),
    "Mixed_4e": (112, 144, 288, 32, 64, 64),
    "Mixed_4f": (256, 160, 320, 32, 128, 128),
    "Mixed_5b": (256, 160, 320, 32, 128, 128),
    "Mixed_5c": (384, 192, 384, 48, 128, 128),
}


class I3D(VideoNetwork):
    """The network; a clip's features are its 400 logits, averaged over time.

    It knows no training mode: batch norm always uses its running statistics, and no gradient is kept.

    Attributes:
        name: what metrics made with it are called after.
        width: D, the number of features.
        precision: it computes in, "fp32" or "bf16". In bf16 weights and activations are rounded and sums are float32,
            as the hardware does it; the last layer is float32. A CPU without AVX-512 is emulated: same values, no gain.
        checksum: SHA-256 of the weights file; empty unless made by `pretrained`.
    """

    name = "i3d"
    width = CLASSES

    def __init__(self, precision: str = "fp32", compile: bool = False) -> None:
        """Build the network with random weights.

        Args:
            precision: "fp32" or "bf16".
            compile: run it through `torch.compile`: a minute or more at the first clip, of use on a GPU only.

        Raises:
            ValueError: another precision.
        """
        super().__init__()
        if precision not in PRECISIONS:
            raise ValueError(f"precision must be one of {', '.join(PRECISIONS)}, got {precision}")
        self.precision = precision
        self.compiled = compile
        self.checksum = ""
        self.Conv3d_1a_7x7 = Unit3D(3, 64, (7, 7, 7), (2, 2, 2))
        self.Conv3d_2b_1x1 = Unit3D(64, 64)
        self.Conv3d_2c_3x3 = Unit3D(64, 192, (3, 3, 3))
        channels = 192
        for name, branches in MIXED.items():
            self.add_module(name, Mixed(channels, *branches))
            channels = branches[0] + branches[2] + branches[4] + branches[5]
        self.logits = nn.ModuleDict({"conv3d": nn.Conv3d(channels, CLASSES, 1)})

    @classmethod
    def pretrained(
        cls,
        weights: str | Path | None = None,
        precision: str = "fp32",
        compile: bool = False,
        trust_torchscript: bool = False,
    ) -> VideoNetwork:
        """The network with trained weights, frozen, on the CPU.

        Args:
            weights: `i3d_pretrained_400.pt`, a safetensors file with the same names, or StyleGAN-V's TorchScript
                detector. None: what `python -m tats_exp.features.weights i3d` left in the user's cache.
            precision: "fp32" or "bf16"; a TorchScript detector knows fp32 alone.
            compile: as in the constructor; a TorchScript detector cannot be compiled.
            trust_torchscript: whether a TorchScript detector, which is a program, may run.

        Raises:
            ValueError: there are no weights, they are damaged, or those of another network; one line.
        """
        if weights is not None and is_torchscript(Path(weights)):
            if precision != "fp32" or compile:
                raise ValueError(
                    f"weights={weights}: a TorchScript detector takes precision=fp32 and compile=false only, "
                    f"got {precision} and {str(compile).lower()}"
                )
            return TorchScriptI3D(Path(weights), trust_torchscript)
        network = cls(precision, compile)
        shapes = {name: value.shape for name, value in network.state_dict().items()}
        state, network.checksum = read_cached(shapes) if weights is None else read_state(Path(weights), shapes)
        network.load_state_dict(state)
        return network.eval().requires_grad_(False)

    @staticmethod
    def official_state_dict_keys() -> list[str]:
        """The 344 names of `i3d_pretrained_400.pt`, in alphabetical order."""
        with torch.device("meta"):
            return sorted(I3D().state_dict())

    @torch.no_grad()
    def features(self, video: UInt8[Tensor, "B T H W C"]) -> Float[Tensor, "B D"]:
        """Logits of the 400 classes of Kinetics.

        Frames are resized to 224 x 224, bilinearly and without antialiasing, as FVD was defined. Takes some 200 MB
        beside the weights for each thread of a CPU, twice that at most, however many clips there are (16 frames each).

        Args:
            video: RGB frames of any size, 0 to 255, on the device of the network; 9 frames or more.

        Returns:
            (B, 400) float32. A clip's do not depend on the other clips of the batch, but for rounding.

        Raises:
            ValueError: not such a video.
        """
        check_video("I3D", video, MIN_FRAMES)
        with exact_float32(video.device):
            return in_parts(self._look, video, in_turn=self.compiled)

    def forward(self, video: UInt8[Tensor, "B T H W C"]) -> Float[Tensor, "B D"]:
        """Logits, which are the features."""
        return self.features(video)

    def _look(self, video: UInt8[Tensor, "B T H W C"]) -> Float[Tensor, "B D"]:
        logits_of = _compiled() if self.compiled else I3D.logits_of
        return logits_of(self, _prepare(video).to(PRECISIONS[self.precision]))

    def logits_of(self, x: Float[Tensor, "B 3 T 224 224"]) -> Float[Tensor, "B D"]:
        """Logits of clips that are resized and in [-1, 1] already, in the precision of `x`."""
        x = max_pool(self.Conv3d_1a_7x7(x), (1, 3, 3), (1, 2, 2))
        x = max_pool(self.Conv3d_2c_3x3(self.Conv3d_2b_1x1(x)), (1, 3, 3), (1, 2, 2))
        for name in MIXED:
            if name == "Mixed_4b":
                x = max_pool(x, (3, 3, 3), (2, 2, 2))
            if name == "Mixed_5b":
                x = max_pool(x, (2, 2, 2), (2, 2, 2))
            x = self.get_submodule(name)(x)
        pooled = functional.avg_pool3d(x.float(), (2, 7, 7), stride=1)
        return self.logits["conv3d"](pooled).mean((2, 3, 4))


def _prepare(video: UInt8[Tensor, "B T H W C"]) -> Float[Tensor, "B 3 T 224 224"]:
    """Frames of 224 x 224 in [-1, 1], channels last in memory."""
    frames = rearrange(video, "b t h w c -> (b t) c h w").float()
    resized = functional.interpolate(frames, size=(SIDE, SIDE), mode="bilinear", align_corners=False)
    clips = rearrange(resized, "(b t) c h w -> b c t h w", b=video.shape[0])
    return (clips / 127.5 - 1).contiguous(memory_format=torch.channels_last_3d)


@cache
def _compiled() -> Any:
    return torch.compile(I3D.logits_of, fullgraph=True)
