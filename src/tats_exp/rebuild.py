"""Real windows through the VQGAN of a run: what it makes of them, measured as they come.

Axes: N windows, T frames, H W pixels, C colour channels, D features, t h w latent grid.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int64, UInt8
from torch import Tensor

from tats_exp.data.clips import Window, read_windows, to_float
from tats_exp.metrics.reconstruction import ReconstructionErrors
from tats_exp.stages import SHOWN, Parts, decoded
from tats_exp.vqgan.vqgan import VQGAN


@dataclass(frozen=True)
class Rebuilt:
    """What is kept of the reconstructions.

    Attributes:
        features: of the feature network, (N, D).
        errors: against the real windows.
        shown: a few real windows above their reconstructions.
    """

    features: Float[Tensor, "N D"]
    errors: ReconstructionErrors
    shown: UInt8[Tensor, "n T two_H W C"]

    def values(self) -> dict[str, float | None]:
        """Pixel errors, and how much worse the ends of a window are than its middle."""
        found: dict[str, float | None] = {
            f"reconstruction/{name}": getattr(self.errors, name) for name in ("psnr", "ssim", "edge_ratio")
        }
        frames = enumerate(self.errors.frame_errors.tolist())
        return found | {f"reconstruction/l1/frame_{frame}": error for frame, error in frames}


@torch.inference_mode()
def rebuild(parts: Parts, vqgan: VQGAN, places: Int64[Tensor, "N 2"]) -> Rebuilt:
    """Encode and decode real windows.

    Args:
        parts: of the run.
        vqgan: in eval mode.
        places: video and start of each window.
    """
    frames, margin, size = parts.config.frames, vqgan.training_margin, parts.config.metrics.batch_size
    errors, features, shown = ReconstructionErrors(), [], []
    for start in range(0, len(places), size):
        parts.progress("metrics", start, 2 * len(places))  # the other half are the sampled videos
        wide = _with_margin(parts, places[start : start + size], frames, margin)
        codes = vqgan.encode(to_float(wide.to(parts.device)))
        rebuilt = torch.cat(list(decoded(parts, vqgan, codes, has_margin=vqgan.code_margin > 0)), dim=1)
        real = wide[:, margin : margin + frames]
        errors.add(real, rebuilt)
        features.append(parts.network.features(rebuilt.to(parts.device)).float().cpu())
        if start < SHOWN:
            shown.append(torch.cat([real, rebuilt], dim=2))
    return Rebuilt(torch.cat(features), errors, torch.cat(shown)[:SHOWN])


def _with_margin(parts: Parts, places: Int64[Tensor, "N 2"], frames: int, margin: int) -> UInt8[Tensor, "N T H W C"]:
    """Windows with `margin` frames on either side, end frames repeated where the video ends first."""
    videos, clips = parts.real, []
    for video, start in places.tolist():
        stride, last = videos.frame_stride, videos.lengths[video] - 1
        before = min(margin, start // stride)
        after = min(margin, (last - start) // stride - (frames - 1))
        clip = read_windows(videos, [Window(video, start)], frames, before, after)[0]
        first, end = clip[:1], clip[-1:]
        clips.append(
            torch.cat([first.expand(margin - before, -1, -1, -1), clip, end.expand(margin - after, -1, -1, -1)])
        )
    return torch.stack(clips)
