"""Networks that users bring as TorchScript archives: the I3D detector of StyleGAN-V, and any classifier such as C3D.

A TorchScript archive is a program that runs with the rights of its user: it is loaded only where that was allowed.

Axes: B batch, T frames, H W pixels, C colour channels, D features.
"""

import hashlib
import json
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, get_args

import torch
from einops import rearrange
from jaxtyping import Float, UInt8
from torch import Tensor
from torch.nn import functional

from tats_exp import UserError, printable
from tats_exp.data.archive import members_of
from tats_exp.features.clip_batches import check_video, in_parts
from tats_exp.features.i3d_weights import MOST_COMPRESSED
from tats_exp.features.video_network import VideoNetwork

Layout = Literal["BCTHW", "BTCHW", "BTHWC"]


class TorchScriptI3D(VideoNetwork):
    """StyleGAN-V's I3D detector; a clip's features are its 400 logits. It resizes and scales frames by itself.

    Attributes:
        name: what metrics made with it are called after; which I3D it was tells the checksum.
        width: D, the number of features.
        precision: it computes in.
        checksum: SHA-256 of the archive.
    """

    name = "i3d"
    width = 400
    precision = "fp32"

    def __init__(self, path: Path, trust_torchscript: bool = False) -> None:
        """Read the archive, onto the CPU.

        Args:
            path: of the archive.
            trust_torchscript: whether it may run.

        Raises:
            UserError: it may not run, or cannot be read; one line.
        """
        super().__init__()
        self.path = path
        self.detector, self.checksum = _load(path, trust_torchscript)

    @torch.no_grad()
    def features(self, video: UInt8[Tensor, "B T H W C"]) -> Float[Tensor, "B D"]:
        """Logits (B, 400) of RGB frames of any size, 0 to 255.

        Raises:
            UserError: the video is no such batch, or the archive is no such detector; one line.
        """
        check_video("I3D", video)
        return in_parts(self._look, video, in_turn=True)  # a program may keep what it computes

    def forward(self, video: UInt8[Tensor, "B T H W C"]) -> Float[Tensor, "B D"]:
        """Logits, which are the features."""
        return self.features(video)

    def _look(self, video: UInt8[Tensor, "B T H W C"]) -> Float[Tensor, "B D"]:
        clips = rearrange(video, "b t h w c -> b c t h w").float()
        # Its `rescale` takes 0..255 to [-1, 1], `return_features` keeps the logits from a softmax.
        arguments = {"rescale": True, "resize": True, "return_features": True}
        return _call(self.path, self.detector, self.width, clips, **arguments)


class TorchScriptClassifier(VideoNetwork):
    """Any classifier of clips as a TorchScript archive, called with one float tensor; gives IS, CCS and ICS.

    Attributes:
        name: what metrics made with it are called after.
        precision: it computes in.
        checksum: SHA-256 of the archive and of how clips are given to it.
    """

    precision = "fp32"

    def __init__(
        self,
        path: str | Path,
        name: str,
        size: int | None,
        value_range: Sequence[float],
        layout: str = "BCTHW",
        trust_torchscript: bool = False,
    ) -> None:
        """Read the archive, onto the CPU.

        Args:
            path: of the archive.
            name: what metrics made with it are called after.
            size: height and width that it wants, in pixels: frames are resized bilinearly, without antialiasing.
                None: as they are.
            value_range: what 0 and 255 become.
            layout: order of the axes that it wants: "BCTHW", "BTCHW" or "BTHWC".
            trust_torchscript: whether the archive may run.

        Raises:
            UserError: an argument is not allowed, the archive may not run, or the archive cannot be read; one line.
        """
        super().__init__()
        if layout not in get_args(Layout):
            raise UserError(f"layout must be one of {', '.join(get_args(Layout))}, got {layout}")
        if size is not None and size < 1:
            raise UserError(f"size must be at least 1 or null, got {size}")
        if len(value_range) != 2 or not value_range[0] < value_range[1]:
            raise UserError(f"value_range must go from low to high, got {list(value_range)}")
        self.low, self.high = value_range
        self.path, self.name, self.size, self.layout = Path(path), name, size, layout
        self.classifier, archive = _load(self.path, trust_torchscript)
        asked = json.dumps([archive, size, [float(end) for end in value_range], layout])
        self.checksum = hashlib.sha256(asked.encode()).hexdigest()

    @torch.no_grad()
    def features(self, video: UInt8[Tensor, "B T H W C"]) -> Float[Tensor, "B D"]:
        """Logits (B, classes) of RGB frames of any size, 0 to 255.

        Raises:
            UserError: the video is no such batch, or the archive does not give logits for it; one line.
        """
        check_video(self.name, video)
        return in_parts(self._look, video, in_turn=True)  # a program may keep what it computes

    def forward(self, video: UInt8[Tensor, "B T H W C"]) -> Float[Tensor, "B D"]:
        """Logits, which are the features."""
        return self.features(video)

    def _look(self, video: UInt8[Tensor, "B T H W C"]) -> Float[Tensor, "B D"]:
        frames = rearrange(video, "b t h w c -> (b t) c h w").float()
        if self.size is not None:
            frames = functional.interpolate(frames, size=(self.size, self.size), mode="bilinear", align_corners=False)
        scaled = frames / 255 * (self.high - self.low) + self.low
        axes = " ".join(self.layout.lower())
        clips = rearrange(scaled, f"(b t) c h w -> {axes}", b=video.shape[0]).contiguous()
        return _call(self.path, self.classifier, None, clips)


def _load(path: Path, trusted: bool) -> tuple[Any, str]:
    if not path.is_file():
        raise UserError(f"{path}: no such file")
    if not trusted:
        raise UserError(
            f"{path}: a TorchScript archive is a program, which would run with your rights; where you trust its "
            "source, allow it with trust_torchscript=true beside its path"
        )
    try:
        with path.open("rb") as file:
            members_of(file, path, MOST_COMPRESSED)
            file.seek(0)
            # torch opens by name only what UTF-8 can say; from an open file it reads the whole.
            network = torch.jit.load(str(path) if printable(path) == str(path) else file, map_location="cpu")
            file.seek(0)
            checksum = hashlib.file_digest(file, "sha256").hexdigest()
    except (OSError, RuntimeError, ValueError, zipfile.BadZipFile) as error:
        raise UserError(f"{path}: not a TorchScript archive, or damaged") from error
    return network.eval(), checksum


def _call(path: Path, network: Any, width: int | None, clips: Tensor, **arguments: bool) -> Tensor:
    """Logits of a batch, after a look whether they are such."""
    try:
        logits = network(clips, **arguments)
    except RuntimeError as error:
        reason = str(error).strip().splitlines()
        raise UserError(
            f"{path}: cannot be called with clips {tuple(clips.shape)} and {', '.join(arguments) or 'nothing else'}: "
            f"{reason[-1] if reason else 'no reason given'}"
        ) from error
    if not isinstance(logits, Tensor) or logits.ndim != 2 or logits.shape[0] != len(clips):
        raise UserError(f"{path}: gives {_describe(logits)}, allowed: one row of logits per clip")
    if width is not None and logits.shape[1] != width:
        raise UserError(f"{path}: gives {logits.shape[1]} logits per clip, I3D gives {width}")
    return logits.float()


def _describe(value: Any) -> str:
    return f"a tensor of shape {tuple(value.shape)}" if isinstance(value, Tensor) else f"a {type(value).__name__}"
