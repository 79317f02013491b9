"""Frames of a video file to go on from, brought to size as the data set of a run brings its own.

Axes: T frames, H W pixels, C = 3 colour channels.
"""

from pathlib import Path

import numpy as np
import torch
from jaxtyping import UInt8
from torch import Tensor

from tats_exp import UserError
from tats_exp.cli import one_line, path_of
from tats_exp.config.build import build
from tats_exp.config.schema import Config
from tats_exp.data.limits import DEFAULT
from tats_exp.data.resizing import chunks, crop_and_resize
from tats_exp.data.video_readers import open_reader
from tats_exp.data.windows import span


def read_given(config: Config, file: str, frames: int, start: int) -> UInt8[Tensor, "T H W C"]:
    """Read frames of a video.

    Args:
        config: of the run; its data section says the size, how frames become square, and how far apart they are.
        file: a video file, an array or a folder of images.
        frames: how many, as far apart as those of a clip.
        start: the first of them, in frames of the file.

    Raises:
        UserError: there is no such video, or it has too few frames; one line.
    """
    data = config.data
    stride, crop = int(data.get("frame_stride", 1)), data.get("crop", "centre")
    limits = build(data["limits"], "data.limits") if "limits" in data else DEFAULT
    with path_of("given", file):
        if not Path(file).exists():
            raise UserError(f"given={file}: no such file or folder")
        try:
            reader = open_reader(Path(file), 0, limits)
            needed = start + span(frames, stride)
            if reader.length < needed:
                apart = f", {stride} apart," if stride > 1 else ""
                raise UserError(f"has {reader.length} frames; {frames}{apart} from frame {start} on need {needed}")
            wanted = range(start, needed, stride)
            size = reader.read(wanted[:1]).shape[1:3]
            pieces = [crop_and_resize(reader.read(piece), config.resolution, crop) for piece in chunks(wanted, *size)]
        except UserError as error:
            raise UserError(f"given={file}: {one_line(error)}") from error
    return torch.from_numpy(np.concatenate(pieces))
