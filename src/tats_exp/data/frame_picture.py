"""A picture of videos at a few moments: a row a video, a column a frame, pixels as they are."""

from collections.abc import Iterable
from pathlib import Path

import torch
from einops import rearrange
from jaxtyping import UInt8
from PIL import Image
from torch import Tensor

from tats_exp.files import atomic


def write_frames(path: Path, chunks: Iterable[UInt8[Tensor, "n f H W C"]], frames: list[int]) -> None:
    """Write frames of videos as one PNG, without scaling or gaps.

    Args:
        path: of the picture.
        chunks: frames of n videos, piece by piece.
        frames: numbers of those to show, growing.
    """
    shown, begun = [], 0
    for chunk in chunks:
        end = begun + chunk.shape[1]
        shown.append(chunk[:, [frame - begun for frame in frames if begun <= frame < end]].cpu())
        begun = end
    pixels = rearrange(torch.cat(shown, dim=1), "n f h w c -> (n h) (f w) c").numpy()
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic(path) as temporary:
        Image.fromarray(pixels).save(temporary, format="png")
