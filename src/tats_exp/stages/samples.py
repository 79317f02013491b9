"""The samples: codes of the videos that are measured, a batch of videos at a time, each kept when it is made.

Axes: N videos, t h w latent grid, g given latent frames, c condition codes.
"""

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Int64
from torch import Tensor

from tats_exp import UserError
from tats_exp.config.build import build
from tats_exp.config.sections import Node
from tats_exp.data.videos import Videos
from tats_exp.data.windows import Window
from tats_exp.files import Stage, load_tensors, load_with_sum, save_tensors, save_with_sum, write_json
from tats_exp.run_folder import Column
from tats_exp.sampling.sampler import Progress, Sampler
from tats_exp.sampling.story import Moving, OverTime
from tats_exp.stages.codes import CODES_STAGE, WindowCodes, conditions_along, heard_from, stages_of_condition
from tats_exp.stages.context import Chosen, Earlier, IfAny, NoMeaning, RunContext, Work
from tats_exp.stages.prompts import Chapters, Prompts, sampled_chapters
from tats_exp.stages.transformers import INTERPOLATION_STAGE, TRANSFORMER_STAGE, learned_from
from tats_exp.stages.vqgan import VQGAN_STAGE
from tats_exp.training import Steps
from tats_exp.transformer.conditions import Condition
from tats_exp.transformer.transformer import Transformer
from tats_exp.vqgan.vqgan import VQGAN

SAMPLES = "samples.safetensors"
ABOUT = "samples.json"
PRECISIONS = {"fp32": torch.float32, "bf16": torch.bfloat16}
SPEED = "speed/seconds_per_1024_frames"
# Runs share a machine with one another: their times are shown, never compared.
SPEED_COLUMN = Column(
    SPEED,
    ("sampling, s", "1,024 frames"),
    "Wall seconds of the sampler for 1,024 frames, videos side by side; decoding not included.",
    unit="s",
    phrase="sampling time",
    in_table=True,
)


@dataclass(frozen=True)
class Samples:
    """What the stage left.

    Attributes:
        codes: of whole videos, with the code margin at both ends where there is one, and what was given.
        labels: the class that each video was asked for, or that of the video it goes on from.
        has_margin: whether the code margin is there.
        given: g, latent frames behind the margin that were not sampled.
        first_anchor: which latent frame behind those given is the first anchor; None without key frames.
        seconds_per_1024_frames: wall time of the sampler, videos side by side as they were sampled, without decoding.
        story: from which frame on the videos were told what, those given included; empty where the condition stayed.
        asked: what each video was asked for, in words; empty where that changed, or was nothing.
        sounds: of a condition that moves: video whose sound each one has, and where it begins there, in source frames.
    """

    codes: Int64[Tensor, "N t h w"]
    labels: Int64[Tensor, " N"]
    has_margin: bool
    given: int
    first_anchor: int | None
    seconds_per_1024_frames: float
    story: tuple[tuple[int, str], ...] = ()
    asked: tuple[str, ...] = ()
    sounds: Int64[Tensor, "N 2"] | None = None

    def first(self, count: int) -> "Samples":
        """The same for the first `count` videos."""
        sounds = None if self.sounds is None else self.sounds[:count]
        codes, labels, asked = self.codes[:count], self.labels[:count], self.asked[:count]
        return replace(self, codes=codes, labels=labels, asked=asked, sounds=sounds)


def read_samples(_config: object, folder: Path) -> Samples:
    """What a finished stage left.

    Raises:
        UserError: the file is damaged.
    """
    about, tensors = json.loads((folder / ABOUT).read_text()), load_tensors(folder / SAMPLES)
    return Samples(
        tensors["codes"],
        tensors["labels"],
        bool(about["code_margin"]),
        about["given"],
        about["first_anchor"],
        about["seconds_per_1024_frames"],
        tuple((frame, told) for frame, told in about.get("story", ())),
        tuple(about.get("asked", ())),
        tensors.get("sounds"),
    )


@dataclass(frozen=True)
class SamplesInputs:
    """What the samples depend on.

    Attributes:
        transformer: the autoregressive one.
        interpolation: the other one of a hierarchy, else None.
        vqgan: says how many latent neighbours its decoder wants.
        codes: what the transformers learned from; conditions are drawn as often as they are there.
        asks_held_out: whether they are drawn from the held-out windows instead.
        held_out: windows to go on from; None where nothing is given.
        sampler: section of the config.
        seed: of every video's own stream.
        precision: of the transformers.
        videos: how many.
        frames: of a video, behind those given.
        given_frames: of held-out windows, that videos go on from.
        key_every: latent frames from one key frame to the next.
        batch_size: videos sampled side by side.
        gaps_at_once: gaps between key frames filled side by side.
        prompts: the condition codes of what is told; the codes that the transformers learned from hang on the same.
        story: what all videos are told in place of the condition that is drawn; empty: nothing.
        moving: the condition, where it moves along with the window.
        moving_stages: keys and folders of the stages that it has of its own, by their names.
        moving_videos: whose sound, say, it is.
    """

    transformer: Earlier[Transformer]
    interpolation: Earlier[Transformer] | None
    vqgan: Earlier[VQGAN]
    codes: Earlier[WindowCodes]
    asks_held_out: IfAny[bool]
    held_out: Earlier[WindowCodes] | None
    sampler: Node
    seed: int
    precision: str
    videos: int
    frames: int
    given_frames: int
    key_every: int
    batch_size: NoMeaning[int]
    gaps_at_once: NoMeaning[int]
    prompts: NoMeaning[Prompts]
    story: IfAny[Chapters] = ()
    moving: IfAny[Chosen[Condition] | None] = None
    moving_stages: IfAny[Mapping[str, Earlier[Path]]] = field(default_factory=dict)
    moving_videos: IfAny[Videos | None] = None


def _inputs(run: RunContext) -> SamplesInputs:
    config, sampling = run.config, run.config.sampling
    return SamplesInputs(
        transformer=run.earlier(TRANSFORMER_STAGE),
        interpolation=run.earlier(INTERPOLATION_STAGE) if config.interpolates else None,
        vqgan=run.earlier(VQGAN_STAGE),
        codes=run.earlier(learned_from(config)),
        asks_held_out=config.asks_held_out and not sampling.given_frames,
        held_out=run.earlier(CODES_STAGE) if sampling.given_frames else None,
        sampler=config.sampler_in_keys,
        seed=config.seed if sampling.seed is None else sampling.seed,
        precision=sampling.precision,
        videos=config.sampled_videos,
        frames=config.sampled_frames,
        given_frames=sampling.given_frames,
        key_every=config.key_every,
        batch_size=sampling.batch_size,
        gaps_at_once=sampling.gaps_at_once,
        prompts=prompts_of(run),
        story=sampled_chapters(config, run.condition, run.train) if sampling.story else (),
        moving=Chosen(run.condition, config.condition) if run.condition.moves else None,
        moving_stages=stages_of_condition(run) if run.condition.moves else {},
        moving_videos=moved_along(run),
    )


def moved_along(run: RunContext) -> Videos | None:
    """The videos that a condition which moves is of, in those that are sampled; None: it does not move."""
    if not run.condition.moves:
        return None
    return run.test if run.config.asks_held_out or run.config.sampling.given_frames else run.learned


def prompts_of(run: RunContext) -> Prompts:
    """What turns prompts into condition codes of a run."""
    made = {stage.name: run.left[stage.name].folder for stage in run.condition.stages()}
    return Prompts(run.condition, run.train.label_names, made)


def _make(inputs: SamplesInputs, work: Work) -> None:
    """Leaves the codes and what is to be known about them.

    On the way it leaves a file for every batch: what was sampled before the stage was stopped is not sampled again. A
    decoder that wants true latent neighbours gets `code_margin` more latent frames at both ends where the sampler can
    make them; before frames that were given the first of them is repeated.

    Raises:
        UserError: fewer held-out windows than videos that are to go on from one.
    """
    if not (work.folder / ABOUT).exists():
        _sample(inputs, work)
    for path in work.folder.glob("part_*"):
        path.unlink()


def _sample(inputs: SamplesInputs, work: Work) -> None:
    precision, device = PRECISIONS[inputs.precision], work.device
    transformer = inputs.transformer.read().to(device, precision)
    sampler: Sampler = build(inputs.sampler, "sampler")
    vqgan = inputs.vqgan.read()
    margin, stride = vqgan.code_margin if sampler.long else 0, vqgan.time_stride
    interpolation = None if inputs.interpolation is None else inputs.interpolation.read().to(device, precision)
    known = inputs.given_frames // stride
    length = (known or margin) + inputs.frames // stride + margin
    start = _beginnings(inputs, known, stride, range(-margin * (not known), length - margin * (not known)))
    condition = start.condition
    if inputs.story:
        condition = inputs.prompts.story(inputs.story, inputs.videos).later(0 if known else margin)

    def sample(batch: slice, progress: Progress) -> Int64[Tensor, "B t h w"]:
        codes = sampler(
            transformer,
            condition[batch].to(device),
            length,
            start.seeds[batch],
            progress,
            None if start.given is None else start.given[batch].to(device),
            interpolation=interpolation,
            gaps_at_once=inputs.gaps_at_once,
        )
        wanted = (len(codes), length, *transformer.window[1:])
        if codes.shape != wanted or codes.min() < 0 or codes.max() >= transformer.video_codes:
            raise UserError(
                f"sampler: gave codes {int(codes.min())}..{int(codes.max())} of shape {tuple(codes.shape)}; wanted are "
                f"0..{transformer.video_codes - 1} of shape {wanted}"
            )
        return codes

    codes, seconds = _in_batches(inputs.videos, inputs.batch_size, work.folder, work.progress, sample)
    if known:
        codes = torch.cat([codes[:, :1].expand(-1, margin, -1, -1), codes], dim=1)
    sounds = {} if start.sounds is None else {"sounds": start.sounds}
    save_tensors(work.folder / SAMPLES, {"codes": codes, "labels": start.labels, **sounds})
    about: dict[str, object] = {
        "code_margin": margin,
        "given": known,
        "first_anchor": None if interpolation is None else -(known or margin) % inputs.key_every,
        "seconds_per_1024_frames": 1024 * seconds / (inputs.videos * (length - known) * stride),
    }
    if inputs.story:
        about["story"] = [[start * stride, inputs.prompts.shown(prompt)] for start, prompt in inputs.story]
    elif asked := _asked(inputs, start):
        about["asked"] = asked
    write_json(work.folder / ABOUT, about)


def _asked(inputs: SamplesInputs, start: "_Beginnings") -> tuple[str, ...]:
    """What each video was asked for, in words: of a condition that moves, the video whose it is."""
    if isinstance(start.condition, OverTime):
        assert inputs.moving_videos is not None and start.sounds is not None
        return tuple(inputs.moving_videos.names[video] for video in start.sounds[:, 0].tolist())
    return inputs.prompts.words(start.condition)


@dataclass(frozen=True)
class _Beginnings:
    """What each video starts from: a random stream of its own, a class, a condition, and frames if some are given."""

    seeds: list[int]
    labels: Int64[Tensor, " N"]
    condition: Int64[Tensor, "N c"] | OverTime
    given: Int64[Tensor, "N g h w"] | None
    sounds: Int64[Tensor, "N 2"] | None = None


def _beginnings(inputs: SamplesInputs, given_latents: int, time_stride: int, latents: range) -> _Beginnings:
    """Conditions are drawn as often as the data has them; a video that goes on from a window has its own.

    One that moves is that of a video from its beginning, or from the window on that a video goes on from.

    Args:
        inputs: of the stage.
        given_latents: g.
        time_stride: clip frames of a latent frame.
        latents: that are made; 0 is the first behind the margin.
    """
    rng = np.random.default_rng([inputs.seed, 1])
    seeds = rng.integers(2**62, size=inputs.videos).tolist()
    if inputs.held_out is None:
        codes, held_out = inputs.codes.read(), inputs.asks_held_out
        labels, condition = codes.to_ask_for(held_out)
        drawn = torch.from_numpy(rng.choice(len(labels), inputs.videos))
        if inputs.moving is None:
            return _Beginnings(seeds, labels[drawn], condition[drawn], None)
        assert inputs.moving_videos is not None
        before = -latents.start * time_stride
        heard = codes.videos_of(held_out)[drawn].tolist()
        begin = [heard_from(inputs.moving_videos, video, inputs.frames, before) for video in heard]
        sounds = torch.tensor([(place.video, place.start) for place in begin])
        return _Beginnings(seeds, labels[drawn], _moving(inputs, sounds, latents, time_stride), None, sounds)
    codes = inputs.held_out.read()
    count = len(codes.held_out)
    if count < inputs.videos:
        line = f"sampling.given_frames={inputs.given_frames}: the test split has {count} windows"
        raise UserError(f"{line}; allowed: one for each of the {inputs.videos} sampled videos")
    mine = slice(inputs.videos)
    given, labels = codes.held_out[mine, :given_latents], codes.held_out_labels[mine]
    if inputs.moving is None or codes.held_out_starts is None:
        return _Beginnings(seeds, labels, codes.held_out_condition[mine], given)
    sounds = torch.stack([codes.held_out_videos[mine], codes.held_out_starts[mine]], dim=1)
    return _Beginnings(seeds, labels, _moving(inputs, sounds, latents, time_stride), given, sounds)


def _moving(inputs: SamplesInputs, sounds: Int64[Tensor, "N 2"], latents: range, time_stride: int) -> Moving:
    """A condition that moves, of windows that go along videos from given places on."""
    assert inputs.moving is not None and inputs.moving_videos is not None
    made = {name: left.read() for name, left in inputs.moving_stages.items()}
    begin = [Window(*place) for place in sounds.tolist()]
    return Moving(conditions_along(inputs.moving.object, inputs.moving_videos, begin, latents, time_stride, made))


def _in_batches(
    videos: int,
    batch_size: int,
    folder: Path,
    progress: Steps,
    sample: Callable[[slice, Progress], Int64[Tensor, "B t h w"]],
) -> tuple[Int64[Tensor, "N t h w"], float]:
    """Codes of all videos, those that a stopped attempt left included, and the seconds that sampling them took.

    The batch size may be another than that of the stopped attempt: a video does not depend on it.
    """
    codes: list[Tensor] = []
    seconds, start = 0.0, 0
    while start < videos:
        path = _part(folder, start)
        if (part := load_with_sum(path)) is None:
            batch = slice(start, min(start + batch_size, videos))

            def advance(made: int, wanted: int, batch: slice = batch) -> None:
                progress(batch.start + (batch.stop - batch.start) * made // wanted, videos)

            begun = time.perf_counter()
            with torch.inference_mode():
                made = sample(batch, advance).cpu()
            taken = torch.tensor(time.perf_counter() - begun, dtype=torch.float64)
            part = {"codes": made, "seconds": taken}
            save_with_sum(path, part)
        codes.append(part["codes"])
        seconds += float(part["seconds"])
        start += len(part["codes"])
    return torch.cat(codes), seconds


def _part(folder: Path, start: int) -> Path:
    """File of the batch that begins with video `start`."""
    return folder / f"part_{start}.safetensors"


SAMPLES_STAGE = Stage("samples", 4, _inputs, _make, read_samples)
