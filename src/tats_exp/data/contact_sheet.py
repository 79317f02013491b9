"""A contact sheet: of a few videos of each split, frames from beginning to end beside the name."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from tats_exp.data.videos import Split, Videos
from tats_exp.files import atomic

COLUMNS, NAME_WIDTH, GAP, LEAST = 8, 300, 4, 64
GROUND, INK = (255, 255, 255), (20, 20, 20)


def write_contact_sheet(path: Path, splits: Mapping[Split, Videos], shown: int) -> None:
    """Write a PNG with a row for each of a few videos, spread over the classes of their split.

    Args:
        path: of the picture.
        splits: by name.
        shown: videos of each split, at most.

    Raises:
        UserError: a video cannot be read.
    """
    rows = [(name, videos, video) for name, videos in splits.items() for video in spread(videos.labels, shown)]
    size = max(LEAST, rows[0][1].resolution)
    sheet = Image.new("RGB", (NAME_WIDTH + COLUMNS * (size + GAP), len(rows) * (size + GAP)), GROUND)
    ink, font = ImageDraw.Draw(sheet), ImageFont.load_default(13)
    for number, (name, videos, video) in enumerate(rows):
        top, length = number * (size + GAP), videos.lengths[video]
        text = f"{name}: {videos.label_names[videos.labels[video]]}\n{_fitting(videos.names[video])}\n{length} frames"
        ink.text((GAP, top + GAP), text, fill=INK, font=font)
        for column, place in enumerate(np.linspace(0, length - 1, COLUMNS).round().astype(int)):
            frame = Image.fromarray(videos.read(video, int(place), 1)[0])
            sheet.paste(frame.resize((size, size), Image.Resampling.NEAREST), (NAME_WIDTH + column * (size + GAP), top))
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic(path) as temporary:
        sheet.save(temporary, format="png")


def spread(labels: list[int], count: int) -> list[int]:
    """Places of up to `count` videos: each class gives its first before any gives its second."""
    turn: dict[int, int] = {}
    turns = []
    for place, label in enumerate(labels):
        turns.append((turn.get(label, 0), label, place))
        turn[label] = turn.get(label, 0) + 1
    return [place for _, _, place in sorted(turns)[:count]]


def _fitting(name: str) -> str:
    """The end of a name, which tells one video from another, as far as there is room for it."""
    return name if len(name) <= 40 else f"...{name[-37:]}"
