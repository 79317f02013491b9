"""Everything that was seen of one set of videos: what measures are made of.

Axes: R repeats, n videos of each, N windows, S shifts, D features, t h w latent grid, K codebook size, P frames of a
period.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from jaxtyping import Bool, Float, Float64, Int64
from numpy.typing import NDArray
from torch import Tensor

from tats_exp.metrics.causality import Leak
from tats_exp.metrics.reconstruction import ReconstructionErrors
from tats_exp.metrics.reference_windows import ReferenceWindows
from tats_exp.metrics.trend import frozen_share
from tats_exp.metrics.window_statistics import WindowStatistics
from tats_exp.run_folder.columns import TO_REAL, TO_REBUILT


@dataclass(frozen=True)
class UnseenReal:
    """Real windows that are not in the reference: how near they come to it is what a copy is held against.

    Attributes:
        name: whose windows they are: of the test split, or other ones of the same folder.
        features: for every repeat.
    """

    name: Literal["held_out", "other_real"]
    features: Float[Tensor, "R n D"]


@dataclass(frozen=True)
class CodeFindings:
    """Codes of real windows and of the sampled videos.

    Attributes:
        size: K.
        frames: t, latent frames of a window.
        train: windows of the train split.
        held_out_shifts: windows of the test split, each at its place and 1, 2, ... latent frames later.
        held_out_videos: the video of each held-out window.
        latent_shift: per slot from the second on, as `LatentShift` gives it, of the held-out windows.
        learned: windows of the train split as the transformers learned from them, which may be longer.
        learned_held_out: windows of the test split that are as long.
        sampled: of the sampled videos, without margins and without what was given.
        slots: for each latent frame of them the places in a learned window that it was drawn from; None: unknown.
        key_every: latent frames from one to the next that the autoregressive transformer models.
    """

    size: int
    frames: int
    train: Int64[Tensor, "N t h w"]
    held_out_shifts: Int64[Tensor, "N_held_out S t h w"]
    held_out_videos: Int64[Tensor, " N_held_out"]
    latent_shift: Float64[Tensor, " places"]
    learned: Int64[Tensor, "N_learned long h w"]
    learned_held_out: Int64[Tensor, "N_learned_held_out long h w"]
    sampled: Int64[Tensor, "videos time h w"]
    slots: Sequence[tuple[int, ...]] | None
    key_every: int

    @property
    def held_out(self) -> Int64[Tensor, "N_held_out t h w"]:
        """Windows of the test split, at their places."""
        return self.held_out_shifts[:, 0]


@dataclass(frozen=True)
class Rebuilt:
    """Real video through a VQGAN, without a transformer.

    Attributes:
        windows: windows of the reference and its floor, each encoded and decoded alone.
        truth: windows of long real videos, as many videos as in one repeat, that were encoded window by window and
            decoded as samples are. Fewer windows than the generated videos have where real ones are shorter; none where
            these are too few.
        own: whether the VQGAN of the measured videos rebuilt them, as far as is known: keys of distances to them are
            then the plain ones.
        latent_layouts: of each latent frame of the windows, those of the floor first; None where no codes are known.
    """

    windows: ReferenceWindows
    truth: Sequence[WindowStatistics] = ()
    own: bool = True
    latent_layouts: Float[Tensor, "R n_and_N t 48"] | None = None


@dataclass(frozen=True)
class SplitNLL:
    """Mean negative log-likelihood of real codes, teacher-forced, in nats a code."""

    train: float
    held_out: float


@dataclass(frozen=True)
class LeakFindings:
    """What an interpolation transformer hears of codes that it must not know.

    Attributes:
        gradient: by differentiation.
        forced: mean NLL in nats a code, teacher-forced.
        hidden: the same where it reads what a sampler knows, and no more.
    """

    gradient: Leak
    forced: float
    hidden: float


@dataclass(frozen=True)
class LabelFindings:
    """Classes of videos, where the classifier's classes are those of the data.

    Attributes:
        asked_for: the class that each generated video was asked for, or that of the video it goes on from.
        floor: the class of each real window of the floor.
        attributes: by name (a colour, say) which one each class has; none where classes are not made of such.
    """

    asked_for: Int64[Tensor, " videos"]
    floor: Int64[Tensor, " videos"]
    attributes: Mapping[str, Int64[Tensor, " classes"]] = field(default_factory=dict)


@dataclass(frozen=True)
class JointFindings:
    """Motion by place in the period of the key frames, as `PhaseMotion` gives it.

    Attributes:
        generated: of the sampled videos.
        real: of real ones.
        time_stride: frames of a latent frame.
    """

    generated: Float64[Tensor, "N P"]
    real: Float64[Tensor, "M P"]
    time_stride: int


@dataclass(frozen=True)
class GapFindings:
    """Frames between key frames, window by window.

    Attributes:
        frames: which latent frames of a window these are.
        layouts: of all R n generated videos, over these frames; None where a window has none of them.
    """

    frames: Bool[Tensor, "windows t"]
    layouts: Sequence[Float[Tensor, "videos 48"] | None]


@dataclass(frozen=True)
class SoundFindings:
    """Sampled videos that were made for the sound of real ones.

    Attributes:
        frames: of a window.
        heard: when sounds begin, in frames behind those given, of each video.
        seen: at which frames something turns in the sampled video.
        seen_in_real: the same of the video whose sound it has.
        errors: of the sampled videos against those, given frames included.
    """

    frames: int
    heard: Sequence[NDArray[np.float64]]
    seen: Sequence[NDArray[np.float64]]
    seen_in_real: Sequence[NDArray[np.float64]]
    errors: ReconstructionErrors


@dataclass(frozen=True)
class TextFindings:
    """Videos and texts in the space of a CLIP, as `CLIP.frames` and `CLIP.texts` give them.

    Attributes:
        checksum: of the CLIP.
        asked: what each generated video was asked for.
        windows: of all R n generated videos; None where it did not look.
        captions: of real windows of the floor.
        real: these windows.
        rebuilt: the same, rebuilt by the VQGAN.
    """

    checksum: str
    asked: Float[Tensor, "videos D"]
    windows: Sequence[Float[Tensor, "videos D"] | None]
    captions: Float[Tensor, "n D"]
    real: Float[Tensor, "n D"]
    rebuilt: Float[Tensor, "n D"]


@dataclass(frozen=True)
class Findings:
    """What was seen of the videos that are measured, and what they are measured against.

    What is None was not there to be seen: an evaluation of folders knows no codes, one without key frames no joints.

    Attributes:
        network: name of the feature network, as in `fvd/<network>`.
        classifier: name of the network that was asked for opinions, as in `is/<classifier>`.
        real: the real windows.
        windows: statistics of all R n generated videos, window by window. Windows between the ends may lack features.
        resamples: of the bootstrap behind an interval; 0 for none.
        seed: of bootstraps and extrapolations.
        unseen: real windows that are not in the reference.
        codes: of a VQGAN.
        rebuilt: real windows through a VQGAN.
        reconstruction: errors of reconstructed windows of the test split.
        nll: likelihoods, by name of the transformer.
        shift_gap: per slot of the window, as `shift_nll_gap` gives it.
        sliding_gap: as the function of that name gives it; None where no window of consecutive latent frames slides.
        leak: through the mask of an interpolation transformer.
        labels: classes that were asked for.
        joints: motion at key frames.
        gaps: frames between key frames.
        sound: what is heard and seen.
        texts: what was asked for, beside what is seen.
    """

    network: str
    classifier: str
    real: ReferenceWindows
    windows: Sequence[WindowStatistics]
    resamples: int
    seed: int
    unseen: UnseenReal | None = None
    codes: CodeFindings | None = None
    rebuilt: Rebuilt | None = None
    reconstruction: ReconstructionErrors | None = None
    nll: Mapping[str, SplitNLL] = field(default_factory=dict)
    shift_gap: Float64[Tensor, " slots"] | None = None
    sliding_gap: float | None = None
    leak: LeakFindings | None = None
    labels: LabelFindings | None = None
    joints: JointFindings | None = None
    gaps: GapFindings | None = None
    sound: SoundFindings | None = None
    texts: TextFindings | None = None

    @property
    def one_code(self) -> str:
        """Why what codes say, and distances to rebuilt windows, costs a model nothing: all real windows have one code.

        "" where they have several, or codes are not known.
        """
        codes = self.codes
        return "one code in use" if codes is not None and all(map(_alike, (codes.train, codes.held_out))) else ""

    @property
    def standing(self) -> str:
        """Why staying as they begin costs the videos nothing: they are made of one code, or do not move at all.

        "" where they could have moved away, and real videos move.
        """
        if self.one_code or (self.codes is not None and _alike(self.codes.sampled)):
            return self.one_code or "one code in all sampled videos"
        frozen = (frozen_share(window.motion, self.real.motion) for window in self.windows)
        return "constant videos" if all(share == 1 for share in frozen) else ""

    @property
    def looked_at(self) -> list[int]:
        """Numbers of the windows that the networks looked at."""
        return [t for t, window in enumerate(self.windows) if window.features is not None]

    @property
    def references(self) -> dict[str, ReferenceWindows]:
        """What videos are measured against, by the end of the keys of such values; the one to read stands first."""
        real = {TO_REAL: self.real}
        if self.rebuilt is None:
            return real
        return {"" if self.rebuilt.own else TO_REBUILT: self.rebuilt.windows, **real}


def _alike(codes: Int64[Tensor, "*places"]) -> bool:
    """Whether all codes are the same one."""
    return bool(codes.min() == codes.max())
