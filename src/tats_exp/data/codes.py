"""Long windows of codes and what the two transformers of a hierarchy see of them: key frames, and the gaps between.

Axes: N windows, t latent frames, h w codes of a latent frame.
"""

from einops import rearrange
from jaxtyping import Int64
from torch import Tensor


def long_window(latent_frames: int, key_every: int) -> int:
    """Latent frames of a window that holds `latent_frames` key frames, the first and the last among them."""
    return (latent_frames - 1) * key_every + 1


def key_frames(codes: Int64[Tensor, "N t h w"], key_every: int) -> Int64[Tensor, "N keys h w"]:
    """Every `key_every`-th latent frame of each window, from its first on; all of them when that is 1."""
    return codes[:, ::key_every]


def gaps(codes: Int64[Tensor, "N t h w"], key_every: int) -> Int64[Tensor, "N gaps between h w"]:
    """What lies between neighbouring key frames, with both of them.

    Args:
        codes: windows that begin and end with a key frame.
        key_every: latent frames from one key frame to the next.

    Returns:
        key_every + 1 latent frames of every gap; a key frame inside a window is in two of them.

    Raises:
        ValueError: windows of another length.
    """
    if codes.shape[1] <= key_every or (codes.shape[1] - 1) % key_every:
        raise ValueError(
            f"codes: windows of {codes.shape[1]} latent frames; with a key frame every {key_every} allowed are "
            f"{key_every + 1}, {2 * key_every + 1}, ..."
        )
    return rearrange(codes.unfold(1, key_every + 1, key_every), "N gaps h w between -> N gaps between h w")
