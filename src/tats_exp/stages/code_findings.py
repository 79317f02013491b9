"""What is seen of the codes of a run: part of the metrics stage.

Axes: N videos, t h w latent grid, u latent frames of a video.
"""

from pathlib import Path

from jaxtyping import Int64
from torch import Tensor

from tats_exp import UserError
from tats_exp.metrics import code_histograms
from tats_exp.metrics.findings import CodeFindings
from tats_exp.run_folder import write_table
from tats_exp.sampling.sampler import Sampler, Slots
from tats_exp.stages.codes import WindowCodes
from tats_exp.stages.samples import Samples
from tats_exp.vqgan.vqgan import VQGAN


def code_findings(
    vqgan: VQGAN, codes: WindowCodes, learned: WindowCodes, samples: Samples, sampler: Sampler, key_every: int
) -> CodeFindings:
    """What the measures of codes are made from.

    Args:
        vqgan: of the run.
        codes: real windows as long as a clip.
        learned: real windows that the transformers learned from.
        samples: the sampled codes.
        sampler: that made them.
        key_every: latent frames from one to the next that the autoregressive transformer models.
    """
    return CodeFindings(
        size=vqgan.codebook.size,
        frames=codes.shards.shape[1],
        train=codes.train,
        held_out_shifts=codes.held_out_shifts,
        held_out_videos=codes.held_out_videos,
        latent_shift=codes.latent_shift,
        learned=learned.train,
        learned_held_out=learned.held_out,
        sampled=sampled_codes(vqgan, samples),
        slots=sampled_slots(vqgan, samples, sampler, learned.shards.shape[1]),
        key_every=key_every,
    )


def sampled_codes(vqgan: VQGAN, samples: Samples) -> Int64[Tensor, "N u h w"]:
    """The sampled codes that are measured: without margins, and without those given."""
    margin = vqgan.code_margin if samples.has_margin else 0
    return samples.codes[:, margin + samples.given : samples.codes.shape[1] - margin]


def sampled_slots(vqgan: VQGAN, samples: Samples, sampler: Sampler, window: int) -> list[Slots] | None:
    """Where in a window each latent frame of `sampled_codes` was drawn; None: the sampler does not say.

    Args:
        vqgan: of the run.
        samples: the codes.
        sampler: that made them.
        window: latent frames of the windows that the transformers learned from.

    Raises:
        UserError: the sampler names other places than there are, or none for what it drew.
    """
    margin = vqgan.code_margin if samples.has_margin else 0
    # Before given frames the margin was not sampled, but repeated.
    first = samples.given or margin
    made = samples.codes.shape[1] - (margin if samples.given else 0)
    slots = sampler.slots(made, window, samples.given)
    if slots is None:
        return None
    measured = slots[first : made - margin]
    if len(slots) != made or not all(some and min(some) >= 0 and max(some) < window for some in measured):
        raise UserError(
            f"sampler: its slots({made}, {window}, {samples.given}) are {slots}; wanted are places 0..{window - 1} for "
            "each latent frame that is not given"
        )
    return measured


def write_histogram(path: Path, codes: CodeFindings) -> None:
    """Share of each code among the real and the sampled ones."""
    real, generated = (code_histograms(side, codes.size).mean(dim=0).tolist() for side in (codes.train, codes.sampled))
    shares = enumerate(zip(real, generated, strict=True))
    write_table(path, [{"code": code, "real": share, "generated": other} for code, (share, other) in shares])
