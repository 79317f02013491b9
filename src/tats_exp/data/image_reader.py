"""A folder of images, one a frame.

Axes: T frames, H W pixels, C = 3 colour channels.
"""

from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO, TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL.BmpImagePlugin import BmpImageFile
from PIL.ImageFile import ImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.WebPImagePlugin import WebPImageFile

from tats_exp import UserError
from tats_exp.data.frame_names import several_videos, sort_keys
from tats_exp.data.limits import DEFAULT, Limits
from tats_exp.data.regular_file import require_file, require_frames

IMAGES = {".bmp": "none", ".jpeg": "jpeg", ".jpg": "jpeg", ".png": "none", ".webp": "webp"}
"""Suffixes of images and the codec that their pixels went through."""

Told = TypeVar("Told")


def images_in(folder: Path, limits: Limits = DEFAULT) -> list[Path]:
    """The images in a folder in the order of their names, see `frame_names`; hidden ones are left out.

    Raises:
        UserError: the folder is gone, holds no image, images of several formats, the frames of several videos, or more
            than `limits` allow.
    """
    images: list[Path] = []
    try:
        for entry in folder.iterdir():
            if entry.suffix.lower() in IMAGES and entry.name[0] != ".":
                images.append(entry)
                limits.check_length(folder, len(images))
    except OSError as error:
        raise UserError(f"{folder}: {error.strerror}") from error
    formats = sorted({image.suffix.lower() for image in images})
    if len(formats) != 1:
        found = f"images of several formats ({' '.join(formats)})" if formats else "no image"
        raise UserError(f"{folder}: holds {found}, the frames of a video must be of one")
    keys = sort_keys([image.stem for image in images])
    if several_videos(keys):
        raise UserError(f"{folder}: no number in the names tells all frames apart: give each video a folder of its own")
    order = sorted(zip(keys, images, strict=True), key=lambda pair: (pair[0], pair[1].name))
    return [image for _, image in order]


class ImageReader:
    """A folder of images, one a frame.

    Attributes:
        length: in frames.
    """

    def __init__(self, folder: Path, limits: Limits = DEFAULT) -> None:
        """List the images; of the first one the header is read.

        Raises:
            UserError: as `images_in`, or the first one is no image, or larger than `limits` allow.
        """
        self._folder, self._limits = folder, limits
        self._images = images_in(folder, limits)
        self.length = len(self._images)
        self._size = _from_image(self._images[0], limits, lambda image: (image.height, image.width))

    def read(self, indices: range) -> NDArray[np.uint8]:
        """As `Reader.read`."""
        require_frames(self._folder, indices, self.length)
        frames = np.empty((len(indices), *self._size, 3), np.uint8)
        for place, index in enumerate(indices):
            frame = load_image(self._images[index], self._limits)
            _same_size(self._images[index], frame.shape[:2], self._size)
            frames[place] = frame
        return frames


def size_of(images: list[Path], limits: Limits, beat: Callable[[], None]) -> tuple[int, int]:
    """Height and width of images, all of which are loaded.

    Args:
        images: of one video.
        limits: budgets that their claims are held against.
        beat: called for every image.

    Raises:
        UserError: they differ in size, or one is damaged, or larger than `limits` allow.
    """
    size: tuple[int, int] | None = None
    for path in images:
        height, width, _ = load_image(path, limits).shape
        found = (height, width)
        size = size or found
        _same_size(path, found, size)
        beat()
    return size or (0, 0)


def _same_size(path: Path, found: tuple[int, ...], first: tuple[int, ...]) -> None:
    if found != first:
        raise UserError(f"{path}: is {found[0]}x{found[1]}, the first frame is {first[0]}x{first[1]}")


def load_image(path: Path, limits: Limits = DEFAULT) -> NDArray[np.uint8]:
    """Load an image as (H, W, 3) uint8; transparency is dropped.

    Raises:
        UserError: it is gone, damaged, larger than `limits` allow, or has more than 8 bits a channel; one line that
            names it.
    """
    return _from_image(path, limits, _pixels)


def _pixels(image: ImageFile) -> NDArray[np.uint8]:
    image.load()
    image.info.pop("transparency", None)  # Pillow would warn that it is dropped
    return np.array(image.convert("RGB"))


def _from_image(path: Path, limits: Limits, look: Callable[[ImageFile], Told]) -> Told:
    """What `look` tells of an image whose header keeps to the limits."""
    require_file(path)
    if path.stat().st_size > 2 * limits.frame_bytes:
        raise UserError(
            f"{path}: {path.stat().st_size} bytes for one frame; allowed: twice limits.frame_bytes="
            f"{limits.frame_bytes}, which can be raised"
        )
    try:
        with path.open("rb") as file:
            image = _opened(file)
            limits.check_frame(path, image.height, image.width)
            # Pillow cuts deep values off at 255 instead of scaling them.
            if image.mode.startswith(("I", "F")):
                raise UserError(f"{path}: more than 8 bits a channel")
            return look(image)
    except UserError:
        raise
    except PermissionError as error:
        raise UserError(f"{path}: {error.strerror}") from error
    except Exception as error:  # what Pillow raises over a damaged image can be anything
        raise UserError(f"{path}: cannot be read as an image") from error


def _opened(file: BinaryIO) -> ImageFile:
    """An image whose header is read. `Image.open` has limits of its own, warns of them, and tries more formats."""
    start = file.read(12)
    file.seek(0)
    if start.startswith(b"\x89PNG\r\n\x1a\n"):
        return PngImageFile(file)
    if start.startswith(b"\xff\xd8\xff"):
        return JpegImageFile(file)
    if start.startswith(b"BM"):
        return BmpImageFile(file)
    if start.startswith(b"RIFF") and start.endswith(b"WEBP"):
        return WebPImageFile(file)
    raise SyntaxError("no BMP, JPEG, PNG or WEBP")
