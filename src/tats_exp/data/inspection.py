"""What of a data set can be used: counts by split and class, what is left out and why, videos that both splits hold."""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from statistics import median

from tats_exp import printable
from tats_exp.data.videos import Split, Videos
from tats_exp.data.windows import span, starts


@dataclass(frozen=True)
class Counts:
    """What there is of some videos.

    Attributes:
        videos: how many.
        frames: of all of them, in source frames.
        clips: places where a clip and its margins fit.
        too_short: videos that have no such place.
    """

    videos: int
    frames: int
    clips: int
    too_short: int


@dataclass(frozen=True)
class SplitInspection:
    """One split.

    Attributes:
        whole: of all its videos.
        classes: of the videos of each class, by name.
        lengths: shortest, median and longest video, in source frames.
        too_short: name and length of each video in which no clip fits.
        left_out: what the source left out, a line each.
        missing: what it lacks of the whole data set, a line each.
        captioned: videos that have captions.
    """

    whole: Counts
    classes: dict[str, Counts]
    lengths: tuple[int, float, int]
    too_short: list[str]
    left_out: list[str]
    missing: list[str]
    captioned: int


@dataclass(frozen=True)
class Inspection:
    """A data set.

    Attributes:
        splits: by name.
        need: source frames that a clip with its margins takes.
        in_both: names of videos of train and test that show the same.
    """

    splits: dict[Split, SplitInspection]
    need: int
    in_both: list[tuple[str, str]]


def inspect(
    splits: Mapping[Split, Videos],
    left_out: Mapping[Split, list[str]],
    frames: int,
    margin: int,
    progress: Callable[[int, int], None] = lambda done, total: None,
    missing: Mapping[Split, list[str]] | None = None,
) -> Inspection:
    """Look at the splits of a data set.

    Args:
        splits: train and test, or one of them; train comes first.
        left_out: what its source left out of each, a line each.
        frames: clip frames of a clip.
        margin: clip frames that must exist on either side of it.
        progress: told how many of how many videos were looked into.
        missing: what each lacks of the whole data set, a line each.

    Raises:
        UserError: a video cannot be read.
    """
    total = sum(len(videos.names) for videos in splits.values())
    done = 0
    seen: dict[str, str] = {}
    in_both: list[tuple[str, str]] = []
    for split, videos in splits.items() if len(splits) > 1 else ():
        for video, name in enumerate(videos.names):
            progress(done, total)
            done += 1
            content = _content(videos, video)
            if split == "train":
                seen.setdefault(content, name)
            elif content in seen:
                in_both.append((seen[content], name))
    progress(total, total)
    need = span(margin + frames + margin, next(iter(splits.values())).frame_stride)
    lacking = missing or {}
    found = {
        name: _of_split(videos, frames, margin, left_out[name], lacking.get(name, []))
        for name, videos in splits.items()
    }
    return Inspection(found, need, in_both)


def report(found: Inspection) -> str:
    """What was found, as text of a few lines a split."""
    lines = []
    for name, split in found.splits.items():
        shortest, middle, longest = split.lengths
        whole = split.whole
        lines.append(
            f"{name}: {whole.videos:,} videos of {shortest:,} to {longest:,} frames (median {middle:,.0f}), "
            f"{whole.clips:,} clips that need {found.need} frames"
            + (f", {split.captioned:,} with captions" if split.captioned else "")
        )
        lines += [f"  missing of the whole data set: {line}" for line in split.missing]
        width = max(map(len, split.classes))
        for label, counts in split.classes.items():
            short = f", {counts.too_short:,} too short" if counts.too_short else ""
            lines.append(
                f"  {label:{width}}  {counts.videos:5,} videos {counts.frames:9,} frames {counts.clips:9,} clips{short}"
            )
        lines += [f"  too short: {line}" for line in split.too_short]
        lines += [f"  left out: {line}" for line in split.left_out]
    lines += [f"in both splits: {train} and {test} show the same" for train, test in found.in_both]
    return "\n".join(map(printable, lines))


def _of_split(videos: Videos, frames: int, margin: int, left_out: list[str], missing: list[str]) -> SplitInspection:
    clips = [len(starts(length, videos.frame_stride, frames, margin, margin)) for length in videos.lengths]

    def counts(places: list[int]) -> Counts:
        fitting = [clips[place] for place in places]
        return Counts(len(places), sum(videos.lengths[place] for place in places), sum(fitting), fitting.count(0))

    everything = list(range(len(clips)))
    by_class = {
        name: [place for place in everything if videos.labels[place] == label]
        for label, name in enumerate(videos.label_names)
    }
    return SplitInspection(
        counts(everything),
        {name: counts(places) for name, places in by_class.items()},
        (min(videos.lengths), float(median(videos.lengths)), max(videos.lengths)),
        [f"{videos.names[place]} ({videos.lengths[place]} frames)" for place in everything if not clips[place]],
        left_out,
        missing,
        sum(bool(texts) for texts in videos.captions),
    )


def _content(videos: Videos, video: int) -> str:
    """What tells a video from others: its length, and its first, middle and last frame."""
    length = videos.lengths[video]
    frames = [videos.read(video, place, 1).tobytes() for place in sorted({0, length // 2, length - 1})]
    return hashlib.sha256(b"".join([str(length).encode(), *frames])).hexdigest()
