import random

import pytest

from tats_exp.data.frame_names import several_videos, sort_keys


def in_order(names):
    return [name for _, name in sorted(zip(sort_keys(names), names, strict=True))]


def times(fps, length, form, first=0):
    return [format((first + frame) / fps, form) for frame in range(length)]


ONE_VIDEO = {
    "seconds": times(25, 60, ".6f"),
    "few digits": times(24, 60, ".2f"),
    "with text": [f"clip_0.5_t{time}s" for time in times(30, 70, ".3f")],
    "beside the number of the frame": [f"{frame}_{time}" for frame, time in enumerate(times(30, 70, ".3f"))],
    "as Python writes them": [str(frame / 24) for frame in range(60)],
    "eighths": [str(frame / 8) for frame in range(20)],
    "thirds": [str(frame / 3) for frame in range(20)],
    "tenths": times(10, 35, ".1f"),
    "some are left out": [time for time in times(25, 80, ".2f") if time not in ("0.12", "1.00", "1.04", "2.40")],
    "before and after": times(25, 60, ".2f", first=-30),
    "scientific": times(25, 60, ".6e"),
    "frames between": ["frame_1", "frame_1.5", "frame_2", "frame_2.5", "frame_3"],
    "some frames between": ["frame_1", "frame_1.5", "frame_2", "frame_3", "frame_10"],
    "counts": [f"frame_{frame}" for frame in range(120)],
    "counts behind a dash": [f"clip-{frame}" for frame in range(12)],
    "counts behind dashes": [f"{frame % 1}e-{frame}" for frame in range(1, 12)],
    "counts behind a dot": [f"shot1.{frame}" for frame in range(1, 12)],
    "counts of four digits behind a dot": [f"shot1.{frame:04}" for frame in range(1, 120)],
    "a version": [f"v1.2.3_{frame}" for frame in range(12)],
    "the version counts": [f"v1.2.{frame}" for frame in range(12)],
    "a date": [f"2024-01-02.{frame}" for frame in range(12)],
}


@pytest.mark.parametrize("names", ONE_VIDEO.values(), ids=ONE_VIDEO)
def test_the_frames_of_one_video_come_in_order(names):
    mixed = random.Random(0).sample(names, len(names))
    assert in_order(mixed) == names
    assert not several_videos(sort_keys(mixed))


SEVERAL_VIDEOS = {
    "counts": [f"video{video}_frame{frame:02}" for video in range(2) for frame in range(3)],
    "counts with a dot between them": [f"shot{video}.{frame:04}" for video in range(1, 3) for frame in range(1, 25)],
    "every fourth": [f"shot{video}.{frame:04}" for video in range(1, 3) for frame in range(0, 99, 4)],
    "without leading zeros": [f"{video}.{frame}" for video in range(2) for frame in range(12)],
    "counts and times": [f"clip{video}_{time}" for video in range(2) for time in times(25, 30, ".2f")],
    "clips named by their start": [f"clip_{start}_{frame}" for start in (0.5, 1.25) for frame in range(30)],
}


@pytest.mark.parametrize("names", SEVERAL_VIDEOS.values(), ids=SEVERAL_VIDEOS)
def test_frames_of_several_videos_are_told(names):
    assert several_videos(sort_keys(names))
