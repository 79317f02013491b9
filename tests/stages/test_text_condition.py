"""Captions as codes: of a fixed length, inside the vocabulary, and known by what they hang on."""

import logging
from pathlib import Path

import pytest
import torch

from tats_exp import UserError
from tats_exp.data.shapes import Shapes
from tats_exp.data.windows import Window
from tats_exp.stages.text_condition import FILE, PAD, TOKENIZER_STAGE, Captions, Text, _read_tokenizer, _trained
from tests.data.counting import Counting

VIDEOS = Shapes(64, 16, 16, 8, seed=0).split("train")
TEXTS = [text for texts in VIDEOS.captions for text in texts]
TEXT = Text(length=24, vocabulary_size=400)


@pytest.fixture
def made(tmp_path: Path) -> dict[str, Path]:
    (tmp_path / FILE).write_text(_trained(TEXTS, 400).to_str(), encoding="utf-8")
    return {TOKENIZER_STAGE.name: tmp_path}


def test_codes_are_those_of_a_caption_of_the_video_padded_on_the_right(made: dict[str, Path]) -> None:
    windows = [Window(video, start) for video in range(64) for start in (0, 1, 2, 3)]
    codes = TEXT.codes(VIDEOS, windows, made)
    assert codes.shape == (256, 24) and codes.dtype == torch.int64 and codes.min() >= 0 and codes.max() < 400
    tokenizer = _read_tokenizer(None, made["tokenizer"])
    pad = tokenizer.token_to_id(PAD)
    assert pad == 0
    for window, row in zip(windows, codes.tolist(), strict=True):
        length = len([code for code in row if code != pad])
        assert row[length:] == [pad] * (24 - length)
        assert tokenizer.decode(row[:length]).strip() == VIDEOS.captions[window.video][window.start % 3]


def test_any_text_has_codes_and_comes_back(made: dict[str, Path]) -> None:
    tokenizer = _read_tokenizer(None, made["tokenizer"])
    for text in ("ein roter Kreis fällt", "赤い丸 🎥", "\x00 a\nb", ""):
        row = Text(length=99, vocabulary_size=400).encode(tokenizer, [text])[0]
        assert tokenizer.decode(row[row != 0].tolist()).strip() == text.strip()


def test_a_long_caption_is_cut_off_and_it_is_said(made: dict[str, Path], caplog: pytest.LogCaptureFixture) -> None:
    tokenizer = _read_tokenizer(None, made["tokenizer"])
    long = " ".join(TEXTS[:9])
    with caplog.at_level(logging.WARNING):
        short, cut = Text(length=4, vocabulary_size=400).encode(tokenizer, ["red", long])
    assert cut.tolist() == tokenizer.encode(long).ids[:4] and short.tolist().count(0) > 0
    assert "1 of 2 captions are longer than condition.length=4 codes" in caplog.text


def test_a_video_without_a_caption_is_one_line(made: dict[str, Path]) -> None:
    with pytest.raises(UserError, match=r"video 0 has no caption, which condition=text needs"):
        TEXT.codes(Counting([20, 20]), [Window(1, 0)], made)


def test_a_tokenizer_of_ones_own_is_taken_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "mine.json"
    path.write_text(_trained(["wholly other words"] * 9, 300).to_str(), encoding="utf-8")
    assert Text(24, 300, path).given == path.read_text(encoding="utf-8")
    with pytest.raises(UserError, match=r"mine\.json: has \d+ codes; allowed: vocabulary_size=260"):
        Text(24, 260, path)
    path.write_text(path.read_text(encoding="utf-8").replace(PAD, "<end>"), encoding="utf-8")
    with pytest.raises(UserError, match="has no code <pad>"):
        Text(24, 300, path)
    path.write_text("{}")
    with pytest.raises(UserError, match="no tokenizer"):
        Text(24, 300, path)
    with pytest.raises(UserError, match="No such file"):
        Text(24, 300, tmp_path / "gone.json")


@pytest.mark.parametrize(("length", "size", "line"), [(0, 400, "length=0"), (4, 256, "vocabulary_size=256")])
def test_impossible_numbers_are_one_line(length: int, size: int, line: str) -> None:
    with pytest.raises(UserError, match=line):
        Text(length, size)


def test_a_tokenizer_is_the_same_whenever_it_is_trained() -> None:
    assert _trained(TEXTS, 400).to_str() == _trained(TEXTS, 400).to_str()
    assert Captions(VIDEOS.captions).fingerprint() != Captions(VIDEOS.captions[::-1]).fingerprint()
