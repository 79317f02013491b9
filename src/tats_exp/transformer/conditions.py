"""What a transformer is conditioned on: how a video's label becomes the codes that precede its own.

Axes: B batch, c condition codes.
"""

from jaxtyping import Int64
from torch import Tensor


class Unconditional:
    """No condition: one start code 0, which belongs to no vocabulary of its own (the official way).

    Attributes:
        length: c, codes of one condition.
    """

    length = 1

    def vocabulary(self, classes: int) -> int:
        """C, the number of condition codes, for data of so many classes."""
        return 0

    def codes(self, labels: Int64[Tensor, " B"]) -> Int64[Tensor, "B c"]:
        """Condition codes (B, 1) of videos with these labels: zeros."""
        return labels.new_zeros(len(labels), 1)


class Label:
    """The class of the video as one code.

    Attributes:
        length: c, codes of one condition.
    """

    length = 1

    def vocabulary(self, classes: int) -> int:
        """C, the number of condition codes: the classes."""
        return classes

    def codes(self, labels: Int64[Tensor, " B"]) -> Int64[Tensor, "B c"]:
        """Condition codes (B, 1), 0..C-1."""
        return labels[:, None]
