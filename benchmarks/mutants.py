"""Damaged copies of small videos: each can be made again from the seed of the series and its number in it."""

import io
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from tats_exp.data.image_reader import IMAGES
from tats_exp.data.video_readers import FILES

LENGTH, HEIGHT, WIDTH = 32, 48, 64
REAL_BYTES = 2**18
"""Real files that are larger than this are left aside: one mutant of them would take seconds."""

# With a look ahead x264 gives other bytes one time in a hundred; mutants are to be made again from their number.
X264 = {"g": "8", "qp": "24", "x264-params": "b-adapt=0:scenecut=0:mbtree=0:rc-lookahead=0:weightp=0:threads=1"}
ENCODERS = {
    "MPEG-4 .avi": ("mpeg4", "yuv420p", {"g": "8", "bf": "2"}),
    "MJPEG .avi": ("mjpeg", "yuvj420p", {}),
    "H.264 .mp4": ("libx264", "yuv420p", {**X264, "bf": "2"}),
    "H.264 .mkv": ("libx264", "yuv420p", {**X264, "bf": "2"}),
    "H.264 .mov": ("libx264", "yuv420p", {**X264, "bf": "0"}),
    "VP9 .webm": ("libvpx-vp9", "yuv420p", {"g": "8"}),
}
"""Kinds of video files, and encoder, pixel format and options of each."""

FOUR_LETTERS = re.compile(rb"[A-Za-z0-9 ]{4}")
"""Names of boxes and chunks, beside which MP4, MOV and AVI keep sizes and counts."""

Generator = np.random.Generator
Mutation = Callable[[bytearray, Generator], None]


@dataclass(frozen=True)
class Original:
    """A whole video.

    Attributes:
        kind: what it is, for a table.
        name: of its file, or of its folder of images.
        files: content of the images by their names; that of a file under the empty name.
    """

    kind: str
    name: str
    files: dict[str, bytes]

    def write(self, folder: Path) -> Path:
        """Write it into a folder; returns the path of the video."""
        for name, content in self.files.items():
            path = folder / self.name / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        return folder / self.name


def mutant(originals: list[Original], seed: int, number: int) -> Original:
    """One of a series of damaged videos.

    Args:
        originals: whole videos, which take turns.
        seed: of the series.
        number: in the series, from 0.
    """
    rng = np.random.default_rng([seed, number])
    whole = originals[number % len(originals)]
    name = list(whole.files)[rng.integers(len(whole.files))]
    content = bytearray(whole.files[name])
    for _ in range(rng.integers(1, 4)):
        MUTATIONS[rng.integers(len(MUTATIONS))](content, rng)
    return Original(whole.kind, whole.name, {**whole.files, name: bytes(content)})


def made() -> list[Original]:
    """A small video of every kind that is read and can be written here."""
    rng = np.random.default_rng(0)
    ground = rng.integers(0, 256, (HEIGHT // 4 + LENGTH, WIDTH // 4, 3), dtype=np.uint8).repeat(4, 0).repeat(4, 1)
    frames = np.stack([ground[number : number + HEIGHT] for number in range(LENGTH)])
    found = [
        Original(kind, f"a{kind.split()[1]}", {"": _encoded(kind.split()[1][1:], frames, *how)})
        for kind, how in ENCODERS.items()
        if _is_there(how[0])
    ]
    pictures = [Image.fromarray(frame) for frame in frames]
    arrays = {"uint8 .npy": frames, "float .npy": (frames / 255).astype(np.float32)}
    for kind, array in arrays.items():
        found.append(Original(kind, "a.npy", {"": _saved(lambda file, a=array: np.save(file, a))}))
    found.append(Original(".npz", "a.npz", {"": _saved(lambda file: np.savez(file, frames, np.arange(3)))}))
    coarse = [picture.quantize(256) for picture in pictures]
    gif = _saved(lambda file: coarse[0].save(file, "gif", save_all=True, append_images=coarse[1:], duration=40))
    found.append(Original(".gif", "a.gif", {"": gif}))
    for suffix, encoder in {".png": "png", ".jpg": "jpeg"}.items():
        files = {
            f"{number}{suffix}": _saved(lambda file, p=picture, e=encoder: p.save(file, e))
            for number, picture in enumerate(pictures[:6])
        }
        found.append(Original(f"images {suffix}", "images", files))
    return found


def real(folder: Path) -> list[Original]:
    """The small videos below a folder that may be mutated, as they are."""
    found = []
    for path in sorted(folder.rglob("*")):
        if path.suffix.lower() in FILES and path.stat().st_size <= REAL_BYTES:
            found.append(Original(f"real {path.suffix.lower()}", path.name, {"": path.read_bytes()}))
        elif path.is_dir() and (images := sorted(p for p in path.iterdir() if p.suffix.lower() in IMAGES)):
            files = {image.name: image.read_bytes() for image in images}
            found.append(Original(f"real images {images[0].suffix.lower()}", path.name, files))
    return found


def _is_there(encoder: str) -> bool:
    try:
        return bool(av.Codec(encoder, "w"))
    except av.codec.codec.UnknownCodecError:
        return False


def _encoded(container: str, frames: NDArray[np.uint8], encoder: str, pixels: str, options: dict[str, str]) -> bytes:
    name = {"mkv": "matroska"}.get(container, container)

    def write(file: io.BytesIO) -> None:
        with av.open(file, "w", format=name, options={"fflags": "+bitexact"}) as output:
            stream = output.add_stream(encoder, rate=8, options=options)
            stream.height, stream.width, stream.pix_fmt = *frames.shape[1:3], pixels
            stream.codec_context.thread_count = 1
            for frame in frames:
                output.mux(stream.encode(av.VideoFrame.from_ndarray(np.ascontiguousarray(frame), format="rgb24")))
            output.mux(stream.encode(None))

    return _saved(write)


def _saved(write: Callable[[io.BytesIO], object]) -> bytes:
    file = io.BytesIO()
    write(file)
    return file.getvalue()


def _place(content: bytearray, rng: Generator) -> int:
    """A place in a file: anywhere, or near its start or end, where containers keep what they claim."""
    near = min(len(content), 1024)
    low, high = [(0, len(content)), (0, near), (len(content) - near, len(content))][rng.integers(3)]
    return int(rng.integers(low, max(high, low + 1)))


def _block(content: bytearray, rng: Generator) -> slice:
    """A piece of a file, short ones as often as long ones."""
    start = _place(content, rng)
    return slice(start, start + int(2 ** rng.uniform(0, np.log2(len(content) + 2))))


def flip_bits(content: bytearray, rng: Generator) -> None:
    """Turn some bits over, at places apart or all at one."""
    near = _block(content, rng)
    for _ in range(int(2 ** rng.uniform(0, 6))):
        place = min(int(rng.integers(near.start, near.stop)), len(content) - 1)
        if place >= 0:
            content[place] ^= 1 << int(rng.integers(8))


def cut_off(content: bytearray, rng: Generator) -> None:
    """Let the file end early."""
    del content[_place(content, rng) :]


def zero_block(content: bytearray, rng: Generator) -> None:
    """Put zeros in the place of a piece."""
    block = _block(content, rng)
    content[block] = bytes(len(content[block]))


def remove_block(content: bytearray, rng: Generator) -> None:
    """Leave a piece out."""
    del content[_block(content, rng)]


def double_block(content: bytearray, rng: Generator) -> None:
    """Write a piece twice."""
    block = _block(content, rng)
    content[block.stop : block.stop] = content[block]


def swap_blocks(content: bytearray, rng: Generator) -> None:
    """Let two pieces change places."""
    first, second = sorted([_block(content, rng), _block(content, rng)], key=lambda block: block.start)
    first = slice(first.start, min(first.stop, second.start))
    content[first], content[second] = content[second], content[first]


def replace_header(content: bytearray, rng: Generator) -> None:
    """Put other bytes, or digits, into the first hundreds of bytes."""
    digits = bool(rng.integers(2))
    for _ in range(int(rng.integers(1, 9))):
        if content:
            place = int(rng.integers(min(len(content), 512)))
            content[place] = int(rng.integers(48, 58) if digits else rng.integers(256))


def set_extreme(content: bytearray, rng: Generator) -> None:
    """Write an extreme number where a size or a count may stand."""
    width = int(rng.choice([1, 2, 4, 4, 8]))
    values = [0, 1, 2 ** (8 * width) - 1, 2 ** (8 * width - 1) - 1, 2 ** (8 * width - 1), 2 ** (4 * width)]
    value = values[rng.integers(len(values))].to_bytes(width, "big" if rng.integers(2) else "little")
    tags = [found.start() for found in FOUR_LETTERS.finditer(bytes(content))]
    place = _place(content, rng)
    if tags and rng.integers(2):
        place = max(0, tags[rng.integers(len(tags))] + int(rng.choice([-4, 4, 8, 12, 16, 20])))
    content[place : place + width] = value


MUTATIONS: list[Mutation] = [
    flip_bits,
    cut_off,
    zero_block,
    remove_block,
    double_block,
    swap_blocks,
    replace_header,
    set_extreme,
]
