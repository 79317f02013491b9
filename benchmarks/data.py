"""How many clips a second the loader of a training gives: `python benchmarks/data.py [--clips N] [--rounds N]`.

AVI (MPEG-4), H.264 and folders of JPEG frames, 320x240, brought to 128x128 clips of 16 frames, with 0, 2 and 4 loader
processes, against the original's way in the same loader: time stamps, seeking and float resizing for files, Pillow and
float resizing for frames. In turn, medians over rounds. Then whether memory stays flat over an epoch.
"""

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch.utils.data import DataLoader, Dataset

from tats_exp.data import judging
from tats_exp.data.clips import Clips
from tats_exp.data.file_videos import FileSource
from tats_exp.data.frame_folders import FrameFolders
from tats_exp.data.step_sampler import StepSampler
from tats_exp.data.video_decoding import VideoFileReader
from tats_exp.data.video_files import VideoFiles
from video_reading import FRAMES, RESOLUTION, as_the_original, resize_in_float, write

VIDEOS, LENGTH, HEIGHT, WIDTH = 12, 180, 240, 320
BATCH = 4
WORKERS = (0, 2, 4)


class OriginalClips(Dataset[torch.Tensor]):
    """The same clips, read the original's way."""

    def __init__(self, clips: Clips, read: Callable[[Path], Callable[[int], NDArray[np.uint8]]]) -> None:
        self.clips = clips
        self.readers = [read(video.path) for video in clips.videos.listed]

    def __len__(self) -> int:
        """Number of clips."""
        return len(self.clips)

    def __getitem__(self, index: int) -> torch.Tensor:
        """A clip as float video."""
        window = self.clips.window(index)
        return resize_in_float(self.readers[window.video](window.start))


def frames_as_the_original(folder: Path) -> Callable[[int], NDArray[np.uint8]]:
    """A folder of frames, as the original's data set of frames reads it."""
    paths = sorted(folder.iterdir(), key=lambda path: int(path.stem.rpartition("_")[2]))

    def read(start: int) -> NDArray[np.uint8]:
        return np.stack([np.asarray(Image.open(path).convert("RGB")) for path in paths[start : start + FRAMES]])

    return read


def make(folder: Path) -> dict[str, FileSource]:
    """Write the data sets; the original's time stamps and our verdicts are made now, and not timed."""
    for split, count in (("train", VIDEOS), ("test", 1)):
        for number in range(count):
            mp4, avi = (folder / kind / split / "all" / f"{number}.{kind}" for kind in ("mp4", "avi"))
            for path, codec in ((mp4, "libx264"), (avi, "mpeg4")):
                path.parent.mkdir(parents=True, exist_ok=True)
                write(path, LENGTH, HEIGHT, WIDTH, codec=codec, g="12")
            frames = folder / "jpg" / split / "all" / str(number)
            frames.mkdir(parents=True)
            judging.judge_all([mp4])
            for index, frame in enumerate(VideoFileReader(mp4).read(range(LENGTH))):
                Image.fromarray(frame).save(frames / f"frame_{index}.jpg", quality=90)
    return {
        "AVI, MPEG-4": VideoFiles(folder / "avi", RESOLUTION),
        "MP4, H.264": VideoFiles(folder / "mp4", RESOLUTION),
        "folder of JPEG frames": FrameFolders(folder / "jpg", RESOLUTION),
    }


def clips_a_second(data: Dataset, clips: int, workers: int, seed: int) -> float:
    """Clips a second after the first batch, in the loader that a training uses."""
    batches = StepSampler(len(data), BATCH, seed, steps=clips // BATCH + 1)
    context = "fork" if workers else None
    loader = iter(DataLoader(data, batch_sampler=batches, num_workers=workers, multiprocessing_context=context))
    next(loader)
    begun = time.perf_counter()
    count = sum(1 for _ in loader)
    return count * BATCH / (time.perf_counter() - begun)


def resident() -> float:
    """MiB that this process and its children hold, told by Linux; what they share counts in each."""
    children = Path(f"/proc/{os.getpid()}/task/{os.getpid()}/children").read_text().split()
    lines = [line for pid in (os.getpid(), *children) for line in Path(f"/proc/{pid}/status").read_text().splitlines()]
    return sum(int(line.split()[1]) for line in lines if line.startswith("VmRSS")) / 2**10


def throughput(sources: dict[str, FileSource], clips: int, rounds: int) -> None:
    """Print clips a second."""
    print("| format | loader processes | ours, clips/s | original | ours / original |")
    print("|---|---:|---:|---:|---:|")
    for name, source in sources.items():
        videos = source.split("train")
        videos.keeps = False  # a split as small as this one would be kept in memory
        ours = Clips(videos, FRAMES)
        original = OriginalClips(ours, frames_as_the_original if "frames" in name else as_the_original)
        for workers in WORKERS:
            speeds: dict[str, list[float]] = {"ours": [], "original": []}
            for seed in range(rounds):
                for way, data in (("ours", ours), ("original", original)):
                    speeds[way].append(clips_a_second(data, clips, workers, seed))
            mine, others = (statistics.median(speed) for speed in speeds.values())
            print(f"| {name} | {workers} | {mine:.0f} | {others:.0f} | {mine / others:.2f} |", flush=True)


def memory(source: FileSource, workers: int = 2) -> None:
    """Print the memory of the loader over an epoch of the clips of H.264 files."""
    videos = source.split("train")
    videos.keeps = False
    data = Clips(videos, FRAMES)
    steps = len(data) // BATCH
    loader = DataLoader(
        data,
        batch_sampler=StepSampler(len(data), BATCH, 0, steps),
        num_workers=workers,
        multiprocessing_context="fork",
    )
    held = []
    for step, _ in enumerate(loader):
        if step % max(1, steps // 10) == steps // 20:
            held.append(resident())
    print(f"\n{steps * BATCH} clips, an epoch, with {workers} loader processes: MiB held at each tenth of it:")
    print(", ".join(f"{value:.0f}" for value in held))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clips", type=int, default=160, help="timed of each format, way and number of processes")
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        os.environ[judging.KEPT] = str(Path(folder) / "verdicts")
        made = make(Path(folder))
        throughput(made, given.clips, given.rounds)
        memory(made["MP4, H.264"])
