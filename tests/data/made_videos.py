"""Videos on disk for tests of what reads them."""

import os
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from PIL import Image


def frames_of(length, height=20, width=34, seed=0):
    """A square that walks over a still ground, in a few colours, so that a palette of 256 holds them all.

    The number of the frame is written into the pixels: no two frames of a video are alike.
    """
    rng = np.random.default_rng(seed)
    colours = rng.integers(0, 256, size=(12, 3), dtype=np.uint8)
    numbers = np.broadcast_to(rng.integers(0, 10, size=(height, width)), (length, height, width)).copy()
    for frame in range(length):
        numbers[frame, 4 + frame % 9 : 8 + frame % 9, 3 : 9 + frame % 7] = 10
        numbers[frame, 0, :10] = 10 + (frame >> np.arange(10)) % 2
    return colours[numbers]


@contextmanager
def _usual_priority():
    """SVT-AV1 makes the thread that encodes a real-time one where it may, as root, and leaves it so."""
    if not hasattr(os, "sched_setscheduler"):
        yield
        return
    before = os.sched_getscheduler(0), os.sched_getparam(0)
    try:
        yield
    finally:
        os.sched_setscheduler(0, *before)


def write_video(path, codec, frames, format="yuv420p", **options):
    """Encode (T, H, W, 3) uint8 with one of ffmpeg's encoders; `libx264rgb`, `rgb24`, qp="0" loses nothing.

    A fourth channel is alpha.
    """
    given = "rgb24" if frames.shape[-1] == 3 else "rgba"
    path.parent.mkdir(parents=True, exist_ok=True)
    with _usual_priority(), av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=8, options=options)
        stream.height, stream.width = frames.shape[1:3]
        stream.pix_fmt = format
        stream.codec_context.thread_count = 1
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(np.ascontiguousarray(frame), format=given)))
        container.mux(stream.encode(None))


def write_lossless(path, frames):
    """An H.264 file that gives back exactly these frames, with a key frame now and then."""
    write_video(path, "libx264rgb", frames, "rgb24", qp="0", g="12")


def write_gif(path, frames, delays=40):
    """A GIF of (T, H, W, 3) uint8 as Pillow, and through it most of the field, writes it. Delays in milliseconds."""
    path.parent.mkdir(parents=True, exist_ok=True)
    images = [Image.fromarray(frame).quantize(256, method=Image.Quantize.FASTOCTREE) for frame in frames]
    images[0].save(path, save_all=True, append_images=images[1:], duration=delays)


def write_images(folder, frames, suffix=".png", **options):
    """One image a frame, numbered without leading zeros."""
    folder.mkdir(parents=True, exist_ok=True)
    for index, frame in enumerate(frames):
        Image.fromarray(frame).save(folder / f"frame_{index}{suffix}", **options)


def write_array(path: Path, frames):
    """An .npy or, uncompressed and beside labels, an .npz."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".npz":
        np.savez(path, frames, np.arange(3))
    else:
        np.save(path, frames)


def write_cut(path, source, start):
    """Copy the packets of a file from the key frame before `start` (seconds) on, and tell players to begin at `start`.

    What `ffmpeg -ss START -i SOURCE -c copy` does: an MP4 gets an edit list.
    """
    with av.open(str(source)) as whole, av.open(str(path), "w") as cut:
        video = whole.streams.video[0]
        copied = cut.add_stream_from_template(video)
        offset = round(start / video.time_base)
        whole.seek(offset, stream=video)
        for packet in whole.demux(video):
            if packet.size:
                packet.pts, packet.dts = packet.pts - offset, packet.dts - offset
                packet.stream = copied
                cut.mux(packet)


def write_at_times(path, source, times):
    """Copy the packets of a file without B-frames, each to be shown at a time of its own, in eighths of a second."""
    with av.open(str(source)) as even, av.open(str(path), "w") as uneven:
        video = even.streams.video[0]
        copied = uneven.add_stream_from_template(video)
        packets = [packet for packet in even.demux(video) if packet.size]
        for packet, time in zip(packets, times, strict=True):
            packet.pts = packet.dts = round(time / 8 / packet.time_base)
            packet.stream = copied
            uneven.mux(packet)


def write_sound(path, codec):
    """A tenth of a second of silence, and no video."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=48000, layout="mono")
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 4800), np.int16), format="s16", layout="mono")
        frame.rate = 48000
        for piece in av.AudioResampler(stream.format, "mono", 48000, stream.frame_size or None).resample(frame):
            container.mux(stream.encode(piece))
        container.mux(stream.encode(None))


def from_the_start(path):
    """What PyAV alone gives, from the first frame to the last."""
    with av.open(str(path)) as container:
        return np.stack([frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)])


def write_packed(path, frames):
    """An MPEG-4 AVI as DivX and XviD pack it: each B-frame lies in the packet of the frame behind it.

    An empty packet then stands where it was.
    """
    write_video(path, "mpeg4", frames, bf="1", g="12", mpv_flags="+strict_gop", sc_threshold="1000000000")
    with av.open(str(path)) as plain:
        packets = [bytes(packet) for packet in plain.demux(video=0) if packet.size]
    start, mark = b"\0\0\1\xb6", b"\0\0\1\xb2DivX503b1393p"
    kinds = [packet[packet.index(start) + 4] >> 6 for packet in packets]  # 0 I, 1 P, 2 B
    assert 2 in kinds, "the encoder makes no B-frames: this file shows nothing"
    for number, kind in enumerate(kinds):
        if kind == 0:
            packets[number] = packets[number].replace(start, mark + start, 1)
        if kind == 2:
            packets[number - 1] += packets[number]
            packets[number] = start + b"QO"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=8)
        stream.height, stream.width = frames.shape[1:3]
        stream.pix_fmt = "yuv420p"
        for number, (data, kind) in enumerate(zip(packets, kinds, strict=True)):
            packet = av.Packet(data)
            packet.stream, packet.time_base = stream, stream.time_base or Fraction(1, 8)
            packet.pts = packet.dts = number
            packet.is_keyframe = kind == 0
            container.mux(packet)
