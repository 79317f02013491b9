"""What a video may claim before memory is taken for it: a few damaged bytes can claim terabytes."""

from dataclasses import dataclass
from pathlib import Path

from tats_exp import UserError


@dataclass(frozen=True)
class Limits:
    """Budgets that every video is held against, by what it claims, before its pixels are read.

    Attributes:
        frames: of one video, at most.
        frame_bytes: of one frame, height x width x 3, at most. A decoder holds some twenty frames.
    """

    frames: int = 2**20
    frame_bytes: int = 2**27

    def __post_init__(self) -> None:
        for name in ("frames", "frame_bytes"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name}={getattr(self, name)} must be at least 1")

    def check_frame(self, path: Path, height: int, width: int) -> None:
        """Refuse a file whose frames are too large.

        Raises:
            UserError: one line that names the file, its claim, and the key of the budget.
        """
        if (claimed := 3 * height * width) > self.frame_bytes:
            raise UserError(
                f"{path}: frames of {height}x{width} take {claimed} bytes each; allowed: limits.frame_bytes="
                f"{self.frame_bytes}, which can be raised"
            )

    def check_length(self, path: Path, frames: int) -> None:
        """Refuse a video that is too long; as `check_frame`."""
        if frames > self.frames:
            raise UserError(
                f"{path}: {frames} frames or more; allowed: limits.frames={self.frames}, which can be raised"
            )


DEFAULT = Limits()
