"""The metrics stage: what is measured of one run, from what the other stages left.

Axes: N videos, t h w latent grid.
"""

from collections.abc import Callable, Mapping
from pathlib import Path

import torch
from einops import repeat
from jaxtyping import Int64
from torch import Tensor

from tats_exp.config.measures import build_measures
from tats_exp.data.clips import read_along
from tats_exp.data.video_writer import write_row
from tats_exp.files import load_tensors
from tats_exp.metrics import Findings, Networks, Protocol, RealWindows, code_histograms
from tats_exp.metrics.evaluation import Counts, Origin, count_notes, evaluate, make_protocol
from tats_exp.metrics.findings import CodeFindings, JointFindings, LabelFindings, ReconstructionFindings, UnseenReal
from tats_exp.metrics.networks import statistics_along, windows_looked_at
from tats_exp.metrics.window_statistics import WindowStatistics
from tats_exp.run.log import write_metrics, write_table
from tats_exp.stages.decoder import Decoder
from tats_exp.stages.likelihood import (
    ConditionedCodes,
    Likelihoods,
    likelihoods_of_hierarchy,
    likelihoods_of_windows,
    write_mask,
)
from tats_exp.stages.parts import Parts
from tats_exp.stages.reconstructions import Reconstructor, held_out_windows, reconstruction_errors
from tats_exp.stages.samples import SPEED_COLUMN, Samples, read_samples
from tats_exp.stages.stages import CODES, REFERENCE, SHOWN
from tats_exp.stages.windows import MotionOnTheWay, real_motion, sampled_codes, sampled_windows


def make_metrics(parts: Parts, folder: Path, found: Mapping[str, Path]) -> None:
    """Measure a run.

    Leaves metrics.json (values, floors, columns, protocol), curves.csv, code_histogram.csv, videos/ and, with an
    interpolation transformer, mask.json.

    Args:
        parts: of the run.
        folder: where to leave it.
        found: folders of the earlier stages by name.
    """
    config, metrics = parts.config, parts.config.metrics
    decoder = Decoder(parts.vqgan(found["vqgan"]), config.sampling.decode_chunk, parts.device)
    networks = Networks(parts.network, parts.classifier, parts.device)
    real = RealWindows.load(found["reference"] / REFERENCE)
    samples = read_samples(found["samples"]).first(real.total)
    places = held_out_windows(parts.test, real.count, config.frames, config.reserve.training, parts.data_seed)
    total = real.total + len(places) + len(samples.codes)

    def progress(before: int) -> Callable[[int], None]:
        return lambda done: parts.progress("metrics", before + done, total)

    reconstruct = Reconstructor(decoder, config.frames, metrics.batch_size)
    # The floor was drawn together with the reference, which knows no margin: near the ends of a video it has none, and
    # end frames are repeated there.
    rebuilt = [networks.features(pair[1]) for pair in reconstruct(parts.real, real.floor_places, progress(0))]
    errors, pictures = reconstruction_errors(reconstruct(parts.test, places, progress(real.total)), SHOWN)
    windows, joints = _along_samples(parts, decoder, networks, samples, progress(real.total + len(places)))
    codes = _codes(parts, found, sampled_codes(decoder.vqgan, samples))
    likelihoods = _likelihoods(parts, folder, found)
    findings = Findings(
        network=networks.network.name,
        classifier=networks.judge.name,
        real=real,
        windows=windows,
        resamples=metrics.resamples,
        seed=parts.data_seed,
        unseen=_unseen(real) if metrics.split == "train" else None,  # else held-out windows may be in the reference
        codes=codes,
        reconstructions=ReconstructionFindings(torch.cat(rebuilt), errors),
        nll=likelihoods.nll,
        shift_gap=likelihoods.shift_gap,
        leak=likelihoods.leak,
        labels=_labels(parts, real, samples),
        joints=joints,
    )
    evaluation = evaluate(build_measures(metrics.measures), findings)
    notes = count_notes((metrics.videos, metrics.reference_videos), (real.count, real.reference_count))
    write_metrics(
        folder,
        evaluation.values,
        evaluation.floors,
        [*evaluation.notes, *notes],
        _protocol(parts, networks, real).as_dict(),
        [*evaluation.columns, SPEED_COLUMN],
    )
    write_table(folder / "curves.csv", evaluation.rows)
    _write_histogram(folder / "code_histogram.csv", codes)
    videos = folder / "videos"
    write_row(videos / "samples.mp4", decoder(samples.codes[:SHOWN], samples.has_margin))
    write_row(videos / "real.mp4", read_along(parts.train, SHOWN, config.sampled_frames, parts.data_seed))
    write_row(videos / "reconstruction.mp4", [pictures])


def _along_samples(
    parts: Parts, decoder: Decoder, networks: Networks, samples: Samples, progress: Callable[[int], None]
) -> tuple[list[WindowStatistics], JointFindings | None]:
    """Statistics of every window of the sampled videos, and their motion at key frames where there are any."""
    config, metrics, stride = parts.config, parts.config.metrics, decoder.vqgan.time_stride
    looked_at = windows_looked_at(metrics.windows, config.sampled_frames // config.frames)
    batches = sampled_windows(decoder, samples, config.frames, metrics.batch_size, progress)
    if samples.first_anchor is None:
        return statistics_along(batches, networks, looked_at), None
    period = config.key_every * stride
    motion = MotionOnTheWay(period, samples.first_anchor * stride)
    windows = statistics_along(motion.watch(batches), networks, looked_at)
    real = real_motion(parts.real, metrics.videos, period, metrics.batch_size, parts.data_seed)
    return windows, JointFindings(motion.means(), real, stride)


def _codes(parts: Parts, found: Mapping[str, Path], sampled: Int64[Tensor, "N time h w"]) -> CodeFindings:
    codes, config = load_tensors(found["codes"] / CODES), parts.config
    return CodeFindings(
        size=config.codebook_size,
        frames=config.latent_grid[0],
        train=codes["train"],
        held_out=codes["held_out"],
        held_out_shifted=codes["held_out_shifted"],
        held_out_videos=codes["held_out_videos"],
        sampled=sampled,
        key_every=config.key_every,
    )


def _likelihoods(parts: Parts, folder: Path, found: Mapping[str, Path]) -> Likelihoods:
    """What the transformers expect of the codes that they learned from, and of held-out ones; leaves mask.json."""
    config = parts.config
    codes = load_tensors(found[config.learned_from] / CODES)
    train, held_out = (
        ConditionedCodes(codes[split], parts.condition.codes(codes[f"{split}_labels"]))
        for split in ("train", "held_out")
    )
    transformer, how = parts.transformer(found["transformer"]), (config.metrics.batch_size, parts.device)
    if not config.interpolates:
        return likelihoods_of_windows(transformer, train, held_out, codes["held_out_shifted"], *how)
    interpolation = parts.interpolation(found["interpolation"])
    likelihoods = likelihoods_of_hierarchy(transformer, interpolation, train, held_out, config.key_every, *how)
    if likelihoods.leak is not None:
        write_mask(folder / "mask.json", interpolation, likelihoods.leak.gradient)
    return likelihoods


def _labels(parts: Parts, real: RealWindows, samples: Samples) -> LabelFindings | None:
    """Classes of videos that were asked for one or go on from one, where the classifier's classes are the data's."""
    known = parts.condition_codes > 0 or parts.config.given_latents > 0
    if not known or real.probabilities.shape[1] != len(parts.real.label_names):
        return None
    return LabelFindings(samples.labels, torch.tensor([parts.real.labels[place.video] for place in real.floor_places]))


def _unseen(real: RealWindows) -> UnseenReal:
    assert real.held_out is not None, "the reference stage stores them"
    return UnseenReal("held_out", repeat(real.held_out, "n d -> r n d", r=real.repeats))


def _protocol(parts: Parts, networks: Networks, real: RealWindows) -> Protocol:
    config = parts.config
    return make_protocol(
        networks,
        Counts.of(real, config.sampled_frames // config.frames),
        parts.real,
        Origin(),
        split=config.metrics.split,
        clip_length=config.frames,
        size=(parts.real.resolution, parts.real.resolution),
        seed=parts.data_seed,
        given_frames=config.sampling.given_frames,
    )


def _write_histogram(path: Path, codes: CodeFindings) -> None:
    """Share of each code among the real and the sampled ones."""
    real, generated = (code_histograms(side, codes.size).mean(dim=0).tolist() for side in (codes.train, codes.sampled))
    shares = enumerate(zip(real, generated, strict=True))
    write_table(path, [{"code": code, "real": share, "generated": other} for code, (share, other) in shares])
