"""The metrics: what is measured of one run, from what the other stages left.

Axes: N videos, t h w latent grid.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from einops import repeat

from tats_exp.config.build import build
from tats_exp.config.measures import build_measures
from tats_exp.config.sections import Node
from tats_exp.data.frame_picture import write_frames
from tats_exp.data.shapes_captions import attributes
from tats_exp.data.shapes_scene import LABEL_NAMES
from tats_exp.data.video_writer import write_row
from tats_exp.data.videos import Videos
from tats_exp.data.window_reading import read_along
from tats_exp.features.clip import CLIP
from tats_exp.files import Stage
from tats_exp.metrics import Findings, Networks, ReferenceWindows
from tats_exp.metrics.evaluation import Counts, Origin, count_notes, evaluate, make_protocol
from tats_exp.metrics.findings import GapFindings, JointFindings, LabelFindings, Rebuilt, UnseenReal
from tats_exp.metrics.gaps import gap_frames
from tats_exp.metrics.measure import Measure
from tats_exp.metrics.networks import statistics_along, windows_looked_at
from tats_exp.metrics.window_statistics import WindowStatistics
from tats_exp.run_folder import CODE_HISTOGRAM, CURVES, VIDEOS, Metrics, Protocol, Told, write_metrics, write_table
from tats_exp.run_folder.pictures import FRAMES_PICTURE, SHOWN_VIDEOS, SOUND, shown_frames
from tats_exp.sampling.sampler import Sampler
from tats_exp.stages.code_findings import code_findings, write_histogram
from tats_exp.stages.codes import CODES_STAGE, WindowCodes, code_notes
from tats_exp.stages.context import Chosen, Earlier, IfAny, NoMeaning, RunContext, Work
from tats_exp.stages.decoder import FrameDecoder
from tats_exp.stages.likelihood import (
    ConditionedCodes,
    Likelihoods,
    likelihoods_of_hierarchy,
    likelihoods_of_windows,
    write_mask,
)
from tats_exp.stages.prompts import Prompts
from tats_exp.stages.reading import TextOnTheWay
from tats_exp.stages.rebuilt import REBUILT_STAGE
from tats_exp.stages.reconstructions import Reconstructor, held_out_windows, reconstruction_errors
from tats_exp.stages.reference import REFERENCE_STAGE
from tats_exp.stages.samples import SAMPLES_STAGE, SPEED_COLUMN, Samples, moved_along, prompts_of
from tats_exp.stages.sounding import SoundOnTheWay, sound_from
from tats_exp.stages.transformers import INTERPOLATION_STAGE, TRANSFORMER_STAGE, learned_from
from tats_exp.stages.vqgan import VQGAN_STAGE
from tats_exp.stages.windows import GapsOnTheWay, MotionOnTheWay, real_motion, sampled_windows
from tats_exp.transformer.transformer import Transformer
from tats_exp.vqgan.vqgan import VQGAN

SHOWN = 4  # videos of each kind that are written as mp4


@dataclass(frozen=True)
class MetricsInputs:
    """What the metrics depend on.

    Attributes:
        reference: real windows.
        vqgan: of the run.
        rebuilt: real windows through it.
        codes: real windows as long as a clip.
        learned: real windows that the transformers learned from.
        transformer: of the run.
        interpolation: of a hierarchy, else None.
        samples: what is measured.
        sampler: section of what made them, which says where in a window each latent frame was drawn.
        train: shown beside the samples.
        test: held-out windows are reconstructed.
        real: where the reference comes from.
        data_seed: of draws and bootstraps.
        reference_seed: of the reference, told in the protocol.
        split: name of what `real` is.
        networks: look at videos.
        measures: by name, sections of the config, in the order of the table.
        frames: of a window.
        sampled_frames: of a sampled video.
        given_frames: that a sampled video went on from.
        known_labels: whether each sampled video was asked for a class or goes on from a video that has one, all along.
        key_every: latent frames from one key frame to the next.
        reserve: frames that held-out windows have on either side.
        wanted: sampled videos and real windows that were asked for.
        wanted_codes: train and held-out windows of codes that were asked for.
        windows: which windows the networks look at.
        resamples: of the bootstrap.
        batch_size: videos looked at side by side.
        decode_chunk: latent frames decoded at a time.
        sounding: the videos whose sound the samples have, which hang on the same; None: they have none.
        prompts: say what the codes of a text say; the samples hang on the same.
        clip: reads what the videos were asked for; None: none does, or they were asked for nothing that stays.
    """

    reference: Earlier[ReferenceWindows]
    vqgan: Earlier[VQGAN]
    rebuilt: Earlier[Rebuilt]
    codes: Earlier[WindowCodes]
    learned: Earlier[WindowCodes]
    transformer: Earlier[Transformer]
    interpolation: Earlier[Transformer] | None
    samples: Earlier[Samples]
    sampler: Node
    train: Videos
    test: Videos
    real: Videos
    data_seed: int
    reference_seed: NoMeaning[int]  # the key of the reference has it
    split: str
    networks: Chosen[Networks]
    measures: tuple[tuple[str, Node], ...]
    frames: int
    sampled_frames: int
    given_frames: int
    known_labels: bool
    key_every: int
    reserve: int
    wanted: tuple[int, int]
    wanted_codes: tuple[int, int]
    windows: str
    resamples: int
    batch_size: NoMeaning[int]
    decode_chunk: NoMeaning[int]
    sounding: NoMeaning[Videos | None] = None
    prompts: NoMeaning[Prompts | None] = None
    clip: IfAny[Chosen[CLIP] | None] = None


def _inputs(run: RunContext) -> MetricsInputs:
    config, metrics, given = run.config, run.config.metrics, run.config.sampling.given_frames
    return MetricsInputs(
        reference=run.earlier(REFERENCE_STAGE),
        vqgan=run.earlier(VQGAN_STAGE),
        rebuilt=run.earlier(REBUILT_STAGE),
        codes=run.earlier(CODES_STAGE),
        learned=run.earlier(learned_from(config)),
        transformer=run.earlier(TRANSFORMER_STAGE),
        interpolation=run.earlier(INTERPOLATION_STAGE) if config.interpolates else None,
        samples=run.earlier(SAMPLES_STAGE),
        sampler=config.sampler_in_keys,
        train=run.train,
        test=run.test,
        real=run.real,
        data_seed=run.data_seed,
        reference_seed=run.reference_seed,
        split=metrics.split,
        networks=run.networks,
        measures=tuple((name, metrics.measures[name]) for name in measures_of(run)),
        frames=config.frames,
        sampled_frames=config.sampled_frames,
        given_frames=given,
        known_labels=(given > 0 or run.condition.asks_for_class) and not config.sampling.story,
        key_every=config.key_every,
        reserve=config.reserve.training,
        wanted=(metrics.videos, metrics.reference_videos),
        wanted_codes=(config.codes.train_windows, config.codes.held_out_windows),
        windows=metrics.windows,
        resamples=metrics.resamples,
        batch_size=metrics.batch_size,
        decode_chunk=config.sampling.decode_chunk,
        sounding=moved_along(run),
        prompts=prompts_of(run),
        clip=run.clip if reads_texts(run) else None,
    )


def reads_texts(run: RunContext) -> bool:
    """Whether a CLIP reads what the videos are asked for."""
    return run.config.metrics.clip is not None and run.condition.takes_text and not run.config.sampling.story


def measures_of(run: RunContext) -> dict[str, Measure]:
    """The measures that may say something of a run: what says nothing of it leaves no trace in its key."""
    reads, moves = reads_texts(run), run.condition.moves
    measures = build_measures(run.config.metrics.measures)
    return {n: one for n, one in measures.items() if (moves or not one.of_sound) and (reads or not one.of_text)}


def _make(inputs: MetricsInputs, work: Work) -> None:
    """Leaves metrics.json, curves.csv, code_histogram.csv and videos/.

    Of a hierarchy it leaves mask.json, too, and told.json where videos were asked for anything.
    """
    decoder = FrameDecoder(inputs.vqgan.read().to(work.device), inputs.decode_chunk, work.device)
    networks, real = inputs.networks.object, inputs.reference.read()
    samples = inputs.samples.read().first(real.total)
    places = held_out_windows(inputs.test, real.count, inputs.frames, inputs.reserve, inputs.data_seed)
    told = [] if inputs.clip is None else real.floor_places
    total = len(places) + len(samples.codes) + len(told)

    def progress(before: int) -> Callable[[int], None]:
        return lambda done: work.progress(before + done, total)

    reconstruct = Reconstructor(decoder, inputs.frames, inputs.batch_size)
    errors, pictures = reconstruction_errors(reconstruct(inputs.test, places, progress(0)), SHOWN)
    sound = None
    if inputs.sounding is not None and samples.sounds is not None:
        sound = SoundOnTheWay(inputs.sounding, samples.sounds, inputs.given_frames, inputs.sampled_frames)
    texts = None
    if inputs.clip is not None:
        looked_at = windows_looked_at(inputs.windows, inputs.sampled_frames // inputs.frames)
        assert inputs.prompts is not None
        texts = TextOnTheWay(inputs.clip.object, inputs.prompts, samples.asked, looked_at)
    windows, joints, gaps = _along_samples(inputs, decoder, samples, progress(len(places)), sound, texts)
    real_codes = inputs.codes.read()
    learned = real_codes if inputs.learned.key == inputs.codes.key else inputs.learned.read()
    sampler: Sampler = build(inputs.sampler, "sampler")
    codes = code_findings(decoder.vqgan, real_codes, learned, samples, sampler, inputs.key_every)
    context = sampler.context if sampler.stride == 1 else None  # what a window meets that slides frame by frame
    likelihoods = _likelihoods(inputs, learned, context, work)
    findings = Findings(
        network=networks.network.name,
        classifier=networks.judge.name,
        real=real,
        windows=windows,
        resamples=inputs.resamples,
        seed=inputs.data_seed,
        unseen=_unseen(real) if inputs.split == "train" else None,  # else held-out windows may be in the reference
        codes=codes,
        rebuilt=inputs.rebuilt.read(),
        reconstruction=errors,
        nll=likelihoods.nll,
        shift_gap=likelihoods.shift_gap,
        sliding_gap=likelihoods.sliding_gap,
        leak=likelihoods.leak,
        labels=_labels(inputs, real, samples),
        joints=joints,
        gaps=gaps,
        sound=None if sound is None else sound.findings(inputs.frames),
        texts=None if texts is None else texts.findings(reconstruct, inputs.real, told, progress(total - len(told))),
    )
    evaluation = evaluate(build_measures(dict(inputs.measures)), findings)
    notes = [*evaluation.notes, *count_notes(inputs.wanted, (real.count, real.reference_count))]
    notes += code_notes(inputs.wanted_codes, learned)
    columns = [*evaluation.columns, SPEED_COLUMN]
    measured = (evaluation.values, evaluation.floors, notes, _protocol(inputs, real), columns, evaluation.free)
    write_metrics(work.folder, *measured)
    write_table(work.folder / CURVES, evaluation.rows)
    write_histogram(work.folder / CODE_HISTOGRAM, codes)
    if samples.story or samples.asked:
        Told(prompts=samples.story, asked=samples.asked[:SHOWN]).write(work.folder)
    videos = work.folder / VIDEOS
    shown = decoder(samples.codes[:SHOWN_VIDEOS], samples.has_margin)
    write_frames(videos / FRAMES_PICTURE, shown, shown_frames(inputs.given_frames + inputs.sampled_frames))
    write_row(videos / "samples.mp4", decoder(samples.codes[:SHOWN], samples.has_margin))
    write_row(videos / "real.mp4", read_along(inputs.train, SHOWN, inputs.sampled_frames, inputs.data_seed))
    write_row(videos / "reconstruction.mp4", [pictures])
    if inputs.sounding is not None and samples.sounds is not None:
        for number, (video, start) in enumerate(samples.sounds[:SHOWN].tolist(), start=1):
            one = decoder(samples.codes[number - 1 : number], samples.has_margin)
            write_row(videos / f"{SOUND}_{number}.mp4", one, sound_from(inputs.sounding, video, start))


def _along_samples(
    inputs: MetricsInputs,
    decoder: FrameDecoder,
    samples: Samples,
    progress: Callable[[int], None],
    sound: SoundOnTheWay | None,
    texts: TextOnTheWay | None,
) -> tuple[list[WindowStatistics], JointFindings | None, GapFindings | None]:
    """Statistics of every window of the sampled videos; motion at key frames and gaps where there are key frames."""
    networks, stride = inputs.networks.object, decoder.vqgan.time_stride
    count = inputs.sampled_frames // inputs.frames
    looked_at = windows_looked_at(inputs.windows, count)
    batches = sampled_windows(decoder, samples, inputs.frames, inputs.batch_size, progress, sound)
    batches = batches if texts is None else texts.watch(batches)
    if samples.first_anchor is None:
        return statistics_along(batches, networks, looked_at), None, None
    period = inputs.key_every * stride
    motion = MotionOnTheWay(period, samples.first_anchor * stride)
    gaps = GapsOnTheWay(gap_frames(count, inputs.frames // stride, inputs.key_every, samples.first_anchor))
    windows = statistics_along(gaps.watch(motion.watch(batches)), networks, looked_at)
    real = real_motion(inputs.real, inputs.wanted[0], period, inputs.batch_size, inputs.data_seed)
    return windows, JointFindings(motion.means(), real, stride), gaps.findings()


def _likelihoods(inputs: MetricsInputs, codes: WindowCodes, context: int | None, work: Work) -> Likelihoods:
    """What the transformers expect of the codes that they learned from, and of held-out ones; leaves mask.json."""
    how = (inputs.batch_size, work.device)
    train = ConditionedCodes(codes.train, codes.train_condition, codes.train_parts)
    transformer = inputs.transformer.read().to(work.device)
    if inputs.interpolation is None:
        condition = codes.held_out_condition if codes.held_out_parts is None else codes.held_out_parts
        return likelihoods_of_windows(transformer, train, codes.held_out_shifts, condition, context, *how)
    interpolation = inputs.interpolation.read().to(work.device)
    in_place = ConditionedCodes(codes.held_out, codes.held_out_condition, codes.held_out_parts)
    likelihoods = likelihoods_of_hierarchy(transformer, interpolation, train, in_place, inputs.key_every, *how)
    if likelihoods.leak is not None:
        write_mask(work.folder, interpolation, likelihoods.leak.gradient)
    return likelihoods


def _labels(inputs: MetricsInputs, real: ReferenceWindows, samples: Samples) -> LabelFindings | None:
    """Classes of videos that were asked for one or go on from one, where the classifier's classes are the data's."""
    if not inputs.known_labels or real.probabilities.shape[1] != len(inputs.real.label_names):
        return None
    floor = torch.tensor([inputs.real.labels[place.video] for place in real.floor_places])
    told = attributes() if inputs.real.label_names == LABEL_NAMES else {}
    return LabelFindings(samples.labels, floor, {name: torch.tensor(values) for name, values in told.items()})


def _unseen(real: ReferenceWindows) -> UnseenReal:
    assert real.held_out is not None, "the reference stage stores them"
    return UnseenReal("held_out", repeat(real.held_out, "n d -> r n d", r=real.repeats))


def _protocol(inputs: MetricsInputs, real: ReferenceWindows) -> Protocol:
    return make_protocol(
        inputs.networks.object,
        Counts.of(real, inputs.sampled_frames // inputs.frames),
        inputs.real,
        Origin(),
        split=inputs.split,
        clip_length=inputs.frames,
        size=(inputs.real.resolution, inputs.real.resolution),
        seed=inputs.reference_seed,
        reference="rebuilt by the VQGAN of the run",
        given_frames=inputs.given_frames,
    )


def read_metrics(_config: object, folder: Path) -> Metrics:
    """What a finished stage left.

    Raises:
        UserError: the file is damaged.
    """
    return Metrics.read(folder)


METRICS_STAGE = Stage("metrics", 13, _inputs, _make, read_metrics)
