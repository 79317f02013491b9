"""Video files whose frames are hard to find by their number, of every kind that the tests can make."""

from tests.data.made_videos import frames_of, write_cut, write_packed, write_video

LENGTH, HEIGHT, WIDTH = 60, 48, 96
X264 = "keyint=12:min-keyint=12:scenecut=0"

KINDS = {
    "h264, no B-frames, closed": ("libx264", {"x264-params": f"{X264}:bframes=0"}, (".mp4", ".mkv", ".mov", ".avi")),
    "h264, B-frames, closed": ("libx264", {"x264-params": f"{X264}:bframes=3"}, (".mp4", ".mkv", ".mov", ".avi")),
    "h264, B-frames, open": ("libx264", {"x264-params": f"{X264}:bframes=3:open-gop=1"}, (".mp4", ".mkv")),
    "h264, no key frame but the first": ("libx264", {"x264-params": "keyint=infinite:bframes=3"}, (".mp4", ".mkv")),
    "h264, refreshed little by little": ("libx264", {"x264-params": f"{X264}:intra-refresh=1"}, (".mp4", ".mkv")),
    "hevc, B-frames, open": (
        "libx265",
        {"x265-params": "keyint=12:min-keyint=12:bframes=3:open-gop=1:log-level=none:pools=none:frame-threads=1"},
        (".mp4", ".mkv"),
    ),
    "mpeg4, no B-frames": ("mpeg4", {"bf": "0", "g": "12"}, (".avi", ".mp4")),
    "mpeg4, B-frames": ("mpeg4", {"bf": "2", "g": "12"}, (".avi", ".mp4", ".mkv")),
    "mpeg2, B-frames, open": ("mpeg2video", {"bf": "2", "g": "12"}, (".mkv",)),
    "vp8": ("libvpx", {"g": "12"}, (".webm",)),
    "vp9, frames that are not shown": ("libvpx-vp9", {"g": "12", "auto-alt-ref": "1"}, (".webm", ".mkv")),
    "av1": ("libsvtav1", {"g": "12", "preset": "12"}, (".mp4", ".webm")),
    "mjpeg": ("mjpeg", {}, (".avi", ".mov")),
}
"""Name of each kind, its encoder and the encoder's options, and the containers that it is put in."""

CUT = {
    "h264, B-frames, closed": (".mp4", ".mov", ".mkv"),
    "mpeg4, B-frames": (".mp4",),
    "hevc, B-frames, open": (".mp4",),
}
"""Kinds that are cut once more without encoding them again, and to which containers."""


def write_matrix(folder):
    """Write a file of every kind; returns their paths by a name that says what they are."""
    frames = frames_of(LENGTH, HEIGHT, WIDTH)
    found = {}
    for kind, (encoder, options, suffixes) in KINDS.items():
        slug = kind.replace(", ", "_").replace(" ", "-")
        for suffix in suffixes:
            path = folder / f"{slug}{suffix}"
            pixels = "yuvj420p" if encoder == "mjpeg" else "yuv420p"
            write_video(path, encoder, frames, pixels, **options)
            found[f"{kind} {suffix}"] = path
        for suffix in CUT.get(kind, ()):
            cut = folder / f"{slug}_cut{suffix}"
            write_cut(cut, found[f"{kind} .mp4"], 10 / 8)
            found[f"{kind}, cut {suffix}"] = cut
    packed = folder / "packed.avi"
    write_packed(packed, frames)
    return {**found, "mpeg4, packed B-frames .avi": packed}
