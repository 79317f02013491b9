"""The codes of real windows, encoded once: of windows as long as a clip and, for a hierarchy, of longer ones.

Axes: N windows, t h w latent grid, c condition codes.
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import torch
from jaxtyping import Int64
from torch import Tensor

from tats_exp import UserError
from tats_exp.data.pixels import to_float
from tats_exp.data.videos import Videos
from tats_exp.data.window_reading import read_windows
from tats_exp.data.windows import Window, draw_windows
from tats_exp.files import Stage, load_tensors, save_tensors
from tats_exp.fit import Steps
from tats_exp.stages.context import Chosen, Earlier, Left, NoMeaning, RunContext, Work
from tats_exp.stages.vqgan import VQGAN_STAGE
from tats_exp.transformer.conditions import Condition
from tats_exp.vqgan.vqgan import VQGAN

logger = logging.getLogger(__name__)

CODES = "codes.safetensors"


@dataclass(frozen=True)
class WindowCodes:
    """Real windows as the transformers see them.

    Attributes:
        train: codes of windows of the train split.
        train_condition: what each of them is conditioned on.
        train_labels: the class of each.
        held_out: codes of windows of the test split.
        held_out_condition: as of the train split.
        held_out_labels: as of the train split.
        held_out_videos: the video that each comes from.
        held_out_shifted: the same windows one latent frame later; None for long windows.
    """

    train: Int64[Tensor, "N t h w"]
    train_condition: Int64[Tensor, "N c"]
    train_labels: Int64[Tensor, " N"]
    held_out: Int64[Tensor, "M t h w"]
    held_out_condition: Int64[Tensor, "M c"]
    held_out_labels: Int64[Tensor, " M"]
    held_out_videos: Int64[Tensor, " M"]
    held_out_shifted: Int64[Tensor, "M t h w"] | None = None

    def write(self, folder: Path) -> None:
        """Write all of it to the folder of a stage."""
        save_tensors(folder / CODES, {name: value for name, value in asdict(self).items() if value is not None})


def read_codes(_config: object, folder: Path) -> WindowCodes:
    """What a finished stage left.

    Raises:
        UserError: the file is damaged.
    """
    return WindowCodes(**load_tensors(folder / CODES))


@dataclass(frozen=True)
class CodesInputs:
    """What the codes depend on.

    Attributes:
        train: videos whose windows the transformers learn from.
        test: videos of the held-out windows.
        data_seed: of the draw.
        frames: of a window.
        vqgan: encodes them.
        train_windows: how many to draw.
        held_out_windows: how many to draw.
        reserve: frames kept free on either side of a window.
        condition: gives the condition codes.
        condition_stages: keys and folders of the stages that the condition has of its own, by their names.
        shifted: whether the held-out windows are encoded one latent frame later, too.
        batch_size: windows encoded side by side.
    """

    train: Videos
    test: Videos
    data_seed: int
    frames: int
    vqgan: Earlier[VQGAN]
    train_windows: int
    held_out_windows: int
    reserve: int
    condition: Chosen[Condition]
    condition_stages: Mapping[str, Earlier[Path]]
    shifted: bool
    batch_size: NoMeaning[int]


def _inputs(run: RunContext, long: bool) -> CodesInputs:
    config, section = run.config, run.config.codes
    return CodesInputs(
        train=run.train,
        test=run.test,
        data_seed=run.data_seed,
        frames=config.long_window_frames if long else config.frames,
        vqgan=run.earlier(VQGAN_STAGE),
        train_windows=section.train_windows,
        held_out_windows=section.held_out_windows,
        reserve=config.reserve.encoding,
        condition=Chosen(run.condition, config.condition),
        condition_stages={stage.name: _folder(run.left[stage.name]) for stage in run.condition.stages()},
        shifted=not long,
        batch_size=section.batch_size,
    )


def _folder(left: Left) -> Earlier[Path]:
    return Earlier(left.key, lambda: left.folder)


def _make(inputs: CodesInputs, work: Work) -> None:
    """Leaves the codes of a fixed list of windows of both splits, with their conditions."""
    vqgan = inputs.vqgan.read().to(work.device)
    after = vqgan.time_stride if inputs.shifted else 0
    train, held_out = _windows(inputs, after)
    total = len(train) + (2 if inputs.shifted else 1) * len(held_out)
    encode = _Encoder(vqgan, inputs.frames, inputs.batch_size, work.device, work.progress, total)
    made = {name: left.read() for name, left in inputs.condition_stages.items()}

    def conditions(videos: Videos, windows: list[Window]) -> Int64[Tensor, "N c"]:
        return checked_codes(inputs.condition.object, videos, windows, made)

    WindowCodes(
        train=encode(inputs.train, train),
        train_condition=conditions(inputs.train, train),
        train_labels=torch.tensor([inputs.train.labels[w.video] for w in train]),
        held_out=encode(inputs.test, held_out),
        held_out_condition=conditions(inputs.test, held_out),
        held_out_labels=torch.tensor([inputs.test.labels[w.video] for w in held_out]),
        held_out_videos=torch.tensor([w.video for w in held_out]),
        held_out_shifted=encode(inputs.test, held_out, vqgan.time_stride) if inputs.shifted else None,
    ).write(work.folder)


def checked_codes(
    condition: Condition, videos: Videos, windows: Sequence[Window], made: Mapping[str, Path]
) -> Int64[Tensor, "N c"]:
    """The condition codes of windows; arguments as `Condition.codes`.

    Raises:
        UserError: they are not what the condition says of itself.
    """
    codes = condition.codes(videos, windows, made)
    count, wanted = max(1, condition.vocabulary(len(videos.label_names))), (len(windows), condition.length)
    if codes.shape != wanted or codes.dtype != torch.int64 or codes.min() < 0 or codes.max() >= count:
        raise UserError(
            f"condition: gave {codes.dtype} codes {codes.min()}..{codes.max()} of shape {tuple(codes.shape)}; wanted "
            f"are int64 codes 0..{count - 1} of shape {wanted}"
        )
    return codes


def _windows(inputs: CodesInputs, after: int) -> tuple[list[Window], list[Window]]:
    """Windows of both splits that are encoded; `after`: frames that must follow the held-out ones."""
    reserve, seed = inputs.reserve, inputs.data_seed + 1
    train = draw_windows(inputs.train, inputs.train_windows, inputs.frames, seed, reserve, reserve)
    held_out = draw_windows(inputs.test, inputs.held_out_windows, inputs.frames, seed, reserve, reserve + after)
    for name, windows, wanted in (("train", train, inputs.train_windows), ("test", held_out, inputs.held_out_windows)):
        if len(windows) < wanted:
            line = "codes: %d windows of %d frames of the %s split instead of %d"
            logger.warning(line, len(windows), inputs.frames, name, wanted)
    return train, held_out


class _Encoder:
    """Encodes windows a batch at a time and tells how far it is, of `total` windows in all."""

    def __init__(
        self, vqgan: VQGAN, frames: int, batch_size: int, device: torch.device, progress: Steps, total: int
    ) -> None:
        self.vqgan, self.frames, self.batch_size, self.device = vqgan, frames, batch_size, device
        self.progress, self.total, self.done = progress, total, 0

    @torch.inference_mode()
    def __call__(self, videos: Videos, windows: Sequence[Window], shift: int = 0) -> Int64[Tensor, "N t h w"]:
        """Codes of windows, moved by `shift` frames."""
        codes, margin = [], self.vqgan.margin
        for start in range(0, len(windows), self.batch_size):
            batch = list(windows[start : start + self.batch_size])
            frames = read_windows(videos, batch, self.frames, margin, margin, shift)
            codes.append(self.vqgan.encode(to_float(frames.to(self.device))).cpu())
            self.done += len(batch)
            self.progress(self.done, self.total)
        return torch.cat(codes)


CODES_STAGE = Stage("codes", 2, partial(_inputs, long=False), _make, read_codes)
LONG_CODES_STAGE = Stage("long_codes", 2, partial(_inputs, long=True), _make, read_codes)
"""Windows so long that their key frames fill the window of the autoregressive transformer. Both transformers of a
hierarchy learn from them: one from the key frames, the other from the gaps between."""
