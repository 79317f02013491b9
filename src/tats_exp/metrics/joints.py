"""Is a video that was made coarse to fine as smooth at its anchors as elsewhere?

Motion from one frame to the next is told apart by where in the period of the key frames it happens. Compared are steps
from one latent frame into the next, because a decoder may make those larger than steps inside: into and out of anchors
(the joints) against those between two latent frames of a gap.

Axes: N videos, T H W C pixels, P frames of a period.
"""

import math

import torch
from einops import reduce
from jaxtyping import Float64, UInt8
from torch import Tensor


class PhaseMotion:
    """Gathers the motion of videos that arrive window by window.

    Args:
        period: P, frames from one key frame to the next.
        first: frame at which the first anchor begins; earlier ones count backwards.
    """

    def __init__(self, period: int, first: int = 0) -> None:
        self.period, self._next = period, -first
        self._sums: Tensor | None = None
        self._steps = torch.zeros(period, dtype=torch.float64)
        self._last: Tensor | None = None

    def add(self, video: UInt8[Tensor, "N T H W C"]) -> None:
        """Take the next frames of all videos."""
        frames = video if self._last is None else torch.cat([self._last, video], dim=1)
        start = self._next + (self._last is None)
        if self._sums is None:
            self._sums = torch.zeros(len(video), self.period, dtype=torch.float64)
        for step in range(frames.shape[1] - 1):
            difference = (frames[:, step + 1].float() - frames[:, step].float()).abs() / 255
            phase = (start + step) % self.period
            self._sums[:, phase] += reduce(difference.double(), "n h w c -> n", "mean")
            self._steps[phase] += 1
        self._next += video.shape[1]
        self._last = video[:, -1:]

    def means(self) -> Float64[Tensor, "N P"]:
        """Mean absolute difference, a share of the grey range, of the step that leads to each frame of a period."""
        assert self._sums is not None, "nothing was added"
        return self._sums / self._steps


def joint_ratio(motion: Float64[Tensor, "N P"], time_stride: int) -> float:
    """Motion into and out of anchors, relative to that between two latent frames of a gap.

    Args:
        motion: as `PhaseMotion.means` gives it; the first latent frame of a period is the anchor.
        time_stride: frames of a latent frame.

    Returns:
        1 where joints are as smooth as the rest, above 1 where videos jump at them. nan where gaps have fewer than two
        latent frames, or nothing moves.
    """
    into = motion[:, ::time_stride].mean(dim=0)  # into each latent frame, the anchor's first
    joints, elsewhere = into[:2], into[2:]
    if len(elsewhere) == 0 or not float(elsewhere.mean()) > 0:
        return math.nan
    return float(joints.mean() / elsewhere.mean())
