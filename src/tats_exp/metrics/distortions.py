"""What can be wrong with video, made on purpose and by degrees: to see what a metric notices.

Each function takes uint8 clips and gives new ones of the same shape; level 0 gives the clips themselves. The same seed
draws the same noise or order at every level, so that a curve over levels does not jump by the draw.

Axes: B batch, T frames, H W pixels, C channels.
"""

import math

import torch
from einops import rearrange, repeat
from jaxtyping import Float, Int64, UInt8
from torch import Tensor
from torch.nn import functional

_GREY_LEVELS = 255.0
_REACH = 3.0  # of a blur, in standard deviations


def add_noise(video: UInt8[Tensor, "B T H W C"], level: float, seed: int) -> UInt8[Tensor, "B T H W C"]:
    """Gaussian noise on every value, anew in every frame.

    Args:
        video: Clips.
        level: Standard deviation as a share of the grey range, in [0, 1].
        seed: Of the noise.

    Returns:
        The noisy clips, clamped to 0..255.

    Raises:
        ValueError: A level outside of [0, 1].
    """
    _check_level(level)
    noise = torch.randn(video.shape, generator=torch.Generator().manual_seed(seed)).to(video.device)
    return _to_bytes(video.float() + level * _GREY_LEVELS * noise)


def blur(video: UInt8[Tensor, "B T H W C"], level: float) -> UInt8[Tensor, "B T H W C"]:
    """Gaussian blur of every frame in space; edges are repeated.

    Args:
        video: Clips.
        level: Standard deviation as a share of the frame's shorter side, in [0, 1].

    Returns:
        The blurred clips.

    Raises:
        ValueError: A level outside of [0, 1].
    """
    _check_level(level)
    sigma = level * min(video.shape[2:4])
    reach = math.ceil(_REACH * sigma)
    kernel = torch.arange(-reach, reach + 1, device=video.device)
    kernel = torch.exp(-kernel.square() / (2 * max(sigma, 1e-9) ** 2))
    frames = rearrange(video, "b t h w c -> (b t c) 1 h w").float()
    for across in (True, False):  # a Gaussian is the product of one per axis
        frames = _convolve(frames if across else frames.mT, kernel / kernel.sum())
        frames = frames if across else frames.mT
    return _to_bytes(rearrange(frames, "(b t c) 1 h w -> b t h w c", b=video.shape[0], c=video.shape[4]))


def shuffle_frames(video: UInt8[Tensor, "B T H W C"], level: float, seed: int) -> UInt8[Tensor, "B T H W C"]:
    """Put frames out of order inside blocks of consecutive frames: locally first, over the whole clip at last.

    Args:
        video: Clips.
        level: Length of a block as a share of the clip, in [0, 1]; the last block may be shorter.
        seed: Of the order; every clip gets its own.

    Returns:
        The same frames in another order.

    Raises:
        ValueError: A level outside of [0, 1].
    """
    _check_level(level)
    clips, frames = video.shape[:2]
    keys = torch.rand(clips, frames, generator=torch.Generator().manual_seed(seed))
    blocks = torch.arange(frames) // max(1, round(level * frames))
    return _pick_frames(video, (blocks + keys).argsort(dim=1))


def freeze_frames(video: UInt8[Tensor, "B T H W C"], level: float, seed: int) -> UInt8[Tensor, "B T H W C"]:
    """Replace frames by the one before, as a video does that stutters.

    Args:
        video: Clips.
        level: Share of the frames behind the first that are replaced, in [0, 1]; at 1 the clip is a still.
        seed: Of which frames; every clip has its own, and those of a lower level are among them.

    Returns:
        Clips that show fewer different frames.

    Raises:
        ValueError: A level outside of [0, 1].
    """
    _check_level(level)
    clips, frames = video.shape[:2]
    keys = torch.rand(clips, frames - 1, generator=torch.Generator().manual_seed(seed))
    frozen = keys.argsort(dim=1).argsort(dim=1) < round(level * (frames - 1))
    places = torch.arange(1, frames).where(~frozen, 0)
    shown = torch.cat([torch.zeros(clips, 1, dtype=torch.int64), places], dim=1).cummax(dim=1).values
    return _pick_frames(video, shown)


def reverse_time(video: UInt8[Tensor, "B T H W C"]) -> UInt8[Tensor, "B T H W C"]:
    """Play clips backwards. There are no degrees to it."""
    return video.flip(1)


def recolour(
    video: UInt8[Tensor, "B T H W C"], level: float, like: UInt8[Tensor, "1 T H W C"]
) -> UInt8[Tensor, "B T H W C"]:
    """Give all clips the colours of one: mean and deviation of each channel over the clip, in time and space.

    A palette, or a sprite's colour, of each becomes one of all. A channel that does not vary is only shifted.

    Args:
        video: Clips.
        level: How far the colours go to those of the one, in [0, 1].
        like: The one clip.

    Returns:
        The recoloured clips, clamped to 0..255.

    Raises:
        ValueError: A level outside of [0, 1].

    Source: Reinhard et al. 2001, "Color transfer between images", in RGB.
    """
    _check_level(level)
    x, wanted = video.float(), like.float()
    mean, deviation = (f(x, dim=(1, 2, 3), keepdim=True) for f in (torch.mean, torch.std))
    scale = wanted.std(dim=(1, 2, 3), keepdim=True) / torch.where(deviation > 0, deviation, torch.inf)
    scale = torch.where(deviation > 0, scale, 1.0)
    return _to_bytes(torch.lerp(x, wanted.mean(dim=(1, 2, 3), keepdim=True) + scale * (x - mean), level))


def push(video: UInt8[Tensor, "B T H W C"], level: float) -> UInt8[Tensor, "B T H W C"]:
    """Push every frame towards its upper left corner; behind it the edge is repeated.

    Args:
        video: Clips.
        level: How far, as a share of each side, in [0, 1]; at 1 the last row's last pixel is all there is.

    Returns:
        The pushed clips.

    Raises:
        ValueError: A level outside of [0, 1].
    """
    _check_level(level)
    down, across = (
        (torch.arange(side, device=video.device) + round(level * side)).clamp(max=side - 1) for side in video.shape[2:4]
    )
    return video[:, :, down][:, :, :, across]


def _pick_frames(video: UInt8[Tensor, "B T H W C"], places: Int64[Tensor, "B T"]) -> UInt8[Tensor, "B T H W C"]:
    clips = torch.arange(video.shape[0], device=video.device)[:, None]
    return video[clips, places.to(video.device)]


def _convolve(images: Float[Tensor, "N 1 H W"], kernel: Float[Tensor, " K"]) -> Float[Tensor, "N 1 H W"]:
    """Convolve along the width."""
    reach = kernel.numel() // 2
    padded = functional.pad(images, (reach, reach, 0, 0), mode="replicate")
    return functional.conv2d(padded, repeat(kernel, "k -> 1 1 1 k"))


def _to_bytes(video: Float[Tensor, "B T H W C"]) -> UInt8[Tensor, "B T H W C"]:
    return video.round().clamp(0, _GREY_LEVELS).to(torch.uint8)


def _check_level(level: float) -> None:
    if not 0 <= level <= 1:
        raise ValueError(f"level: {level}, allowed: 0 to 1")
