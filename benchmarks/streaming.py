"""Memory and time of making one video of 64 to 16,384 frames: `python benchmarks/streaming.py`.

Samples codes by sliding window, decodes them in chunks and writes an mp4, each length in a process of its own, with
models of toy size and random weights (the cost does not depend on the weights).
"""

import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import torch

from tats_exp.data.video_writer import VideoWriter
from tats_exp.sampling import SlidingWindow
from tats_exp.sampling.decoding import decode_stream
from tats_exp.transformer import Transformer
from tats_exp.vqgan import VQGAN, EMACodebook

LENGTHS = (64, 1024, 4096, 16384)


def make(frames: int) -> None:
    """Make one video and print frames, seconds and peak memory."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    vqgan = VQGAN(EMACodebook(128, 32), 8, (4, 4, 4), decoder_blocks=1).eval()
    transformer = Transformer(0, 128, (4, 4, 4), layers=3, heads=4, width=96).eval()
    started = time.perf_counter()
    codes = SlidingWindow(context=1)(transformer, torch.zeros(1, 1, dtype=torch.int64), frames // 4, seeds=[0])
    sampled = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder, VideoWriter(Path(folder) / "video.mp4", fps=12) as writer:
        for chunk in decode_stream(vqgan, codes[0]):
            writer.write(chunk.numpy())
    decoded = time.perf_counter()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"| {frames} | {sampled - started:.2f} | {decoded - sampled:.2f} | {peak:.0f} |", flush=True)


if __name__ == "__main__":
    if len(sys.argv) > 1:
        make(int(sys.argv[1]))
    else:
        print("| frames | sampling, s | decoding and writing, s | peak memory, MiB |")
        print("|---:|---:|---:|---:|", flush=True)
        for length in LENGTHS:
            subprocess.run([sys.executable, __file__, str(length)], check=True)
