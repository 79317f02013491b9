"""Findings of made-up videos, with numbers that tests choose."""

from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from tats_exp.metrics import Findings, Leak, ReferenceWindows, WindowStatistics
from tats_exp.metrics.findings import (
    CodeFindings,
    GapFindings,
    JointFindings,
    LabelFindings,
    LeakFindings,
    Rebuilt,
    SoundFindings,
    SplitNLL,
    TextFindings,
    UnseenReal,
)
from tats_exp.metrics.reconstruction import ReconstructionErrors
from tats_exp.metrics.window_statistics import PIXELS

D, CLASSES, CODES, FRAMES = 4, 3, 8, 4
WINDOW = 16


def a_window(videos: int, seed: int, looked_at: bool = True, shift: float = 0.0) -> WindowStatistics:
    random = torch.Generator().manual_seed(seed)
    seen = {name: torch.rand(videos, generator=random).double() + 0.1 for name in PIXELS}
    seen["layout"] = 0.1 * torch.rand(videos, 48, generator=random) + 0.1 * shift
    if looked_at:
        seen["features"] = torch.randn(videos, D, generator=random) + shift
        seen["probabilities"] = torch.randn(videos, CLASSES, generator=random).softmax(dim=-1)
    return WindowStatistics(**seen)


def real_windows(repeats: int = 1, videos: int = 20, reference: int = 30) -> ReferenceWindows:
    return ReferenceWindows.of(a_window(repeats * (videos + reference), 0), repeats, videos)


def rebuilt_windows(videos: int = 20, windows: int = 4, own: bool = True) -> Rebuilt:
    truth = [a_window(videos, 100 + t) for t in range(windows)]
    layouts = 0.1 * torch.rand(1, videos + 30, FRAMES, 48, generator=torch.Generator().manual_seed(98))
    return Rebuilt(ReferenceWindows.of(a_window(videos + 30, 99), 1, videos), truth, own, layouts)


def of_folders(
    windows: list[WindowStatistics], real: ReferenceWindows | None = None, resamples: int = 0, seed: int = 0
) -> Findings:
    """What an evaluation of folders finds out."""
    real = real or real_windows()
    unseen = UnseenReal("other_real", real.floor)
    return Findings("net", "judge", real, windows, resamples, seed, unseen=unseen)


def codes(videos: int, windows: int) -> CodeFindings:
    random = torch.Generator().manual_seed(5)

    def draw(count: int, frames: int = FRAMES) -> torch.Tensor:
        return torch.randint(CODES, (count, frames, 2, 2), generator=random)

    stream = draw(12, 2 * FRAMES - 1)  # of codes that move with their frames
    shifts = stream.unfold(1, FRAMES, 1).movedim(-1, 2)
    train = draw(2 * videos)
    return CodeFindings(
        size=CODES,
        frames=FRAMES,
        train=train,
        held_out_shifts=shifts,
        held_out_videos=torch.arange(12) // 2,
        latent_shift=torch.tensor([0.2, 0.1, 0.3], dtype=torch.float64),
        learned=train,
        learned_held_out=shifts[:, 0],
        sampled=draw(videos, windows * FRAMES),
        slots=[(slot,) for slot in [*range(FRAMES), *[1] * FRAMES * (windows - 1)]],
        key_every=1,
    )


def timed(seed: int, windows: int, videos: int) -> list[np.ndarray]:
    """Times within sampled videos, some of each."""
    random = np.random.default_rng(seed)
    return [np.sort(random.uniform(0, windows * WINDOW, 30)) for _ in range(videos)]


def _texts(windows: int, videos: int, random: torch.Generator) -> tuple[Any, ...]:
    """What videos were asked for, their windows, and real windows with their captions."""

    def unit() -> Tensor:
        return functional.normalize(torch.randn(videos, 6, generator=random), dim=-1)

    return "0" * 64, unit(), [unit() for _ in range(windows)], unit(), unit(), unit()


def of_run(windows: int = 4, videos: int = 20) -> Findings:
    """Everything that a run can find out, of a sliding and of a hierarchical sampler together."""
    real = real_windows(videos=videos)
    random = torch.Generator().manual_seed(6)
    pixels = torch.randint(0, 256, (2, 3, 16, 16, 16, 3), generator=random, dtype=torch.uint8)
    errors = ReconstructionErrors()
    errors.add(*pixels)
    motion = torch.rand(2, 5, 16, generator=random, dtype=torch.float64)
    return Findings(
        network="net",
        classifier="judge",
        real=real,
        windows=[a_window(videos, t + 1, shift=0.3 * t) for t in range(windows)],
        resamples=5,
        seed=0,
        unseen=UnseenReal("held_out", real.floor),
        codes=codes(videos, windows),
        rebuilt=rebuilt_windows(videos, windows),
        reconstruction=errors,
        nll={"transformer": SplitNLL(1.5, 2.0), "interpolation": SplitNLL(1.0, 1.25)},
        shift_gap=torch.tensor([0.1, 0.2, 0.6], dtype=torch.float64),
        sliding_gap=0.25,
        leak=LeakFindings(Leak(torch.zeros(2, 2, dtype=torch.float64), 0.25), forced=1.0, hidden=1.5),
        labels=LabelFindings(
            torch.zeros(videos, dtype=torch.int64),
            torch.ones(videos, dtype=torch.int64),
            {name: torch.arange(CLASSES) % 2 for name in ("colour", "shape", "law")},
        ),
        joints=JointFindings(motion[0], motion[1], time_stride=4),
        sound=SoundFindings(WINDOW, *(timed(seed, windows, videos) for seed in range(3)), errors),
        texts=TextFindings(*_texts(windows, videos, random)),
        gaps=GapFindings(
            torch.tensor([[False, True, True, True]] * windows),
            [0.1 * torch.rand(videos, 48, generator=random) for _ in range(windows)],
        ),
    )
