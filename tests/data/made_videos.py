"""Videos on disk for tests of what reads them."""

from pathlib import Path

import av
import numpy as np
from PIL import Image


def frames_of(length, height=20, width=34, seed=0):
    """A square that walks over a still ground, in a few colours, so that a palette of 256 holds them all.

    The number of the frame is written into the pixels: no two frames of a video are alike.
    """
    rng = np.random.default_rng(seed)
    colours = rng.integers(0, 256, size=(12, 3), dtype=np.uint8)
    numbers = np.broadcast_to(rng.integers(0, 10, size=(height, width)), (length, height, width)).copy()
    for frame in range(length):
        numbers[frame, 4 + frame % 9 : 8 + frame % 9, 3 : 9 + frame % 7] = 10
        numbers[frame, 0, :10] = 10 + (frame >> np.arange(10)) % 2
    return colours[numbers]


def write_video(path, codec, frames, format="yuv420p", **options):
    """Encode (T, H, W, 3) uint8 with one of ffmpeg's encoders; `libx264rgb`, `rgb24`, qp="0" loses nothing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=8, options=options)
        stream.height, stream.width = frames.shape[1:3]
        stream.pix_fmt = format
        stream.codec_context.thread_count = 1
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(np.ascontiguousarray(frame), format="rgb24")))
        container.mux(stream.encode(None))


def write_lossless(path, frames):
    """An H.264 file that gives back exactly these frames, with a key frame now and then."""
    write_video(path, "libx264rgb", frames, "rgb24", qp="0", g="12")


def write_gif(path, frames, delays=40):
    """A GIF of (T, H, W, 3) uint8 as Pillow, and through it most of the field, writes it. Delays in milliseconds."""
    path.parent.mkdir(parents=True, exist_ok=True)
    images = [Image.fromarray(frame).quantize(256, method=Image.Quantize.FASTOCTREE) for frame in frames]
    images[0].save(path, save_all=True, append_images=images[1:], duration=delays)


def write_images(folder, frames, suffix=".png", **options):
    """One image a frame, numbered without leading zeros."""
    folder.mkdir(parents=True, exist_ok=True)
    for index, frame in enumerate(frames):
        Image.fromarray(frame).save(folder / f"frame_{index}{suffix}", **options)


def write_array(path: Path, frames):
    """An .npy or, uncompressed and beside labels, an .npz."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".npz":
        np.savez(path, frames, np.arange(3))
    else:
        np.save(path, frames)
