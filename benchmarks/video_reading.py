"""What a random clip of a video file costs, three ways: `python benchmarks/video_reading.py [--rounds N]`.

Ours; decord as this project used it before (open, `get_batch`, the same resizing); and the way of the original, written
down plainly: time stamps of every frame indexed first, then per clip PyAV from the key frame before it, frames stacked,
and scaled and resized in float. 16 frames of 320x240 H.264, brought to 128x128, on one thread, CPU time, in turn. Every
clip of ours is held against decoding the file from its start; how many of decord's are other frames is told beside it.
Then what it costs to index many small files, and to find them again.
"""

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import decord
import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from tats_exp.data.judging import KEPT, judge_all
from tats_exp.data.resizing import crop_and_resize
from tats_exp.data.video_decoding import VideoFileReader

LENGTH, FRAMES, RESOLUTION = 300, 16, 128
FILES = {
    "key frame every 12": {"g": "12", "bf": "0"},
    "key frame every 12, B-frames": {"g": "12", "bf": "3"},
    "key frame every 250, B-frames (x264's default)": {"g": "250", "bf": "3"},
}
SMALL_FILES = 500

Read = Callable[[int], NDArray[np.uint8]]


def write(path: Path, length: int, height: int, width: int, codec: str = "libx264", **options: str) -> None:
    """A noisy texture that moves, so that decoding has something to do."""
    rng = np.random.default_rng(0)
    ground = rng.integers(0, 256, (height // 8 + 40, width // 8 + 40, 3), dtype=np.uint8).repeat(8, 0).repeat(8, 1)
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=30, options={"crf": "23", **options})
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        for number in range(length):
            shift = number % 300
            picture = np.ascontiguousarray(ground[shift : shift + height, shift // 2 : shift // 2 + width])
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame.pts, frame.time_base = number, Fraction(1, 30)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def ours(path: Path) -> Read:
    """As `VideoFilesSplit` reads."""

    def read(start: int) -> NDArray[np.uint8]:
        return VideoFileReader(path).read(range(start, start + FRAMES))

    return read


def by_decord(path: Path) -> Read:
    """As this project read before."""

    def read(start: int) -> NDArray[np.uint8]:
        reader = decord.VideoReader(str(path), ctx=decord.cpu(0), num_threads=1)
        return reader.get_batch(list(range(start, start + FRAMES))).asnumpy()

    return read


def as_the_original(path: Path) -> Read:
    """The original's data loader: a table of time stamps, and every clip sought and decoded by them."""
    with av.open(str(path)) as container:
        times = sorted(packet.pts for packet in container.demux(video=0) if packet.pts is not None)

    def read(start: int) -> NDArray[np.uint8]:
        first, last = times[start], times[start + FRAMES - 1]
        found: dict[int, av.VideoFrame] = {}
        with av.open(str(path)) as container:
            container.seek(first, backward=True, any_frame=False, stream=container.streams.video[0])
            for frame in container.decode(video=0):
                found[frame.pts] = frame
                if frame.pts >= last:
                    break
        wanted = [found[time] for time in sorted(found) if first <= time <= last]
        return np.stack([frame.to_rgb().to_ndarray() for frame in wanted])

    return read


def resize_in_float(frames: NDArray[np.uint8]) -> torch.Tensor:
    """The original's resizing: to floats first, the shorter side to the resolution, then the square in the middle."""
    video = torch.from_numpy(frames).permute(0, 3, 1, 2).float() / 255.0
    height, width = video.shape[-2:]
    scale = RESOLUTION / min(height, width)
    size = (RESOLUTION, -(-width * RESOLUTION // height)) if height < width else (round(height * scale), RESOLUTION)
    video = functional.interpolate(video, size=size, mode="bilinear", align_corners=False)
    top, left = (video.shape[-2] - RESOLUTION) // 2, (video.shape[-1] - RESOLUTION) // 2
    return video[:, :, top : top + RESOLUTION, left : left + RESOLUTION].permute(1, 0, 2, 3).contiguous() - 0.5


def random_clips(folder: Path, rounds: int) -> None:
    """Print milliseconds a clip."""
    print("| file | ours, ms | decord | original | decord / ours | original / ours | decord's other clips |")
    print("|---|---:|---:|---:|---:|---:|---:|")
    for name, options in FILES.items():
        path = folder / f"{len(name)}.mp4"
        write(path, LENGTH, 240, 320, **options)
        judge_all([path])
        truth = VideoFileReader(path).read(range(LENGTH))
        with av.open(str(path)) as container:
            alone = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
        assert np.array_equal(truth, np.stack(alone)), "ours are not the frames of the file"
        by_index = by_decord(path)(0)
        whole = decord.VideoReader(str(path), ctx=decord.cpu(0), num_threads=1)
        sequential = np.stack([whole[number].asnumpy() for number in range(LENGTH)])
        readers = {"ours": ours(path), "decord": by_decord(path), "original": as_the_original(path)}
        assert by_index.shape == (FRAMES, 240, 320, 3)
        spent: dict[str, list[float]] = {way: [] for way in readers}
        other = 0
        for start in np.random.default_rng(1).integers(LENGTH - FRAMES, size=rounds).tolist():
            for way, read in readers.items():
                begun = time.process_time()
                frames = read(start)
                small = resize_in_float(frames) if way == "original" else crop_and_resize(frames, RESOLUTION)
                spent[way].append(time.process_time() - begun)
                assert len(small) or len(frames)
                if way == "ours":
                    assert np.array_equal(frames, truth[start : start + FRAMES]), "not the frames of the file"
                if way == "decord":
                    other += not np.array_equal(frames, sequential[start : start + FRAMES])
        mine, decords, originals = (1000 * statistics.median(spent[way]) for way in readers)
        print(
            f"| {name} | {mine:.1f} | {decords:.1f} | {originals:.1f} | {decords / mine:.2f} | {originals / mine:.2f} "
            f"| {other} of {rounds} |",
            flush=True,
        )


def many_files(folder: Path) -> None:
    """Print what an index of many small files costs."""
    write(folder / "small.mp4", 32, 64, 64, g="12")
    content = (folder / "small.mp4").read_bytes()
    paths = [folder / f"{number}.mp4" for number in range(SMALL_FILES)]
    for number, path in enumerate(paths):
        path.write_bytes(content + number.to_bytes(4) * 2)
    begun = time.perf_counter()
    verdicts = judge_all(paths)
    first = time.perf_counter() - begun
    assert not any(isinstance(verdict, str) for verdict in verdicts)
    from tats_exp.data import judging

    judging._known.clear()
    begun = time.perf_counter()
    judge_all(paths)
    again = time.perf_counter() - begun
    begun = time.perf_counter()
    for path in paths:
        VideoFileReader(path).read(range(1))
    opened = (time.perf_counter() - begun) / len(paths)
    print(
        f"\n{SMALL_FILES} files of 32 frames 64x64: {first:.1f} s to index, {again:.2f} s to find again from the disk; "
        f"{1000 * opened:.1f} ms to open an indexed one and read its first frame"
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=60, help="clips of each file, read each way in turn")
    torch.set_num_threads(1)
    decord.logging.set_level(decord.logging.QUIET)
    with tempfile.TemporaryDirectory() as made:
        os.environ[KEPT] = f"{made}/verdicts"
        random_clips(Path(made), parser.parse_args().rounds)
        many_files(Path(made))
