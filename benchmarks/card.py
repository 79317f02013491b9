"""What a device can do, for others to be held against: `python benchmarks/card.py [device=cpu|cuda] [quick]`.

It needs torch alone.
"""

import statistics
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch

PRECISIONS = ("fp32", "tf32", "bf16")


@contextmanager
def precision(name: str) -> Iterator[None]:
    """How products and convolutions of float32 are computed: to the bit, or with TF32's ten bits."""
    tf32 = name == "tf32"
    before = torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = tf32
    try:
        yield
    finally:
        torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32 = before


def seconds(call: Callable[[], object], device: str, rounds: int = 7) -> float:
    """Median wall seconds of a call, after two that are not counted."""
    taken = []
    for _ in range(rounds + 2):
        started = time.perf_counter()
        call()
        if device == "cuda":
            torch.cuda.synchronize()
        taken.append(time.perf_counter() - started)
    return statistics.median(taken[2:])


def bandwidth(device: str, quick: bool = False) -> float:
    """Bytes a second that a copy reads and writes."""
    source = torch.ones(2**22 if quick else 2**28, device=device)
    target = torch.empty_like(source)
    return 2 * source.nbytes / seconds(lambda: target.copy_(source), device)


def arithmetic(name: str, device: str, quick: bool = False) -> float:
    """FLOP a second of a product of large square matrices in a precision."""
    side = 256 if quick else 2048 if device == "cpu" else 8192
    left = torch.randn(side, side, device=device, dtype=torch.bfloat16 if name == "bf16" else torch.float32)
    with precision(name):
        return 2 * side**3 / seconds(lambda: left @ left, device)


def name_of(device: str) -> str:
    """What the device calls itself."""
    return torch.cuda.get_device_name() if device == "cuda" else "cpu"


def main() -> None:
    """Print what was measured."""
    options = {key: value for key, _, value in (given.partition("=") for given in sys.argv[1:])}
    device = options.get("device") or ("cuda" if torch.cuda.is_available() else "cpu")
    quick = "quick" in options
    print(f"{name_of(device)}, torch {torch.__version__}, CUDA {torch.version.cuda}\n")
    print("| measured | |\n|---|---:|")
    if device == "cuda":
        about = torch.cuda.get_device_properties(0)
        print(f"| memory, GiB | {about.total_memory / 2**30:.0f} |")
    print(f"| copying, GB/s read and written | {bandwidth(device, quick) / 1e9:,.0f} |")
    for name in PRECISIONS if device == "cuda" else ("fp32",):
        print(f"| product of matrices, {name}, TFLOP/s | {arithmetic(name, device, quick) / 1e12:,.2f} |", flush=True)


if __name__ == "__main__":
    main()
