"""The picture of a run: frames of its sampled videos, one row a video, which the page shows beside its answer."""

FRAMES_PICTURE = "frames.png"
"""Its name in the folder of videos: raw pixels, no gaps; rows are videos, columns the frames of `shown_frames`."""
SHOWN_VIDEOS = 8
"""Videos of the picture, where a run sampled as many."""
SOUND = "sound"
"""What names of files begin with that hold one sampled video each with its sound: `sound_1.mp4`, ..."""


def shown_frames(count: int) -> list[int]:
    """Frames that the picture shows: the first, then the last of 16, 32, 64, ... frames.

    Args:
        count: frames of a video.

    Returns:
        0, 15, 31, 63, ..., all below `count`.
    """
    frames, end = [0], 16
    while end <= count:
        frames.append(end - 1)
        end *= 2
    return [frame for frame in frames if frame < count]
