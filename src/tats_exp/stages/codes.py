"""The codes of real windows, encoded once: of windows as long as a clip and, where the transformers learn from longer
ones, of those.

Axes: N M windows, S shifts, P parts of a window, t h w latent grid, c condition codes.
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from functools import partial
from pathlib import Path

import torch
from jaxtyping import Float64, Int64
from torch import Tensor

from tats_exp import UserError
from tats_exp.data.code_shards import WINDOWS, CodeShards, ShardWriter, read_shards
from tats_exp.data.videos import Videos
from tats_exp.data.window_reading import read_windows
from tats_exp.data.windows import Window, draw_offsets, draw_windows, span, starts
from tats_exp.files import Stage, load_tensors, save_tensors
from tats_exp.metrics import LatentShift
from tats_exp.stages.context import Chosen, Earlier, IfAny, Left, NoMeaning, RunContext, Work
from tats_exp.stages.encoding import finite_latents
from tats_exp.stages.vqgan import VQGAN_STAGE
from tats_exp.transformer.conditions import Condition
from tats_exp.vqgan.vqgan import VQGAN

logger = logging.getLogger(__name__)

CODES = "codes.safetensors"


@dataclass(frozen=True)
class WindowCodes:
    """Real windows as the transformers see them.

    Attributes:
        shards: codes of windows of the train split (N t h w); windows of one video may overlap.
        train_condition: what each of them is conditioned on.
        train_labels: the class of each.
        train_videos: the video that each comes from.
        held_out_shifts: codes of windows of the test split, each at its place and 1, 2, ... latent frames later.
        held_out_condition: as of the train split, of the windows at their places.
        held_out_labels: as of the train split.
        held_out_videos: as of the train split.
        latent_shift: how far latents of the held-out windows move from one shift to the next, as `LatentShift` gives
            it; empty where there is one shift.
        train_parts: of a condition that moves, in a hierarchy: what each gap of the windows is conditioned on.
        held_out_parts: of a condition that moves: of the test split the same, and without a hierarchy what each window
            is conditioned on at each of its shifts.
        held_out_starts: of a condition that moves: where the windows of the test split begin, in source frames.
    """

    shards: CodeShards
    train_condition: Int64[Tensor, "N c"]
    train_labels: Int64[Tensor, " N"]
    train_videos: Int64[Tensor, " N"]
    held_out_shifts: Int64[Tensor, "M S t h w"]
    held_out_condition: Int64[Tensor, "M c"]
    held_out_labels: Int64[Tensor, " M"]
    held_out_videos: Int64[Tensor, " M"]
    latent_shift: Float64[Tensor, " slots"]
    train_parts: Int64[Tensor, "N P c"] | None = None
    held_out_parts: Int64[Tensor, "M P c"] | None = None
    held_out_starts: Int64[Tensor, " M"] | None = None

    @property
    def train(self) -> Int64[Tensor, "N t h w"]:
        """Codes of all windows of the train split, in memory."""
        return self.shards.whole

    @property
    def held_out(self) -> Int64[Tensor, "M t h w"]:
        """Codes of the windows of the test split at their places."""
        return self.held_out_shifts[:, 0]

    def to_ask_for(self, held_out: bool) -> tuple[Int64[Tensor, " N"], Int64[Tensor, "N c"]]:
        """Classes and conditions that sampled videos may be asked for, of the windows of a split."""
        if held_out:
            return self.held_out_labels, self.held_out_condition
        return self.train_labels, self.train_condition

    def videos_of(self, held_out: bool) -> Int64[Tensor, " N"]:
        """Of which video each window of a split is."""
        return self.held_out_videos if held_out else self.train_videos

    def write(self, folder: Path) -> None:
        """Write all but the shards, which are there already, to the folder of a stage."""
        there = {field.name: getattr(self, field.name) for field in fields(self)}
        save_tensors(folder / CODES, {name: value for name, value in there.items() if isinstance(value, Tensor)})


def read_codes(_config: object, folder: Path) -> WindowCodes:
    """What a finished stage left.

    Raises:
        UserError: the file is damaged.
    """
    tensors = load_tensors(folder / CODES)
    whole = tensors.pop("train", None)  # stored before there were shards
    codes = WindowCodes(read_shards(folder) if whole is None else CodeShards([whole]), **tensors)
    if len(codes.shards) != len(codes.train_videos):
        raise UserError(f"{folder}: codes of {len(codes.shards)} windows of {len(codes.train_videos)}; delete it")
    return codes


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
        shifts: at how many places, one latent frame apart, each held-out window is encoded; the last one as far as the
            longest video allows.
        batch_size: windows encoded side by side.
        heard: of a condition that moves: latent frames of the windows whose condition it is.
        gaps: of a condition that moves, in a hierarchy: with which latent frames of a window its gaps begin.
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
    shifts: int
    batch_size: NoMeaning[int]
    heard: IfAny[int] = 0
    gaps: IfAny[tuple[int, ...]] = ()


def _inputs(run: RunContext, long: bool) -> CodesInputs:
    config, section = run.config, run.config.codes
    latents = config.learned_frames // int(config.vqgan.model["downsample"][0])
    frames = config.learned_frames if long else config.frames
    return CodesInputs(
        train=run.learned,
        test=run.test,
        data_seed=run.data_seed,
        frames=frames,
        vqgan=run.earlier(VQGAN_STAGE),
        train_windows=section.train_windows,
        held_out_windows=section.held_out_windows,
        reserve=config.reserve.encoding,
        condition=Chosen(run.condition, config.condition),
        condition_stages=stages_of_condition(run),
        # Windows of key frames do not slide latent frame by latent frame: nothing is asked of their shifts.
        shifts=1 if long and config.interpolates else frames // config.vqgan.model["downsample"][0],
        batch_size=max(1, section.batch_size * config.frames // frames),
        heard=latents if run.condition.moves else 0,
        gaps=tuple(range(0, latents - 1, config.key_every)) if long and moves_in_gaps(run) else (),
    )


def moves_in_gaps(run: RunContext) -> bool:
    """Whether the gaps between key frames have conditions of their own."""
    return run.condition.moves and run.config.interpolates


def stages_of_condition(run: RunContext) -> dict[str, Earlier[Path]]:
    """Keys and folders of the stages that the condition has of its own, by their names."""
    return {stage.name: _folder(run.left[stage.name]) for stage in run.condition.stages()}


def _folder(left: Left) -> Earlier[Path]:
    return Earlier(left.key, lambda: left.folder)


def _make(inputs: CodesInputs, work: Work) -> None:
    """Leaves the codes of a fixed list of windows of both splits, with their conditions."""
    vqgan = inputs.vqgan.read().to(work.device)
    shifts = _shifts(inputs, vqgan.time_stride)
    train, held_out = _windows(inputs, (shifts - 1) * vqgan.time_stride)
    encode = _Encoder(vqgan, inputs, work, total=len(train) + shifts * len(held_out))
    writer = ShardWriter(work.folder)
    encode.done = writer.done
    several = max(1, WINDOWS // inputs.batch_size) * inputs.batch_size  # whole batches: which ones must not change
    while writer.done < len(train):
        writer.write(encode(inputs.train, train[writer.done : writer.done + several])[:, 0])
    made = {name: left.read() for name, left in inputs.condition_stages.items()}
    moved = LatentShift()

    def conditions(videos: Videos, windows: list[Window]) -> Int64[Tensor, "N c"]:
        return checked_codes(inputs.condition.object, videos, windows, made)

    def parts(videos: Videos, windows: list[Window], begin: Sequence[int]) -> Int64[Tensor, "N P c"] | None:
        """Conditions of parts of windows that begin with these latent frames; None where there are no parts."""
        how = (begin, vqgan.time_stride, made)
        return conditions_along(inputs.condition.object, videos, windows, *how) if begin else None

    moves = inputs.condition.object.moves

    WindowCodes(
        shards=read_shards(work.folder),
        train_condition=conditions(inputs.train, train),
        train_labels=torch.tensor([inputs.train.labels[w.video] for w in train]),
        train_videos=torch.tensor([w.video for w in train]),
        held_out_shifts=encode(inputs.test, held_out, shifts, moved),
        held_out_condition=conditions(inputs.test, held_out),
        held_out_labels=torch.tensor([inputs.test.labels[w.video] for w in held_out]),
        held_out_videos=torch.tensor([w.video for w in held_out]),
        latent_shift=moved.values(),
        train_parts=parts(inputs.train, train, inputs.gaps),
        held_out_parts=parts(inputs.test, held_out, inputs.gaps or range(moves * shifts)),
        held_out_starts=torch.tensor([w.start for w in held_out]) if moves else None,
    ).write(work.folder)


def heard_from(videos: Videos, video: int, frames: int, before: int) -> Window:
    """Where a sampled video begins in the real one that it is conditioned on.

    Args:
        videos: where the real one is.
        video: its index.
        frames: that are sampled.
        before: frames that are made before them and not shown; as many as there is room for are inside the real one.
    """
    room = videos.lengths[video] - span(frames, videos.frame_stride)
    return Window(video, max(0, min(before * videos.frame_stride, room)))


def conditions_along(
    condition: Condition,
    videos: Videos,
    windows: Sequence[Window],
    latents: Sequence[int],
    time_stride: int,
    made: Mapping[str, Path],
) -> Int64[Tensor, "N P c"]:
    """The codes of a condition that moves, of windows moved along their videos, each by all the steps.

    Args:
        condition: says what it is outside of a video.
        videos: where the windows lie.
        windows: the places.
        latents: P steps, in latent frames.
        time_stride: clip frames of a latent frame.
        made: as for `Condition.codes`.
    """
    step = time_stride * videos.frame_stride
    moved = [Window(place.video, place.start + step * latent) for place in windows for latent in latents]
    return checked_codes(condition, videos, moved, made).unflatten(0, (len(windows), len(latents)))


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


def code_notes(wanted: tuple[int, int], codes: WindowCodes) -> list[str]:
    """What to say where the data have fewer windows than asked for.

    Args:
        wanted: windows of the train and of the test split.
        codes: that are there.
    """
    there = (len(codes.shards), len(codes.held_out))
    if there == wanted:
        return []
    counts = "{} and {} in place of {} and {}".format(*there, *wanted)
    return [f"codes: windows of the train and the test split: {counts}, there are no more"]


def _shifts(inputs: CodesInputs, stride: int) -> int:
    """At how many places a held-out window is encoded: as many as wanted where a video has room for them."""
    videos, reserve = inputs.test, inputs.reserve
    places = starts(max(videos.lengths), videos.frame_stride, inputs.frames, reserve, reserve)
    shifts = min(inputs.shifts, 1 + (len(places) - 1) // (stride * videos.frame_stride))
    if shifts < inputs.shifts:
        line = "codes: windows of %d frames of the test split are encoded at %d shifts instead of %d"
        logger.warning(line, inputs.frames, shifts, inputs.shifts)
    return shifts


def _windows(inputs: CodesInputs, after: int) -> tuple[list[Window], list[Window]]:
    """Windows of both splits that are encoded; `after`: frames that must follow the held-out ones."""
    reserve, seed = inputs.reserve, inputs.data_seed + 1
    train = draw_offsets(inputs.train, inputs.train_windows, inputs.frames, seed, reserve, reserve)
    held_out = draw_windows(inputs.test, inputs.held_out_windows, inputs.frames, seed, reserve, reserve + after)
    for name, windows, wanted in (("train", train, inputs.train_windows), ("test", held_out, inputs.held_out_windows)):
        if len(windows) < wanted:
            line = "codes: %d windows of %d frames of the %s split instead of %d"
            logger.warning(line, len(windows), inputs.frames, name, wanted)
    return train, held_out


class _Encoder:
    """Encodes windows a batch at a time and tells how far it is, of `total` windows in all."""

    def __init__(self, vqgan: VQGAN, inputs: CodesInputs, work: Work, total: int) -> None:
        self.vqgan, self.frames, self.batch_size = vqgan, inputs.frames, inputs.batch_size
        self.device, self.progress, self.total, self.done = work.device, work.progress, total, 0

    @torch.inference_mode()
    def __call__(
        self, videos: Videos, windows: Sequence[Window], shifts: int = 1, moved: LatentShift | None = None
    ) -> Int64[Tensor, "N S t h w"]:
        """Codes of windows at their places and 1, 2, ... latent frames later; `moved` is told of their latents."""
        codes, margin, stride = [], self.vqgan.margin, self.vqgan.time_stride
        length = margin + self.frames + margin
        for start in range(0, len(windows), self.batch_size):
            batch = list(windows[start : start + self.batch_size])
            frames = read_windows(videos, batch, self.frames, margin, margin + (shifts - 1) * stride)
            at_shifts: list[Tensor] = []
            before: Tensor | None = None
            for first in range(0, shifts * stride, stride):
                latents = finite_latents(self.vqgan, frames[:, first : first + length], self.device)
                at_shifts.append(self.vqgan.codebook.nearest(latents).cpu())
                if moved is not None and before is not None:
                    moved.add(before, latents)
                before = latents
                self.done += len(batch)
                self.progress(self.done, self.total)
            codes.append(torch.stack(at_shifts, dim=1))
        return torch.cat(codes)


CODES_STAGE = Stage("codes", 3, partial(_inputs, long=False), _make, read_codes)
LONG_CODES_STAGE = Stage("long_codes", 3, partial(_inputs, long=True), _make, read_codes)
"""Windows longer than a clip, where the transformers learn from such: so long that their key frames fill the window of
the autoregressive transformer, or all their latent frames do. Both transformers of a hierarchy learn from them: one
from the key frames, the other from the gaps between."""
