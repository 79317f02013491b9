"""Data sets in files: each lists its videos, and what is common to all is here.

Frames are cropped and resized with an antialiased bilinear filter. A file is opened for every read, so that loader
workers may be forked or spawned. A split that is small once resized is decoded once and kept in memory.

Axes: T frames, H W pixels, C = 3 colour channels, S samples of sound.
"""

import hashlib
import json
import logging
from abc import abstractmethod
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from tats_exp import UserError, printable
from tats_exp.data import judging
from tats_exp.data.audio import SoundReader
from tats_exp.data.decoder import opened
from tats_exp.data.judge import Verdict
from tats_exp.data.limits import DEFAULT, Limits
from tats_exp.data.listing import ONE_CLASS, Listed, Listing, named
from tats_exp.data.regular_file import entering_folders
from tats_exp.data.resizing import RESIZED, VERSION, Crop, chunks, crop_and_resize
from tats_exp.data.video_decoding import VideoFileReader
from tats_exp.data.video_readers import open_reader
from tats_exp.data.videos import Split, Videos, VideoSource
from tats_exp.data.windows import span
from tats_exp.files import sha256

KEPT_BYTES = 64 * 2**20
"""A split whose resized frames take no more than this is kept in memory, each video from its first use on."""

RATES_AGREE = 0.01
"""By how much the frame rate that a file tells may differ from that of its frames, as a part of it, to be believed."""

NAMED = 5
"""Missing videos, or other reasons, that one line names."""

logger = logging.getLogger(__name__)


class FileVideos(Videos):
    """One split of a data set in files, with captions and sound where there are any."""

    def __init__(
        self,
        source: "FileSource",
        listed: list[Listed],
        verdicts: list[Verdict],
        label_names: list[str],
    ) -> None:
        """Hold the readable videos of a split; `FileSource.split` finds them."""
        self.root, self.limits, self.fps = source.root, source.limits, source.fps
        self.listed, self.verdicts, self.label_names = listed, verdicts, label_names
        self.resolution, self.frame_stride = source.resolution, source.frame_stride
        self.crop, self.resize = source.crop, RESIZED[source.crop]
        self.codec = "+".join(sorted({verdict.codec for verdict in verdicts}))
        self.decoder = "+".join(sorted({verdict.decoder for verdict in verdicts}))
        self.names = [named(video.path, self.root) for video in listed]
        self.labels = [label_names.index(video.label) for video in listed]
        self.lengths = [verdict.length for verdict in verdicts]
        self.keeps = sum(self.lengths) * self.resolution**2 * 3 <= KEPT_BYTES
        self._stamps = [judging.stamp(video.path) for video in listed]
        self._kept: dict[int, NDArray[np.uint8]] = {}
        self._sounds = SoundReader()

    def read(self, video: int, start: int, frames: int) -> NDArray[np.uint8]:
        """Read (frames, resolution, resolution, 3) uint8: frames start, start + frame_stride, ...

        Raises:
            ValueError: the frames are not all inside the video.
            UserError: the file is gone, or no longer what it was; one line that names it.
        """
        wanted = self._frames(video, start, frames)
        if not self.keeps:
            return self._resized(video, wanted)
        if video not in self._kept:
            self._kept[video] = self._resized(video, range(self.lengths[video]))
        return self._kept[video][wanted.start : wanted.stop : wanted.step].copy()

    @property
    def captions(self) -> list[tuple[str, ...]]:
        """Texts that describe each video; none in most data sets."""
        return [video.captions for video in self.listed]

    def frame_rate(self) -> float | None:
        """Clip frames a second of the first video; None of a folder of frames whose rate is not said."""
        if self.verdicts[0].frames is None and self.fps is None:
            return None
        period = self._times(0)[1] * self.frame_stride
        return 1 / period if period > 0 else None

    def audio(self, video: int, start: int, frames: int) -> NDArray[np.float32]:
        """As `Videos.audio`; silence where the track has none. S is the same for all clips of one frame rate.

        Raises:
            ValueError: the frames are not all inside the video.
            UserError: there is no sound, it cannot be decoded, or the frames' times are not known.
        """
        first = self._frames(video, start, frames).start
        times, period = self._times(video)
        path = self.listed[video].audio or self.listed[video].path
        if path.is_dir():
            raise UserError(f"{path}: there is no sound beside this folder of frames")
        return self._sounds.read(
            path, float(times[first]), period * frames * self.frame_stride, float(times[-1]) + period
        )

    def sound_fingerprint(self) -> str:
        """SHA-256 of the content of each file of sound beside a video, and of the rate of folders of frames.

        A video's own track is in its file, and so in `fingerprint`.

        Raises:
            UserError: such a file is gone.
        """
        beside: list[str | None] = []
        for video in self.listed:
            try:
                beside.append(None if video.audio is None else sha256(video.audio))
            except OSError as error:
                raise UserError(f"{video.audio}: {error.strerror}") from error
        return hashlib.sha256(json.dumps([self.fps, beside]).encode()).hexdigest()

    def fingerprint(self) -> str:
        """SHA-256 of each video's relative path, size, content and class, and of what is done to frames.

        Captions and sound are no part of it: what learns from them has to look at them itself.
        """
        files = [
            [name, verdict.bytes, verdict.sha256, verdict.decoder, label]
            for name, verdict, label in zip(self.names, self.verdicts, self.labels, strict=True)
        ]
        made_by = ["files", VERSION, self.resolution, self.frame_stride, self.resize, self.label_names, files]
        return hashlib.sha256(json.dumps(made_by).encode()).hexdigest()

    def _frames(self, video: int, start: int, frames: int) -> range:
        """The frames of the file that clip frames are.

        Raises:
            ValueError: they are not all inside the video.
        """
        length, end = self.lengths[video], start + span(frames, self.frame_stride)
        if start < 0 or end > length:
            raise ValueError(
                f"{self.listed[video].path}: frames {start} to {end - 1} asked for, it has 0 to {length - 1}"
            )
        return range(start, end, self.frame_stride)

    def _resized(self, video: int, wanted: range) -> NDArray[np.uint8]:
        path, verdict = self.listed[video].path, self.verdicts[video]
        reader = open_reader(path, 0, self.limits, verdict)
        if judging.stamp(path) != self._stamps[video]:
            raise UserError(f"{path}: has changed since the folder was opened")
        pieces = [
            crop_and_resize(reader.read(piece), self.resolution, self.crop) for piece in chunks(wanted, *verdict.size)
        ]
        if isinstance(reader, VideoFileReader):
            reader.close()
        return np.concatenate(pieces)

    def _times(self, video: int) -> tuple[NDArray[np.float64], float]:
        """When each frame is shown after the first, and how long one is shown, in seconds."""
        path, verdict = self.listed[video].path, self.verdicts[video]
        if verdict.frames is None:
            if self.fps is None:
                raise UserError(f"{path}: sound beside a folder of frames needs their rate, fps of data=frame_folders")
            return np.arange(verdict.length) / self.fps, 1 / self.fps
        with opened(path) as (_, stream):
            unit, rate = float(stream.time_base or 0), float(stream.average_rate or 0)
        index = verdict.frames
        times = index.times if index.times.size else np.cumsum(index.delays) - index.delays[0]
        shown = (times - times[0]) * unit
        period = float(shown[-1]) / max(1, len(shown) - 1)
        # Containers that round times tell the rate apart, and exactly.
        return shown, 1 / rate if rate and abs(period * rate - 1) < RATES_AGREE else period


class FileSource(VideoSource):
    """A data set in files: derive from it, and list what it consists of.

    Attributes:
        root: its folder.
        whole: videos of each split of the whole data set, where that is known.
        inside: folders that the root must hold.
        fps: frames a second of folders of frames, to find their sound; None where there is none.

    Arguments that decide which videos there are have to be kept in public attributes: the runs of a sweep find the
    lists that were planned for them by these.
    """

    whole: Mapping[Split, int] = {}
    inside: tuple[str, ...] = ()
    fps: float | None = None

    def __init__(
        self,
        root: str | Path,
        resolution: int,
        frame_stride: int = 1,
        seed: int = 0,
        crop: Crop = "centre",
        complete: bool = True,
        limits: Limits = DEFAULT,
    ) -> None:
        """Look at the folder; videos are listed and opened by `split`.

        Args:
            root: folder of the data set.
            resolution: height and width of the frames, in pixels.
            frame_stride: frames of a file from one frame of a clip to the next; it multiplies the span of a clip.
            seed: of every fixed list of windows that is drawn from the videos.
            crop: what is done to frames that are not square, see `crop_and_resize`.
            complete: whether to tell what of the whole data set is missing; a part of it may be meant.
            limits: budgets that what a file claims is held against.

        Raises:
            UserError: there is no such folder, it cannot be entered or is not laid out as it should be, or a number is
                below 1.
        """
        for name, value in {"resolution": resolution, "frame_stride": frame_stride}.items():
            if value < 1:
                raise UserError(f"data.{name} must be at least 1, got {value}")
        self.root, self.seed, self.limits, self.crop, self.complete = Path(root), seed, limits, crop, complete
        self.resolution, self.frame_stride = resolution, frame_stride
        with entering_folders():
            if not self.root.is_dir():
                raise UserError(f"data.root={root}: no such folder")
            lacking = [name for name in self.inside if not (self.root / name).is_dir()]
        if lacking:
            raise UserError(f"data.root={root}: has no folder {lacking[0]}; it must hold {' and '.join(self.inside)}")
        if crop not in RESIZED:
            raise UserError(f"data.crop={crop}: allowed: {', '.join(RESIZED)}")
        self._left_out: dict[Split, list[str]] = {}
        self._missing: dict[Split, list[str]] = {}

    def list_classes(self) -> list[str]:
        """Names of the classes, those of the train split; there is one unless a data set says otherwise.

        Raises:
            UserError: the folder is not laid out as it should be; one line that says how.
        """
        return [ONE_CLASS]

    @abstractmethod
    def list_split(self, name: Split) -> Listing:
        """What a split consists of; nothing is opened yet.

        Raises:
            UserError: as `list_classes`.
        """

    def split(self, name: Split) -> FileVideos:
        """The readable videos of a split, each judged whole; the runs of a sweep take the list that was planned with.

        What is left out, and what is missing of the whole data set, is named and counted in the log.

        Raises:
            UserError: no video is left, a folder cannot be entered, or a video of the sweep's list is no longer
                readable and its verdict was not kept.
        """
        known_as = self._known_as()
        with entering_folders():
            label_names = judging.handed(f"{known_as} classes") or self.list_classes()
        judging.plan_with(f"{known_as} classes", label_names)
        planned = judging.handed(f"{known_as} {name}")
        if planned is None:
            with entering_folders():
                listing = in_known_classes(self.list_split(name), label_names)
        else:
            listing = Listing("the list of the sweep", [Listed.from_json(line, self.root) for line in planned])
            for line in judging.handed(f"{known_as} {name} amiss") or []:
                logger.info("%s", line)  # said aloud when the sweep was planned
        videos, unreadable = self._judged(name, listing.videos, planned is not None)
        self._missing[name] = [printable(line) for line in self._lacking(name, listing, len(videos))]
        self._left_out[name] = [printable(line) for line in (*listing.left_out, *unreadable)]
        self._tell(name, listing, unreadable)
        tell_of_concealed({video.path: verdict for video, verdict in videos})
        judging.plan_with(f"{known_as} {name}", [video.as_json(self.root) for video, _ in videos])
        amiss = [*self._missing[name], *(f"left out {line}" for line in self._left_out[name])]
        judging.plan_with(f"{known_as} {name} amiss", amiss)
        return FileVideos(self, [video for video, _ in videos], [verdict for _, verdict in videos], label_names)

    def left_out(self, name: Split) -> list[str]:
        """As `VideoSource`; of a split that was not opened yet, nothing is known."""
        return self._left_out.get(name, [])

    def missing(self, name: Split) -> list[str]:
        """As `VideoSource`; of a split that was not opened yet, nothing is known."""
        return self._missing.get(name, [])

    def _known_as(self) -> str:
        """Class and arguments of this source: what its lists are found again by."""
        plain = (str, int, float, bool, type(None), Path, tuple, list, Mapping, Limits)
        public = {name: value for name, value in vars(self).items() if not name.startswith("_")}
        arguments = {name: str(value) for name, value in public.items() if isinstance(value, plain)}
        arguments["root"] = str(self.root.absolute())
        return f"{type(self).__module__}.{type(self).__qualname__} {json.dumps(arguments, sort_keys=True)}"

    def _judged(
        self, name: Split, listed: list[Listed], planned: bool
    ) -> tuple[list[tuple[Listed, Verdict]], list[str]]:
        """The videos that can be read, with what is known of them, and a line for each of the others."""
        with tqdm(desc=f"looking at {name} videos", unit="file", delay=2, disable=None) as bar:

            def progress(done: int, total: int) -> None:
                bar.total = total
                bar.update(done - bar.n)

            judge = judging.as_planned if planned else judging.judge_all
            verdicts = judge([video.path for video in listed], self.limits, progress)
        readable: list[tuple[Listed, Verdict]] = []
        unreadable: list[str] = []
        for video, verdict in zip(listed, verdicts, strict=True):
            if not isinstance(verdict, str):
                readable.append((video, verdict))
            elif planned:
                raise UserError(f"{verdict} (it was readable when the sweep was planned)")
            else:
                unreadable.append(verdict)
        return readable, unreadable

    def _lacking(self, name: Split, listing: Listing, there: int) -> list[str]:
        """A line where a split is not what the whole data set has."""
        wanted = self.whole.get(name, len(listing.videos) + len(listing.missing))
        known = name in self.whole or listing.missing
        if not self.complete or not known or (there == wanted and not listing.missing):
            return []
        some = ", ".join(listing.missing[:NAMED]) + (", ..." if len(listing.missing) > NAMED else "")
        lacking = f": {some} {'is' if len(listing.missing) == 1 else 'are'} missing" if some else ""
        return [f"{name}: {there:,} of {wanted:,} videos{lacking}"]

    def _tell(self, name: Split, listing: Listing, unreadable: list[str]) -> None:
        """Log what was left out.

        Raises:
            UserError: that was everything.
        """
        for line in self._missing[name]:
            logger.warning("%s", line)
        for line in self._left_out[name]:
            logger.warning("left out %s", line)
        if unreadable:
            logger.warning("left out %d of %d videos of %s as unreadable", len(unreadable), len(listing.videos), name)
        if len(unreadable) == len(listing.videos):
            why = [f"{len(unreadable)} unreadable, first {unreadable[0]}"] if unreadable else []
            said = "; ".join([*why, *self._missing[name], *listing.left_out][:NAMED])
            raise UserError(f"data.root={self.root}: no video is left in {listing.where}{f' ({said})' if said else ''}")


def in_known_classes(listing: Listing, label_names: list[str]) -> Listing:
    """A listing without the videos of classes that models do not learn, which are counted instead."""
    known = [video for video in listing.videos if video.label in label_names]
    others = Counter(video.label for video in listing.videos if video.label not in label_names)
    lines = [f"{count} videos of class {label}: there is no such class in train" for label, count in others.items()]
    return replace(listing, videos=known, left_out=[*listing.left_out, *lines])


def tell_of_concealed(videos: dict[Path, Verdict]) -> None:
    """Log which videos have frames that their decoder calls damaged, and patches from their neighbours."""
    for path, verdict in videos.items():
        if verdict.frames is not None and verdict.frames.concealed:
            logger.warning("%s: the decoder patches %d damaged frames", printable(path), verdict.frames.concealed)
