"""Stands in for the library open_clip, which needs a torchvision that fits the torch that is installed: its calls that
`features/clip.py` makes, with a model that sees the mean colour and reads which colour a text names first."""

import json
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional

COLOURS = ("red", "green", "blue")


class Model(nn.Module):
    def __init__(self, turn: float) -> None:
        super().__init__()
        self.turn = nn.Parameter(torch.tensor(turn))

    def encode_image(self, images: Tensor, normalize: bool) -> Tensor:
        assert normalize and images.shape[1:] == (3, 8, 8)
        return functional.normalize(images.mean(dim=(2, 3)) + self.turn, dim=-1)

    def encode_text(self, tokens: Tensor, normalize: bool) -> Tensor:
        assert normalize
        return functional.normalize(functional.one_hot(tokens, 3).float() + 1e-3, dim=-1)


def prepared(image: Image.Image) -> Tensor:
    return torch.from_numpy(np.array(image.resize((8, 8)), dtype=np.float32)).permute(2, 0, 1) / 255


def write_model(folder: Path, turn: float = 0.0) -> str:
    """A model of the stand-in; returns how `metrics.clip` names it."""
    folder.mkdir(exist_ok=True)
    config = {"model_cfg": {"text_cfg": {}}, "turn": turn}
    (folder / "open_clip_config.json").write_text(json.dumps(config))
    return f"local-dir:{folder}"


def stand_in(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the package find this in place of open_clip."""

    def create_model_from_pretrained(place: str, device: str) -> tuple[Model, object]:
        config = Path(place.removeprefix("local-dir:")) / "open_clip_config.json"
        return Model(json.loads(config.read_text())["turn"]).to(device).train(), prepared

    def get_tokenizer(_place: str) -> object:
        def first(text: str) -> int:
            return min(range(3), key=lambda n: (text.find(COLOURS[n]) < 0, text.find(COLOURS[n])))

        return lambda texts: torch.tensor([first(text) for text in texts])

    module = ModuleType("open_clip")
    vars(module).update(create_model_from_pretrained=create_model_from_pretrained, get_tokenizer=get_tokenizer)
    monkeypatch.setitem(sys.modules, "open_clip", module)
