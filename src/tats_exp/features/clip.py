"""A CLIP of the library open_clip from a folder of the user's: frames and texts in one space.

Axes: B videos or texts, T frames, H W pixels, C colour channels, D dimensions of the space.
"""

import hashlib
import json
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float, UInt8
from PIL import Image
from torch import Tensor, nn

from tats_exp import UserError
from tats_exp.features.clip_batches import check_video, exact_float32, split_clips

PREFIX = "local-dir:"
"""How open_clip writes that a model lies in a folder."""
CONFIG = "open_clip_config.json"
FETCHED = ("hf_model_name", "hf_tokenizer_name", "tokenizer_kwargs")
"""Keys of a text tower that hand over to the library transformers, which may fetch files, or run what it finds."""
FILES = {".json", ".safetensors", ".bin", ".pt", ".pth", ".txt", ".gz"}
FRAMES_AT_ONCE, TEXTS_AT_ONCE = 256, 256


class CLIP(nn.Module):
    """Looks at frames and reads texts; how alike they are is the cosine of what it gives, the dot product.

    Attributes:
        checksum: SHA-256 of what the folder keeps of it.
    """

    def __init__(self, place: str) -> None:
        """Read the model, onto the CPU; needs the extra `tats-exp[clip]`.

        Args:
            place: `local-dir:` and a folder with what open_clip keeps of a model whose text tower is its own:
                `open_clip_config.json` and weights. Nothing is fetched.

        Raises:
            UserError: open_clip is not installed, the model cannot be read, or weights are not finite; one line.
        """
        super().__init__()
        folder = Path(place.removeprefix(PREFIX)).expanduser()
        if not place.startswith(PREFIX) or not folder.is_dir():
            raise UserError(f"{place}: no such folder; allowed: {PREFIX}FOLDER, with a model as open_clip keeps it")
        _check_config(place, folder / CONFIG)
        library = _library()
        try:
            self.model, self._prepared = library.create_model_from_pretrained(f"{PREFIX}{folder}", device="cpu")
            self._tokenizer = library.get_tokenizer(f"{PREFIX}{folder}")
        except Exception as error:  # whatever a damaged file leads to
            raise UserError(f"{place}: open_clip cannot read it: {_first_line(error)}") from error
        self.model.eval()
        if not all(bool(weight.isfinite().all()) for weight in self.model.state_dict().values()):
            raise UserError(f"{place}: has weights that are not finite")
        self.checksum = _checksum(folder)

    @torch.inference_mode()
    def frames(self, video: UInt8[Tensor, "B T H W C"]) -> Float[Tensor, "B D"]:
        """Mean over the frames of a clip, each of length 1: its dot product with a text is the mean of the cosines.

        The clips may lie anywhere; what is given lies on the CPU.

        Raises:
            ValueError: the video is no such batch; one line.
        """
        check_video("CLIP", video)
        with exact_float32(self._device):
            return torch.cat([self._look(part) for part in split_clips(video.cpu(), FRAMES_AT_ONCE)])

    @torch.inference_mode()
    def texts(self, texts: Sequence[str]) -> Float[Tensor, "B D"]:
        """Each of length 1. What is longer than the model reads is cut off, as it always does."""
        parts = [texts[start : start + TEXTS_AT_ONCE] for start in range(0, len(texts), TEXTS_AT_ONCE)]
        with exact_float32(self._device):
            tokens = (self._tokenizer(list(part)).to(self._device) for part in parts)
            return torch.cat([self.model.encode_text(batch, normalize=True).float().cpu() for batch in tokens])

    @property
    def _device(self) -> torch.device:
        return next(self.model.parameters()).device

    def _look(self, video: UInt8[Tensor, "B T H W C"]) -> Float[Tensor, "B D"]:
        images = [self._prepared(Image.fromarray(frame)) for frame in video.flatten(0, 1).numpy()]
        seen = self.model.encode_image(torch.stack(images).to(self._device), normalize=True)
        return seen.float().cpu().unflatten(0, video.shape[:2]).mean(dim=1)


def _library() -> Any:
    try:
        return import_module("open_clip")
    except ImportError as error:
        raise UserError(f"it needs open_clip: pip install 'tats-exp[clip]' ({_first_line(error)})") from error
    except Exception as error:  # a torchvision that was built for another torch
        raise UserError(f"open_clip cannot be imported: {_first_line(error)}") from error


def _check_config(place: str, path: Path) -> None:
    """Refuse what open_clip would read from elsewhere."""
    try:
        text = json.loads(path.read_text(encoding="utf-8"))["model_cfg"]["text_cfg"]
    except OSError as error:
        raise UserError(f"{place}: {CONFIG}: {error.strerror}") from error
    except (ValueError, KeyError, TypeError) as error:
        raise UserError(f"{place}: {CONFIG} is not that of a model of open_clip") from error
    if foreign := [key for key in FETCHED if key in text]:
        raise UserError(f"{place}: {CONFIG} has text_cfg.{foreign[0]}; allowed: a text tower of open_clip's own")


def _checksum(folder: Path) -> str:
    """SHA-256 of the names and contents of the files that a model may be read from."""
    found = hashlib.sha256()
    for path in sorted(path for path in folder.iterdir() if path.is_file() and path.suffix in FILES):
        with path.open("rb") as file:
            found.update(f"{path.name} {hashlib.file_digest(file, 'sha256').hexdigest()}\n".encode())
    return found.hexdigest()


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
