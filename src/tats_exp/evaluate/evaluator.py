"""Measure folders of generated videos against a folder of real ones, batch by batch; what `evaluate` runs."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import UInt8
from torch import Tensor
from tqdm import tqdm

from tats_exp import UserError
from tats_exp.config.command import chosen_device
from tats_exp.config.measures import build_measures
from tats_exp.config.networks import classifier, feature_network, identities
from tats_exp.data.video_folder import VideoFolder
from tats_exp.data.video_writer import write_row
from tats_exp.data.window_reading import read_along
from tats_exp.data.windows import Window
from tats_exp.evaluate.config import EvaluateConfig
from tats_exp.evaluate.folders import open_folder, reading_notes, several, unfit
from tats_exp.metrics import Findings, Networks, ReferenceWindows, WindowStatistics
from tats_exp.metrics.evaluation import Counts, Origin, count_notes, evaluate, make_protocol
from tats_exp.metrics.findings import Rebuilt, UnseenReal
from tats_exp.metrics.networks import statistics_along, statistics_of_windows, windows_looked_at
from tats_exp.metrics.reference_windows import draw_reference
from tats_exp.run.cost import cost_line, seconds_per_clip
from tats_exp.run.store import Store, provenance
from tats_exp.run_folder import CURVES, Protocol, Status, sums_of_results, write_metrics, write_table

VERSION = 3
"""Raised by hand when what is kept of a reference changes its meaning."""
REFERENCE = "reference.safetensors"
SHOWN, SHOWN_FRAMES = 4, 256


class Evaluator:
    """Real videos, looked at once, and what generated ones are measured with.

    Attributes:
        config: what was asked for.
        networks: that look at videos.
        measures: that are asked, by name.
        real: the real videos.
        rebuilt: real videos through the tokenizer of the generated ones; None where no folder of them is named.
        generated: the generated ones, by folder.
    """

    def __init__(self, config: EvaluateConfig) -> None:
        """Load the networks and open all folders.

        Raises:
            UserError: networks that are not there, or folders that cannot be measured: one line about all that is
                wrong with any of them.
        """
        self.config, self.metrics = config, config.metrics
        self.device = chosen_device(config.device)
        network = feature_network(self.metrics.network, self.device)
        self.networks = Networks(network, classifier(self.metrics.classifier, self.device), self.device)
        self.measures = build_measures(self.metrics.measures)
        self._wrong: list[str] = []
        self._kept: dict[str, str] = {}
        real = self._open("real", config.real, config.frame_stride)
        self.rebuilt = None if config.rebuilt is None else self._open("rebuilt", config.rebuilt, frame_stride=1)
        folders = [config.generated] if isinstance(config.generated, str) else config.generated
        opened = {folder: self._open("generated", folder, frame_stride=1) for folder in folders}
        if real is not None:
            self.real = real
            if self.rebuilt is not None:
                self._wrong += unfit("rebuilt", config.rebuilt or "", self.rebuilt, real.size, config.frames)
            for folder, videos in opened.items():
                if videos is not None:
                    wrong = unfit("generated", folder, videos, real.size, config.frames)
                    self._wrong += wrong or self._too_few(folder, videos)
        if self._wrong:
            raise UserError(several(self._wrong))
        self.generated = {folder: videos for folder, videos in opened.items() if videos is not None}

    def windows(self, generated: VideoFolder) -> list[int]:
        """The windows of the generated videos that the networks look at."""
        return windows_looked_at(self.metrics.windows, min(generated.lengths) // self.config.frames)

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
        clips += sum(real.values()) * (1 if self.rebuilt is None else 2)
        return cost_line(
            self.networks.network.name,
            clips,
            seconds_per_clip(self.networks.statistics, self.config.frames, *self.real.size),
        )

    def no_common_table(self) -> str | None:
        """One line where folders hold so many or so long videos that their values cannot stand in one table."""
        frames, folders = self.config.frames, self.generated.items()
        counts = {name: (self._draw(videos)[1], min(videos.lengths) // frames) for name, videos in folders}
        if len(set(counts.values())) == 1:
            return None
        counted = ", ".join(f"{name} {videos} of {windows}" for name, (videos, windows) in counts.items())
        return f"not measured alike, so a table each (metrics.videos=N evens out numbers); videos of windows: {counted}"

    def evaluate(self, folder: str, out: Path) -> None:
        """Measure one folder of generated videos; leaves what a run leaves."""
        config, metrics, generated = self.config, self.metrics, self.generated[folder]
        started = time.time()
        real = self._reference("real", self.real, generated)
        rebuilt = None if self.rebuilt is None else self._reference("rebuilt", self.rebuilt, generated)
        chosen = np.random.default_rng(config.seed).permutation(len(generated.names))[: real.total].tolist()
        findings = Findings(
            network=self.networks.network.name,
            classifier=self.networks.judge.name,
            real=real,
            windows=self._statistics(generated, chosen),
            resamples=metrics.resamples,
            seed=config.seed,
            unseen=UnseenReal("other_real", real.floor),
            rebuilt=None if rebuilt is None else Rebuilt(rebuilt, own=False),
        )
        evaluation = evaluate(self.measures, findings)
        notes = [*evaluation.notes, *reading_notes(self.real, generated, config.frames)]
        notes += count_notes((metrics.videos, metrics.reference_videos), (real.count, real.reference_count))
        out.mkdir(exist_ok=True)
        write_table(out / CURVES, evaluation.rows)
        write_row(out / "videos" / "samples.mp4", self._shown(generated, chosen[:SHOWN]))
        write_row(out / "videos" / "real.mp4", read_along(self.real, SHOWN, SHOWN_FRAMES, config.seed))
        protocol = self._protocol(real, generated)
        write_metrics(out, evaluation.values, evaluation.floors, notes, protocol, evaluation.columns, evaluation.free)
        seconds = {"total": round(time.time() - started, 1)}
        left = {"seconds": seconds, "stages": dict(self._kept), "sums": sums_of_results(out)}
        self._status(folder).model_copy(update=left).write(out)

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

    def _too_few(self, folder: str, videos: VideoFolder) -> list[str]:
        """Why good videos, generated or real, are not enough."""
        repeats, wanted = self.metrics.repeats, self.metrics.repeats * self.metrics.videos
        counted = f"generated: {len(videos.names)} videos in {folder}"
        if repeats > 1 and len(videos.names) < wanted:
            return [f"{counted}, metrics.repeats={repeats} of metrics.videos={self.metrics.videos} need {wanted}"]
        if self.videos(videos) < 2:
            return [f"{counted}, at least 2 are needed"]
        drawn, floor = self._draw(videos)
        there = f"{len(drawn[0])} windows of {self.config.frames} frames in {self.config.real}"
        return [f"real: {there}, at least 4 are needed"] if floor < 2 else self._too_few_rebuilt(videos)

    def _draw(self, generated: VideoFolder) -> tuple[list[list[Window]], int]:
        wanted = (self.metrics.reference_videos, self.videos(generated))
        return draw_reference(self.real, *wanted, self.config.frames, self.metrics.repeats, self.config.seed)

    def _draw_rebuilt(self, rebuilt: VideoFolder, generated: VideoFolder) -> tuple[list[list[Window]], int]:
        """As many as of real windows, however many more there are."""
        drawn, floor = self._draw(generated)
        wanted = (len(drawn[0]) - floor, floor)
        return draw_reference(rebuilt, *wanted, self.config.frames, self.metrics.repeats, self.config.seed)

    def _too_few_rebuilt(self, generated: VideoFolder) -> list[str]:
        """Why rebuilt windows are not enough: distances to fewer than of real ones would be another quantity."""
        if self.rebuilt is None:
            return []
        wanted, there = len(self._draw(generated)[0][0]), len(self._draw_rebuilt(self.rebuilt, generated)[0][0])
        if there >= wanted:
            return []
        line = f"rebuilt: {there} windows of {self.config.frames} frames in {self.config.rebuilt}"
        return [f"{line}, as many as of real ones are needed, {wanted}: metrics.reference_videos=N asks for fewer"]

    def _reference(self, side: str, videos: VideoFolder, generated: VideoFolder) -> ReferenceWindows:
        """What is stored of real or rebuilt windows, kept under everything it depends on."""
        config, metrics = self.config, self.metrics
        drawn, floor = self._draw(generated) if videos is self.real else self._draw_rebuilt(videos, generated)
        windows = [window for repeat in drawn for window in repeat]

        def make(folder: Path) -> None:
            with tqdm(total=len(windows), desc=side, unit="clip", disable=None) as bar:

                def progress(done: int) -> None:
                    bar.update(done - bar.n)

                how = (config.frames, metrics.batch_size, progress)
                statistics = statistics_of_windows(self.networks, videos, windows, *how)
            ReferenceWindows.of(statistics, metrics.repeats, floor).save(folder / REFERENCE)

        asked: dict[str, Any] = {
            "repeats": metrics.repeats,
            **identities(metrics, self.networks.network, self.networks.classifier),
        }
        inputs = {**asked, "data": videos.fingerprint(), "frames": config.frames}
        inputs |= {"windows": (len(drawn[0]) - floor, floor), "seed": config.seed}
        kept = Store(Path(config.store)).stage("evaluate_reference", VERSION, inputs, make)
        self._kept[side] = kept.key
        return ReferenceWindows.load(kept.path / REFERENCE)

    def _statistics(self, videos: VideoFolder, chosen: list[int]) -> list[WindowStatistics]:
        """What is seen of the windows of some videos."""
        frames, size = self.config.frames, self.metrics.batch_size
        count = min(videos.lengths) // frames
        with tqdm(total=len(chosen) * count, desc="generated", unit="window", disable=None) as bar:

            def windows(batch: list[int]) -> Iterator[UInt8[Tensor, "n T H W C"]]:
                for t in range(count):
                    yield self._read(videos, batch, t * frames, frames)
                    bar.update(len(batch))

            batches = (windows(chosen[start : start + size]) for start in range(0, len(chosen), size))
            return statistics_along(batches, self.networks, self.windows(videos))

    def _read(self, videos: VideoFolder, chosen: list[int], start: int, frames: int) -> UInt8[Tensor, "n T H W C"]:
        return torch.from_numpy(np.stack([videos.read(video, start, frames) for video in chosen]))

    def _shown(self, videos: VideoFolder, chosen: list[int]) -> Iterator[UInt8[Tensor, "n T H W C"]]:
        frames = self.config.frames
        shown = min(min(videos.lengths) // frames * frames, SHOWN_FRAMES)
        return (self._read(videos, chosen, start, frames) for start in range(0, shown, frames))

    def _protocol(self, real: ReferenceWindows, generated: VideoFolder) -> Protocol:
        return make_protocol(
            self.networks,
            Counts.of(real, min(generated.lengths) // self.config.frames),
            self.real,
            Origin.of(generated),
            split="real folder",
            clip_length=self.config.frames,
            size=self.real.size,
            seed=self.config.seed,
            reference="real windows" if self.rebuilt is None else f"rebuilt windows {self.rebuilt.fingerprint()}",
        )
