"""What a CLIP sees of sampled videos beside the texts that they were asked for: part of the metrics stage.

Axes: N videos, T H W C pixels, D dimensions of its space.
"""

from collections.abc import Callable, Container, Sequence

import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from tats_exp.data.videos import Videos
from tats_exp.data.windows import Window
from tats_exp.features.clip import CLIP
from tats_exp.metrics.findings import TextFindings
from tats_exp.stages.prompts import Prompts
from tats_exp.stages.reconstructions import Reconstructor
from tats_exp.stages.windows import WindowsOnTheWay


class TextOnTheWay(WindowsOnTheWay):
    """Looks at windows of sampled videos on their way to another reader.

    Args:
        clip: looks and reads.
        prompts: say what the codes of a text say: of real captions it reads what a transformer was told of them, too.
        asked: what each video was asked for.
        looked_at: numbers of the windows that it looks at.
    """

    def __init__(self, clip: CLIP, prompts: Prompts, asked: Sequence[str], looked_at: Container[int]) -> None:
        super().__init__()
        self.clip, self.prompts, self.asked, self.looked_at = clip, prompts, asked, looked_at

    def look(self, number: int, window: UInt8[Tensor, "n T H W C"]) -> Float[Tensor, "n D"] | None:
        """What the CLIP sees of a window that it looks at."""
        return self.clip.frames(window) if number in self.looked_at else None

    def findings(
        self, reconstruct: Reconstructor, real: Videos, places: list[Window], progress: Callable[[int], None]
    ) -> TextFindings:
        """What was seen, once all windows were read, and what is seen of real windows with captions.

        Args:
            reconstruct: rebuilds these.
            real: where they lie.
            places: the windows.
            progress: receives how many windows are begun.
        """
        pairs = [(self.clip.frames(one), self.clip.frames(other)) for one, other in reconstruct(real, places, progress)]
        told = self.prompts.words(self.prompts.condition.codes(real, places, self.prompts.made))
        return TextFindings(
            checksum=self.clip.checksum,
            asked=self.clip.texts(self.asked),
            windows=self.joined(),
            captions=self.clip.texts(told),
            real=torch.cat([one for one, _ in pairs]),
            rebuilt=torch.cat([other for _, other in pairs]),
        )
