"""Decoding a batch of videos whole and a few videos at a time: `python benchmarks/decoding.py`.

The VQGAN of `scale=toy` with random weights; the ways take turns, medians of wall seconds are compared. Whether both
give the same numbers is checked to the bit.
"""

import argparse
import statistics
import time
from unittest.mock import patch

import torch

from tats_exp.sampling import decode_chunks, decoding
from tats_exp.vqgan import VQGAN, EMACodebook

VIDEOS, LATENT_FRAMES, CODES = 16, 64, 128
SIDES = (16, 32, 64)


def main(rounds: int) -> None:
    """Print a row for each number of threads and size of frames."""
    cores = torch.get_num_threads()
    torch.manual_seed(0)
    vqgan = VQGAN(EMACodebook(CODES, 32), 8, (4, 4, 4), decoder_blocks=1).eval()
    print("| threads | pixels | whole batch, s | a few videos at a time, s | ratio | same bits |")
    print("|---:|---:|---:|---:|---:|---|")
    for threads in sorted({1, cores}):
        torch.set_num_threads(threads)
        for side in SIDES:
            codes = torch.randint(CODES, (VIDEOS, LATENT_FRAMES * 16 // side, side // 4, side // 4))
            whole, few = [], []
            for _ in range(rounds):
                with patch.object(decoding, "PIXELS_AT_ONCE", 10**12):
                    whole.append(timed(vqgan, codes))
                few.append(timed(vqgan, codes))
            before, after = (statistics.median(seconds for seconds, _ in way) for way in (whole, few))
            same = all(torch.equal(one, other) for (_, one), (_, other) in zip(whole, few, strict=True))
            row = (threads, f"{side} x {side}", f"{before:.2f}", f"{after:.2f}", f"{before / after:.2f}")
            print("| " + " | ".join(map(str, row)) + f" | {'yes' if same else 'no'} |", flush=True)


def timed(vqgan: VQGAN, codes: torch.Tensor) -> tuple[float, torch.Tensor]:
    """Wall seconds, and the frames."""
    began = time.perf_counter()
    video = torch.cat(list(decode_chunks(vqgan, codes)), dim=2)
    return time.perf_counter() - began, video


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    main(parser.parse_args().rounds)
