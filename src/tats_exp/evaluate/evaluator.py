"""Measure folders of generated videos against a folder of real ones, batch by batch; what `evaluate` runs."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from einops import rearrange
from jaxtyping import UInt8
from torch import Tensor
from tqdm import tqdm

from tats_exp import UserError
from tats_exp.config.command import chosen_device
from tats_exp.config.networks import classifier, feature_network, identities
from tats_exp.data.video_folder import VideoFolder
from tats_exp.data.video_writer import write_row
from tats_exp.data.window_reading import read_along
from tats_exp.data.windows import Window
from tats_exp.evaluate.config import EvaluateConfig
from tats_exp.files import load_tensors, save_tensors
from tats_exp.metrics.evaluation import (
    Evaluation,
    Look,
    Values,
    count_notes,
    draw_real,
    joined,
    look_at_windows,
    real_side,
)
from tats_exp.metrics.look import look, pixels
from tats_exp.metrics.memorisation import nearest_of_repeats
from tats_exp.run.cost import seconds_per_clip, told_cost
from tats_exp.run.store import Store, provenance
from tats_exp.run_folder import CURVES, Protocol, Status, write_metrics, write_table

VERSION = 2
"""Raised by hand when what is kept of real videos changes its meaning."""
REAL = "real.safetensors"
SHOWN, SHOWN_FRAMES = 4, 256
NAMED = 4  # of what is wrong, in the one line about it


class Evaluator:
    """Real videos, looked at once, and what generated ones are measured with.

    Attributes:
        config: what was asked for.
        network: the feature network, on the device.
        classifier: the network whose opinions are asked for, None where it is the feature network.
    """

    def __init__(self, config: EvaluateConfig) -> None:
        """Load the networks and open all folders.

        Raises:
            UserError: networks that are not there, or folders that cannot be measured: one line about all that is
                wrong with any of them.
        """
        self.config, self.metrics = config, config.metrics
        self.device = chosen_device(config.device)
        self.network: Any = feature_network(self.metrics.network, self.device)
        self.classifier: Any = classifier(self.metrics.classifier, self.device)
        self._wrong: list[str] = []
        real = self._open("real", config.real, config.frame_stride)
        folders = [config.generated] if isinstance(config.generated, str) else config.generated
        opened = {folder: self._open("generated", folder, frame_stride=1) for folder in folders}
        if real is not None:
            self.real = real
            for folder, videos in opened.items():
                self._wrong += self._unfit(folder, videos) if videos is not None else []
        if self._wrong:
            raise UserError(several(self._wrong))
        self.generated = {folder: videos for folder, videos in opened.items() if videos is not None}

    def windows(self, generated: VideoFolder) -> list[int]:
        """The windows of the generated videos that the networks look at."""
        count = min(generated.lengths) // self.config.frames
        return sorted({0, count - 1}) if self.metrics.windows == "ends" else list(range(count))

    def videos(self, generated: VideoFolder) -> int:
        """How many videos of a folder are measured in each repeat."""
        return min(self.metrics.videos, len(generated.names) // self.metrics.repeats)

    def cost(self) -> str | None:
        """One line about what this will take, None if that is not worth a word."""
        clips, real = 0, {}
        for folder in self.generated.values():
            drawn, floor = self._draw(folder)
            real[self.videos(folder)] = sum(map(len, drawn))  # folders of as many videos share what is seen of them
            clips += self.metrics.repeats * floor * len(self.windows(folder))
        clips += sum(real.values())
        return told_cost(
            self.network.name,
            clips,
            seconds_per_clip(self.network, self.config.frames, *self.real.size, self.device),
        )

    def no_common_table(self) -> str | None:
        """One line where folders hold so many or so long videos that their values cannot stand in one table."""
        frames, folders = self.config.frames, self.generated.items()
        counts = {name: (self._draw(videos)[1], min(videos.lengths) // frames) for name, videos in folders}
        if len(set(counts.values())) == 1:
            return None
        told = ", ".join(f"{name} {videos} of {windows}" for name, (videos, windows) in counts.items())
        return f"not measured alike, so a table each (metrics.videos=N evens out numbers); videos of windows: {told}"

    def evaluate(self, folder: str, out: Path) -> None:
        """Measure one folder of generated videos; leaves what a run leaves."""
        config, metrics, generated = self.config, self.metrics, self.generated[folder]
        started = time.time()
        evaluation = Evaluation(self.network.name, (self.classifier or self.network).name, self._real_side(generated))
        count = evaluation.count * evaluation.repeats
        chosen = np.random.default_rng(config.seed).permutation(len(generated.names))[:count].tolist()
        seen = self._look_along(generated, chosen)
        rows = evaluation.rows(seen)
        values = {**evaluation.values(rows, seen, metrics.resamples, config.seed), **memorisation(evaluation, seen[0])}
        out.mkdir(exist_ok=True)
        write_table(out / CURVES, rows)
        write_row(out / "videos" / "samples.mp4", self._shown(generated, chosen[:SHOWN]))
        write_row(out / "videos" / "real.mp4", read_along(self.real, SHOWN, SHOWN_FRAMES, config.seed))
        notes = [*evaluation.notes, *codec_notes(self.real, generated), *length_notes(generated, config.frames)]
        asked = metrics.videos, metrics.reference_videos
        notes += count_notes(asked, (evaluation.count, evaluation.real["reference"].shape[1]))
        notes += [*gif_notes("real", self.real), *gif_notes("generated", generated)]
        write_metrics(out, values, {"real": evaluation.floors}, notes, self._protocol(evaluation, generated))
        seconds = {"total": round(time.time() - started, 1)}
        self._status(folder).model_copy(update={"seconds": seconds}).write(out)

    def give_up(self, folder: str, out: Path, why: str) -> None:
        """Leave, in place of values, why a folder has none."""
        out.mkdir(exist_ok=True)
        self._status(folder).model_copy(update={"state": "failed", "error": why}).write(out)

    def _status(self, folder: str) -> Status:
        return Status(
            state="finished",
            experiment="evaluate",
            description=f"How far are generated videos from those of {self.config.real}?",
            choices={"generated": folder},
            device=self.device.type,
            commit=provenance()["commit"],
            version=provenance()["versions"],
        )

    def _open(self, side: str, folder: str, frame_stride: int) -> VideoFolder | None:
        """Open a folder; what is wrong with it is noted, to be told with what is wrong with the others."""
        try:
            return open_folder(side, folder, self.config, frame_stride)
        except UserError as error:
            self._wrong.append(str(error))
            return None

    def _unfit(self, folder: str, videos: VideoFolder) -> list[str]:
        """Why generated videos cannot be measured; what is bad is not left out: it is part of what was made."""
        wrong, of = [], f"generated: {folder}"
        if videos.unreadable:
            wrong.append(f"{of}: {len(videos.unreadable)} files cannot be read, first {videos.unreadable[0]}")
        if videos.too_short:
            told = f"{len(videos.too_short)} videos have fewer than {self.config.frames} frames"
            wrong.append(f"{of}: {told}, first {videos.too_short[0]}")
        if videos.size != self.real.size:
            sizes = [f"{height}x{width}" for height, width in (self.real.size, videos.size)]
            told = f"frames of real are {sizes[0]}, of generated {sizes[1]}"
            wrong.append(f"{of}: {told}: resolution=N brings both to N x N")
        return wrong or self._too_few(folder, videos)

    def _too_few(self, folder: str, videos: VideoFolder) -> list[str]:
        """Why good videos, generated or real, are not enough."""
        repeats, wanted = self.metrics.repeats, self.metrics.repeats * self.metrics.videos
        told = f"generated: {len(videos.names)} videos in {folder}"
        if repeats > 1 and len(videos.names) < wanted:
            return [f"{told}, metrics.repeats={repeats} of metrics.videos={self.metrics.videos} need {wanted}"]
        if self.videos(videos) < 2:
            return [f"{told}, at least 2 are needed"]
        drawn, floor = self._draw(videos)
        there = f"{len(drawn[0])} windows of {self.config.frames} frames in {self.config.real}"
        return [f"real: {there}, at least 4 are needed"] if floor < 2 else []

    def _draw(self, generated: VideoFolder) -> tuple[list[list[Window]], int]:
        wanted = (self.metrics.reference_videos, self.videos(generated))
        return draw_real(self.real, *wanted, self.config.frames, self.metrics.repeats, self.config.seed)

    def _real_side(self, generated: VideoFolder) -> Look:
        """What was seen of real windows, kept under everything it depends on."""
        config, metrics = self.config, self.metrics
        wanted = (metrics.reference_videos, self.videos(generated))
        drawn, floor = self._draw(generated)

        def make(folder: Path) -> None:
            windows = [window for repeat in drawn for window in repeat]
            with tqdm(total=len(windows), desc="real", unit="clip", disable=None) as bar:
                seen = look_at_windows(
                    self.network,
                    self.classifier,
                    self.real,
                    windows,
                    config.frames,
                    metrics.batch_size,
                    self.device,
                    lambda done: bar.update(done - bar.n) and None,
                )
            save_tensors(folder / REAL, real_side(seen, metrics.repeats, floor))

        asked: dict[str, Any] = {"repeats": metrics.repeats, **identities(metrics, self.network, self.classifier)}
        inputs = {**asked, "data": self.real.fingerprint(), "frames": config.frames}
        inputs |= {"windows": wanted, "seed": config.seed}
        return load_tensors(Store(Path(config.store)).stage("evaluate_real", VERSION, inputs, make).path / REAL)

    def _look_along(self, videos: VideoFolder, chosen: list[int]) -> list[Look]:
        frames, batch = self.config.frames, self.metrics.batch_size
        looked = set(self.windows(videos))
        count = min(videos.lengths) // frames
        with tqdm(total=len(chosen) * count, desc="generated", unit="window", disable=None) as bar:

            def looks(some: list[int]) -> list[Look]:
                seen = []
                for t in range(count):
                    window = self._read(videos, some, t * frames, frames)
                    asked = t in looked
                    seen.append(look(self.network, window, self.device, self.classifier) if asked else pixels(window))
                    bar.update(len(some))
                return seen

            return joined(looks(chosen[start : start + batch]) for start in range(0, len(chosen), batch))

    def _read(self, videos: VideoFolder, chosen: list[int], start: int, frames: int) -> UInt8[Tensor, "n T H W C"]:
        return torch.from_numpy(np.stack([videos.read(video, start, frames) for video in chosen]))

    def _shown(self, videos: VideoFolder, chosen: list[int]) -> Iterator[UInt8[Tensor, "n T H W C"]]:
        frames = self.config.frames
        shown = min(min(videos.lengths) // frames * frames, SHOWN_FRAMES)
        return (self._read(videos, chosen, start, frames) for start in range(0, shown, frames))

    def _protocol(self, evaluation: Evaluation, generated: VideoFolder) -> Protocol:
        (height, width), judge = self.real.size, self.classifier or self.network
        return Protocol(
            features=self.network.name,
            checksum=self.network.checksum,
            precision=self.network.precision,
            classifier=f"{judge.name} {judge.checksum}",
            n_real=evaluation.real["reference"].shape[1],
            n_generated=evaluation.count,
            repeats=evaluation.repeats,
            split="real folder",
            clip_length=self.config.frames,
            windows=min(generated.lengths) // self.config.frames,
            frame_stride=self.config.frame_stride,
            resolution=f"{height}x{width}",
            resize_real=self.real.resize,
            resize_generated=generated.resize,
            codec_real=self.real.codec,
            codec_generated=generated.codec,
            decoder_real=self.real.decoder,
            decoder_generated=generated.decoder,
            data=self.real.fingerprint(),
            seed=self.config.seed,
        )


def several(wrong: list[str]) -> str:
    """One line about all that is wrong: how much, and the first few."""
    wrong = list(dict.fromkeys(wrong))
    if len(wrong) == 1:
        return wrong[0]
    rest = len(wrong) - NAMED
    return f"{len(wrong)} things are wrong: {'; '.join(wrong[:NAMED])}" + (f"; and {rest} more" if rest > 0 else "")


def open_folder(side: str, folder: str, config: EvaluateConfig, frame_stride: int) -> VideoFolder:
    """Open a folder of videos, with a bar if that takes long.

    Raises:
        UserError: there is nothing in it that can be measured; names the side.
    """
    with tqdm(desc=f"opening {side}", unit="file", delay=2, disable=None) as bar:

        def told(done: int, total: int) -> None:
            bar.total = total
            bar.update(done - bar.n)

        try:
            return VideoFolder(folder, config.resolution, frame_stride, config.frames, told, config.limits)
        except ValueError as error:
            raise UserError(f"{side}: {error}") from None


def codec_notes(real: VideoFolder, generated: VideoFolder) -> list[str]:
    """What to say where one side went through a codec that the other did not."""
    if real.codec == generated.codec:
        return []
    return [
        f"real videos were stored as {real.codec}, generated ones as {generated.codec}: what a codec does to pixels is "
        "part of every distance"
    ]


def length_notes(generated: VideoFolder, frames: int) -> list[str]:
    """What to say where generated videos differ in how many windows they have."""
    shortest, longest = min(generated.lengths), max(generated.lengths)
    if shortest // frames == longest // frames:
        return []
    name = generated.names[generated.lengths.index(shortest)]
    return [
        f"all generated videos were measured up to window {shortest // frames - 1}, where {name} ends: "
        f"it has {shortest} frames, the longest has {longest}"
    ]


def gif_notes(side: str, videos: VideoFolder) -> list[str]:
    """What to say of GIFs whose pictures are not all shown for as long as each other."""
    notes = []
    if videos.stretched:
        notes.append(
            f"{len(videos.stretched)} {side} GIFs have more frames than pictures, since some pictures are shown longer "
            f"than most are, first {videos.stretched[0]}"
        )
    if videos.pauses:
        notes.append(
            f"{len(videos.pauses)} {side} GIFs end in a picture that is shown longer than any other, and counts as "
            f"that many frames, first {videos.pauses[0]}: if it is a pause before they begin again, store them without"
        )
    return notes


def memorisation(evaluation: Evaluation, first: Look) -> Values:
    """How near generated and other real windows come to the reference of their own repeat; a copy is much nearer."""
    sides = {"sample": rearrange(first["features"], "(r n) d -> r n d", r=evaluation.repeats)}
    return nearest_of_repeats({**sides, "other_real": evaluation.real["floor"]}, evaluation.real["reference"])
