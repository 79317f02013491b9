"""The networks that look at videos, and what they give of them, a batch at a time.

Axes: N videos, T H W C pixels of a window, D features.
"""

from collections.abc import Callable, Container, Iterable
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from tats_exp.data.videos import Videos
from tats_exp.data.window_reading import read_windows
from tats_exp.data.windows import Window
from tats_exp.features.video_network import VideoClassifier, VideoNetwork
from tats_exp.metrics.window_statistics import WindowStatistics, joined_by_window, pixel_statistics


@dataclass(frozen=True)
class Networks:
    """The networks of an evaluation.

    Attributes:
        network: gives the features; in eval mode, on the device.
        classifier: gives the opinions; None for the feature network itself.
        device: where they are.
    """

    network: VideoNetwork
    classifier: VideoClassifier | None
    device: torch.device

    @property
    def judge(self) -> VideoClassifier:
        """The network that is asked for opinions."""
        return self.classifier or self.network

    @torch.inference_mode()
    def features(self, video: UInt8[Tensor, "N T H W C"]) -> Float[Tensor, "N D"]:
        """Features of videos, on the CPU."""
        return self.network.features(video.to(self.device)).float().cpu()

    @torch.inference_mode()
    def statistics(self, video: UInt8[Tensor, "N T H W C"]) -> WindowStatistics:
        """All that is kept of one window of N videos; the videos are on the CPU."""
        frames = video.to(self.device)
        both = getattr(self.network, "features_and_logits", None)
        if self.classifier is None and both is not None:
            features, logits = both(frames)
        else:
            features, logits = self.network.features(frames), self.judge(frames)
        probabilities = logits.float().softmax(dim=-1).cpu()
        return replace(pixel_statistics(video), features=features.float().cpu(), probabilities=probabilities)


def statistics_along(
    batches: Iterable[Iterable[UInt8[Tensor, "_ T H W C"]]], networks: Networks, looked_at: Container[int]
) -> list[WindowStatistics]:
    """Statistics of long videos, window by window.

    Args:
        batches: of a few videos each, their windows in time order; all videos have equally many.
        networks: look at the windows.
        looked_at: numbers of the windows that they look at; of the others pixel statistics alone are kept.
    """

    def of_batch(windows: Iterable[UInt8[Tensor, "_ T H W C"]]) -> list[WindowStatistics]:
        return [networks.statistics(w) if t in looked_at else pixel_statistics(w) for t, w in enumerate(windows)]

    return joined_by_window(map(of_batch, batches))


def statistics_of_windows(
    networks: Networks,
    videos: Videos,
    windows: list[Window],
    frames: int,
    batch_size: int,
    progress: Callable[[int], None],
) -> WindowStatistics:
    """Statistics of windows that lie anywhere in videos.

    Args:
        networks: look at the windows.
        videos: where the windows lie.
        windows: the places, one or more; the statistics are in their order.
        frames: of a window.
        batch_size: windows looked at side by side.
        progress: receives how many windows are done.
    """
    # Video after video, from front to back: a reader of files opens each once and seeks little.
    order = sorted(range(len(windows)), key=lambda place: (windows[place].video, windows[place].start))
    parts = []
    for start in range(0, len(windows), batch_size):
        batch = [windows[place] for place in order[start : start + batch_size]]
        parts.append(networks.statistics(read_windows(videos, batch, frames)))
        progress(min(start + batch_size, len(windows)))
    return WindowStatistics.joined(parts).ordered(torch.tensor(order).argsort())


def windows_looked_at(which: str, count: int) -> list[int]:
    """Numbers of the windows of a video that networks look at.

    Args:
        which: `metrics.windows`: "all", or "ends" for the first and the last.
        count: windows of a video.
    """
    return sorted({0, count - 1}) if which == "ends" else list(range(count))
