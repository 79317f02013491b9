"""`condition=audio`: the sound of the window, as codes of a VQGAN of its own that is trained on the data set's sound.

The sound of each latent frame becomes a picture (data/spectrogram.py), which is encoded by itself. So a latent frame
has a whole number of codes, which hang on the sound of its own time alone and not on where in a window it stands. The
condition of a window is the codes of its latent frames, in the order of time.

Axes: N windows, c condition codes, M frequencies, F short-time frames of a picture.
"""

import copy
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Int64
from numpy.typing import NDArray
from torch import Tensor

from tats_exp import UserError
from tats_exp.config.build import build
from tats_exp.config.models import without_memory
from tats_exp.config.schema import Config
from tats_exp.data.spectrogram import Spans, Spectrogram
from tats_exp.data.videos import Videos
from tats_exp.data.windows import Window
from tats_exp.files import Stage
from tats_exp.stages.context import Chosen, RunContext, Work
from tats_exp.stages.trained import MODEL, is_first, was_trained, with_weights, write_model
from tats_exp.training import Budget
from tats_exp.transformer.conditions import Condition
from tats_exp.vqgan.codebook import EMACodebook
from tats_exp.vqgan.spectrogram_vqgan import SpectrogramVQGAN, picture_to_float

logger = logging.getLogger(__name__)

LOG_EVERY, CHECKPOINT_EVERY, CLIP = 10, 50, 1.0
"""Steps from one log of the losses to the next, and from one checkpoint; the largest norm of a gradient."""
LOOKED_AT = 256
"""Videos that are asked for sound before a run begins, at most: each may be a file to be opened."""
ONE_CODE = 0.995
"""Share of the codes of some sound that may be one and the same."""
AT_ONCE = 64
"""Pictures encoded side by side: always as many, so that codes do not hang on what else is encoded."""


@dataclass(frozen=True)
class Sounds:
    """The sound of the videos of a split; it stands for itself in the key of a stage."""

    videos: Videos

    def fingerprint(self) -> str:
        """SHA-256 of what videos and sound depend on."""
        return f"{self.videos.fingerprint()} {self.videos.sound_fingerprint()}"


@dataclass(frozen=True)
class AudioVQGANInputs:
    """What the VQGAN of sound depends on, and the codes that it gives.

    Attributes:
        train: sound that it learns.
        test: sound of the held-out videos; nothing is trained on it.
        seed: of initialisation and order.
        precision: of the training.
        frames: clip frames of a picture, those of a latent frame.
        condition: says how pictures are made, and how large the model and its training are.
    """

    train: Sounds
    test: Sounds
    seed: int
    precision: str
    frames: int
    condition: "Chosen[Audio]"


class Audio(Condition):
    """The sound of the window: codes of each of its latent frames, in the order of time."""

    asks_for_class = True
    asks_held_out = True
    drop = 0.1
    moves = True
    unasked = "the run was trained with sound; allowed: the sound of a file (audio=FILE)"

    def __init__(
        self,
        window: int,
        bins: int,
        frames: int,
        downsample: Sequence[int],
        codes: int,
        code_width: int,
        n_hiddens: int,
        steps: int,
        batch_size: int,
        learning_rate: float,
        restart_below: float | None = None,
    ) -> None:
        """Choose how sound becomes codes.

        Args:
            window: samples of a frame of the short-time Fourier transform, of 16,000 a second.
            bins: M, frequencies kept, the lowest ones.
            frames: F, short-time frames of a latent frame.
            downsample: how much smaller the grid of codes is along frequency and time.
            codes: C, codebook size.
            code_width: width of a code's entry.
            n_hiddens: channels at the size of the picture, doubled at each halving.
            steps: optimiser steps.
            batch_size: latent frames of sound, of all processes together.
            learning_rate: at the beginning; it falls to 0 along half a cosine.
            restart_below: codes used less than this (moving average of uses per step) are restarted; None: never.

        Raises:
            UserError: a number is out of its range.
        """
        for name, value in {"steps": steps, "batch_size": batch_size}.items():
            if value < 1:
                raise UserError(f"{name}={value} must be 1 or more")
        if not learning_rate > 0:
            raise UserError(f"learning_rate={learning_rate} must be above 0")
        self.spectrogram = Spectrogram(window, bins, frames)
        self.downsample, self.size, self.code_width = tuple(downsample), codes, code_width
        self.restart_below, self.n_hiddens, self.learning_rate = restart_below, n_hiddens, learning_rate
        self.steps, self.batch_size = steps, batch_size
        self.latents, self.time_stride = 1, 1
        with without_memory():
            self.per_latent = self.model().codes_per_picture
        self.length = self.per_latent

    def model(self, seed: int = 0) -> SpectrogramVQGAN:
        """The VQGAN of sound, freshly initialised, on the default device."""
        codebook = EMACodebook(self.size, self.code_width, restart_below=self.restart_below, seed=seed)
        picture = (self.spectrogram.bins, self.spectrogram.frames)
        return SpectrogramVQGAN(codebook, self.n_hiddens, self.downsample, picture)

    def for_windows(self, latents: int, time_stride: int) -> "Audio":
        """With codes for each latent frame of a window."""
        fitted = copy.copy(self)
        fitted.latents, fitted.time_stride = latents, time_stride
        fitted.length = latents * self.per_latent
        return fitted

    def stages(self) -> tuple[Stage[AudioVQGANInputs, SpectrogramVQGAN], ...]:
        """The one that trains the VQGAN of sound."""
        return (AUDIO_VQGAN_STAGE,)

    def vocabulary(self, classes: int) -> int:
        """C."""
        return self.size

    def codes(self, videos: Videos, windows: Sequence[Window], made: Mapping[str, Path]) -> Int64[Tensor, "N c"]:
        """Codes of the sound of windows; of a latent frame that is not inside the video, those of silence.

        Raises:
            UserError: a video has no sound.
        """
        step = self.time_stride * videos.frame_stride
        spans = [(place.video, place.start + step * latent) for place in windows for latent in range(self.latents)]
        known = {span: number for number, span in enumerate(dict.fromkeys(spans))}  # windows of one video overlap
        vqgan = read_audio_vqgan(self, made[AUDIO_VQGAN_STAGE.name])
        pictures = [self.spectrogram.of_frames(videos, video, start, self.time_stride) for video, start in known]
        found = encoded(vqgan, pictures)
        return found[[known[span] for span in spans]].reshape(len(windows), self.length)

    def check_videos(self, videos: Videos) -> None:
        """Refuse videos of which one has no sound; of many, some are looked at."""
        for video in range(0, len(videos.names), -(-len(videos.names) // LOOKED_AT)):
            videos.audio(video, 0, 1)


@torch.inference_mode()
def encoded(vqgan: SpectrogramVQGAN, pictures: list[NDArray[np.uint8]]) -> Int64[Tensor, "N codes"]:
    """Codes of pictures (M, F), a fixed number of them at a time."""
    codes = []
    for start in range(0, len(pictures), AT_ONCE):
        some = np.stack(pictures[start : start + AT_ONCE])
        filled = np.concatenate([some, np.zeros((AT_ONCE - len(some), *some.shape[1:]), np.uint8)])
        codes.append(vqgan.encode(picture_to_float(torch.from_numpy(filled)[:, None]))[: len(some)].clone())
    return torch.cat(codes)


def _inputs(run: RunContext) -> AudioVQGANInputs:
    condition, config = run.condition, run.config
    assert isinstance(condition, Audio)
    return AudioVQGANInputs(
        train=Sounds(run.learned),
        test=Sounds(run.test),
        seed=config.seed,
        precision=config.trainer["precision"],
        frames=condition.time_stride,
        condition=Chosen(condition, config.condition),
    )


def _make(inputs: AudioVQGANInputs, work: Work) -> None:
    """Leaves the weights of the VQGAN and its losses."""
    if was_trained(work.folder):
        return
    from tats_exp.fit import fit  # Lightning comes with these
    from tats_exp.vqgan.spectrogram_training import SpectrogramTraining

    condition = inputs.condition.object
    spans = Spans(inputs.train.videos, inputs.frames, condition.spectrogram)
    torch.manual_seed(inputs.seed)
    vqgan = condition.model(inputs.seed)
    module = SpectrogramTraining(vqgan, AUDIO_VQGAN_STAGE.name, condition.learning_rate, condition.steps)
    budget = Budget(condition.steps, condition.batch_size, 1, CLIP, LOG_EVERY, CHECKPOINT_EVERY, work.workers)
    fit(module, spans, budget, work.folder, work.make_trainer, inputs.seed, work.losses, work.progress)
    write_model(vqgan, work.folder)
    if is_first():
        _warn_of_one_code(vqgan, spans)


def _warn_of_one_code(vqgan: SpectrogramVQGAN, spans: Spans) -> None:
    """Say where nearly all sound has one code; that few codes are idle would not tell, since those are restarted."""
    some = range(0, len(spans), -(-len(spans) // LOOKED_AT))
    codes = encoded(copy.deepcopy(vqgan).eval().cpu(), [spans[number]["picture"][0].numpy() for number in some])
    share = float(codes.flatten().bincount().max()) / codes.numel()
    if share > ONE_CODE:
        logger.warning(
            "audio_vqgan: %.1f %% of the sound has one code, so hardly anything of it is told apart; is it silent? "
            "more condition.steps may help",
            100 * share,
        )


def read_audio_vqgan(condition: Audio, folder: Path) -> SpectrogramVQGAN:
    """The VQGAN that a finished stage left, in eval mode on the CPU.

    Raises:
        UserError: the file is damaged.
    """
    with without_memory():
        vqgan = condition.model()
    return with_weights(vqgan.to_empty(device="cpu"), folder / MODEL)


def _read(config: Config, folder: Path) -> SpectrogramVQGAN:
    return read_audio_vqgan(build(config.condition, "condition"), folder)


AUDIO_VQGAN_STAGE = Stage("audio_vqgan", 1, _inputs, _make, _read, trained=True)
