"""Judge what may be a video, whole and once: `python -m tats_exp.data.judge PARENT`, started by `judging.py` alone.

Reads a JSON object a line from standard input, a path and the limits it is held to, and writes the verdict as a line of
JSON; between them an empty line now and then, as a sign of life. Decoders that hang or crash over a damaged file do so
here. Starts in a fraction of a second: torch is not imported.
"""

import hashlib
import json
import sys
import time
import traceback
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import PIL

from tats_exp import UserError
from tats_exp.cli import end_with
from tats_exp.data.array_reader import ARRAYS, ArrayReader
from tats_exp.data.decoder import DECODER
from tats_exp.data.frame_index import Beat, FrameIndex, index_frames
from tats_exp.data.image_reader import IMAGES, images_in, size_of
from tats_exp.data.limits import Limits
from tats_exp.data.regular_file import require_file

BLOCK = 2**20


@dataclass(frozen=True)
class Verdict:
    """What a readable video is.

    Attributes:
        length: in frames as they are stored; of a GIF in pictures.
        size: height and width of its frames, in pixels.
        codec: that its pixels went through; "none" where there was none.
        decoder: name and version of what decodes it; "none" for arrays.
        sha256: of the content of its file, or of its files one after the other.
        bytes: of its files.
        videos: how many an array of several holds; None for a single one.
        frames: the index of a video file or GIF.
    """

    length: int
    size: tuple[int, int]
    codec: str
    decoder: str
    sha256: str
    bytes: int
    videos: int | None = None
    frames: FrameIndex | None = None

    def as_json(self) -> dict[str, Any]:
        """The fields as JSON values; `from_json` reads them back."""
        record = asdict(replace(self, frames=None))
        return {**record, "frames": None if self.frames is None else self.frames.as_json()}

    @classmethod
    def from_json(cls, record: dict[str, Any]) -> "Verdict":
        """Read what `as_json` made."""
        frames = None if record["frames"] is None else FrameIndex.from_json(record["frames"])
        return cls(**{**record, "size": tuple(record["size"]), "frames": frames})


def judge(path: Path, limits: Limits, beat: Beat) -> Verdict:
    """Look at the whole of what may be a video.

    Args:
        path: of a file, or of a folder of images.
        limits: budgets that its claims are held against.
        beat: called every now and then while it takes.

    Raises:
        UserError: it is none, is damaged, or claims too much; one line that names it.
    """
    if path.is_dir():
        images = images_in(path, limits)
        size = size_of(images, limits, beat)
        codec, decoder = IMAGES[images[0].suffix.lower()], f"pillow {PIL.__version__}"
        return Verdict(len(images), size, codec, decoder, *_content(images, beat))
    if path.suffix.lower() in ARRAYS:
        array = ArrayReader(path, limits=limits)
        array.require_undamaged(beat)
        for index in range(array.videos or 1) if array.checks_values else ():
            video = ArrayReader(path, index, limits)
            for frame in range(video.length):
                video.read(range(frame, frame + 1))
                beat()
        return Verdict(array.length, array.size, "none", "none", *_content([path], beat), array.videos)
    require_file(path)
    frames, size, codec = index_frames(path, limits, beat)
    return Verdict(len(frames.checks), size, codec, DECODER, *_content([path], beat), frames=frames)


def _content(files: list[Path], beat: Beat) -> tuple[str, int]:
    """SHA-256 and number of the bytes of files, one after the other."""
    digest, size = hashlib.sha256(), 0
    for path in files:
        with path.open("rb") as file:
            while block := file.read(BLOCK):
                digest.update(block)
                size += len(block)
                beat()
    return digest.hexdigest(), size


def main(parent: int) -> None:
    """Judge one path after the other until standard input ends, or the parent does, a number of a process."""
    end_with(parent)
    last = time.monotonic()

    def tell(line: str = "") -> None:
        nonlocal last
        last = time.monotonic()
        print(line, flush=True)

    def beat() -> None:
        if time.monotonic() - last > 1:
            tell()

    for line in sys.stdin:
        asked = json.loads(line)
        try:
            record = judge(Path(asked["path"]), Limits(**asked["limits"]), beat).as_json()
        except UserError as error:
            record = {"refused": str(error)}
        except OSError as error:
            record = {"refused": f"{asked['path']}: {error.strerror}"}
        except MemoryError:
            record = {"refused": f"{asked['path']}: does not fit into memory", "chance": True}
        except Exception:  # a mistake of ours, which the parent raises
            record = {"bug": traceback.format_exc()}
        tell(json.dumps(record))


if __name__ == "__main__":
    try:
        main(int(sys.argv[1]))
    except (KeyboardInterrupt, BrokenPipeError):  # whoever started it is gone
        sys.exit(1)
