"""A CLIP of the user's: what it gives, and what is said where it cannot be had."""

import json
import sys
from pathlib import Path

import pytest
import torch

from features.open_clip_stand_in import stand_in, write_model
from tats_exp import UserError
from tats_exp.features.clip import CLIP, CONFIG, FETCHED


def painted(*colours: tuple[int, int, int]) -> torch.Tensor:
    """(1, T, 16, 16, 3): a frame of each colour."""
    return torch.tensor(colours, dtype=torch.uint8).view(1, -1, 1, 1, 3).expand(1, -1, 16, 16, 3)


def test_the_product_with_a_text_is_the_mean_of_the_cosines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stand_in(monkeypatch)
    clip = CLIP(write_model(tmp_path / "model"))
    video = torch.cat([painted((255, 0, 0), (255, 0, 0)), painted((255, 0, 0), (0, 0, 255))])
    similar = clip.frames(video) @ clip.texts(["a red square", "blue over green", "green"] * 100).mT
    wanted = torch.tensor([[1.0, 0, 0], [0.5, 0.5, 0]]).repeat(1, 100)
    torch.testing.assert_close(similar, wanted, atol=2e-3, rtol=0)


def test_frames_do_not_hang_on_their_batch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stand_in(monkeypatch)
    clip = CLIP(write_model(tmp_path / "model"))
    video = torch.randint(0, 256, (7, 16, 16, 16, 3), dtype=torch.uint8)
    assert torch.equal(clip.frames(video), torch.cat([clip.frames(one[None]) for one in video]))


def test_the_checksum_is_of_what_a_model_is_read_from(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stand_in(monkeypatch)
    one, other = (CLIP(write_model(tmp_path / name)).checksum for name in ("one", "other"))
    assert one == other
    (tmp_path / "other" / "README.md").write_text("Mine.")
    assert CLIP(f"local-dir:{tmp_path / 'other'}").checksum == one
    (tmp_path / "other" / "open_clip_model.safetensors").write_bytes(b"weights")
    assert CLIP(f"local-dir:{tmp_path / 'other'}").checksum != one


@pytest.mark.parametrize(
    "place, said",
    [
        ("local-dir:{}/nothing", "nothing: no such folder; allowed: local-dir:FOLDER"),
        ("{}", "no such folder; allowed: local-dir:FOLDER"),
        ("local-dir:{}", "open_clip_config.json: No such file"),
    ],
)
def test_what_cannot_be_read_is_one_line(
    place: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stand_in(monkeypatch)
    with pytest.raises(UserError, match=said) as caught:
        CLIP(place.format(tmp_path))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("key", FETCHED)
def test_what_another_library_would_fetch_is_refused(key: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stand_in(monkeypatch)
    place = write_model(tmp_path / "model")
    (tmp_path / "model" / CONFIG).write_text(json.dumps({"model_cfg": {"text_cfg": {key: "x"}}}))
    with pytest.raises(UserError, match=f"{CONFIG} has text_cfg.{key}; allowed: a text tower of open_clip's own"):
        CLIP(place)
    (tmp_path / "model" / CONFIG).write_text("[]")
    with pytest.raises(UserError, match="is not that of a model of open_clip"):
        CLIP(place)


def test_weights_that_are_not_finite_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stand_in(monkeypatch)
    with pytest.raises(UserError, match="has weights that are not finite"):
        CLIP(write_model(tmp_path / "model", turn=float("nan")))


def test_without_the_library_it_is_said_how_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "open_clip", None)
    with pytest.raises(UserError, match=r"it needs open_clip: pip install 'tats-exp\[clip\]'"):
        CLIP(write_model(tmp_path / "model"))
